"""Measured numbers on explained images: what is refused, and the comparison that the report states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.exceptions import DataError
from agnostix.metrics import ComparisonResult, MetricResult

_NAME = "pictures_comparison"


def check_comparison(
    given: Any, pictures: Mapping[str, Explanation], level: float
) -> ComparisonResult | None:
    """The measured results of the pictures; None if there are none."""
    if given is None:
        return None
    if not pictures:
        raise DataError(
            f"{_NAME} measures pictures, and there are none. Pass pictures=comparison.explanations, too."
        )
    if isinstance(given, ComparisonResult):
        _check_names(given.explainers, pictures)
        _check_maps(given, pictures)
        comparison = given
    elif isinstance(given, Mapping):
        comparison = _gather(given, pictures, level)
    else:
        raise TypeError(
            f"The '{_NAME}' parameter of WhatIfReport must be a ComparisonResult of compare_explainers, a "
            f"mapping of the names in pictures to lists of MetricResult, or None, got a "
            f"{type(given).__name__}."
        )
    for metric, by_name in comparison.results.items():
        for name, result in by_name.items():
            _check_result(metric, name, result, pictures[name])
    return comparison


def _check_names(names: Any, pictures: Mapping[str, Explanation]) -> None:
    apart = [name for name in [*pictures, *names] if name not in pictures or name not in names]
    if apart:
        raise DataError(
            f"{_NAME} has the names {_listed(names)}, and pictures has {_listed(pictures)}: {apart[0]!r} is "
            "in one alone. Give both the same names, as with pictures=comparison.explanations."
        )


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))


def _check_maps(comparison: ComparisonResult, pictures: Mapping[str, Explanation]) -> None:
    """DataError where a map that is shown is none of those that were measured."""
    for name, shown in pictures.items():
        measured = comparison.explanations[name]
        if measured.values.shape[1:] != shown.values.shape[1:]:
            raise DataError(
                f"{_NAME} has maps of shape {measured.values.shape[1:]} for {name!r}, and pictures of "
                f"{shown.values.shape[1:]}. Pass pictures=comparison.explanations."
            )
        for i, values in enumerate(shown.values):
            if not any(np.array_equal(values, one, equal_nan=True) for one in measured.values):
                raise DataError(
                    f"{_NAME} measured other maps: that of {name!r} for image {i} is none of its "
                    f"{len(measured)}. Pass pictures=comparison.explanations, or some of its images: "
                    "{name: one[:4] for name, one in comparison.explanations.items()}."
                )


def _gather(given: Mapping[Any, Any], pictures: Mapping[str, Explanation], level: float) -> ComparisonResult:
    """Results that were computed one by one, by metric and name."""
    _check_names(list(given), pictures)
    results: dict[str, dict[str, MetricResult]] = {}
    for name in pictures:
        listed = [given[name]] if isinstance(given[name], MetricResult) else list(given[name])
        for one in listed:
            if not isinstance(one, MetricResult):
                raise TypeError(
                    f"{_NAME}[{name!r}] must be a list of MetricResult, such as [deletion(model, images, "
                    f"explanation)], got a {type(one).__name__} in it."
                )
            if name in results.setdefault(one.name, {}):
                raise DataError(
                    f"{_NAME}[{name!r}] has two results of {one.name}. Keep one, or compare both with "
                    'compare_explainers(..., metrics={"a name": metric}).'
                )
            results[one.name][name] = one
    if not results:
        raise DataError(f"{_NAME} has no result. Pass None where nothing was measured.")
    return ComparisonResult(results=results, explanations=dict(pictures), agreement={}, level=level)


def _check_result(metric: str, name: str, result: MetricResult, explanation: Explanation) -> None:
    what = f"{metric} of {name!r} in {_NAME}"
    if result.scores.ndim > 1:
        raise DataError(f"{what} is of {result.scores.shape[1]} outputs. Measure one: outputs=... .")
    if len(result) < len(explanation):
        raise DataError(
            f"{what} has scores of {len(result)} images, and pictures has {len(explanation)}. Measure all "
            "that are shown."
        )
    if result.quantity != explanation.quantity:
        raise DataError(
            f"{what} is of values of quantity {result.quantity!r}, and those in pictures are "
            f"{explanation.quantity!r}. Measure the explanation that is shown."
        )
