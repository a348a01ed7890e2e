"""Features of a table: columns that go together, equal values and rows, bins and levels; later rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_dataframe, is_polars_series

from agnostix.core.frames import (
    as_table,
    column_at,
    column_names,
    columns,
    content_of,
    is_float,
    is_frame,
    is_integer,
    kind_of,
    to_codes,
    to_floats,
    to_numbers,
    to_ticks,
)
from agnostix.core.names import did_you_mean, label_text
from agnostix.core.objects import infer_type, inferred_objects
from agnostix.core.state import PandasState
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Features:
    """Columns that are hidden together, for each feature: names and positions (empty if not from a table)."""

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]

    @classmethod
    def from_names(cls, names: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None) -> Features:
        """A feature for each group, in the place of its first column, and for each column in no group."""
        place = {name: j for j, name in enumerate(names)}
        owner: dict[str, str] = {}
        listed: dict[str, list[str]] = {}
        for group, members in (groups or {}).items():
            listed[str(group)] = _members(str(group), members, place, owner)
            owner |= dict.fromkeys(listed[str(group)], str(group))
        taken: dict[str, tuple[int, ...]] = {}
        for name in names:
            group = owner.get(name, name)
            if group not in taken:
                members = listed[group] if name in owner else [name]
                taken[group] = tuple(place[member] for member in members)
        return cls(tuple(taken), tuple(taken.values()))

    @classmethod
    def without_columns(cls, names: Iterable[str]) -> Features:
        """Features of rows that are not tables."""
        named = tuple(names)
        return cls(named, ((),) * len(named))


def _members(
    group: str, members: Sequence[str], place: Mapping[str, int], owner: Mapping[str, str]
) -> list[str]:
    """Columns of a group as text, checked."""
    if isinstance(members, str) or not hasattr(members, "__len__") or len(members) == 0:
        raise DataError(f"The group {group!r} of feature_groups must be a list of columns, got {members!r}.")
    columns = [str(member) for member in members]
    for j, member in enumerate(columns):
        if member in columns[:j]:
            raise DataError(f"The group {group!r} of feature_groups names the column {member!r} twice.")
        if member not in place:
            raise DataError(
                f"The group {group!r} of feature_groups names the column {member!r}, which is not there. "
                f"The columns: {', '.join(place)}.{did_you_mean(member, place)}"
            )
        if member in owner:
            raise DataError(
                f"The column {member!r} is in two groups of feature_groups, {owner[member]!r} and {group!r}."
            )
    if group in place and group not in columns:
        raise DataError(f"The group {group!r} of feature_groups has the name of a column that is not in it.")
    return columns


def value_codes(column: Any) -> Codes:
    """Codes of a column's values (n_rows,), equal where the values are."""
    if str(getattr(column, "dtype", "")) == "object":  # 1, 1.0 and True are equal, yet not the same
        known: dict[Hashable, int] = {}
        keys = (_key(value) for value in column)
        return np.fromiter((known.setdefault(key, len(known)) for key in keys), np.intp, len(column))
    numbers = _numbers(column)
    if numbers is None:
        return to_codes(to_ticks(column))[0]
    return np.unique(numbers, return_inverse=True)[1].ravel()


def _numbers(column: Any) -> Codes | None:
    """Whole numbers that are equal where the values are; None for what has to be compared as it is."""
    if kind_of(column) != "numeric":
        return None
    if is_float(column):
        floats = to_floats(column)
        return np.where(np.isnan(floats), np.nan, floats).view(np.int64)  # which -0.0 and 0.0 do not share
    if str(column.dtype) in ("Int128", "UInt128"):  # of polars, which numpy does not know
        return None
    numbers = np.asarray(column)
    return numbers if numbers.dtype.kind in "iu" else None  # with gaps, large ones would be rounded


def table_codes(X: Any) -> Codes:
    """Codes of a table's values (n_rows, n_columns), column by column, from 0 where nothing is missing."""
    numbers = numeric_array(X)
    if numbers is not None:
        return _array_codes(numbers)
    # Objects as they are: 1 and 1.0 are equal numbers, yet not the same to every model.
    series = columns(X).values() if not is_frame(X) else (X[name] for name in X.columns)
    return np.column_stack([value_codes(column) for column in series])


