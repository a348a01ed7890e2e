"""What the pictures of attributions share: which part is drawn, its own values, intervals, words."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from numbers import Integral
from textwrap import wrap
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from agnostix.explanation import Explanation
from agnostix.plotting.style import ACCENT, CONTRAST, INK, PAPER, shortened
from agnostix.typing import Floats
from agnostix.utils.frames import columns, kind_of, to_codes, to_floats

_EFFECTS = {
    "additive": "contribution to {}",
    "surrogate": "contribution to the surrogate of {}",
    "occlusion": "effect on {}",
}
MISSING = "missing"
_LETTERS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_FROM = {"G": 1e9, "M": 1e6, "k": 1e5}


def output_index(explanation: Explanation, output: str | int | None) -> int:
    """Which output is drawn: the one asked for, the only one, or of two the last.

    Parameters
    ----------
    explanation : Explanation
        Of a table.
    output : str, int or None
        Name or place.

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
    if explanation.values.ndim != 3:
        raise ValueError(
            "Values of pixels have no features to be drawn; this picture needs values of shape (n_rows, "
            f"n_features, n_outputs), got {explanation.values.shape}."
        )
    names = explanation.output_names
    known = ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
    if output is None:
        if len(names) > 2:
            raise ValueError(f"There are {len(names)} outputs: say which with output=, one of {known}.")
        return len(names) - 1
    if isinstance(output, str):
        if output not in names:
            raise ValueError(f"There is no output {output!r}; there are {known}.")
        return names.index(output)
    return _place(output, len(names), "output", known)


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


