"""Tables as the matrices of numbers that tree libraries make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from agnostix.core.frames import column_at, is_frame, kind_of, to_array, to_floats
from agnostix.core.typing import Codes, Floats

Levels = Mapping[int, Sequence[Any]]
"""Levels of a column of categories by its position, in the order of the codes that the model knows."""


def as_matrix(X: Any, absent: float = 0.0) -> Floats:
    """A table of numbers as a matrix (n_rows, n_columns); `absent` is what a sparse one does not store."""
    if sparse.issparse(X):
        stored = X.tocoo()
        matrix = np.full(X.shape, absent)
        matrix[stored.coords[0], stored.coords[1]] = stored.data
        return matrix
    X = to_array(X) if is_frame(X) else np.asarray(X)
    return X if X.dtype in (np.float32, np.float64) else X.astype(float)


def as_coded_matrix(X: Any, levels: Levels, absent: float = 0.0) -> Floats:
    """The same with columns of categories as their codes; missing and unknown ones are NaN."""
    if not is_frame(X):
        return as_matrix(X, absent)
    matrix = np.empty(X.shape)
    for place in range(X.shape[1]):
        column = column_at(X, place)
        if place in levels:
            matrix[:, place] = _codes(column, levels[place])
        elif kind_of(column) == "numeric":
            matrix[:, place] = to_floats(column)
        else:
            matrix[:, place] = _truths(column)
    return matrix


def _codes(column: Any, levels: Sequence[Any]) -> Floats:
    place = {level: code for code, level in enumerate(levels)}
    return np.array([place.get(value, np.nan) for value in column.to_list()], dtype=float)


def _truths(column: Any) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in column.to_list()])


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
