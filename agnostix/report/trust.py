"""How far explanations of single rows may be trusted: measured, beside features hidden by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.background import BACKGROUND_SIZE, Background, ErrorMap
from agnostix.core.explanation import Explanation
from agnostix.core.features import Features
from agnostix.core.frames import column_names, is_frame, select
from agnostix.core.intervals import half_widths
from agnostix.core.masking import TabularMasker
from agnostix.core.models import Predictor
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError, EngineError, ModelOutputError
from agnostix.metrics import ComparisonResult, MetricResult, compare_explainers, comprehensiveness
from agnostix.metrics.remembered import RememberingPredictor

MAX_BACKGROUND = 100
"""Background rows that features are hidden behind."""
MAX_HIDDEN = 3
"""Features that are hidden together: as many as sentences name."""
N_RANDOM = 10
"""Choices of features by chance, for each row."""
METRIC = "comprehensiveness"
_FAILURES = (DataError, EngineError, ModelOutputError)


@dataclass(frozen=True)
class RowFall:
    """By how much a row's prediction falls without some of its features."""

    largest: float  # those with the largest values
    smallest: float
    random: float  # mean over choices by chance
    low: float  # interval of that mean
    high: float
    n_random: int

    @property
    def verdict(self) -> str:
        """Whether the order of the values is "better", "worse" or "alike", compared with chance."""
        # Where all choices are alike there is no interval, and a difference may be rounding.
        rounding = 1e-9 * max(abs(self.largest), abs(self.random))
        if self.largest > self.high + rounding:
            return "better"
        return "worse" if self.largest < self.low - rounding else "alike"


@dataclass(frozen=True)
class MeasuredRows:
    """What was measured of the explanations of all rows, by the name of the explainer."""

    names: tuple[str, ...]
    results: dict[str, MetricResult]  # without those that could not be measured
    problems: dict[str, str]  # why not
    n_hidden: dict[str, int]
    comparison: ComparisonResult | None  # of two or more that were measured
    incomparable: str | None  # why there is none, though two or more were measured
    n_background: int
    background_of: str | None  # the explainer whose they are; None for rows chosen of the data
    n_model_rows: int
    level: float

    @property
    def most_model_rows(self) -> int:
        """Bound for a row and explainer: the largest, whose ties are broken twice, others, by chance."""
        return 1 + (3 + N_RANDOM) * self.n_background

    def fall(self, name: str, j: int) -> RowFall:
        """The numbers of one row."""
        result = self.results[name]
        detail: Any = result.details["random"]
        draws: Floats = detail.array[j]
        error = draws.std(ddof=1) / np.sqrt(draws.size)
        half = float(half_widths(error, self.level, draws.size - 1.0))
        mean, least = float(draws.mean()), float(result.references["least"][j])
        return RowFall(float(result.scores[j]), least, mean, mean - half, mean + half, draws.size)


def measure_rows(
    predictor: Predictor,
    X: Any,
    rows: Any,
    explainers: Sequence[Any],
    explanations: Sequence[Explanation],
    *,
    output_name: str,
    sample_weight: Any,
    level: float,
    random_state: Any,
) -> MeasuredRows:
    """Hide features of rows behind background rows, those of X unless an explainer has few enough."""
    remembering = RememberingPredictor.from_model(predictor)
    names = unique_names([one.method for one in explanations])
    # All are of the output that the report is about, whatever an explainer calls it.
    explanations = [replace(one, output_names=(output_name,)) for one in explanations]
    background, background_of = _background(names, explainers, X, sample_weight, random_state)
    maskers: dict[Any, TabularMasker] = {}
    results, problems, n_hidden = {}, {}, {}
    for name, explainer, one in zip(names, explainers, explanations, strict=True):
        n_hidden[name] = count_hidden(len(one.feature_names))
        try:
            masker, own = _hide_behind(explainer, one, background, maskers, rows)
            results[name] = _metric(n_hidden[name], one)(remembering, own, one, masker=masker)
        except _FAILURES as error:
            problems[name] = str(error)
    measured = {name: one for name, one in zip(names, explanations, strict=True) if name in results}
    comparison, incomparable = _compare(remembering, rows, measured, maskers, n_hidden, level)
    n_model_rows = sum(one.n_model_rows for one in results.values())
    n_model_rows += 0 if comparison is None else comparison.n_model_rows
    return MeasuredRows(
        names,
        results,
        problems,
        n_hidden,
        comparison,
        incomparable,
        int(background.weights.size),
        background_of,
        n_model_rows,
        level,
    )


