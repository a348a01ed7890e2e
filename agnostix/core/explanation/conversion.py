"""Explanations as tables, whatever their dims, and as objects of other packages."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.selection import object_array
from agnostix.core.frames import column_at, column_names, columns, is_frame, kind_of, to_codes, to_floats
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

NO_COLUMN = "…"
"""Shown where a feature is no column of the data: a group of columns has no one value."""
MISSING = "missing"


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
    by_name = columns(data)
    by_place = len(by_name) == len(explanation.feature_names)
    return dict(zip(explanation.feature_names, by_name.values(), strict=True)) if by_place else {}


def data_values(explanation: Explanation) -> np.ndarray:
    """The features' values (n_rows, n_features): floats where all are numbers, else objects."""
    by_name = data_columns(explanation)
    own = [by_name.get(name) for name in explanation.feature_names]
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


def explanation_to_shap(explanation: Explanation) -> Any:
    """A shap.Explanation of copies, since shap's plots write into their arrays; drops a single output."""
    dims = explanation.dims
    if dims[0] != "row":
        raise ValueError(
            f"to_shap needs dims that begin with 'row', since shap's Explanation goes by row; got {dims}. "
            "to_frame() gives the values as a table."
        )
    try:
        shap: Any = import_module("shap")
    except ImportError as error:
        raise ImportError(
            "to_shap needs the package shap, which agnostix does not install: pip install shap."
        ) from error
    data, shown = _data_for_shap(explanation)
    names = explanation.output_names
    drops = len(names) == 1 and dims[-1] == "output"
    return shap.Explanation(
        values=_as_shap(explanation.values, drops),
        base_values=_as_shap(explanation.base_values, drops),
        data=data,
        display_data=shown,
        feature_names=list(explanation.feature_names) or None,
        output_names=names[0] if drops else list(names) or None,
        error_std=_as_shap(explanation.std_errors, drops),
    )


def _as_shap(array: Floats | None, drops: bool) -> Floats | None:
    return None if array is None else np.array(array[..., 0] if drops else array)


def _data_for_shap(explanation: Explanation) -> tuple[Any, Any]:
    """The features' values as numbers, and as text where some are no numbers."""
    if "feature" not in explanation.dims:
        data = explanation.data
        return (data.copy() if isinstance(data, np.ndarray) else data), None
    columns = data_columns(explanation)
    own = [columns.get(name) for name in explanation.feature_names]
    if all(column is None for column in own):
        return None, None
    coded = [_coded(column, len(explanation)) for column in own]
    data = np.column_stack([numbers for numbers, _ in coded])
    if all(text is None for _, text in coded):
        return data, None
    shown = data.astype(object)
    for j, (_, text) in enumerate(coded):
        if text is not None:
            shown[:, j] = text
    return data, shown


def _coded(column: Any, n_rows: int) -> tuple[Floats, list[str] | None]:
    if column is None:
        return np.zeros(n_rows), [NO_COLUMN] * n_rows  # one value, one color: plots choke on NaN alone
    if kind_of(column) == "numeric":
        return to_floats(column), None
    codes, levels = to_codes(column)
    labels = [str(level) for level in levels] + [MISSING]
    return np.where(codes < 0, np.nan, codes), [labels[code] for code in codes]