def numeric_array(X: Any) -> Any:
    """A table as an array of numbers, whose columns are compared all at once; None if it is none."""
    if isinstance(X, pd.DataFrame):
        first = X.dtypes.array[0]
        is_plain = isinstance(first, np.dtype) and first.kind in "biuf" and (X.dtypes == first).all()
        return X.to_numpy() if is_plain else None
    return X if isinstance(X, np.ndarray) and X.dtype.kind in "biuf" else None


def comparable(X: Any) -> Any:
    """An array of numbers as numbers that are equal where the values are the same: whole ones for decimals.

    Missing values are the same as each other; 0.0 and -0.0 are not.
    """
    if X.dtype.kind != "f":
        return X
    floats = X.astype(float, copy=False)
    return np.where(np.isnan(floats), np.nan, floats).view(np.int64)


def _array_codes(X: Any) -> Codes:
    numbers = comparable(X)
    order = np.argsort(numbers, axis=0, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=0)
    codes = np.zeros(X.shape, dtype=np.intp)
    ranks = np.cumsum(ordered[1:] != ordered[:-1], axis=0)
    np.put_along_axis(codes, order[1:], ranks, axis=0)
    return codes


def as_series(values: Any) -> Any:
    """Values of a column as a Series, which knows what it holds."""
    if isinstance(values, np.ndarray):
        return inferred_objects(pd.Series(values))
    return values if is_polars_series(values) else pd.Series(values, dtype=values.dtype, copy=False)


def joined_values(one: Any, other: Any, position: int) -> Any:
    """Values of two tables at a column, one after the other, as `column_values` gives them."""
    if not is_frame(one):
        return np.concatenate([one[:, position], other[:, position]])
    first, second = (column_at(table, position) for table in (one, other))
    if is_polars_series(first):
        return first.clone().append(second)
    if isinstance(first.dtype, pd.CategoricalDtype):  # equal, but perhaps in another order
        first = first.cat.set_categories(second.cat.categories)
    return pd.concat([first, second], ignore_index=True).array


def distinct_rows(X: Any) -> tuple[Codes, Codes]:
    """First row of each kind (n_distinct,), ascending, and kind of each row (n_rows,)."""
    plain = not is_frame(X) and X.dtype.kind in "biuf"
    table = np.ascontiguousarray(X if plain else table_codes(X))
    keys = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return first[order], rank[which.ravel()]


def first_of_each(keys: Codes) -> tuple[Codes, Codes]:
    """Place of the first of each distinct key (n_distinct,), ascending, and kind of each key (n,)."""
    which, distinct = pd.factorize(keys)
    first = np.empty(distinct.size, dtype=np.intp)
    first[which[::-1]] = np.arange(keys.size - 1, -1, -1)
    return first, which


def keys_of(codes: Codes, first_column: int = 1) -> Codes:
    """64-bit keys (n_rows, n_columns) of codes, whose sums identify sets of values.

    Equal codes of columns with different numbers, counted from `first_column`, have different keys. Two of
    200,000 sets share a sum with a probability of about 1e-9.
    """
    place = np.arange(first_column, first_column + codes.shape[1], dtype=np.uint64) << np.uint64(40)
    z = codes.astype(np.uint64) + place + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z ^ (z >> np.uint64(31))


