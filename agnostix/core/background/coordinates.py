"""Columns of a table as coordinates: how far two rows are apart in each, and a row from all others.

Two rows differ in a number by their distance on two scales, the number itself and its rank, each divided by
the mean distance of two rows (Gini's mean difference), so that a heavy tail has its say but no more; in a
label, or in whether a number is missing, by 0 or 1. These distances are of negative type, so that they are
those of a kernel (Szekely and Rizzo, 2013, https://doi.org/10.1016/j.jspi.2013.03.018). The mean distance of
a row from all others takes one pass over a sorted column, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

from agnostix.core.features import numeric_array, table_codes
from agnostix.core.frames import columns, is_float, kind_of, to_codes, to_numbers, to_ticks
from agnostix.core.typing import Codes, Floats

MOST_EXACT = 2.0**53
"""Whole numbers below which each has a floating-point number of its own."""
MOST_LEVELS = 0.5
"""Share of the rows up to which distinct labels say anything; a column of names does not."""


@dataclass(frozen=True)
class ColumnValues:
    """A column as numbers, NaN where missing, or as codes of labels, -1 where missing; None if the other."""

    numbers: Floats | None
    codes: Codes | None
    exact: Codes | None = None  # of values that are different, where numbers may be equal for these

    def take(self, rows: Codes) -> ColumnValues:
        """Some of the rows."""
        parts: tuple[Any, ...] = (self.numbers, self.codes, self.exact)
        return ColumnValues(*(None if part is None else part[rows] for part in parts))

    @property
    def key(self) -> np.ndarray:
        """Values (n_rows,) that are equal where the column's are."""
        assert self.numbers is not None or self.codes is not None
        if self.exact is not None:
            return self.exact
        return self.codes if self.numbers is None else self.numbers + 0.0  # type: ignore[return-value]


def read_columns(table: Any) -> list[ColumnValues]:
    """The columns of a table; numbers that are infinite are as far from others as missing ones are."""
    numbers = numeric_array(table)
    if numbers is not None and numbers.dtype.kind != "b":
        return _read_numbers(numbers)
    found = []
    for column in columns(table).values():
        if kind_of(column) in ("categorical", "nested"):
            found.append(ColumnValues(None, to_codes(column)[0]))
            continue
        numbers = to_numbers(column)
        finite = np.where(np.isfinite(numbers), numbers, np.nan)
        found.append(ColumnValues(finite, None, _exact(column, numbers)))
    return found


def _read_numbers(table: Any) -> list[ColumnValues]:
    """The columns of an array of numbers, all at once."""
    numbers = np.array(table, dtype=float, order="F")
    if table.dtype.kind == "f":
        has_more = np.isinf(numbers).any(axis=0)
    else:
        has_more = (np.abs(numbers) >= MOST_EXACT).any(axis=0)
    exact = {j: _exact(pd.Series(table[:, j]), numbers[:, j]) for j in np.flatnonzero(has_more).tolist()}
    numbers[~np.isfinite(numbers)] = np.nan
    return [ColumnValues(numbers[:, j], None, exact.get(j)) for j in range(numbers.shape[1])]


def _exact(column: Any, numbers: Floats) -> Codes | None:
    """Codes (n_rows,) of the values where their numbers do not tell all apart; None if they do.

    Rows that a model tells apart must not pass for one: infinite numbers and missing ones, whole numbers
    beyond 2**53 such as identifiers, dates a few nanoseconds apart.
    """
    if is_float(column):
        values: Any = numbers
        is_needed = bool(np.isinf(numbers).any())
    else:
        own = to_ticks(column)
        is_needed = bool(np.abs(numbers).max(initial=0.0, where=~np.isnan(numbers)) >= MOST_EXACT)
        values = None
        if is_needed:
            texts = map(str, own.to_list()) if is_polars_series(own) else own.astype(str)
            values = np.array(list(texts), dtype=str)
    return np.unique(values, return_inverse=True)[1].ravel() if is_needed else None


def codes_of(keys: list[np.ndarray]) -> Codes:
    """Codes (n_rows, n_columns) of the keys of columns, equal where these are."""
    if all(key.dtype == np.float64 for key in keys):
        return table_codes(np.column_stack(keys))
    return np.column_stack([np.unique(key, return_inverse=True)[1].ravel() for key in keys])


class Coordinate(Protocol):
    """One scale on which rows differ."""

    @property
    def column(self) -> int:
        """The column that it is of."""

    @property
    def overall(self) -> float:
        """Mean distance of two rows."""

    def between(self, rows: Codes) -> Floats:
        """Distances (n, n) of rows from each other."""

    def from_all(self, rows: Codes) -> Floats:
        """Mean distance (n,) of rows from all."""

    def embedded(self, rows: Codes) -> Floats:
        """Numbers (n_rows, n) of some rows whose Euclidean distances are about the coordinate's."""

    def of_means(self, rows: Codes, weights: Floats) -> Floats:
        """Kernel (n, n) of rows by the numbers, or indicators, whose means a sample should have."""


