"""Ticks, intervals, limits, dots beside each other, and the diverging palette."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.plotting.style import ACCENT, CONTRAST, INK, MUTED, PAPER
from agnostix.plotting.words import _FROM, _LETTERS, _number_words, in_lines


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


def write_fidelity(ax: Any, words: str, is_poor: bool, width: int = 48, heading: str = "") -> None:
    """Write above a picture how far it may be believed.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    words : str
        What is said; nothing is written where it is empty.
    is_poor : bool
        Whether it is a warning.
    width : int, default=48
        Characters of a line.
    heading : str, default=""
        What stands above it.
    """
    text = "\n".join(filter(None, [heading, in_lines(words, width, 3)]))
    if text:
        colour = CONTRAST if is_poor else INK if heading else MUTED
        ax.set_title(text, loc="left", fontsize=9, fontweight="normal", color=colour, parse_math=False)


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


def colours_of(values: Any, cmap: Any) -> Any:
    """Colours of values around 0, which is the middle of the palette, with the largest value at its end.

    Parameters
    ----------
    values : Series of float
        What is coloured.
    cmap : str or matplotlib Colormap
        A diverging palette.

    Returns
    -------
    matplotlib ScalarMappable
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    most = float(values.abs().max()) if len(values) else 0.0
    return ScalarMappable(Normalize(-(most or 1.0), most or 1.0), cmap)


def contains_0(numbers: Any) -> Any:
    """Whether the interval of a value that has one contains 0.

    Parameters
    ----------
    numbers : DataFrame
        With low and high.

    Returns
    -------
    Series of bool
    """
    return (numbers["low"] <= 0) & (numbers["high"] >= 0) & (numbers["high"] > numbers["low"])


def text_colour(fill: Any) -> str:
    """The house's dark or bright letters, whichever can be read better on a colour.

    Parameters
    ----------
    fill : tuple of float
        Red, green and blue, from 0 to 1.

    Returns
    -------
    str
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in fill[:3]]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return INK if luminance > 0.25 else PAPER


def diverging(pale: bool = False) -> Any:
    """The house's palette around 0: what shrinks, paper, what grows.

    Parameters
    ----------
    pale : bool, default=False
        Whether its dark ends are left out, so that what lies below can be seen.

    Returns
    -------
    matplotlib Colormap
    """
    from matplotlib.colors import LinearSegmentedColormap

    if pale:
        return LinearSegmentedColormap.from_list("agnostix_pale", [CONTRAST, PAPER, ACCENT])
    ends = ("#7a3306", CONTRAST, PAPER, ACCENT, "#063d5e")
    stops = (0.0, 0.2, 0.5, 0.8, 1.0)
    return LinearSegmentedColormap.from_list("agnostix_diverging", list(zip(stops, ends, strict=True)))
