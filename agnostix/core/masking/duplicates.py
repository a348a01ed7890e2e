"""Values and rows that are equal to a model."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

from agnostix.core.frames import (
    column_at,
    columns,
    is_float,
    is_frame,
    kind_of,
    to_codes,
    to_floats,
    to_ticks,
)
from agnostix.core.typing import Codes


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
    numbers = np.asarray(column)
    return numbers if numbers.dtype.kind in "iu" else None  # with gaps, large ones would be rounded


def table_codes(X: Any) -> Codes:
    """Codes of a table's values (n_rows, n_columns), column by column."""
    return np.column_stack([value_codes(column) for column in columns(X).values()])


def as_series(values: Any) -> Any:
    """Values of a column as a Series, which knows what it holds."""
    if isinstance(values, np.ndarray):
        return pd.Series(values).infer_objects()
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
    which, found = pd.factorize(keys)
    first = np.empty(found.size, dtype=np.intp)
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
        return id(value)
    return type(value), value
