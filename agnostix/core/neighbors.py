"""Nearest neighbors in a table of numbers and labels, by Gower's distance.

Gower, J. C. (1971). A general coefficient of similarity and some of its properties. Biometrics 27(4),
857-871. https://doi.org/10.2307/2528823

Two numbers or dates differ by a proportion of the column's range, at most 1; two labels by 0 or 1. A missing
value differs by 0 from a missing one and by 1 from any other. The distance of two rows is the mean over the
columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import columns, kind_of, to_codes, to_numbers
from agnostix.core.typing import Codes, Floats

_MAX_CELLS = 1 << 22
"""Distances in memory at once."""
_UNSEEN = -2
"""Code of a label that is not in the table."""
_DECIMALS = 12
"""Distances that agree to so many decimals are ties, resolved by the order of the rows."""


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbors of one row."""

    positions: Codes  # (k,), in the table, the nearest first
    distances: Floats  # (k,)
    parts: Floats  # (k, n_columns), the difference in each column; their mean is the distance
    median: float  # over all rows compared
    n_equal: int  # rows at distance 0
    n_compared: int


def find_neighbors(
    X: Any, queries: Any, candidates: Codes, own: tuple[int | None, ...], n_neighbors: int = 5
) -> list[Neighbors]:
    """Neighbors of each query row among candidate positions of X; `own` positions (None if new) excepted."""
    candidates = np.sort(candidates)
    step = max(1, _MAX_CELLS // candidates.size)
    out: list[Neighbors] = []
    for start in range(0, len(own), step):
        block = np.arange(start, min(start + step, len(own)))
        distances = _distances(X, queries, block, candidates, own)
        nearest = [np.argsort(one.round(_DECIMALS), kind="stable")[:n_neighbors] for one in distances]
        nearest = [places[np.isfinite(one[places])] for places, one in zip(nearest, distances, strict=True)]
        parts = _parts(X, queries, block, [candidates[places] for places in nearest])
        for one, places, part in zip(distances, nearest, parts, strict=True):
            others = one[np.isfinite(one)]
            median = float(np.median(others)) if others.size else np.nan
            n_equal = int((others == 0.0).sum())
            out.append(Neighbors(candidates[places], one[places], part, median, n_equal, others.size))
    return out


def _distances(X: Any, queries: Any, block: Codes, candidates: Codes, own: tuple[int | None, ...]) -> Floats:
    """Distances (n_queries, n_candidates); infinite from the row itself."""
    total = np.zeros((block.size, candidates.size))
    n_columns = 0
    for values, query_values, span in _paired_columns(X, queries):
        n_columns += 1
        for j, query in enumerate(block):
            total[j] += _difference(values[candidates], query_values[query], span)
    for j, query in enumerate(block):
        total[j, candidates == own[query]] = np.inf
    return total / n_columns


def _parts(X: Any, queries: Any, block: Codes, positions: list[Codes]) -> list[Floats]:
    """Differences (k, n_columns) of each query from its neighbors."""
    parts: list[list[Floats]] = [[] for _ in block]
    for values, query_values, span in _paired_columns(X, queries):
        for part, query, places in zip(parts, block, positions, strict=True):
            part.append(_difference(values[places], query_values[query], span))
    return [np.column_stack(part) for part in parts]


def _paired_columns(X: Any, queries: Any) -> Iterator[tuple[np.ndarray, np.ndarray, float | None]]:
    """By column: values of the table and of the queries, and the range; None for labels."""
    for series, query_series in zip(columns(X).values(), columns(queries).values(), strict=True):
        if kind_of(series) == "nested":  # which have no distances
            yield np.zeros(len(series)), np.zeros(len(query_series)), 0.0
        elif kind_of(series) == "categorical":
            values, levels = to_codes(series)
            code = {level: j for j, level in enumerate(levels)}
            query_codes, query_levels = to_codes(query_series)
            in_table = np.array([*(code.get(level, _UNSEEN) for level in query_levels), -1])
            yield values, in_table[query_codes], None
        else:
            # Halves: the distance of the largest number from the least one is more than a number can hold.
            numbers, query_numbers = 0.5 * to_numbers(series), 0.5 * to_numbers(query_series)
            known = numbers[~np.isnan(numbers)]
            yield numbers, query_numbers, float(np.ptp(known)) if known.size else 0.0


def _difference(values: np.ndarray, query: Any, span: float | None) -> Floats:
    """Differences of a column's values from one value, between 0 and 1."""
    if span is None:
        return (values != query).astype(float)
    missing = np.isnan(values)
    if np.isnan(query):
        return (~missing).astype(float)
    gap = np.abs(values - query)
    relative = np.minimum(gap / span, 1.0) if span > 0.0 else (gap > 0.0).astype(float)
    return np.where(missing, 1.0, relative)
