"""Rows that no condition tells apart, merged into one cell each: they keep their proportions.

Columns of few distinct values make few cells, as margins of a cross table do: raking 100,000 rows by three
columns is a problem of some hundred cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats, Numbers

_MAX_DISTINCT = 64
"""Distinct values of a column above which its rows are not merged."""
_N_TRIED = 256
_WORTH = 0.5
"""Share of the rows that cells must save."""


@dataclass(frozen=True)
class Cells:
    """Groups of rows with the same values in some columns."""

    code: Codes  # (n_rows,), the cell of each row
    first: Codes  # (n_cells,), one row of each
    base: Floats  # (n_cells,), sums of the base weights

    def sums(self, values: Floats) -> Floats:
        """Sums of values (n_rows,) over the rows of each cell, shape (n_cells,)."""
        return np.bincount(self.code, values, self.first.size).astype(np.float64, copy=False)

    def spread(self, weights: Floats, base: Floats) -> Floats:
        """Weights of cells (n_cells,) divided among their rows in proportion to base (n_rows,)."""
        return base * (weights / self.base)[self.code]


def merge_rows(columns: Iterable[Numbers], base: Floats) -> Cells | None:
    """Cells of equal rows over columns, each (n_rows,); None where that saves little."""
    n_rows = base.size
    columns = list(columns)
    if any(_has_many(column) for column in columns):
        return None
    most = int(_WORTH * n_rows)
    code, n_codes = np.zeros(n_rows, dtype=np.int64), 1
    for column in columns:
        own = _codes(column)
        if own is None:
            return None
        if n_codes * own[1] > 2 * n_rows:
            code, n_codes = _compact(code, n_codes)
            if n_codes > most:
                return None
        code = code * own[1] + own[0]
        n_codes *= own[1]
    code, n_cells = _compact(code, n_codes)
    if n_cells > most:
        return None
    first = np.empty(n_cells, dtype=np.intp)
    first[code[::-1]] = np.arange(n_rows - 1, -1, -1)  # the first row of each, written last
    return Cells(code, first, np.bincount(code, base, n_cells).astype(np.float64, copy=False))


def _has_many(column: Numbers) -> bool:
    """Whether some rows of a column of numbers have too many distinct values for cells."""
    few = column[:: max(1, column.size // _N_TRIED)]
    return column.dtype.kind == "f" and np.unique(few).size > _MAX_DISTINCT


def _codes(column: Numbers) -> tuple[Codes, int] | None:
    """Whole numbers from 0 that tell the values of a column apart, and their number; None if many."""
    if column.dtype == bool:
        return column.astype(np.int64), 2
    if column.dtype.kind in "iu":
        low, high = int(column.min()), int(column.max())
        if high - low < max(_MAX_DISTINCT, column.size // 8):
            return column - low, high - low + 1
    tried = np.unique(column[:: max(1, column.size // _N_TRIED)])
    if tried.size <= 2:  # the indicator of a level, as most are
        is_low = column == tried[0]
        if (is_low | (column == tried[-1])).all():
            return (~is_low).astype(np.int64), 2
    values, own = np.unique(column, return_inverse=True)
    return (own.ravel(), values.size) if values.size <= _MAX_DISTINCT else None


def _compact(code: Codes, n_codes: int) -> tuple[Codes, int]:
    """The same groups numbered without gaps, in the same order."""
    if n_codes > 16 * code.size:
        values, own = np.unique(code, return_inverse=True)
        return own.ravel(), values.size
    present = np.zeros(n_codes, dtype=bool)
    present[code] = True
    number = np.cumsum(present) - 1
    return number[code], int(number[-1]) + 1
