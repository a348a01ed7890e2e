"""Explanations as tables, whatever their dims, and as objects of other packages."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.fields import Detail
from agnostix.core.explanation.pairs import is_of_pairs
from agnostix.core.explanation.selection import object_array
from agnostix.core.explanation.words import by_words, word_labels
from agnostix.core.frames import column_at, column_names, columns, is_frame, kind_of, to_codes, to_floats
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

NO_COLUMN = "…"
"""Shown where a feature is no column of the data: a group of columns has no one value."""
MISSING = "missing"


def long_frame(explanation: Explanation, level: float | None = None) -> pd.DataFrame:
    """Columns: dims, value, std_error, ends at a level, by row and feature data_value; texts by word.

    Pairs of interactions are there once.
    """
    values, errors, dims = explanation.values, explanation.std_errors, explanation.dims
    places: tuple[np.ndarray, ...] = np.indices(values.shape, sparse=True)
    named = {}
    for name, dim, place in zip(_unique(dims), dims, places, strict=True):
        labels = pd.Series(_index(explanation, dim, dim))
        named[name] = labels.iloc[np.broadcast_to(place, values.shape).ravel()].reset_index(drop=True)
    measured = {"value": values.ravel(), "std_error": np.nan if errors is None else errors.ravel()}
    if level is not None:
        low, high = explanation.interval(level)
        measured |= {"low": low.ravel(), "high": high.ravel()}
    frame = pd.DataFrame(named | measured, index=range(values.size))
    if is_of_pairs(explanation):
        axes = [axis for axis, dim in enumerate(dims) if dim == "feature"]
        is_upper = np.broadcast_to(places[axes[0]] <= places[axes[1]], values.shape).ravel()
        return frame[is_upper].reset_index(drop=True)
    if "row" in dims and dims.count("feature") == 1:
        row, feature = (
            np.broadcast_to(places[dims.index(dim)], values.shape).ravel() for dim in ("row", "feature")
        )
        frame["data_value"] = data_values(explanation)[row, feature]
        words = word_labels(explanation)
        if words is not None:
            frame["feature"] = pd.Series(words[row, feature], dtype=frame["feature"].dtype)
            frame = frame[frame["feature"] != ""].reset_index(drop=True)
    return frame


def wide_frame(explanation: Explanation) -> pd.DataFrame:
    """The first dim as rows, the others as columns, without an output that is the only one; texts by word."""
    explanation = by_words(explanation)
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
    names = explanation.output_names
    drops = len(names) == 1 and dims[-1] == "output"
    common = {
        "base_values": _as_shap(explanation.base_values, drops),
        "output_names": names[0] if drops else list(names) or None,
    }
    words = word_labels(explanation) if dims[:2] == ("row", "feature") else None
    if words is not None:
        return shap.Explanation(**common, **_texts_for_shap(explanation, words, drops))
    images = _images_for_shap(explanation)
    if images is not None:  # whose plots need an axis for outputs, and the names as a list
        common |= {
            "base_values": _as_shap(explanation.base_values, False),
            "output_names": list(names) or None,
        }
        return shap.Explanation(**common, **images)
    data, shown = _data_for_shap(explanation)
    return shap.Explanation(
        values=_as_shap(explanation.values, drops),
        data=data,
        display_data=shown,
        feature_names=list(explanation.feature_names) or None,
        error_std=_as_shap(explanation.std_errors, drops),
        **common,
    )


def _texts_for_shap(explanation: Explanation, words: np.ndarray, drops: bool) -> dict[str, Any]:
    """Each text's values, errors and words, without those that it does not have."""
    values, errors = (_as_shap(one, drops) for one in (explanation.values, explanation.std_errors))
    exists, tokens = words != "", explanation.extras["words"].array.astype(object) + " "

    def by_text(array: Any) -> Any:
        return None if array is None else _ragged([row[own] for row, own in zip(array, exists, strict=True)])

    return {"values": by_text(values), "error_std": by_text(errors), "data": by_text(tokens)}


def _ragged(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays in one, an array of arrays where their lengths differ."""
    return np.stack(parts) if len({len(part) for part in parts}) == 1 else object_array(parts)


def _images_for_shap(explanation: Explanation) -> dict[str, Any] | None:
    """Values and errors of pixels, with an axis for channels; those of a segment divided among its pixels."""
    dims, data = explanation.dims, explanation.data
    segments = explanation.extras.get("segments")
    is_map = dims == ("row", "y", "x", "output")
    is_segmented = (
        dims == ("row", "feature", "output")
        and isinstance(segments, Detail)
        and (segments.dims, segments.points_to) == (("row", "y", "x"), "feature")
    )
    if not isinstance(data, np.ndarray) or not (is_map or is_segmented):
        return None

    def by_pixel(array: Floats | None) -> Floats | None:
        if array is None:
            return None
        if isinstance(segments, Detail) and is_segmented:
            array = np.stack([_divide(*pair) for pair in zip(array, segments.array, strict=True)])
        return np.array(array[:, :, :, None, :])

    return {
        "values": by_pixel(explanation.values),
        "error_std": by_pixel(explanation.std_errors),
        "data": data.copy(),
    }


def _divide(values: Floats, labels: np.ndarray) -> Floats:
    """Values (n_segments, n_outputs) divided among the pixels (height, width) of each segment; -1 gets 0."""
    counts = np.bincount(labels[labels >= 0], minlength=len(values))
    by_segment = np.vstack([values / np.maximum(counts, 1)[:, None], np.zeros(values.shape[1])])
    return np.asarray(by_segment[labels])


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
