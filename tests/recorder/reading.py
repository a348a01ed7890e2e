"""Results as flat dicts of arrays, numbers and text, by path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where a function is in memory, which is another place in every process."""


def read(result: Any) -> dict[str, Any]:
    """Its leaves by path: fields of dataclasses, entries of dicts, items of lists, columns of frames."""
    leaves: dict[str, Any] = {}
    _read_into(leaves, "", result)
    return leaves


def _read_into(leaves: dict[str, Any], path: str, value: Any) -> None:
    join = f"{path}/" if path else ""
    if isinstance(value, pd.Series):
        _read_into(leaves, path, {"index": np.asarray(value.index), "series": _column(value)})
    elif isinstance(value, pd.DataFrame):
        _read_frame(leaves, join, value)
    elif type(value).__module__.startswith("polars"):
        _read_frame(leaves, join, value.to_pandas())
    elif is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if not one.name.startswith("_")]
        _read_into(leaves, path, {name: getattr(value, name) for name in names})
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        _read_into(leaves, path, value._asdict())
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _read_into(leaves, f"{join}{key}", one)
    elif isinstance(value, list | tuple) and any(
        isinstance(one, Mapping | list | tuple) or is_dataclass(one) for one in value
    ):
        leaves[f"{path}[length]"] = len(value)
        for place, one in enumerate(value):
            _read_into(leaves, f"{path}[{place}]", one)
    elif isinstance(value, list | tuple):
        leaves[path] = _array(np.asarray(value, dtype=None if _all_numbers(value) else object))
    elif isinstance(value, np.ndarray):
        leaves[path] = _array(value)
    else:
        leaves[path] = _scalar(value)


def _read_frame(leaves: dict[str, Any], join: str, frame: pd.DataFrame) -> None:
    names = ["/".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    leaves[f"{join}columns"] = names
    leaves[f"{join}n_rows"] = len(frame)
    if not isinstance(frame.index, pd.RangeIndex):
        leaves[f"{join}index"] = [str(label) for label in frame.index]
    for place, name in enumerate(names):
        leaves[f"{join}column {name}"] = _column(frame.iloc[:, place])


def _column(series: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return _array(series.to_numpy(dtype=float if series.isna().any() else None, na_value=np.nan))
    return _array(series.astype(object).to_numpy())


def _array(values: np.ndarray) -> Any:
    """Numbers as an array; anything else as lists of text, numbers and None."""
    if values.dtype.kind in "biufc":
        return np.asarray(values)
    if values.dtype == object and values.size and _all_numbers(values.ravel()):
        return values.astype(float)
    return (
        [_scalar(value) for value in values.ravel()] if values.ndim < 2 else [_array(row) for row in values]
    )


def _all_numbers(values: Any) -> bool:
    return all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)


def _scalar(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, str):
        return ADDRESS.sub("", value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biufU" else str(value)
    return ADDRESS.sub("", str(value))
