"""Columns of objects: numbers, dates and labels that no type of their own holds."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

_NUMBERS = ("integer", "decimal", "floating", "mixed-integer-float")
"""What pandas calls numbers in a column of objects."""


def infer_type(series: Any) -> Any:
    """An object column of numbers or dates as a column of these, missing values NaN; any other as it is."""
    if is_polars_series(series):
        is_object = str(series.dtype) == "Object" and _are_numbers(series.to_list())
        return (
            type(series)(series.name, _as_floats(series.to_list()), nan_to_null=True) if is_object else series
        )
    if series.dtype != object:
        return series
    inferred = inferred_objects(series)
    if inferred.dtype.kind in "fiuMmb":
        return inferred
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in _NUMBERS or (kind == "mixed" and _are_numbers(series)):  # which no type holds, as decimals
        return pd.Series(_as_floats(series), index=series.index, name=series.name)
    return series


def inferred_objects(series: Any) -> Any:
    """A Series of objects in the type that pandas infers; as it is where its texts have no UTF-8."""
    try:
        return series.infer_objects()
    except UnicodeEncodeError:
        return series


def _are_numbers(cells: Any) -> bool:
    """Whether objects are numbers, such as fractions, or missing; truth values are labels."""
    numbers = [isinstance(cell, Real | Decimal) and not isinstance(cell, bool | np.bool_) for cell in cells]
    pairs = zip(numbers, cells, strict=True)
    return any(numbers) and all(known or cell is None or cell is pd.NA for known, cell in pairs)


def _as_floats(cells: Any) -> np.ndarray:
    """Objects that are numbers as float64 (n_rows,), missing ones NaN, too large ones infinite."""
    return np.array([np.nan if cell is None or cell is pd.NA else _as_float(cell) for cell in cells])


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf
