"""What is computed from an explanation: confidence intervals, statistics over rows, the completeness gap."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series

from agnostix.core.explanation.conversion import data_columns
from agnostix.core.explanation.fields import (
    COMPLETENESS,
    DEGREES_OF_FREEDOM,
    INTERVAL_KIND,
    IS_SIGNED,
    Detail,
    expand,
)
from agnostix.core.explanation.selection import object_array
from agnostix.core.explanation.words import by_words
from agnostix.core.intervals import check_level, interval_ends
from agnostix.core.names import did_you_mean
from agnostix.core.typing import Codes, Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

AGGREGATES = ("mean_abs", "mean", "max_abs")


def interval_of(explanation: Explanation, level: float) -> tuple[Floats, Floats]:
    """Lower and upper ends, shaped as values."""
    check_level(level)
    values, errors = explanation.values, explanation.std_errors
    dof, kinds = (by_value(explanation, key) for key in (DEGREES_OF_FREEDOM, INTERVAL_KIND))
    if errors is None and kinds is None:
        return values.copy(), values.copy()
    known = (np.zeros_like(values) if errors is None else errors, level, np.inf if dof is None else dof)
    try:
        return interval_ends(values, *known, kinds)
    except ValueError as error:
        raise ValueError(f"extras[{INTERVAL_KIND!r}]: {error}") from None


def by_value(explanation: Explanation, key: str) -> np.ndarray | None:
    """A Detail with dims among those of values, spread over them; None where there is none."""
    detail = explanation.extras.get(key)
    if detail is None:
        return None
    return np.broadcast_to(expand(detail, explanation.dims), explanation.values.shape)


def aggregated_fields(explanation: Explanation, by: Any, how: str) -> dict[str, Any]:
    """Fields of the explanation without rows, as `dataclasses.replace` takes them."""
    if how not in AGGREGATES:
        raise ValueError(f"how must be one of {', '.join(map(repr, AGGREGATES))}; got {how!r}.")
    if len(explanation) == 0:
        raise ValueError("There are no rows to aggregate.")
    explanation = by_words(explanation)
    values = np.moveaxis(explanation.values, explanation.dims.index("row"), 0)
    dims = tuple(dim for dim in explanation.dims if dim != "row")
    coords = dict(explanation.coords)
    if by is None:
        parts: tuple[Floats, ...] = _over_rows(values, how)
    else:
        _check_no_groups(explanation)
        labels, groups = _groups(explanation, by)
        aggregates = zip(*(_over_rows(values[rows], how) for rows in groups), strict=True)
        parts = tuple(np.stack(part) for part in aggregates)
        dims, coords["group"] = ("group", *dims), labels
    means, errors, counts = parts
    extras = {
        key: value
        for key, value in explanation.extras.items()
        if not (isinstance(value, Detail) and "row" in (*value.dims, value.points_to))
    }
    extras.pop(DEGREES_OF_FREEDOM, None)
    extras.pop(INTERVAL_KIND, None)
    if how != "mean":  # of absolute values
        extras.pop(IS_SIGNED, None)
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
        "feature_names": explanation.feature_names,
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
        by_name = data_columns(explanation)
        if by not in by_name:
            known = ", ".join(list(by_name)[:20]) or "none, since data is no table"
            raise ValueError(
                f"by={by!r} is no column of data. Columns: {known}. Or give an array of labels."
                f"{did_you_mean(by, by_name)}"
            )
        labels = by_name[by]
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


def largest_gap(explanation: Explanation, rtol: float) -> float:
    """Largest difference between the sum of the values and its target; ValueError above the tolerance."""
    start, target, name = _ends(explanation)
    if target.size == 0:
        return 0.0
    ends, dims = explanation.end_dims, explanation.dims
    axes = tuple(axis for axis, dim in enumerate(dims) if dim not in ends)
    sums = np.nansum(explanation.values, axis=axes)
    total = start + (sums.T if ends != tuple(dim for dim in dims if dim in ends) else sums)
    if explanation.completeness_gap is not None:
        total = total + explanation.completeness_gap
    gap = np.abs(total - target)
    scale = np.maximum(1.0, np.maximum(np.abs(target), np.abs(start)))
    relative = np.where(np.isnan(gap), np.inf, gap / scale)
    worst = tuple(int(j) for j in np.unravel_index(int(np.argmax(relative)), gap.shape))
    if not relative[worst] <= rtol:
        labels = (explanation.labels(dim) for dim in ends)
        place = ", ".join(f"{dim} {label[j]!r}" for dim, label, j in zip(ends, labels, worst, strict=True))
        raise ValueError(
            f"Values do not sum to {name}. Worst{' is ' if place else ''}{place}: "
            f"{total[worst]:.10g} instead of {target[worst]:.10g}, a gap of {gap[worst]:.3g}. "
            "(Features left out with sel are missing from the sum.)"
        )
    return float(gap.max())


def _ends(explanation: Explanation) -> tuple[Floats, Floats, str]:
    """Where the sum starts, where it must end, and in words what it must be."""
    base, outputs = explanation.base_values, explanation.outputs
    if explanation.completeness is None:
        raise ValueError(
            f"check_additivity: completeness is None, so values of quantity {explanation.quantity!r} "
            f"need not sum to anything. It must be one of {', '.join(map(repr, COMPLETENESS))}."
        )
    if explanation.completeness == "surrogate":
        predictions = explanation.extras.get("surrogate_outputs")
        if not isinstance(predictions, Detail) or predictions.dims != explanation.end_dims:
            got = predictions.dims if isinstance(predictions, Detail) else predictions
            raise ValueError(
                "check_additivity: completeness is 'surrogate', which needs the surrogate's predictions: "
                f"extras['surrogate_outputs'], a Detail with dims {explanation.end_dims}; got {got}."
            )
        assert base is not None
        return base, np.asarray(predictions, dtype=np.float64), "the surrogate's output minus the base value"
    assert outputs is not None
    if explanation.completeness == "outputs":
        return np.zeros_like(outputs), outputs, "the output"
    assert base is not None
    return base, outputs, "the output minus the base value"
