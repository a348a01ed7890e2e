"""Tables as the matrices of numbers that tree libraries make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from agnostix.core.frames import column_at, column_names, is_frame, kind_of, to_array, to_floats
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

Levels = Mapping[int, Sequence[Any]]
"""Levels of a column of categories by its position, in the order of the codes that the model knows."""


def as_matrix(X: Any, absent: float = 0.0) -> Floats:
    """A table of numbers as a matrix (n_rows, n_columns); `absent` is what a sparse one does not store."""
    if sparse.issparse(X):
        stored = X.tocoo()
        matrix = np.full(X.shape, absent)
        matrix[stored.coords[0], stored.coords[1]] = stored.data
        return matrix
    if is_frame(X):
        try:
            X = to_array(X)
        except (TypeError, ValueError):  # of missing truth values, which are no numbers
            return as_coded_matrix(X, {}, absent)
    X = np.asarray(X)
    if X.dtype == object and any(_is_missing(cell) for cell in X.ravel()):
        X = np.array([np.nan if _is_missing(cell) else cell for cell in X.ravel()], dtype=float).reshape(
            X.shape
        )
    return X if X.dtype in (np.float32, np.float64) else X.astype(float)


def as_coded_matrix(X: Any, levels: Levels, absent: float = 0.0, strict: bool = False) -> Floats:
    """The same with columns of categories as their codes; missing and unknown ones are NaN.

    DataError for unknown ones where it is strict.
    """
    if not is_frame(X):
        return as_matrix(X, absent)
    matrix = np.empty(X.shape)
    for place in range(X.shape[1]):
        column = column_at(X, place)
        if place in levels:
            known = {level: code for code, level in enumerate(levels[place])}
            cells = [None if _is_missing(one) else one for one in column.to_list()]
            new = [one for one in cells if one is not None and one not in known]
            if strict and new:
                raise DataError(
                    f"The column {column_names(X)[place]} has the level {new[0]!r}, which the model has not "
                    "been trained on, and what becomes of it is not known. Use algorithm='kernel'."
                )
            matrix[:, place] = [known.get(one, np.nan) for one in cells]
        elif kind_of(column) == "numeric":
            matrix[:, place] = to_floats(column)
        else:
            matrix[:, place] = _truths(column)
    return matrix


def _truths(column: Any) -> Floats:
    return np.array([np.nan if _is_missing(one) else float(one) for one in column.to_list()])


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def own_levels(X: Any) -> dict[int, list[Any]]:
    """Levels of a frame's columns of categories, in the order of their codes."""
    if not is_frame(X):
        return {}
    found = {}
    for place in range(X.shape[1]):
        column = column_at(X, place)
        if hasattr(column, "cat") and kind_of(column) == "categorical":
            categories = (
                column.cat.categories if hasattr(column.cat, "categories") else column.cat.get_categories()
            )
            found[place] = list(categories)
    return found


def categorical_places(X: Any) -> Codes:
    """Positions of a frame's columns of categories."""
    return np.array(sorted(own_levels(X)), dtype=np.intp)
