"""Interactions as a list: single features, then pairs, each a feature of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.explanation.fields import INTERACTION, Detail
from agnostix.core.typing import Codes

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

TIMES = " × "
"""Between the names of a pair."""


def is_of_pairs(explanation: Explanation) -> bool:
    """Whether values are of pairs of features, symmetric."""
    return explanation.quantity == INTERACTION and explanation.dims.count("feature") == 2


def by_pairs(explanation: Explanation) -> Explanation:
    """The explanation with a feature for each feature and for each pair, or itself if it is not of pairs."""
    if not is_of_pairs(explanation):
        return explanation
    names = explanation.feature_names
    first, second = np.triu_indices(len(names), 1)
    every = np.arange(len(names))
    places = np.concatenate([every, first]), np.concatenate([every, second])
    pairs = [f"{names[i]}{TIMES}{names[j]}" for i, j in zip(first, second, strict=True)]
    errors, dims = explanation.std_errors, explanation.dims
    extras: dict[str, Any] = {}
    for key, value in explanation.extras.items():
        is_square = isinstance(value, Detail) and value.dims.count("feature") == 2
        extras[key] = Detail(*_listed(value.array, value.dims, places)) if is_square else value
    values, listed_dims = _listed(explanation.values, dims, places)
    return replace(
        explanation,
        values=values,
        dims=listed_dims,
        std_errors=None if errors is None else _listed(errors, dims, places)[0],
        feature_names=_distinct([*names, *pairs]),
        quantity=INTERACTION if explanation.completeness is None else "contribution",
        extras=extras,
    )


def _listed(
    array: np.ndarray, dims: tuple[str, ...], places: tuple[Codes, Codes]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """An array with one axis in place of both of the features, and its dims."""
    axes = [axis for axis, dim in enumerate(dims) if dim == "feature"]
    moved = np.moveaxis(array, axes, (0, 1))[places]
    kept = tuple(dim for axis, dim in enumerate(dims) if axis != axes[1])
    return np.moveaxis(moved, 0, axes[0]), kept


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Names of which none is there twice, even where a feature is called as a pair is."""
    seen: set[str] = set()
    for place, _name in enumerate(names):
        while names[place] in seen:
            names[place] += "'"
        seen.add(names[place])
    return tuple(names)
