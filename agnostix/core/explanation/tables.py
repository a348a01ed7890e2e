"""Explanations as tables, whatever their dims."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.selection import object_array
from agnostix.core.frames import column_at, column_names, columns, is_frame, kind_of, to_floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


def long_frame(explanation: Explanation) -> pd.DataFrame:
    """A column for each dim, then value, std_error and, by row and feature, data_value."""
    values, errors, dims = explanation.values, explanation.std_errors, explanation.dims
    places: tuple[np.ndarray, ...] = np.indices(values.shape, sparse=True)
    named = {}
    for name, dim, place in zip(_unique(dims), dims, places, strict=True):
        labels = pd.Series(_index(explanation, dim, dim))
        named[name] = labels.iloc[np.broadcast_to(place, values.shape).ravel()].reset_index(drop=True)
    measured = {"value": values.ravel(), "std_error": np.nan if errors is None else errors.ravel()}
    frame = pd.DataFrame(named | measured, index=range(values.size))
    if "row" in dims and dims.count("feature") == 1:
        row, feature = (
            np.broadcast_to(places[dims.index(dim)], values.shape).ravel() for dim in ("row", "feature")
        )
        frame["data_value"] = data_values(explanation)[row, feature]
    return frame


def wide_frame(explanation: Explanation) -> pd.DataFrame:
    """The first dim as rows, the others as columns, without an output that is the only one."""
    values = explanation.values
    if not explanation.dims:
        return pd.DataFrame({"value": values.ravel()})
    first, *rest = explanation.dims
    names = _unique(explanation.dims)[1:]
    kept = [
        j
        for j, dim in enumerate(rest)
        if not (dim == "output" and len(rest) > 1 and values.shape[1 + j] == 1)
    ]
    index = _index(explanation, first, first)
    if not kept:
        return pd.DataFrame({"value": values.ravel()}, index=index)
    if len(kept) == 1:
        name = None if rest[kept[0]] == "feature" else names[kept[0]]
        columns_: pd.Index = _index(explanation, rest[kept[0]], name)
    else:
        levels = [list(explanation.labels(rest[j])) for j in kept]
        columns_ = pd.MultiIndex.from_product(levels, names=[names[j] for j in kept])
    return pd.DataFrame(values.reshape(len(index), len(columns_)).copy(), index=index, columns=columns_)


def data_columns(explanation: Explanation) -> dict[str, Any]:
    """Columns of the data by name: Series of pandas or polars."""
    data = explanation.data
    if data is None or not (is_frame(data) or data.ndim == 2):
        return {}
    if is_frame(data):
        names = column_names(data)
        n_columns = Counter(names)  # of two columns with one name, neither is the feature's
        return {name: column_at(data, j) for j, name in enumerate(names) if n_columns[name] == 1}
    found = columns(data)
    by_place = len(found) == len(explanation.feature_names)
    return dict(zip(explanation.feature_names, found.values(), strict=True)) if by_place else {}


def data_values(explanation: Explanation) -> np.ndarray:
    """The features' values (n_rows, n_features): floats where all are numbers, else objects."""
    found = data_columns(explanation)
    own = [found.get(name) for name in explanation.feature_names]
    if own and all(column is not None and kind_of(column) == "numeric" for column in own):
        return np.column_stack([to_floats(column) for column in own])
    values = np.full((len(explanation), len(own)), None, dtype=object)
    for j, column in enumerate(own):
        if column is not None:
            values[:, j] = object_array(column.to_list())
    return values


def _index(explanation: Explanation, dim: str, name: str | None) -> pd.Index:
    labels = explanation.labels(dim)
    if dim in ("feature", "output"):
        return pd.Index(labels, dtype=object, name=name)
    return pd.Index(list(labels), name=name, tupleize_cols=False)


def _unique(dims: tuple[str, ...]) -> list[str]:
    """Names of the dims, those that repeat an earlier one with a number."""
    counts = [dims[: j + 1].count(dim) for j, dim in enumerate(dims)]
    return [dim if count == 1 else f"{dim}_{count}" for dim, count in zip(dims, counts, strict=True)]
