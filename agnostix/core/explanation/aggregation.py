"""Statistics over rows and over groups of rows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

from agnostix.core.explanation.detail import Detail
from agnostix.core.explanation.intervals import DEGREES_OF_FREEDOM, INTERVAL_KIND
from agnostix.core.explanation.selection import object_array
from agnostix.core.explanation.tables import data_columns
from agnostix.core.typing import Codes, Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

AGGREGATES = ("mean_abs", "mean", "max_abs")


def aggregated_fields(explanation: Explanation, by: Any, how: str) -> dict[str, Any]:
    """Fields of the explanation without rows, as `dataclasses.replace` takes them."""
    if how not in AGGREGATES:
        raise ValueError(f"how must be one of {', '.join(map(repr, AGGREGATES))}; got {how!r}.")
    if len(explanation) == 0:
        raise ValueError("There are no rows to aggregate.")
    values = np.moveaxis(explanation.values, explanation.dims.index("row"), 0)
    dims = tuple(dim for dim in explanation.dims if dim != "row")
    coords = dict(explanation.coords)
    if by is None:
        parts: tuple[Floats, ...] = _over_rows(values, how)
    else:
        _check_no_groups(explanation)
        labels, groups = _groups(explanation, by)
        found = zip(*(_over_rows(values[rows], how) for rows in groups), strict=True)
        parts = tuple(np.stack(part) for part in found)
        dims, coords["group"] = ("group", *dims), labels
    means, errors, counts = parts
    extras = {
        key: value
        for key, value in explanation.extras.items()
        if not (isinstance(value, Detail) and "row" in (*value.dims, value.points_to))
    }
    extras.pop(DEGREES_OF_FREEDOM, None)
    extras.pop(INTERVAL_KIND, None)
    if how != "max_abs":
        extras[DEGREES_OF_FREEDOM] = Detail(np.maximum(counts - 1.0, 0.0), dims)
    return {
        **dict.fromkeys(("base_values", "outputs", "data", "row_names", "fidelity")),
        "values": means,
        "std_errors": errors,
        "dims": dims,
        "coords": coords,
        "completeness": None,
        "completeness_gap": None,
        "extras": extras | {"aggregate": how},
    }


def _check_no_groups(explanation: Explanation) -> None:
    own = {"dims": explanation.dims} | {
        f"extras[{key!r}]": (*value.dims, value.points_to)
        for key, value in explanation.extras.items()
        if isinstance(value, Detail)
    }
    for name, dims in own.items():
        if "group" in dims:
            raise ValueError(
                f"aggregate(by=...) adds a dim 'group', but {name} has one already. Rename that dim, or drop "
                "what has it: dataclasses.replace(explanation, ...)."
            )


def _over_rows(values: Floats, how: str) -> tuple[Floats, Floats, Floats]:
    """Statistic, standard error and number of rows with a value, each without the first axis."""
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    numbers = np.where(there, values if how == "mean" else np.abs(values), 0.0)
    unknown = np.full(n.shape, np.nan)
    if how == "max_abs":
        return np.where(n > 0, numbers.max(axis=0), np.nan), unknown, n
    mean = np.divide(numbers.sum(axis=0), n, out=unknown.copy(), where=n > 0)
    spread = np.where(there, numbers - mean, 0.0)
    squares = np.einsum("i...,i...->...", spread, spread)
    return mean, np.sqrt(np.divide(squares, n * (n - 1.0), out=unknown, where=n > 1)), n


def _groups(explanation: Explanation, by: Any) -> tuple[np.ndarray, list[Codes]]:
    """Labels of the groups in their order, and the rows of each."""
    labels = by
    if isinstance(by, str):
        found = data_columns(explanation)
        if by not in found:
            known = ", ".join(list(found)[:20]) or "none, since data is no table"
            raise ValueError(f"by={by!r} is no column of data. Columns: {known}. Or give an array of labels.")
        labels = found[by]
    series = _label_series(labels)
    n_rows = len(explanation)
    if series.shape != (n_rows,):
        raise ValueError(f"by must have one label for each of the {n_rows} rows; got {series.shape}.")
    grouped = series.groupby(series, dropna=False, observed=True)
    number, keys = grouped.ngroup().to_numpy(), [key for key, _ in grouped]
    index = pd.Index(keys, tupleize_cols=False)
    coordinate = index.to_numpy() if index.dtype.kind in "biuf" else object_array(keys)
    return coordinate, [np.flatnonzero(number == j) for j in range(len(keys))]


def _label_series(labels: Any) -> pd.Series:
    """Labels of groups as a pandas Series that knows the order of its categories."""
    if is_polars_series(labels):
        column = nw.from_native(labels, series_only=True)
        if not isinstance(column.dtype, nw.Enum):
            return pd.Series(column.to_list())
        categories = column.cat.get_categories().to_list()
        return pd.Series(pd.Categorical(column.to_list(), categories=categories, ordered=True))
    if isinstance(labels, list | tuple | range) and all(isinstance(label, Hashable) for label in labels):
        return pd.Series(object_array(labels)).infer_objects()  # numpy makes text of None beside text
    if not isinstance(labels, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"by must have one dimension, a label for each row; got shape {labels.shape}.")
    return pd.Series(labels).reset_index(drop=True)