def half_widths(std_errors: Any, confidence_level: float) -> Floats:
    """Half of the normal confidence intervals' widths.

    Parameters
    ----------
    std_errors : float or ndarray
        In model output units.
    confidence_level : float
        Between 0 and 1.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must be between 0 and 1, got {confidence_level}.")
    return np.asarray(std_errors, dtype=float) * norm.ppf(0.5 + 0.5 * confidence_level)


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


def effect_words(kind: str, output_name: str) -> str:
    """What a value is, for an axis.

    Parameters
    ----------
    kind : {"additive", "surrogate", "occlusion"}
        Of the explanation.
    output_name : str
        What is explained.

    Returns
    -------
    str
    """
    return _EFFECTS.get(kind, "attribution to {}").format(output_name)


def in_lines(text: str, width: int = 40, most: int = 2) -> str:
    """A label of an axis in as many lines as it needs, shortened where it needs more than there are.

    Parameters
    ----------
    text : str
        The label.
    width : int, default=40
        Characters of a line.
    most : int, default=2
        Lines.

    Returns
    -------
    str
    """
    lines = wrap(text, width)
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(f"{lines[most - 1]} {lines[most]}", width)]
    return "\n".join(lines)


def count_words(n_shown: int, n_features: int) -> str:
    """A note that not all features are drawn; empty where they are.

    Parameters
    ----------
    n_shown, n_features : int
        Drawn, and there.

    Returns
    -------
    str
    """
    return f"{n_shown} of {n_features} features" if n_shown < n_features else ""


def is_missing(value: Any) -> bool:
    """Whether there is no value.

    Parameters
    ----------
    value : object
        A number, a label, a date or nothing.

    Returns
    -------
    bool
    """
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def value_words(value: Any) -> str:
    """A feature's own value, for readers.

    Parameters
    ----------
    value : object
        A number, a label, a date or nothing.

    Returns
    -------
    str
    """
    if is_missing(value):
        return MISSING
    if isinstance(value, float | np.floating):
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e7
        return (f"{number:.0f}" if whole else f"{number:.4g}").replace("-", "−")
    return " ".join(str(value).removesuffix(" 00:00:00").split())


def named(feature: str, value: Any = None, most: int = 34) -> str:
    """A feature with its value; where there is little room, the name is shortened before the value.

    Parameters
    ----------
    feature : str
        Its name.
    value : str, default=None
        Its value, as words.
    most : int, default=34
        Characters kept.

    Returns
    -------
    str
    """
    feature = " ".join(feature.split())
    if value is None:
        return shortened(feature, most)
    kept = shortened(value, max(most - 3 - len(feature), most // 2))
    return f"{shortened(feature, most - 3 - len(kept))} = {kept}"


def number_words(numbers: Any, *, signed: bool = False, like: Any = None) -> list[str]:
    """Numbers with equally many decimals, so that they can be read as a column.

    Parameters
    ----------
    numbers : array-like of float
        What is written.
    signed : bool, default=False
        Whether a plus stands before what grows.
    like : array-like of float, default=None
        Numbers that settle the decimals: three digits of the largest; by default those written.

    Returns
    -------
    list of str
    """
    numbers = np.asarray(numbers, dtype=float)
    sizes = np.abs(np.asarray(numbers if like is None else like, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    digits = int(np.floor(np.log10(sizes.max()))) if sizes.size else 0
    decimals = max(2 - digits, 0)
    form = ("+" if signed else "") + (f",.{decimals}f" if -4 <= digits < 7 else ".2e")
    return [_number_words(number, form) for number in numbers]


def _number_words(number: float, form: str) -> str:
    if np.isinf(number):
        return "∞" if number > 0 else "−∞"
    text = format(number, form)
    is_zero = not any(digit in text.split("e")[0] for digit in "123456789")
    return text.lstrip("+-") if is_zero else text.replace("-", "−")


def write_ticks(axis: Any, suffix: str) -> None:
    """Write an axis' numbers in full, with as many decimals as their distance needs.

    Parameters
    ----------
    axis : matplotlib Axis
        Of values.
    suffix : str
        Unit after the numbers.
    """
    axis.set_major_formatter(lambda value, _: _tick_words(value, axis.get_majorticklocs()) + suffix)


def _tick_words(value: float, ticks: Floats) -> str:
    largest = np.abs(ticks).max(initial=abs(value))
    size, letter = next((pair for pair in _LETTERS if largest >= _FROM[pair[1]]), (1.0, ""))
    value, ticks = value / size, ticks / size
    step = float(np.diff(ticks).min()) if len(ticks) > 1 else abs(value)
    if not step >= 1e-6 or abs(value) >= 1e7:
        return f"{value:.4g}{letter}".replace("-", "−")
    exact = (d for d in range(9) if abs(round(step, d) - step) < 1e-6 * step)
    return _number_words(value, f",.{next(exact, 9)}f") + (letter if value else "")


def draw_interval(ax: Any, place: float, low: float, high: float) -> None:
    """Draw a horizontal interval that is seen on bars too; dotted across where it has no end.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    place : float
        How high.
    low, high : float
        Its ends; equal where the value is exact, and then nothing is drawn.
    """
    from matplotlib.patheffects import withStroke

    if not np.isfinite([low, high]).all():
        ax.plot([0, 1], [place, place], color=INK, lw=1, ls=":", transform=ax.get_yaxis_transform())
    elif high > low:
        halo = [withStroke(linewidth=3, foreground=PAPER, alpha=0.75)]
        look = {"color": INK, "lw": 1.3, "solid_capstyle": "butt", "zorder": 3}
        ax.plot([low, high], [place, place], path_effects=halo, **look)


def limits(*marks: Any, margin: float = 0.05) -> tuple[float, float]:
    """Where an axis begins and ends so that all marks have room.

    Parameters
    ----------
    *marks : array-like of float
        What is drawn; infinite and unknown numbers are left out.
    margin : float, default=0.05
        Room at both ends, as a share of the range.

    Returns
    -------
    low, high : float
    """
    known = np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in marks])
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.05 * (abs(low) or 1.0), high + 0.05 * (abs(high) or 1.0)
    room = margin * (high - low)
    return float(low - room), float(high + room)


def dodge(
    positions: Floats, order: Floats, n_bins: int = 110, room: float = 0.8, step: float = 0.045
) -> Floats:
    """Move dots that would cover each other apart, the same way each time.

    Dots in one bin are stacked around the middle, from those first in order
    to those last; tall stacks are pressed together.

    Parameters
    ----------
    positions : ndarray of shape (n_dots,)
        Along the axis, from 0 to 1.
    order : ndarray of shape (n_dots,)
        Within a stack; NaN comes last.
    n_bins : int, default=110
        Dots that have room side by side.
    room : float, default=0.8
        Highest stack.
    step : float, default=0.045
        Distance of two dots, where there is room.

    Returns
    -------
    ndarray of shape (n_dots,)
        Offset across the axis.
    """
    bins = np.clip((positions * n_bins).astype(int), 0, n_bins - 1)
    sorted_dots = np.lexsort((positions, order, bins))
    counts = np.bincount(bins, minlength=n_bins)
    first = np.cumsum(counts) - counts
    own_bin = bins[sorted_dots]
    place = np.arange(bins.size) - first[own_bin] - (counts[own_bin] - 1) / 2
    offsets = np.empty(bins.size)
    offsets[sorted_dots] = place * min(step, room / max(counts.max(initial=1), 1))
    return offsets


def diverging() -> Any:
    """The house's palette around 0: what shrinks, paper, what grows.

    Returns
    -------
    matplotlib Colormap
    """
    from matplotlib.colors import LinearSegmentedColormap

    ends = ("#7a3306", CONTRAST, PAPER, ACCENT, "#063d5e")
    stops = (0.0, 0.2, 0.5, 0.8, 1.0)
    return LinearSegmentedColormap.from_list("agnostix_diverging", list(zip(stops, ends, strict=True)))
