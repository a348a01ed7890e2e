"""How the doubles read a table: column by column, so that a row is answered alike in any batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.frames import columns, is_frame, to_floats
from agnostix.core.typing import Bools, Floats

COEFFICIENTS = (1.0, -2.0, 0.5, 3.0)
"""Of the columns in turn, the fifth having that of the first again."""


def number_columns(X: Any) -> list[Floats]:
    """Read each column as numbers.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    list of ndarray of shape (n_rows,)
        Of float64; 0 where a value is missing.
    """
    if is_frame(X):
        read = [to_floats(series) for series in columns(X).values()]
    else:
        table = np.asarray(X)
        read = [table[:, j].astype(float) for j in range(table.shape[1])]
    return [np.where(np.isnan(column), 0.0, column) for column in read]


def weighted_sum(read: list[Floats], shift: int = 0) -> Floats:
    """Add up columns times their coefficients, in the columns' order and never by a matrix product.

    Parameters
    ----------
    read : list of ndarray of shape (n_rows,)
        The columns.
    shift : int, default=0
        With which of the coefficients to begin.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    total = np.zeros(read[0].shape)
    for j, column in enumerate(read):
        total = total + COEFFICIENTS[(j + shift) % len(COEFFICIENTS)] * column
    return total


def marked(X: Any, marker: float) -> Bools:
    """Find the rows that a broken double breaks at.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The table.
    marker : float
        What the first column holds there.

    Returns
    -------
    ndarray of bool of shape (n_rows,)
    """
    return number_columns(X)[0] == marker
