"""The rows whose values stand in for what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_names, is_frame, take_rows
from agnostix.core.seeds import seed_of
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Background:
    """Rows and their weights.

    Attributes
    ----------
    rows : DataFrame or ndarray of shape (n_background, n_columns)
        Real rows, or one of constants.
    weights : ndarray of shape (n_background,)
        Summing to 1.
    is_sample : bool
        Whether they stand for more rows than they are, so that their choice makes an error.
    """

    rows: Any
    weights: Floats
    is_sample: bool

    @classmethod
    def drawn(cls, table: Any, size: int, random_state: Any, sample_weight: Any) -> Background:
        """Draw rows without replacement.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            What is drawn from.
        size : int
            How many rows; all where there are fewer.
        random_state : int, RandomState, Generator or None
            Of the draw.
        sample_weight : array-like of shape (n_rows,) or None
            Weights, kept by the rows that are drawn.

        Returns
        -------
        Background

        Raises
        ------
        DataError
            If the weights cannot be used.
        """
        n_rows = table.shape[0]
        order = np.random.default_rng(seed_of(random_state)).permutation(n_rows)
        return cls._of(table, np.sort(order[:size]), sample_weight, is_sample=True)

    @classmethod
    def whole(cls, table: Any, sample_weight: Any) -> Background:
        """All rows, as all that there are.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows.
        sample_weight : array-like of shape (n_rows,) or None
            Their weights.

        Returns
        -------
        Background

        Raises
        ------
        DataError
            If the weights cannot be used.
        """
        return cls._of(table, np.arange(table.shape[0]), sample_weight, is_sample=False)

    @classmethod
    def constant(cls, fill: Any, table: Any, owner: str) -> Background:
        """One row of constants.

        Parameters
        ----------
        fill : mapping or array-like of shape (n_columns,)
            Values by column, or in the columns' order.
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            What the row is like.
        owner : str
            Whose ``fill`` parameter it is, for messages.

        Returns
        -------
        Background

        Raises
        ------
        DataError
            If a column has no value, or one that it cannot hold.
        """
        return cls(_constant_row(fill, table, owner), np.ones(1), False)

    @classmethod
    def _of(cls, table: Any, rows: Codes, sample_weight: Any, is_sample: bool) -> Background:
        weights = checked_weights(sample_weight, table.shape[0])
        if not weights[rows].any():
            raise DataError("All rows drawn for the background have zero weight. Raise background_size.")
        rows = rows[weights[rows] > 0]
        kept = take_rows(table, rows)
        kept = kept.reset_index(drop=True) if isinstance(kept, pd.DataFrame) else kept
        return cls(kept, weights[rows] / weights[rows].sum(), is_sample)


def checked_weights(sample_weight: Any, n_rows: int) -> Floats:
    """Read weights of rows; None is 1 for each.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or None
        The weights.
    n_rows : int
        How many are needed.

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    DataError
        If they are of another number, negative or not finite, or none is above 0.
    """
    weights = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=float).ravel()
    if weights.shape != (n_rows,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(
            f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows."
        )
    if not weights.any():
        raise DataError(f"sample_weight is zero for all of the {n_rows} rows; at least one must be above it.")
    return weights


def _constant_row(fill: Any, table: Any, owner: str) -> Any:
    """One row of the table's form and types."""
    names = column_names(table)
    if isinstance(fill, Mapping | pd.Series):
        given = {str(name): value for name, value in fill.items()}
    else:
        values = list(fill) if isinstance(fill, list | tuple) else list(np.ravel(fill))
        given = dict(zip(names, values, strict=True)) if len(values) == len(names) else {}
    if set(given) != set(names):
        raise DataError(
            f"The 'fill' parameter of {owner} must be 'auto' or have a value for each of the "
            f"{len(names)} columns ({', '.join(names)}), got {fill!r}."
        )
    if not is_frame(table):
        return _constant_array([given[name] for name in names], table.dtype, owner)
    make = _pandas_value if isinstance(table, pd.DataFrame) else _polars_value
    return type(table)(
        {name: _one_value(given[str(name)], table[name], make, owner) for name in table.columns}
    )


def _constant_array(values: list[Any], dtype: np.dtype, owner: str) -> Any:
    """One row of a type, or where that is of whole numbers and cannot hold it, of decimals."""
    if dtype.kind == "O":
        row = np.empty((1, len(values)), dtype=object)
        row[0] = values
        return row
    try:
        row = np.array([values], dtype=dtype if dtype.kind == "f" else None)
    except (TypeError, ValueError):
        row = np.array([values], dtype=object)
    if dtype.kind in "biuf" and row.dtype.kind not in "biuf":
        raise DataError(
            f"The 'fill' parameter of {owner} must have numbers for an array of type {dtype}, got {values!r}."
        )
    with np.errstate(invalid="ignore"):
        held = row.astype(dtype) if dtype.kind in "biu" else row
    return held if np.array_equal(held, row) else row


def _one_value(value: Any, column: Any, make: Callable[[Any, Any], Any], owner: str) -> Any:
    """A constant in a column's own type, which must be able to hold it."""
    try:
        return make(value, column)
    except Exception as error:
        raise DataError(
            f"The 'fill' parameter of {owner} has {value!r} for the column {str(column.name)!r}, "
            f"which its type {column.dtype} cannot hold."
        ) from error


def _pandas_value(value: Any, column: pd.Series) -> pd.Series:
    labels = getattr(column.dtype, "categories", None)
    if labels is not None and not (pd.isna(value) or value in labels):
        raise ValueError("not one of the labels")
    one = pd.Series([value]).astype(column.dtype)
    if one.isna()[0] != pd.isna(value):
        raise ValueError("missing")
    if not pd.api.types.is_float_dtype(one) and not one.isna()[0] and one[0] != value:
        raise ValueError("another value")
    return one


def _polars_value(value: Any, column: Any) -> Any:
    return type(column)([value], dtype=column.dtype)
