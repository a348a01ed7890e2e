"""The real rows that are most like a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import columns, kind_of, to_codes, to_numbers
from agnostix.core.typing import Codes, Floats

_BLOCK = 1 << 22
"""Distances that are held at once."""
_UNSEEN = -2
"""Code of a label that no row of the table has."""
_DIGITS = 12
"""Distances that agree in so many decimals are ties, which the rows' order decides."""


@dataclass(frozen=True)
class Neighbors:
    """The rows of a table that are nearest to one row, and how near they are.

    Attributes
    ----------
    positions : ndarray of int of shape (k,)
        Where they stand in the table, the nearest first.
    distances : ndarray of shape (k,)
        Gower's distance: the mean over columns of `parts`.
    parts : ndarray of shape (k, n_columns)
        How far each column's values lie apart, from 0 to 1.
    median : float
        Half of the rows are at least as far.
    n_equal : int
        Rows that are equal in every column.
    n_compared : int
        Rows that were compared.
    """

    positions: Codes
    distances: Floats
    parts: Floats
    median: float
    n_equal: int
    n_compared: int


def find_neighbors(
    X: Any, rows: Any, among: Codes, own: tuple[int | None, ...], n_neighbors: int = 5
) -> list[Neighbors]:
    """Find the nearest rows by Gower's distance [1]_.

    Of numbers and dates, two values lie apart by their difference as a share of
    the column's range, at most 1; labels by 0 if they are the same, else 1. A
    missing value lies 0 from a missing one, 1 from any other. The table is gone
    through column by column.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.
    rows : DataFrame or ndarray of shape (n_asked, n_columns)
        The rows whose neighbors are sought, with the same columns.
    among : ndarray of int
        Positions in the table that may be neighbors.
    own : tuple of int or None
        Where each asked row stands in the table, since no row is its own neighbour; None for a new row.
    n_neighbors : int, default=5
        How many; all where there are fewer.

    Returns
    -------
    list of Neighbors
        One for each asked row.

    References
    ----------
    .. [1] Gower, J. C. (1971). A general coefficient of similarity and some of
       its properties. Biometrics 27(4), 857-871. https://doi.org/10.2307/2528823
    """
    among = np.sort(among)
    step = max(1, _BLOCK // among.size)
    found: list[Neighbors] = []
    for start in range(0, len(own), step):
        block = np.arange(start, min(start + step, len(own)))
        far = _far(X, rows, block, among, own)
        nearest = [np.argsort(one.round(_DIGITS), kind="stable")[:n_neighbors] for one in far]
        nearest = [places[np.isfinite(one[places])] for places, one in zip(nearest, far, strict=True)]
        parts = _parts(X, rows, block, [among[places] for places in nearest])
        found += [
            _neighbors(one, among, places, part)
            for one, places, part in zip(far, nearest, parts, strict=True)
        ]
    return found


def _far(X: Any, rows: Any, block: Codes, among: Codes, own: tuple[int | None, ...]) -> Floats:
    """Distances of some asked rows from all that may be neighbors; infinite from themselves."""
    total = np.zeros((block.size, among.size))
    n_columns = 0
    for values, asked, span in _paired(X, rows):
        n_columns += 1
        for j, row in enumerate(block):
            total[j] += _apart(values[among], asked[row], span)
    for j, row in enumerate(block):
        total[j, among == own[row]] = np.inf
    return total / n_columns


def _parts(X: Any, rows: Any, block: Codes, positions: list[Codes]) -> list[Floats]:
    """What the columns add to the distances of the nearest, (k, n_columns) for each asked row."""
    parts: list[list[Floats]] = [[] for _ in block]
    for values, asked, span in _paired(X, rows):
        for part, row, places in zip(parts, block, positions, strict=True):
            part.append(_apart(values[places], asked[row], span))
    return [np.column_stack(part) for part in parts]


def _neighbors(far: Floats, among: Codes, places: Codes, parts: Floats) -> Neighbors:
    others = far[np.isfinite(far)]
    median = float(np.median(others)) if others.size else np.nan
    n_equal = int((others == 0.0).sum())
    return Neighbors(among[places], far[places], parts, median, n_equal, others.size)


def _paired(X: Any, rows: Any) -> Iterator[tuple[np.ndarray, np.ndarray, float | None]]:
    """Of each column the values of the table and of the asked rows, and the range; None for labels."""
    for series, given in zip(columns(X).values(), columns(rows).values(), strict=True):
        if kind_of(series) == "categorical":
            values, levels = to_codes(series)
            code = {level: j for j, level in enumerate(levels)}
            asked, asked_levels = to_codes(given)
            known = np.array([*(code.get(level, _UNSEEN) for level in asked_levels), -1])
            yield values, known[asked], None
        else:
            numbers = to_numbers(series)
            there = numbers[~np.isnan(numbers)]
            yield numbers, to_numbers(given), float(np.ptp(there)) if there.size else 0.0


def _apart(values: np.ndarray, one: Any, span: float | None) -> Floats:
    """How far a column's values lie from one value, from 0 to 1."""
    if span is None:
        return (values != one).astype(float)
    missing = np.isnan(values)
    if np.isnan(one):
        return (~missing).astype(float)
    gap = np.abs(values - one)
    share = np.minimum(gap / span, 1.0) if span > 0.0 else (gap > 0.0).astype(float)
    return np.where(missing, 1.0, share)
