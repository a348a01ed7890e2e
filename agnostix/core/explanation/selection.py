"""Rows, outputs and groups of an explanation, found by what names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from agnostix.core.explanation.checks import counted
from agnostix.core.typing import Codes, Floats


def row_places(rows: Any, n_rows: int) -> Codes:
    if isinstance(rows, slice):
        return np.arange(n_rows)[rows]
    index = np.asarray(rows)
    if index.size == 0 and index.ndim == 1 and index.dtype.kind != "b":
        return np.empty(0, dtype=np.intp)
    if isinstance(rows, tuple) or index.ndim > 1 or index.dtype.kind not in "biu":
        raise TypeError(
            f"Rows are chosen by an int, a slice, a list of ints or a mask; got {rows!r}. "
            "Outputs and features are chosen with sel."
        )
    if index.dtype.kind == "b":
        if index.shape != (n_rows,):
            raise IndexError(f"A mask must have one entry for each of the {n_rows} rows; got {index.shape}.")
        return np.flatnonzero(index)
    index = np.atleast_1d(index).astype(np.intp)
    outside = index[(index < -n_rows) | (index >= n_rows)]
    if outside.size:
        raise IndexError(f"Row {outside[0]} is out of range: there are {counted(n_rows, 'row')}.")
    return index % max(n_rows, 1)


def find_places(what: str, wanted: Any, names: Sequence[str]) -> list[int]:
    listed = [wanted] if isinstance(wanted, str) or not np.iterable(wanted) else list(wanted)
    return [find_place(what, one, names) for one in listed]


def find_place(what: str, wanted: Any, names: Sequence[str]) -> int:
    if isinstance(wanted, str) and wanted in names:
        return list(names).index(wanted)
    is_place = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    if is_place and -len(names) <= wanted < len(names):
        return int(wanted) % len(names)
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise KeyError(f"No {what} {wanted!r} here. There are {len(names)}: {known}.")


def object_array(values: Any) -> np.ndarray:
    """An array of objects of one dimension, even where the objects have lengths of their own."""
    return np.fromiter(values, dtype=object, count=len(values))


def over_rows(values: Floats, how: str) -> tuple[Floats, Floats]:
    """Statistic over rows and its standard error, each of shape (n_features, n_outputs); NaN is no value."""
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    numbers = np.where(there, values if how == "mean" else np.abs(values), 0.0)
    unknown = np.full(n.shape, np.nan)
    if how == "max_abs":
        return np.where(n > 0, numbers.max(axis=0), np.nan), unknown
    mean = np.divide(numbers.sum(axis=0), n, out=unknown.copy(), where=n > 0)
    spread = np.where(there, numbers - mean, 0.0)
    squares = np.einsum("ijk,ijk->jk", spread, spread)
    return mean, np.sqrt(np.divide(squares, n * (n - 1.0), out=unknown, where=n > 1))


def label_series(labels: Any) -> pd.Series:
    """Labels of groups as a pandas Series that knows the order of its categories."""
    if isinstance(labels, pd.Series):
        return labels.reset_index(drop=True)
    if hasattr(labels, "to_list") and not isinstance(labels, np.ndarray | pd.Index):  # polars
        column, told = nw.from_native(labels, series_only=True), labels.to_list()
        if not isinstance(column.dtype, nw.Enum):
            return pd.Series(told)
        return pd.Series(pd.Categorical(told, categories=column.cat.get_categories().to_list(), ordered=True))
    array = labels if isinstance(labels, pd.Index | pd.api.extensions.ExtensionArray) else np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"by must have one dimension, a label for each row; got shape {array.shape}.")
    return pd.Series(array)


def in_order(grouped: Any) -> list[tuple[Any, Codes]]:
    """Keys and rows of each group, in the order of the keys."""
    number = grouped.ngroup().to_numpy()
    keys = [key for key, _ in grouped]
    return [(key, np.flatnonzero(number == j)) for j, key in enumerate(keys)]
