"""What the pictures of attributions share: which part is drawn, its own values, intervals, words."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from numbers import Integral
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from scipy.stats import rankdata

from agnostix.core.explanation import Explanation
from agnostix.core.frames import columns, kind_of, to_codes, to_floats
from agnostix.core.typing import Floats


def output_index(explanation: Explanation, output: Any, asked_by: str = "output") -> int:
    """Which output is drawn: the one asked for, the only one, or of two the last.

    Parameters
    ----------
    explanation : Explanation
        Of a table.
    output : str, int or None
        Name or place.
    asked_by : str, default="output"
        The parameter that says which.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no such output, several to choose from, no table or no row.
    """
    if len(explanation) == 0:
        raise ValueError("The explanation has no rows, so that there is nothing to draw.")
    if explanation.dims != ("row", "feature", "output"):
        raise ValueError(
            "Values of pixels have no features to be drawn; this picture needs values of shape (n_rows, "
            f"n_features, n_outputs), got {explanation.values.shape}."
        )
    names = explanation.output_names
    known = ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
    if output is None:
        if len(names) > 2:
            raise ValueError(f"There are {len(names)} outputs: say which with {asked_by}=, one of {known}.")
        return len(names) - 1
    if isinstance(output, str):
        if output not in names:
            raise ValueError(f"There is no output {output!r}; there are {known}.")
        return names.index(output)
    return _place(output, len(names), "output", known)


def output_indices(explanation: Explanation, outputs: Any) -> list[int]:
    """Which outputs are drawn side by side.

    Parameters
    ----------
    explanation : Explanation
        Whose values have features.
    outputs : str, int, sequence of them or None
        Names or places; None as for one output.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        As for one output, or if one is asked for twice.
    """
    if outputs is None or isinstance(outputs, str | Integral):
        return [output_index(explanation, outputs, "outputs")]
    places = [output_index(explanation, output, "outputs") for output in outputs]
    if not places or len(set(places)) < len(places):
        raise ValueError(f"outputs must name one output or several different ones, got {outputs!r}.")
    return places


def row_index(explanation: Explanation, row: Hashable) -> int:
    """Which row is drawn.

    Parameters
    ----------
    explanation : Explanation
        Of one row or more.
    row : int or hashable
        Place, or a name that is no integer.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no such row.
    """
    if isinstance(row, Integral):
        return _place(row, len(explanation), "row", f"0 to {len(explanation) - 1}")
    if explanation.row_names is None:
        raise ValueError(f"There is no row named {row!r}; rows have no names here, give a place.")
    if row not in explanation.row_names:
        raise ValueError(f"There is no row named {row!r}.")
    return explanation.row_names.index(row)


def one_row_of(X: Any, row: Hashable) -> tuple[Any, Hashable]:
    """The one row that is asked for, so that no other is explained.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The table.
    row : int or hashable
        Place or name; of a name nothing is known before the rows are explained.

    Returns
    -------
    X : DataFrame or ndarray
        The table, or the row.
    row : int or hashable
        Its place there, or its name.
    """
    if not isinstance(row, Integral):
        return X, row
    X = X if hasattr(X, "shape") else np.asarray(X)
    place = _place(row, X.shape[0], "row", f"0 to {X.shape[0] - 1}")
    return X[place : place + 1], 0


def feature_index(explanation: Explanation, feature: str | int) -> int:
    """Which feature is drawn.

    Parameters
    ----------
    explanation : Explanation
        Of a table.
    feature : str or int
        Name or place.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no such feature.
    """
    names = explanation.feature_names
    known = ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
    if isinstance(feature, str):
        if feature not in names:
            raise ValueError(f"There is no feature {feature!r}; there are {known}.")
        return names.index(feature)
    return _place(feature, len(names), "feature", known)


def _place(asked: Any, size: int, what: str, known: str) -> int:
    place = operator.index(asked)
    if not -size <= place < size:
        raise ValueError(f"There is no {what} {place}; there are {known}.")
    return place % size


def check_most(max_features: int) -> None:
    """Refuse a picture without features.

    Parameters
    ----------
    max_features : int
        How many are drawn.

    Raises
    ------
    ValueError
        If it is less than 1.
    """
    if max_features < 1:
        raise ValueError(f"max_features must be at least 1, got {max_features}.")


def row_labels(explanation: Explanation) -> list[Any]:
    """Names of the rows, or their places.

    Parameters
    ----------
    explanation : Explanation
        Of one row or more.

    Returns
    -------
    list of str or of int
    """
    names = explanation.row_names
    return list(range(len(explanation.values))) if names is None else list(names)


def own_columns(explanation: Explanation) -> list[Any]:
    """The features' own values.

    Parameters
    ----------
    explanation : Explanation
        Of a table.

    Returns
    -------
    list of Series or None
        By feature; None where there is no data, or no column of its name, as for groups.
    """
    names, data = explanation.feature_names, explanation.data
    if data is None or len(getattr(data, "shape", ())) != 2:
        return [None] * len(names)
    table = columns(data)
    if isinstance(data, np.ndarray):
        matched = len(table) == len(names)
        return list(table.values()) if matched else [None] * len(names)
    return [table.get(name) for name in names]


def values_of(column: Any, rows: Any = None) -> list[Any]:
    """A column's values as they were given.

    Parameters
    ----------
    column : Series or None
        Of pandas or polars.
    rows : slice, default=None
        Which; all by default.

    Returns
    -------
    list
    """
    native = column if rows is None else getattr(column, "iloc", column)[rows]
    return list(native.tolist() if hasattr(native, "tolist") else native.to_list())


def ranks(column: Any, n_rows: int) -> Floats:
    """How high each value stands among the column's others, from 0 to 1.

    Parameters
    ----------
    column : Series or None
        Numbers, dates, truth values or ordered labels; other labels have no order.
    n_rows : int
        Rows of the column.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN where there is no value or no order; 0.5 where all are equal.
    """
    if column is None or not has_order(column):
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


def has_order(column: Any) -> bool:
    """Whether more and less mean something for a column's values.

    Parameters
    ----------
    column : Series
        Of pandas or polars.

    Returns
    -------
    bool
    """
    if kind_of(column) in ("numeric", "date"):
        return True
    dtype = nw.from_native(column, series_only=True).dtype
    return isinstance(dtype, nw.Enum | nw.Boolean)


def ends_of(explanation: Explanation) -> tuple[Floats, Floats]:
    """Base values and outputs, where values start and where they lead.

    Parameters
    ----------
    explanation : Explanation
        Of rows.

    Returns
    -------
    base_values, outputs : ndarray of shape (n_rows, n_outputs)

    Raises
    ------
    ValueError
        If it has none.
    """
    base, outputs = explanation.base_values, explanation.outputs
    if base is None or outputs is None:
        name = "base_values" if base is None else "outputs"
        raise ValueError(f"This picture starts at the base value and leads to the output; {name} is None.")
    return base, outputs


def errors_of(explanation: Explanation, output: int) -> Floats:
    """Standard errors of one output; 0 where nothing was sampled.

    Parameters
    ----------
    explanation : Explanation
        Of a table.
    output : int
        Place of the output.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    if explanation.std_errors is None:
        return np.zeros(explanation.values.shape[:2])
    return np.asarray(explanation.std_errors[:, :, output], dtype=float)


def largest_first(values: Floats) -> Any:
    """Features in the order of their mean size, then their own order; those that nowhere exist are left out.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        NaN where a feature does not exist.

    Returns
    -------
    ndarray of int
    """
    exists = ~np.isnan(values)
    sizes = np.where(exists, np.abs(values), 0.0).sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    order = np.argsort(-sizes, kind="stable")
    return order[exists.sum(axis=0)[order] > 0]