@dataclass(frozen=True)
class Line:
    """Numbers (n_rows,) on a line, and the part that they have in the distance of their column."""

    column: int
    places: Floats
    part: float
    ends: tuple[Floats, Floats, Floats]  # sorted places, and the weights and moments before each
    is_rank: bool = False

    @classmethod
    def from_numbers(
        cls, column: int, numbers: Floats, weights: Floats, part: float, is_rank: bool = False
    ) -> Line | None:
        """Numbers on a scale where two rows differ by 1 on average; None if all are the same."""
        order = np.argsort(numbers, kind="stable")
        ordered, mass = numbers[order], weights[order]
        before = np.concatenate([[0.0], np.cumsum(mass)])
        middle = float(ordered[min(int(np.searchsorted(before, 0.5)), ordered.size - 1)])
        shifted = ordered - middle
        gini = 2.0 * float((mass * shifted) @ (before[1:] + before[:-1] - 1.0))
        if not gini > 0.0:
            return None
        shifted = shifted / gini
        ends = shifted, before, np.concatenate([[0.0], np.cumsum(mass * shifted)])
        return cls(column, (numbers - middle) / gini, part, ends, is_rank)

    @property
    def overall(self) -> float:
        return self.part

    def between(self, rows: Codes) -> Floats:
        own = self.places[rows]
        return self.part * np.abs(own[:, None] - own[None])

    def from_all(self, rows: Codes) -> Floats:
        own, (ordered, mass, moment) = self.places[rows], self.ends
        n = np.searchsorted(ordered, own, side="right")
        return self.part * (own * (2.0 * mass[n] - mass[-1]) + moment[-1] - 2.0 * moment[n])

    def embedded(self, rows: Codes) -> Floats:
        return 0.6 * np.sqrt(self.part) * self.places[rows, None]

    def of_means(self, rows: Codes, weights: Floats) -> Floats:
        if self.is_rank:
            return np.zeros((rows.size, rows.size))
        apart = self.places - weights @ self.places
        own = apart[rows] / np.sqrt(weights @ np.square(apart))
        return np.asarray(own[:, None] * own[None])


@dataclass(frozen=True)
class Labels:
    """Codes (n_rows,) from 0, and the weight of each."""

    column: int
    codes: Codes
    shares: Floats

    @classmethod
    def from_codes(cls, column: int, codes: Codes, weights: Floats) -> Labels | None:
        """Labels by their codes; None if all are the same, or nearly all differ."""
        distinct, own = np.unique(codes, return_inverse=True)
        if distinct.size == 1 or distinct.size > max(2, MOST_LEVELS * codes.size):
            return None
        return cls(column, own.ravel(), np.asarray(np.bincount(own.ravel(), weights), dtype=float))

    @property
    def overall(self) -> float:
        return float(1.0 - self.shares @ self.shares)

    def between(self, rows: Codes) -> Floats:
        own = self.codes[rows]
        return (own[:, None] != own[None]).astype(float)

    def from_all(self, rows: Codes) -> Floats:
        return np.asarray(1.0 - self.shares[self.codes[rows]])

    def embedded(self, rows: Codes) -> Floats:
        if self.shares.size > MOST_INDICATORS:
            return np.zeros((rows.size, 0))
        return np.sqrt(0.5) * (self.codes[rows, None] == np.arange(self.shares.size))

    def of_means(self, rows: Codes, weights: Floats) -> Floats:
        from_all = self.from_all(rows)
        centered = from_all[:, None] + from_all[None] - self.between(rows) - self.overall
        return np.asarray(centered / max(self.overall, LEAST_OVERALL))


LEAST_OVERALL = 0.04
"""Mean distance of labels, below which means are not held to those of rarer ones any closer."""
MOST_INDICATORS = 200
"""Levels up to which a column has a part in the distances of all columns together."""


def coordinates_of(values: Sequence[ColumnValues], weights: Floats) -> list[Coordinate]:
    """The coordinates of all columns that tell rows apart."""
    found: list[Coordinate | None] = []
    for column, one in enumerate(values):
        if one.codes is not None:
            found.append(Labels.from_codes(column, one.codes, weights))
            continue
        assert one.numbers is not None
        missing = np.isnan(one.numbers)
        found.append(Labels.from_codes(column, missing.astype(np.intp), weights))
        if missing.all():
            continue
        numbers = _filled(one.numbers, missing)
        found.append(Line.from_numbers(column, numbers, weights, 0.5))
        found.append(Line.from_numbers(column, mid_ranks(numbers, weights), weights, 0.5, is_rank=True))
    return [one for one in found if one is not None]


def _filled(numbers: Floats, missing: np.ndarray) -> Floats:
    """Numbers of a size whose sums do not overflow, missing ones at the median."""
    known = numbers[~missing]
    largest = np.abs(known).max()
    scale = largest if largest > 0.0 else 1.0
    return np.where(missing, np.median(known / scale), numbers / scale)


def mid_ranks(numbers: Floats, weights: Floats) -> Floats:
    """Weight (n_rows,) below each number, and half of that of those equal to it."""
    distinct, own = np.unique(numbers, return_inverse=True)
    mass = np.bincount(own.ravel(), weights, distinct.size)
    return np.asarray((np.cumsum(mass) - 0.5 * mass)[own.ravel()])
