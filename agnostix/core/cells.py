"""What is in a cell of a column of objects: lists, arrays, dicts, sets, or anything else."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import date, time, timedelta
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

_CONSTANTS = (str, bytes, Real, date, time, timedelta, np.generic, frozenset)
"""Types of cells that nothing can change in place."""


def content_of(cell: Any) -> Any:
    """What is in a cell, as something that can be compared and hashed."""
    if isinstance(cell, np.ndarray) and cell.dtype != object:
        return "array", cell.shape, cell.dtype.str, cell.tobytes()
    if isinstance(cell, list | tuple | np.ndarray) or is_polars_series(cell):
        return type(cell).__name__, tuple(content_of(one) for one in cell)
    if isinstance(cell, set | frozenset):
        return "set", frozenset(content_of(one) for one in cell)
    if isinstance(cell, Mapping):
        return "dict", frozenset((content_of(key), content_of(value)) for key, value in cell.items())
    try:
        hash(cell)
    except TypeError:
        return "object", id(cell)
    return type(cell).__name__, cell


def are_hashable(series: Any) -> bool:
    """Whether a column of objects holds values that can be labels; texts are told apart in one pass."""
    if isinstance(series, pd.Series) and not pd.api.types.infer_dtype(series, skipna=True).startswith(
        "mixed"
    ):
        return True
    try:
        return all(hash(value) is not None for value in series.to_list())
    except TypeError:
        return False


def are_changeable(cells: Any) -> bool:
    """Whether objects (n_cells,) are more than numbers, texts or dates; texts are told apart in one pass."""
    if not pd.api.types.infer_dtype(cells, skipna=True).startswith("mixed"):
        return False
    return not all(isinstance(cell, _CONSTANTS) or pd.api.types.is_scalar(cell) for cell in cells)


def copy_cells(cells: Any) -> np.ndarray:
    """Objects (n_cells,), each with a copy of its own, also where cells share one."""
    copied = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        try:
            copied[place] = deepcopy(cell)
        except Exception:  # what cannot be copied, such as a lock or a file, is shared
            copied[place] = cell
    return copied
