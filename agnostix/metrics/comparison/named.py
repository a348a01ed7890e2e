"""Metrics by name or as callables: what each takes, and which fit a kind of data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError
from agnostix.metrics.comparison.compared import Explained
from agnostix.metrics.result import MetricResult

PACKAGE = "agnostix.metrics"
DEFAULTS = {
    "column": ("deletion", "insertion", "infidelity"),
    "pixel": ("deletion", "insertion", "average_drop", "average_gain"),
    "segment": ("deletion", "insertion", "average_drop", "average_gain"),
    "word": ("deletion", "insertion", "comprehensiveness", "sufficiency"),
}
"""Measures of faithfulness by kind of unit."""
STABILITY = {"column": ("avg_sensitivity",), "pixel": (), "segment": (), "word": ()}
"""Those of stability, which explain neighbors: of tables, where real ones are at hand."""
_KNOWN = {"model", "X", "explanation", "explainer"}
"""Parameters that a comparison gives to a metric; all others need a default."""


@dataclass(frozen=True)
class NamedMetric:
    """A function that gives a `MetricResult` of a model, rows and an explanation or explainer."""

    name: str
    function: Callable[..., Any]

    @property
    def shares_model(self) -> bool:
        """Whether it takes a Predictor that remembers: those that reset or refit a model need the model."""
        return self.is_own and "explainer" not in _parameters(self.function)

    @property
    def is_own(self) -> bool:
        """Whether it is one of this package, which takes a Predictor."""
        return str(getattr(_inner(self.function), "__module__", "")).startswith(PACKAGE)

    def measure(
        self, model: Any, X: Any, one: Explained, options: Mapping[str, Any], by: str
    ) -> MetricResult:
        """The result for one explanation; a function of this package gets the options that it has."""
        takes = _parameters(self.function)
        known = {"model": model, "X": X, "explanation": one.explanation, "explainer": one.explainer}
        if "explainer" in takes and one.explainer is None:
            raise DataError(
                f"{self.name} explains anew and needs a fitted explainer, and {one.name!r} in {by} is an "
                f"Explanation. Pass the explainer, or leave {self.name} out of metrics."
            )
        if self.is_own:
            preset = getattr(self.function, "keywords", {})
            own = {key: value for key, value in options.items() if value is not None}
            known |= {key: value for key, value in own.items() if key not in preset}
            result = self.function(**{key: value for key, value in known.items() if key in takes})
        else:
            third = one.explainer if "explainer" in takes else one.explanation
            result = self.function(model, X, third)
        return self._checked(result, len(one.explanation), one.name)

    def _checked(self, result: Any, n_rows: int, name: str) -> MetricResult:
        if not isinstance(result, MetricResult):
            raise TypeError(
                f"The metric {self.name} must return a MetricResult, got {type(result).__name__}."
            )
        if result.scores.shape != (n_rows,):
            raise DataError(
                f"The metric {self.name} must give one score for each of {n_rows} rows, got scores of shape "
                f"{result.scores.shape} for {name!r}. Choose a single output."
            )
        return result


def default_metrics(kind: str, can_explain: bool) -> tuple[NamedMetric, ...]:
    """What fits a kind of unit; stability only where there are explainers to explain anew."""
    known = metric_functions()
    names = DEFAULTS[kind] + (STABILITY[kind] if can_explain else ())
    return tuple(NamedMetric(name, known[name]) for name in names if name in known)


def metric_functions() -> dict[str, Callable[..., Any]]:
    """Functions of this package that give a `MetricResult` of an explanation or explainer, by name."""
    package = import_module(PACKAGE)
    functions = {name: getattr(package, name) for name in package.__all__}
    return {
        name: one
        for name, one in functions.items()
        if inspect.isfunction(one) and _gives_result(one) and _required(one) <= _KNOWN
    }


def read_metrics(metrics: Any, by: str) -> tuple[NamedMetric, ...]:
    """Metrics given by name, as callables or by names of one's own; DataError for what is none."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        named = [NamedMetric(str(name), _function(one, by)) for name, one in metrics.items()]
    elif isinstance(metrics, Sequence):
        named = [NamedMetric(_name_of(one), _function(one, by)) for one in metrics]
    else:
        raise DataError(
            f"The 'metrics' of {by} must be a list of names or callables, or a dict, got "
            f"{type(metrics).__name__}."
        )
    if not named:
        raise DataError(f"The 'metrics' of {by} are empty. None takes those that fit the data.")
    names = [one.name for one in named]
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"The 'metrics' of {by} have {name!r} {names.count(name)} times. Pass a dict, with a "
                "name for each."
            )
    return tuple(named)


def _function(one: Any, by: str) -> Callable[..., Any]:
    if callable(one):
        return one
    known = metric_functions()
    if one not in known:
        raise DataError(
            f"The 'metrics' of {by} have {one!r}, which is none of {', '.join(known)}."
            f"{did_you_mean(one, known)} Callables metric(model, X, explanation) are taken too."
        )
    return known[one]


def _name_of(one: Any) -> str:
    if isinstance(one, str):
        return one
    name = str(getattr(_inner(one), "__name__", type(one).__name__))
    preset = getattr(one, "keywords", {}) if isinstance(one, partial) else {}
    shown = [
        f"{key}={value!r}" for key, value in preset.items() if np.ndim(value) == 0 and len(repr(value)) < 20
    ]
    return ", ".join([name, *shown])


def _inner(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def _parameters(function: Any) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # of builtins
        return set()


def _required(function: Any) -> set[str]:
    every = inspect.signature(function).parameters.items()
    return {name for name, one in every if one.default is one.empty}


def _gives_result(function: Any) -> bool:
    return inspect.signature(function).return_annotation in (MetricResult, "MetricResult")
