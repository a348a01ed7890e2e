"""Parts of an explanation that pictures need: rows, outputs, features, data, values in one row."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from dataclasses import replace
from numbers import Integral
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import BASE_VALUE_STD_ERRORS, DEGREES_OF_FREEDOM, expand
from agnostix.core.explanation.statistics import by_value
from agnostix.core.frames import columns, kind_of, to_codes, to_floats
from agnostix.core.names import did_you_mean
from agnostix.core.typing import Floats


def find_output(explanation: Explanation, output: Any, parameter: str = "output") -> int:
    """Position of an output given by name or position; None is the only one, or the second of two."""
    names = explanation.output_names
    if output is None and len(names) > 2:
        known = _listed(names)
        raise ValueError(f"There are {len(names)} outputs: say which with {parameter}=, one of {known}.")
    return len(names) - 1 if output is None else _find("output", output, names)


def find_outputs(explanation: Explanation, outputs: Any) -> list[int]:
    """Positions of different outputs; None as in `find_output`."""
    if outputs is None or isinstance(outputs, str | Integral):
        return [find_output(explanation, outputs, "outputs")]
    places = [find_output(explanation, output, "outputs") for output in outputs]
    if not places or len(set(places)) < len(places):
        raise ValueError(f"outputs must name one output or several different ones, got {outputs!r}.")
    return places


def find_feature(explanation: Explanation, feature: str | int) -> int:
    """Position of a feature given by name or position."""
    return _find("feature", feature, explanation.feature_names)


def find_row(explanation: Explanation, row: Hashable) -> int:
    """Position of a row given by position, or by a name that is no integer."""
    if isinstance(row, Integral):
        return _check_place(row, len(explanation), "row", f"0 to {len(explanation) - 1}")
    if explanation.row_names is None:
        raise ValueError(f"There is no row named {row!r}; rows have no names here, give a position.")
    if row not in explanation.row_names:
        raise ValueError(f"There is no row named {row!r}.")
    return explanation.row_names.index(row)


def take_row(X: Any, row: Any) -> Any:
    """The row at a position as a table of one row."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    place = _check_place(row, X.shape[0], "row", f"0 to {X.shape[0] - 1}")
    return X[place : place + 1]


def _find(what: str, key: Any, names: tuple[str, ...]) -> int:
    if not isinstance(key, str):
        return _check_place(key, len(names), what, _listed(names))
    if key not in names:
        raise ValueError(f"There is no {what} {key!r}; there are {_listed(names)}.{did_you_mean(key, names)}")
    return names.index(key)


def _check_place(key: Any, size: int, what: str, known: str) -> int:
    place = operator.index(key)
    if not -size <= place < size:
        raise ValueError(f"There is no {what} {place}; there are {known}.")
    return place % size


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")


def row_labels(explanation: Explanation) -> list[Any]:
    """Names of the rows, or their positions."""
    names = explanation.row_names
    return list(range(len(explanation.values))) if names is None else list(names)


def data_columns(explanation: Explanation) -> list[Any]:
    """The features' columns of the data, a Series each; None for a feature that is no column."""
    names, data = explanation.feature_names, explanation.data
    if data is None or len(getattr(data, "shape", ())) != 2:
        return [None] * len(names)
    table = columns(data)
    if isinstance(data, np.ndarray):
        matched = len(table) == len(names)
        return list(table.values()) if matched else [None] * len(names)
    return [table.get(name) for name in names]


def column_values(column: Any, rows: Any = None) -> list[Any]:
    """A column's values as they were given, of some rows or of all."""
    native = column if rows is None else getattr(column, "iloc", column)[rows]
    return list(native.tolist() if hasattr(native, "tolist") else native.to_list())


def rank_values(column: Any, n_rows: int) -> Floats:
    """Ranks (n_rows,) from 0 to 1; NaN where a value is missing or has no order, 0.5 where all are equal."""
    if column is None or not _is_ordered(column):
        return np.full(n_rows, np.nan)
    if kind_of(column) == "numeric":
        numbers = to_floats(column)
    else:
        codes, _ = to_codes(column)
        numbers = np.where(codes < 0, np.nan, codes)
    out = np.full(n_rows, np.nan)
    known = ~np.isnan(numbers)
    if known.any():
        place = rankdata(numbers[known], method="average")
        span = np.ptp(place)
        out[known] = (place - place.min()) / span if span else 0.5
    return out


def _is_ordered(column: Any) -> bool:
    if kind_of(column) in ("numeric", "date"):
        return True
    dtype = nw.from_native(column, series_only=True).dtype
    return isinstance(dtype, nw.Enum | nw.Boolean)


def base_and_outputs(explanation: Explanation) -> tuple[Floats, Floats]:
    """Base values and outputs, each (n_rows, n_outputs)."""
    base, outputs = explanation.base_values, explanation.outputs
    if base is None or outputs is None:
        name = "base_values" if base is None else "outputs"
        raise ValueError(f"A waterfall needs base_values and outputs; {name} is None.")
    return base, outputs


