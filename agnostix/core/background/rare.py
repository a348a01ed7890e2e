"""Rare parts of a table that a few rows would miss: levels, missing or known values, tails, unusual ones.

A part is rare if fewer than three of the rows to choose would fall into it. A few rows are chosen for each,
and get the weight that the part has in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agnostix.core.background.coordinates import ColumnValues
from agnostix.core.typing import Bools, Codes, Floats

EXPECTED = 3.0
"""Rows of a random choice that fall into a part, below which it is rare."""
FEW_VALUES = 12
"""Distinct numbers up to which each of them is a part."""
USUAL = 0.5
"""Weight from which on one number is the usual one, so that all others are a part."""
HEAVY = 4.0
"""A tail is a part if it has so many times its weight of the column's spread."""


@dataclass(frozen=True)
class RarePart:
    """Rows of a table that share something rare in a column."""

    column: int
    members: Bools  # (n_rows,)
    proportion: float  # of the table's weight
    apart: Floats | None = None  # (n_rows,): how far the numbers of a tail are from their mean


def rare_parts(values: Sequence[ColumnValues], weights: Floats, n_chosen: int) -> list[RarePart]:
    """Rare parts of all columns, the largest first; the rarest levels of a column are put together."""
    least = min(EXPECTED / n_chosen, USUAL)
    n_levels = max(1, n_chosen // (2 * len(values)))
    found = []
    for column, one in enumerate(values):
        levels, others = _parts_of(one, weights, n_chosen)
        rare = _rare_levels(levels, weights, least, n_levels)
        parts = [RarePart(column, members, float(weights[members].sum())) for members in rare]
        parts += [_with_mean(column, members, one, weights) for members in others]
        found += [part for part in parts if 0.0 < part.proportion < least]
    return sorted(found, key=lambda part: (-part.proportion, part.column))


def _with_mean(column: int, members: Bools, one: ColumnValues, weights: Floats) -> RarePart:
    """A part of a column of numbers, whose row should have their mean: a tail may hold much of a total."""
    assert one.numbers is not None
    numbers = np.where(members, one.numbers, 0.0)
    numbers = numbers / max(np.abs(numbers).max(), np.finfo(float).tiny)
    proportion = float(weights[members].sum())
    mean = weights @ numbers / proportion if proportion > 0.0 else 0.0
    return RarePart(column, members, proportion, np.abs(numbers - mean))


def _parts_of(one: ColumnValues, weights: Floats, n_chosen: int) -> tuple[Codes, list[Bools]]:
    """Levels (n_rows,) of a column from 0, and other parts: tails, and what is not the usual number."""
    if one.codes is not None:
        return _from_zero(one.codes), []
    assert one.numbers is not None
    known = ~np.isnan(one.numbers)
    distinct, own = np.unique(one.numbers[known], return_inverse=True)
    codes = np.full(known.size, -1)
    codes[known] = own.ravel()
    if distinct.size <= FEW_VALUES:
        return _from_zero(codes), []
    mass = np.asarray(np.bincount(own.ravel(), weights[known]), dtype=float)
    usual = mass.argmax()
    others = [known & (codes != usual)] if mass[usual] > USUAL * mass.sum() else []
    return known.astype(np.intp), others + _tails(codes, distinct, mass, n_chosen)


def _from_zero(codes: Codes) -> Codes:
    return np.asarray(np.unique(codes, return_inverse=True)[1].ravel())


def _rare_levels(levels: Codes, weights: Floats, least: float, n_levels: int) -> list[Bools]:
    """Rows of the rare ones of levels (n_rows,) from 0, the largest first; the rarest put together.

    A column of names has as many levels as the table has rows, so that no two are compared.
    """
    shares = np.bincount(levels, weights)
    rare = np.flatnonzero((shares > 0.0) & (shares < least))
    rare = rare[np.argsort(-shares[rare], kind="stable")]
    if rare.size <= n_levels:
        return [levels == level for level in rare]
    of_rest = np.zeros(shares.size, dtype=bool)
    of_rest[rare[n_levels - 1 :]] = True
    return [*(levels == level for level in rare[: n_levels - 1]), of_rest[levels]]


def _tails(codes: Codes, distinct: Floats, mass: Floats, n_chosen: int) -> list[Bools]:
    """Rows in the outermost 1 / n_chosen of a column on each side, where much of its spread lies there."""
    scale = max(np.abs(distinct).max(), np.finfo(float).tiny)
    numbers, share = distinct / scale, mass / mass.sum()
    below = np.cumsum(share)
    spread = share * np.abs(numbers - numbers[min(np.searchsorted(below, 0.5), share.size - 1)])
    last = np.flatnonzero(1.0 - below < 1.0 / n_chosen + 1e-12)[1:]  # numbers above that of the quantile
    first = np.flatnonzero(below < 1.0 / n_chosen)
    places = [part for part in (first, last) if part.size]
    heavy = [part for part in places if spread[part].sum() > HEAVY / n_chosen * spread.sum()]
    return [(codes >= part[0]) & (codes <= part[-1]) for part in heavy]
