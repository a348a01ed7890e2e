"""Rows of the population in a canonical order, as columns of numbers and labels.

Rows are sorted by a hash of all that they hold, so that every sum runs over them in the same order
however the table was handed in: results are the same to the last bit for any order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from agnostix.core.frames import checked_weights, is_integer, kind_of, to_codes, to_floats
from agnostix.core.frames import columns as series_of
from agnostix.core.names import did_you_mean, label_text
from agnostix.core.reproducibility import own_order
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.inference.design import Design

_LEAST_SHARE = 1e-290
"""Least weight of a row, of the largest, that double precision still holds."""

_EXACT = 2.0**53
"""Whole numbers up to which double precision holds each."""

_SMALLEST = 1e-292
"""Largest number of a column whose every digit double precision holds."""

N_ROUNDINGS = 8
"""Steps of double precision within which values differ by rounding, as sums of shares do."""


def is_constant(values: Numbers) -> bool:
    """Whether numbers, or an indicator, are the same in all rows but for rounding."""
    low, high = values.min(), values.max()
    if values.dtype.kind != "f":
        return bool(low == high)
    return bool(high - low <= N_ROUNDINGS * np.spacing(max(abs(low), abs(high))) if high > low else True)


@dataclass(frozen=True)
class Column:
    """A column in the table's own order of rows."""

    name: str  # its name
    kind: Literal["numeric", "categorical", "date", "nested"]  # what it holds
    values: Floats | Codes  # (n_rows,), the numbers, NaN where missing
    levels: tuple[Any, ...] = ()  # the labels
    is_rounded: bool = False  # whether different whole numbers are one in double precision
    remedy: str = ""  # of a date, how to make a number of it

    @classmethod
    def from_series(cls, name: str, series: Any) -> Column:
        """Take a column out of a frame."""
        if getattr(getattr(series, "dtype", None), "kind", "") == "c":
            raise DataError(f"Complex data not supported: column {name!r} holds complex numbers.")
        kind = kind_of(series)
        if kind == "numeric":
            values = to_floats(series)
            if np.isinf(values).any():
                raise DataError(
                    f"Column {name!r} holds infinite values, which have no average. "
                    "Replace them by missing values or by a bound."
                )
            return cls(name, "numeric", values, is_rounded=_are_rounded(series, values))
        if kind == "date":
            return cls(name, "date", np.zeros(len(series)), remedy=_as_number(name, series))
        if kind == "nested":
            return cls(name, "nested", np.zeros(len(series)))
        codes, levels = to_codes(series)
        return cls(name, "categorical", codes, levels)

    @cached_property
    def unique_index(self) -> tuple[Codes, Codes]:
        """A row of each distinct number, in increasing order, and which of them every row has."""
        _, first, code = np.unique(self.values, return_index=True, return_inverse=True)
        return first, code.ravel().astype(np.int32)

    @cached_property
    def _are_text(self) -> bool:
        """Whether all labels have UTF-8, without which no table or figure shows them."""
        try:
            return "".join(map(str, self.levels)).encode() is not None
        except UnicodeEncodeError:
            return False

    @cached_property
    def missing(self) -> Bools:
        """Where the column has no value."""
        return np.isnan(self.values) if self.kind == "numeric" else self.values < 0

    def immovable_reason(self) -> str | None:
        """Why the average of the column cannot be shifted; None if it can."""
        return self._immovable_reason

    @cached_property
    def _immovable_reason(self) -> str | None:
        if self.kind == "date":
            return f"it holds dates; add a column of numbers to X and shift that, such as {self.remedy}"
        if self.is_rounded:
            return (
                "it holds whole numbers beyond 2**53, which double precision rounds to one another; subtract "
                f"the least first, X[{self.name!r}] - X[{self.name!r}].min(), or convert identifiers to text"
            )
        if self.kind == "nested":
            return "it holds lists, arrays or dicts; make numbers of it first, such as their length"
        if not self._are_text:
            return (
                "it has labels with half a surrogate pair, which are no valid text; read the file again with "
                "encoding_errors='replace'"
            )
        there = self.values[~self.missing]
        if there.size == 0:
            return "all its values are missing"
        if there.min() == there.max():
            only = self.levels[int(there[0])] if self.levels else f"{there[0]:g}"
            return f"it is constant: every row has {only}"
        with np.errstate(over="ignore"):
            is_held = bool(np.isfinite(there.max() - there.min()))
        if not is_held:
            return (
                f"its values span from {there.min():g} to {there.max():g}, more than a number can; divide it "
                "by a power of ten first"
            )
        if not self.levels and np.abs(there).max() < _SMALLEST:
            return (
                f"its values are at most {np.abs(there).max():.3g} in size, of which double precision holds "
                "few digits; multiply it by a power of ten first"
            )
        if not self.levels and is_constant(there):
            return f"it is constant but for rounding: every row has {there[0]:g} within {np.ptp(there):.1g}"
        return None

    def take(self, rows: Codes) -> Column:
        """The same column with its rows in another order, or fewer of them."""
        return replace(self, values=self.values[rows])

    def number(self, value: Any) -> float:
        """Find a value of a numeric column by itself or by its text."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"Column {self.name!r} holds numbers, and {value!r} is none of them.") from None
        if not (self.values == number).any():
            raise ValueError(f"Column {self.name!r} has no row with the value {value!r}.")
        return number

    def level_text(self, level: Any) -> str:
        """A level as text, which tells 1 and "1" apart."""
        return label_text(level, self.levels)

    def level_code(self, level: Any) -> int:
        """Find a level by itself or by its text."""
        tests: tuple[Callable[[Any], bool], ...] = (
            lambda known: type(known) is type(level) and known == level,  # 1 is not "1", nor True
            lambda known: known == level,
            lambda known: str(known) == str(level),
        )
        for test in tests:
            codes = [code for code, known in enumerate(self.levels) if test(known)]
            if len(codes) == 1:
                return codes[0]
        shown = ", ".join(repr(known) for known in self.levels[:12])
        more = f", ... ({len(self.levels)} in all)" if len(self.levels) > 12 else ""
        raise ValueError(f"Column {self.name!r} has no level {level!r}. Its levels: {shown}{more}.")


def _as_number(name: str, series: Any) -> str:
    """Expression for a column of dates, durations or times as numbers."""
    if isinstance(series, pd.Series):
        return f"(X[{name!r}] - X[{name!r}].min()).dt.days"
    if nw.from_native(series, series_only=True).dtype == nw.Time:
        return f"X[{name!r}].dt.hour()"
    return f"(X[{name!r}] - X[{name!r}].min()).dt.total_days()"


def _are_rounded(series: Any, values: Floats) -> bool:
    """Whether there are fewer different values (n_rows,) than different whole numbers in a column."""
    if not is_integer(series) or not (np.abs(values) >= _EXACT).any():
        return False
    known = [cell for cell, value in zip(series.to_list(), values, strict=True) if not np.isnan(value)]
    return len(set(known)) > np.unique(values[~np.isnan(values)]).size


@dataclass(frozen=True)
class Table:
    """Rows with base weights."""

    columns: dict[str, Column]  # by name, rows in the table's order
    base: Floats  # (n_rows,), base weights, summing to 1
    order: Codes  # (n_rows,), the user's row at each of the table's places
    n_given: int  # rows of X, those of weight 0 included
    design: Design | None = None  # clusters and strata of the rows; None: they are independent

    @classmethod
    def from_frame(
        cls, X: Any, sample_weight: Any, others: Iterable[np.ndarray], groups: Any = None, strata: Any = None
    ) -> Table:
        """Take in a frame."""
        n_rows = X.shape[0]
        if n_rows < 2:
            raise DataError("X has a single row (n_samples=1); a population needs at least two.")
        weight = checked_weights(sample_weight, n_rows, _LEAST_SHARE)
        if (weight > 0).sum() < 2:
            raise DataError("A single row has a sample_weight above 0; a population needs at least two.")
        columns = {name: Column.from_series(name, series) for name, series in series_of(X).items()}
        design = Design.from_labels(groups, strata, weight)
        keys = [column.values for column in columns.values()] + [weight]
        for other in others:
            keys.extend(other.T if other.ndim == 2 else [other])
        keys += [] if design is None else design.keys
        order = own_order(keys)
        order = order[weight[order] > 0]
        base = weight[order]
        in_order = {name: column.take(order) for name, column in columns.items()}
        design = None if design is None else design.in_order(order)
        return cls(in_order, base / base.sum(), order, n_rows, design)

    @property
    def n_rows(self) -> int:
        """How many rows carry weight."""
        return self.base.size

    @property
    def base_ess(self) -> float:
        """Effective rows of the base weights."""
        return float(1.0 / (self.base @ self.base))

    def column(self, name: Any) -> Column:
        """A column by name."""
        if str(name) not in self.columns:
            raise ValueError(
                f"There is no column {name!r}. The columns: {', '.join(self.columns)}."
                f"{did_you_mean(name, self.columns)}"
            )
        return self.columns[str(name)]

    def to_user_order(self, values: Floats) -> Floats:
        """Put one value a row back into the order of the user's rows, shape (n_given,)."""
        out = np.zeros(self.n_given)
        out[self.order] = values
        return out