def output_errors(explanation: Explanation, k: int) -> Floats:
    """Standard errors (n_rows, n_features) of output k; 0 where nothing was sampled."""
    if explanation.std_errors is None:
        return np.zeros(explanation.values.shape[:2])
    return np.asarray(explanation.std_errors[:, :, k], dtype=float)


def order_by_size(values: Floats) -> Any:
    """Features of values (n_rows, n_features) by decreasing mean |value|, without those that are all NaN."""
    exists = ~np.isnan(values)
    sizes = np.where(exists, np.abs(values), 0.0).sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    order = np.argsort(-sizes, kind="stable")
    return order[exists.sum(axis=0)[order] > 0]


def conditions_in_row(explanation: Explanation, i: int) -> list[str | None]:
    """By feature its condition in row i, or its word in text i; None without one."""
    for name in ("conditions", "words"):
        texts: Any = explanation.extras.get(name)
        if texts is not None and texts.dims == ("row", "feature"):
            return [str(text) or None for text in texts.array[i]]
    return [None] * len(explanation.feature_names)


def values_in_row(explanation: Explanation, i: int, k: int) -> Floats:
    """Values (n_features,) of row i; NaN where a feature does not exist or a surrogate did not select it."""
    values: Floats = np.array(explanation.values[i, :, k])
    selected: Any = explanation.extras.get("selected")
    if selected is not None:
        values[~selected.array[i, :, k] & (values == 0.0)] = np.nan
    return values


def intervals_in_row(explanation: Explanation, i: int, k: int, confidence_level: float) -> pd.DataFrame:
    """Features that row i has, largest first: place, value, std_error, low, high."""
    values, errors = values_in_row(explanation, i, k), output_errors(explanation, k)[i]
    places = order_by_size(values[None])
    low, high = (ends[0, places, k] for ends in explanation[i].interval(confidence_level))
    numbers = {"value": values[places], "std_error": errors[places], "low": low, "high": high}
    return pd.DataFrame({"place": places, **numbers})


def name_predicted(explanation: Explanation, i: int) -> Explanation:
    """The explanation with its output "predicted" renamed to the class predicted for row i."""
    if "predicted" not in explanation.extras:
        return explanation
    return replace(explanation, output_names=(str(explanation.extras["predicted"].array[i]),))


def surrogate_output(explanation: Explanation, i: int, k: int) -> float:
    """The surrogate's prediction for its row; without a detail, the sum of its values."""
    outputs = explanation.extras.get("surrogate_outputs")
    if outputs is not None:
        return float(outputs.array[i, k])
    base = 0.0 if explanation.base_values is None else explanation.base_values[i, k]
    return float(base + np.nansum(explanation.values[i, :, k]))


def surrogate_error(explanation: Explanation, i: int, k: int) -> float:
    """Standard error of the surrogate's prediction for its row; NaN where unknown."""
    errors = explanation.extras.get("surrogate_std_errors")
    return float("nan") if errors is None else float(errors.array[i, k])


def dof_of_output(explanation: Explanation, name: str, i: int, k: int) -> float:
    """Degrees of freedom of an error of row i and output k; those of its values where it has none by name.

    Names are "surrogate", "r2" and "base_value", as in ``extras["r2_degrees_of_freedom"]``.
    """
    own = explanation.extras.get(f"{name}_{DEGREES_OF_FREEDOM}")
    shape = (len(explanation), len(explanation.output_names))
    if own is not None:
        return float(np.broadcast_to(expand(own, ("row", "output")), shape)[i, k])
    dof = by_value(explanation, DEGREES_OF_FREEDOM, np.inf)[i, :, k]
    return float(dof[dof > 0].min(initial=np.inf))  # 0 is that of exact values


def base_value_error(explanation: Explanation, i: int, k: int) -> float:
    """Standard error of the base value; 0 where it has none."""
    errors = explanation.extras.get(BASE_VALUE_STD_ERRORS)
    return 0.0 if errors is None else float(errors.array[i, k])


def check_any_value(values: Floats) -> None:
    """Raise ValueError if all values to draw are NaN."""
    if np.isnan(values).all():
        raise ValueError("All values of this output are NaN: there is nothing to draw.")


def check_same_features(explanation: Explanation) -> None:
    """Raise ValueError if features are words or segments that differ from row to row."""
    for what, display in (("words", "TextDisplay"), ("segments", "SegmentsDisplay")):
        parts: Any = explanation.extras.get(what)
        if parts is not None and (parts.array != parts.array[:1]).any():
            raise ValueError(
                f"The features are {what} that differ from row to row, so rows cannot be drawn together. "
                f"Draw one row: use {display}, or pass row= where there is such a parameter."
            )