def count_hidden(n_features: int) -> int:
    """Features of n that are hidden together: a third, at most three."""
    return int(np.clip(n_features // 3, 1, MAX_HIDDEN))


def unique_names(methods: Sequence[str]) -> tuple[str, ...]:
    """Names of methods, numbered where one is there more than once."""
    return tuple(
        name if methods.count(name) == 1 else f"{name} {methods[: j + 1].count(name)}"
        for j, name in enumerate(list(methods))
    )


def _metric(n_hidden: int, explanation: Explanation) -> Any:
    """Fall of the prediction without the largest values, without the smallest, and without some by chance."""
    n_features = len(explanation.feature_names)
    if n_features < 2:
        raise DataError("There is one feature, so that its value ranks nothing.")
    proportions = [n_hidden / n_features]
    return partial(comprehensiveness, proportions=proportions, least=True, n_random=N_RANDOM, verbose=0)


def _background(
    names: Sequence[str], explainers: Sequence[Any], X: Any, sample_weight: Any, random_state: Any
) -> tuple[Background, str | None]:
    """Rows of the first explainer that has few enough of a table, and its name; else rows chosen of X."""
    for name, one in zip(names, explainers, strict=True):
        masker = getattr(one, "_masker", None)
        if isinstance(masker, TabularMasker) and masker.weights.size <= MAX_BACKGROUND:
            return Background(masker.background, masker.weights, ErrorMap.none(masker.weights.size)), name
    seed = random_state if isinstance(random_state, int) else 0  # generators are left as they are
    return Background.representative(X, BACKGROUND_SIZE, seed, sample_weight), None


def _hide_behind(
    explainer: Any,
    explanation: Explanation,
    background: Background,
    maskers: dict[Any, TabularMasker],
    rows: Any,
) -> tuple[TabularMasker, Any]:
    """The masker of an explainer's columns and groups, one for all that have the same, and its rows."""
    columns = column_names(background.rows)
    own = getattr(explainer, "feature_names_in_", None)
    chosen = columns if own is None else [str(name) for name in own]
    missing = [name for name in chosen if name not in columns]
    if missing:
        raise DataError(f"The background rows have no column {missing[0]!r}, which the explainer takes.")
    groups = explanation.params.get("feature_groups")
    key = (tuple(chosen), repr(groups))
    if key not in maskers:
        maskers[key] = TabularMasker(
            _of_columns(background.rows, chosen), background.weights, Features.from_names(chosen, groups)
        )
    return maskers[key], _of_columns(rows, chosen)


def _of_columns(table: Any, names: list[str]) -> Any:
    """A table with these columns alone; as it is where it has no others, whose names may be numbers."""
    return table if column_names(table) == names or not is_frame(table) else select(table, names)


def _compare(
    predictor: RememberingPredictor,
    rows: Any,
    measured: dict[str, Explanation],
    maskers: dict[Any, TabularMasker],
    n_hidden: dict[str, int],
    level: float,
) -> tuple[ComparisonResult | None, str | None]:
    """Which can be told apart, and how far they agree, or why not; nothing is evaluated twice."""
    if len(measured) < 2:
        return None, None
    first, one = next(iter(measured.items()))
    metric = _metric(n_hidden[first], one)
    try:
        if len(maskers) > 1:
            raise DataError("They have other columns, or other groups of columns.")
        (masker,) = maskers.values()
        own = _of_columns(rows, column_names(masker.background))
        comparison = compare_explainers(
            predictor,
            own,
            measured,
            metrics={METRIC: metric},
            masker=masker,
            k=n_hidden[first],
            level=level,
            verbose=0,
        )
    except _FAILURES as error:
        return None, str(error)
    return comparison, None
