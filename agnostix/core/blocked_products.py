"""Products with many right-hand sides whose bits do not depend on how many there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agnostix.core.threads import one_blas_thread
from agnostix.core.typing import Floats

WIDTH = 64
"""Right-hand sides in a product; the last one is padded with zeros."""


@one_blas_thread
def multiply(matrix: Floats, columns: Floats) -> Floats:
    """Multiply, a column's result being the same to the last bit whatever stands beside it.

    Parameters
    ----------
    matrix : ndarray of shape (n_results, n_terms)
        The operator.
    columns : ndarray of shape (n_terms, n_columns)
        Right-hand sides.

    Returns
    -------
    ndarray of shape (n_results, n_columns)
    """
    result = np.empty((matrix.shape[0], columns.shape[1]))
    for part, block in _blocks(columns):
        result[:, part] = (matrix @ block)[:, : part.stop - part.start]
    return result


def sums_of_squares(columns: Floats) -> Floats:
    """Squared length of each column, with the bits of each its own.

    Parameters
    ----------
    columns : ndarray of shape (n_terms, n_columns)
        Vectors.

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    result = np.empty(columns.shape[1])
    for part, block in _blocks(columns):
        result[part] = np.square(block).sum(0)[: part.stop - part.start]
    return result


def _blocks(columns: Floats) -> Iterator[tuple[slice, Floats]]:
    """Columns in blocks of one shape and one order in memory."""
    n_terms, n_columns = columns.shape
    for start in range(0, n_columns, WIDTH):
        part = slice(start, min(start + WIDTH, n_columns))
        block = np.zeros((n_terms, WIDTH))
        block[:, : part.stop - start] = columns[:, part]
        yield part, block
