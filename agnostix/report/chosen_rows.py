"""Single rows: found in a table by place or label, or new ones in its form."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_names, is_frame
from agnostix.exceptions import DataError

_N_EXAMPLES = 3


@dataclass(frozen=True)
class ChosenRows:
    """Some rows, and what they are called.

    Attributes
    ----------
    table : DataFrame or ndarray of shape (n_chosen, n_columns)
        The rows, with the columns and types of the table that they are compared with.
    positions : tuple of int or None
        Where they stand in that table; None for new rows.
    labels : tuple of object or None
        Their labels; None where rows are only counted.
    """

    table: Any
    positions: tuple[int | None, ...]
    labels: tuple[Any, ...]

    @classmethod
    def read(cls, rows: Any, X: Any) -> ChosenRows:
        """Find rows in a table, or take in new ones.

        Parameters
        ----------
        rows : int, label, sequence of them, or DataFrame or array of shape (n_chosen, n_columns)
            A whole number is a position, counted from 0; anything else a label
            of a pandas frame. A table holds new rows, with the columns of `X`.
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ChosenRows

        Raises
        ------
        DataError
            If there is no such row, it is asked for twice, or new rows have other columns or types.
        """
        if isinstance(rows, pd.Series):
            raise DataError(
                "rows is a Series, which may be one row or a list of them. Pass one row as a DataFrame, "
                "X.iloc[[3]], several by a list of positions or labels."
            )
        if is_frame(rows) or np.ndim(rows) == 2:
            return cls._new(rows, X)
        listed = list(rows) if isinstance(rows, Iterable) and not isinstance(rows, str | tuple) else [rows]
        labels = row_labels(X)
        positions = [row_position(one, X.shape[0], labels) for one in listed]
        twice = [one for j, one in enumerate(listed) if positions[j] in positions[:j]]
        if twice:
            raise DataError(f"The row {twice[0]!r} is asked for twice.")
        taken = X.iloc[positions] if isinstance(X, pd.DataFrame) else X[positions]
        return cls(taken, tuple(positions), _labels_at(labels, positions))

    @classmethod
    def _new(cls, rows: Any, X: Any) -> ChosenRows:
        table = in_form_of(rows, X)
        places = list(range(table.shape[0]))
        return cls(table, (None,) * len(places), _labels_at(row_labels(table), places))


def row_labels(X: Any) -> pd.Index | None:
    """The labels of a table's rows, None where they are only counted.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    Index or None
    """
    if not isinstance(X, pd.DataFrame) or X.index.equals(pd.RangeIndex(X.shape[0])):
        return None
    return X.index


def row_position(row: Hashable, n_rows: int, labels: pd.Index | None) -> int:
    """Where a row stands.

    Parameters
    ----------
    row : int or hashable
        A position, counted from 0; or a label, which is no whole number.
    n_rows : int
        Rows of the table.
    labels : Index or None
        Their labels, as from `row_labels`.

    Returns
    -------
    int

    Raises
    ------
    DataError
        If there is no such row, or several bear the label.
    """
    counted = isinstance(row, Integral) and not isinstance(row, bool)
    bearing = [] if labels is None else np.flatnonzero([label == row for label in labels]).tolist()
    if counted and 0 <= int(row) < n_rows:  # type: ignore[call-overload]
        return int(row)  # type: ignore[call-overload]
    if counted:
        also = f" The label {row} stands at position {bearing[0]}." if bearing else ""
        raise DataError(f"There is no row {row}: positions run from 0 to {n_rows - 1}.{also}")
    if len(bearing) == 1:
        return bearing[0]
    if bearing:
        shown = ", ".join(map(str, bearing[:_N_EXAMPLES])) + (", ..." if len(bearing) > _N_EXAMPLES else "")
        raise DataError(f"{len(bearing)} rows have the label {row!r}. Give a position: {shown}.")
    known = "" if labels is None else f", labels are {', '.join(map(repr, labels[:_N_EXAMPLES].tolist()))}"
    more = " and others" if labels is not None and n_rows > _N_EXAMPLES else ""
    raise DataError(f"There is no row {row!r}: positions run from 0 to {n_rows - 1}{known}{more}.")


def in_form_of(rows: Any, X: Any) -> Any:
    """New rows with the columns of a table, in its order, and its types where these hold their values.

    Parameters
    ----------
    rows : DataFrame or array-like of shape (n_new, n_columns)
        New rows.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    DataFrame or ndarray
        Of the table's library.

    Raises
    ------
    DataError
        If the rows have other columns, are of another library, or a type cannot hold a value.
    """
    table: Any = rows if is_frame(rows) else np.asarray(rows)
    if type(table) is not type(X) and not (isinstance(table, pd.DataFrame) and isinstance(X, pd.DataFrame)):
        raise DataError(
            f"rows is a {_library(table)}, but X is a {_library(X)}. New rows must come as X does; convert "
            "one of them."
        )
    if not is_frame(X):
        if table.shape[1] != X.shape[1]:
            raise DataError(f"rows has {table.shape[1]} columns, but X has {X.shape[1]}.")
        return table
    _check_columns(column_names(table), column_names(X))
    parts = {name: _in_type_of(table[name], X[name]) for name in X.columns}
    return table[list(X.columns)].assign(**parts) if isinstance(X, pd.DataFrame) else type(X)(parts)


def _library(table: Any) -> str:
    return f"{type(table).__module__.split('.')[0]} {type(table).__name__}"


def _check_columns(given: list[str], own: list[str]) -> None:
    missing = [name for name in own if name not in given]
    extra = [name for name in given if name not in own]
    if missing or extra:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(extra)} more"
        raise DataError(f"rows must have the columns of X ({', '.join(own)}), but it {what}.")


def _in_type_of(given: Any, own: Any) -> Any:
    """New values in a column's type, if it changes none of them."""
    if given.dtype == own.dtype:
        return given
    try:
        made = given.astype(own.dtype) if isinstance(given, pd.Series) else given.cast(own.dtype)
        before, after = given.to_list(), made.to_list()
        kept = all(a == b or (pd.isna(a) and pd.isna(b)) for a, b in zip(before, after, strict=True))
    except Exception:  # each library has errors of its own
        kept = False
    if not kept:
        raise DataError(
            f"Column {str(own.name)!r} of rows holds {given.to_list()[0]!r} ({given.dtype}), which its type "
            f"{own.dtype} in X cannot hold."
        )
    return made


def _labels_at(labels: pd.Index | None, positions: list[int]) -> tuple[Any, ...]:
    return (None,) * len(positions) if labels is None else tuple(labels[positions].tolist())