def _key(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return type(value)
    if isinstance(value, float):
        return type(value), value.hex()  # which -0.0 and 0.0 do not share
    try:
        hash(value)
    except TypeError:
        return content_of(value)
    return type(value), value


def column_of(X: Any, position: int) -> Any:
    """A column of a table, by its position, as a Series (n_rows,)."""
    return infer_type(column_at(X, position) if is_frame(X) else as_series(X[:, position]))


class Coding(Protocol):
    """Codes of a feature's values: which bin or level they are in."""

    @property
    def n_codes(self) -> int:
        """How many there are, from 0."""

    def codes(self, X: Any) -> Codes:
        """The code of each row of X, (n_rows,); -1 for what is none of them."""

    def describe(self, code: int) -> str:
        """What holds for values with a code, as a condition."""


@dataclass(frozen=True)
class NumberCoding:
    """Intervals between ascending edges (n_edges,), closed above; missing values have the last code."""

    position: int
    name: str
    edges: Floats
    words: tuple[str, ...]  # the edges as text

    @property
    def n_codes(self) -> int:
        """The intervals, and one for missing values."""
        return self.edges.size + 2

    def codes(self, X: Any) -> Codes:
        """The interval of each row, (n_rows,)."""
        numbers = to_numbers(column_of(X, self.position))
        return np.where(np.isnan(numbers), self.edges.size + 1, np.searchsorted(self.edges, numbers))

    def describe(self, code: int) -> str:
        """The interval as a condition."""
        if code == self.n_codes - 1:
            return f"{self.name} missing"
        if not self.words:
            return f"{self.name} any"
        if code == 0:
            return f"{self.name} <= {self.words[0]}"
        if code == len(self.words):
            return f"{self.name} > {self.words[-1]}"
        return f"{self.words[code - 1]} < {self.name} <= {self.words[code]}"


@dataclass(frozen=True)
class LevelCoding(PandasState):
    """Values that are the same or not: a row of `levels` (n_levels, n_columns) for each."""

    position: int
    name: str
    levels: Any

    @property
    def n_codes(self) -> int:
        """The levels."""
        return int(self.levels.shape[0])

    def codes(self, X: Any) -> Codes:
        """The level of each row, (n_rows,); -1 for one that is none of them."""
        joined = value_codes(as_series(joined_values(X, self.levels, self.position)))
        own, known = joined[: X.shape[0]], joined[X.shape[0] :]
        place = np.full(joined.max() + 2, -1)
        place[known + 1] = np.arange(known.size)
        return place[own + 1]

    def describe(self, code: int) -> str:
        """The level as a condition."""
        if code < 0:
            return f"{self.name} not seen in fit"
        values = column_of(self.levels, self.position).to_list()
        value = values[code]
        is_missing = pd.api.types.is_scalar(value) and pd.isna(value)
        return f"{self.name} missing" if is_missing else f"{self.name} = {label_text(value, values)}"


@dataclass(frozen=True)
class JointCoding:
    """Several columns together: combinations of their codes, `known` (n_codes, n_members)."""

    members: tuple[Coding, ...]
    known: Codes

    @property
    def n_codes(self) -> int:
        """Combinations that occur."""
        return int(self.known.shape[0])

    def codes(self, X: Any) -> Codes:
        """The combination in each row, (n_rows,); -1 for one that is not known."""
        own = np.column_stack([member.codes(X) for member in self.members])
        _, which = np.unique(np.vstack([self.known, own]), axis=0, return_inverse=True)
        place = np.full(which.max() + 1, -1)
        place[which.ravel()[: self.n_codes]] = np.arange(self.n_codes)
        return place[which.ravel()[self.n_codes :]]

    def describe(self, code: int) -> str:
        """The combination as a condition."""
        if code < 0:
            return "a combination not seen in fit"
        pairs = zip(self.members, self.known[code], strict=True)
        return " and ".join(member.describe(int(one)) for member, one in pairs)


def row_names(X: Any) -> tuple[Any, ...] | None:
    """The labels of a pandas frame's rows; None where they are only numbered, and for other tables."""
    if not isinstance(X, pd.DataFrame) or X.index.equals(pd.RangeIndex(X.shape[0])):
        return None
    return tuple(X.index.tolist())


def read_like(X: Any, seen: Any, what: str = "X") -> Any:
    """A checked table with the columns of one seen in `fit`, in its order and types; others are left out.

    Types are converted where no value changes; decimals and missing values in a column of integers stay as
    they are. DataError where a column is missing, or its values do not fit its type.
    """
    X = as_table(X)
    _check_same_library(X, seen, what)
    own, given = column_names(seen), column_names(X)
    if not is_frame(X):
        if own != given:
            raise DataError(f"{what} has {len(given)} columns, and the array that fit saw has {len(own)}.")
        _check_arrays(X, seen)
        return X
    missing = [name for name in own if name not in given]
    if missing:
        raise DataError(
            f"{what} must have the columns that fit saw ({', '.join(own)}), but it lacks "
            f"{', '.join(missing)}.{did_you_mean(missing[0], [name for name in given if name not in own])}"
        )
    if own != given:
        X = X[[X.columns[given.index(name)] for name in own]]
    pairs = [(column_at(X, position), column_at(seen, position)) for position in range(len(own))]
    if all(series.dtype == like.dtype for series, like in pairs):
        return X
    columns = [_in_type(series, like, what) for series, like in pairs]
    if not isinstance(X, pd.DataFrame):
        return type(X)(columns)
    names = X.columns
    frame = pd.concat([column.reset_index(drop=True) for column in columns], axis=1, ignore_index=True)
    frame.columns, frame.index = names, X.index
    return frame


def _check_same_library(X: Any, seen: Any, what: str) -> None:
    if is_frame(X) != is_frame(seen):
        kinds = ("a DataFrame", "an array") if is_frame(seen) else ("an array", "a DataFrame")
        raise DataError(f"fit saw {kinds[0]} and {what} is {kinds[1]}. Pass both in the same form.")
    if is_polars_dataframe(X) != is_polars_dataframe(seen):
        libraries, convert = ("polars", "pandas"), "X.to_pandas()"
        if is_polars_dataframe(seen):
            libraries, convert = ("pandas", "polars"), "polars.from_pandas(X)"
        raise DataError(
            f"fit saw a DataFrame of {libraries[1]} and {what} is one of {libraries[0]}. Pass {convert}."
        )


def _check_arrays(X: Any, seen: Any) -> None:
    texts = [part.dtype.kind in "SU" for part in (X, seen)]
    if texts[0] != texts[1] and object not in (X.dtype, seen.dtype):
        raise DataError(
            f"X holds values of type {X.dtype} and what fit saw is of type {seen.dtype}. Convert one of them."
        )


def _in_type(series: Any, like: Any, what: str) -> Any:
    """A column in the type of another, if that changes no value; DataError names the first that it would."""
    if series.dtype == like.dtype:
        return series
    cast, changed = _cast(series, like.dtype)
    if cast is None:  # which row it is that cannot be converted
        ones = (_cast(series[j : j + 1], like.dtype)[1] for j in range(len(series)))
        changed = [next((j for j, one in enumerate(ones) if one), 0)]
    if not changed:
        return cast
    name, are_numbers = str(like.name), kind_of(series) == kind_of(like) == "numeric"
    if are_numbers and is_integer(like) and is_float(series) and isinstance(series, pd.Series):
        return series  # the column of integers that has decimals or missing values now
    convert = f"Convert it with X.astype({{{name!r}: {str(like.dtype)!r}}})"
    if is_polars_series(series):
        convert = f"Convert it with X.cast({{{name!r}: polars.{like.dtype}}})"
    raise DataError(
        f"Column {name!r} has dtype {series.dtype} in {what} and {like.dtype} in what fit saw, which cannot "
        f"hold the {series.to_list()[changed[0]]!r} of row {changed[0]}. "
        f"{convert if are_numbers else 'Leave such rows out'}, or fit on a table that has it."
    )


def _cast(series: Any, dtype: Any) -> tuple[Any, list[int]]:
    """A column in another type, None if it has no such values, and the rows whose value changes."""
    try:
        cast = series.astype(dtype) if isinstance(series, pd.Series) else series.cast(dtype)
        pairs = zip(series.to_list(), cast.to_list(), strict=True)
        return cast, [j for j, (one, other) in enumerate(pairs) if not _same_cell(one, other)]
    except Exception:  # each library has errors of its own
        return None, [0]


def _same_cell(one: Any, other: Any) -> bool:
    return bool(one == other) or bool(pd.isna(one) and pd.isna(other))


def ranks(values: Floats) -> Floats:
    """Ranks of values (n_rows,) from 0, equal where they are; NaN stays."""
    ranked = np.unique(values, return_inverse=True)[1].ravel().astype(float)
    ranked[np.isnan(values)] = np.nan
    return ranked


def halfway(low: float, high: float) -> float:
    """A number from `low` (included) to `high` (excluded), in the middle but for rounding."""
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low


def format_number(number: float, error: float, n_digits: int) -> str:
    """A number as text of `n_digits` digits, or of as many as an error of at most `error` takes."""
    texts = (f"{number:.{digits}g}" for digits in range(n_digits, 18))
    return next((text for text in texts if abs(float(text) - number) <= error), repr(number))
