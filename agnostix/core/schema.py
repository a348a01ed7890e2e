"""Rows that come later, read as those of `fit` were: their columns, order and types; labels of rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_dataframe, is_polars_series

from agnostix.core.frames import as_table, column_at, column_names, is_float, is_frame, is_integer, kind_of
from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError


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
