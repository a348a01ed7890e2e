"""Background rows, whose values replace hidden ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_names, is_frame, take_rows, without_index
from agnostix.core.seeds import seed_of
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Background:
    """Background rows (n_background, n_columns) and their weights, adding up to 1.

    `is_sample`: whether they were sampled from more rows, so that their choice has a standard error.
    """

    rows: Any
    weights: Floats
    is_sample: bool

    @classmethod
    def drawn(cls, table: Any, size: int, random_state: Any, sample_weight: Any) -> Background:
        """Rows sampled without replacement, all if there are no more than `size`; they keep their weights."""
        n_rows = table.shape[0]
        order = np.random.default_rng(seed_of(random_state)).permutation(n_rows)
        return cls._weighted(table, np.sort(order[:size]), sample_weight, is_sample=True)

    @classmethod
    def whole(cls, table: Any, sample_weight: Any) -> Background:
        """All rows, as the whole population."""
        return cls._weighted(table, np.arange(table.shape[0]), sample_weight, is_sample=False)

    @classmethod
    def constant(cls, fill: Any, table: Any, owner: str) -> Background:
        """One row of constants, by column name or in order; `owner` names the explainer in messages."""
        return cls(_constant_row(fill, table, owner), np.ones(1), False)

    @classmethod
    def _weighted(cls, table: Any, rows: Codes, sample_weight: Any, is_sample: bool) -> Background:
        weights = checked_weights(sample_weight, table.shape[0])
        if not weights[rows].any():
            raise DataError("All rows drawn for the background have zero weight. Raise background_size.")
        rows = rows[weights[rows] > 0]
        kept = without_index(take_rows(table, rows))
        return cls(kept, weights[rows] / weights[rows].sum(), is_sample)


def checked_weights(sample_weight: Any, n_rows: int) -> Floats:
    """Weights (n_rows,) of rows, 1 each for None; DataError if negative, not finite or all 0."""
    weights = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=float).ravel()
    if weights.shape != (n_rows,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(
            f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows."
        )
    if not weights.any():
        raise DataError(f"sample_weight is zero for all of the {n_rows} rows; at least one must be above it.")
    return weights


def _constant_row(fill: Any, table: Any, owner: str) -> Any:
    """One row of the table's library and dtypes."""
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
