"""Sparse matrices and arrays of scipy as rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from agnostix.core.features import keys_of
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of scipy."""
    return bool(sparse.issparse(X))


def as_sparse(X: Any) -> Any:
    """A copy of sparse rows by row (CSR), a matrix or an array as X is, with no 0 stored; checked."""
    if X.ndim != 2 or min(X.shape) == 0:
        raise DataError(f"X must have at least one row and one column, got shape {tuple(X.shape)}.")
    if X.dtype.kind not in "biuf":
        raise DataError(f"Sparse X must hold numbers, got {X.dtype}.")
    rows = X.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def row_keys(rows: Any) -> Codes:
    """A 64-bit key (n_rows,) of what is in each row, whatever the order of the rows."""
    numbers = rows.data.astype(float) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    mixed = pd.util.hash_array(numbers) ^ keys_of(rows.indices[:, None], first_column=0)[:, 0]
    mixed = keys_of((mixed >> np.uint64(1))[:, None], first_column=0)[:, 0]
    totals = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
    return totals[rows.indptr[1:]] - totals[rows.indptr[:-1]]
