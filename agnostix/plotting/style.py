"""One look for all pictures: colors, palettes, ticks, intervals and limits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.plotting.words import format_number, wrap_lines

INK = "#1f2933"
"""Text and marks that are read first."""
MUTED = "#7b8794"
"""Axes, and what is read second."""
FAINT = "#d5dbe1"
"""Grid, and the data behind."""
ACCENT = "#0b6aa2"
"""The outcome; what grows."""
CONTRAST = "#c45a11"
"""The other direction; what shrinks."""
PAPER = "#fffffe"
"""What is drawn on."""
SERIES = (ACCENT, CONTRAST, "#3f7d3a", "#7a5195", "#8c6d1f", "#555f6b")
"""Groups, in order."""
_RC: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.linewidth": 0.8,
    "font.size": 10,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "agnostix",
}
_LETTERS = ((1e9, "G", 1e9), (1e6, "M", 1e6), (1e3, "k", 1e5))
"""Size of a unit, its letter, and from where on it is used."""


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the package's style; the user's settings stay as they are."""
    import matplotlib as mpl

    with mpl.rc_context(_RC), no_glyph_warnings():
        yield


@contextmanager
def no_glyph_warnings() -> Iterator[None]:
    """Measure and write text without a warning for each glyph that matplotlib's font lacks.

    An SVG leaves its text to the viewer's fonts, and a figure that is drawn as pixels warns when it is drawn.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def axes_for(ax: Any, width: float, height: float) -> tuple[Any, Any]:
    """The given axes or those of a new figure (width, height in inches), and their figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(width, height))
    ax.set_axisbelow(True)  # the grid lies below what is drawn
    return ax, ax.figure


def write_ticks(axis: Any, suffix: str) -> None:
    """Format an axis' numbers in full, with as many decimals as their spacing needs."""
    axis.set_major_formatter(lambda value, _: _tick_words(value, axis.get_majorticklocs()) + suffix)


def _tick_words(value: float, ticks: Floats) -> str:
    largest = np.abs(ticks).max(initial=abs(value))
    size, letter = next(((size, letter) for size, letter, start in _LETTERS if largest >= start), (1.0, ""))
    value, ticks = value / size, ticks / size
    step = float(np.diff(ticks).min()) if len(ticks) > 1 else abs(value)
    if not step >= 1e-4 or abs(value) >= 1e7:
        return f"{value:.4g}{letter}".replace("-", "−")
    exact = (d for d in range(9) if abs(round(step, d) - step) < 1e-6 * step)
    return format_number(value, f",.{next(exact, 9)}f") + (letter if value else "")


def name_rows(ax: Any, names: list[str]) -> None:
    """Names of rows of bars or dots, the first at the top, in place of a vertical axis."""
    ax.set_yticks(range(len(names))[::-1], names, color=INK, parse_math=False)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def name_dots(ax: Any, dots: dict[str, tuple[str, str]]) -> None:
    """Legend above the axes: a dot with its edge and face color for each name."""
    for name, (edge, face) in dots.items():
        ax.plot([], [], "o", color=edge, mfc=face, ms=5.5, mew=1.5, label=name)
    ax.legend(frameon=False, ncols=len(dots), loc="lower right", bbox_to_anchor=(1.0, 1.0), borderpad=0)


def add_colorbar(colors: Any, ax: Any, label: str, suffix: str, width: int = 34, **look: Any) -> Any:
    """Colorbar of one or several axes of a figure, its label in lines of `width` characters."""
    bar = np.ravel(ax)[0].figure.colorbar(colors, ax=ax, fraction=0.06, pad=0.02, **look)
    bar.outline.set_edgecolor(FAINT)
    is_below = bar.orientation == "horizontal"
    bar.set_label(wrap_lines(label, width, 3), loc="left" if is_below else None, parse_math=False)
    bar.locator.set_params(nbins=4 if is_below else 6)
    write_ticks(bar.long_axis, suffix)
    return bar


def draw_interval(ax: Any, place: float, low: float, high: float) -> None:
    """A horizontal interval with a halo; dotted across the axes where an end is unknown."""
    from matplotlib.patheffects import withStroke

    if not np.isfinite([low, high]).all():
        ax.plot([0, 1], [place, place], color=INK, lw=1, ls=":", transform=ax.get_yaxis_transform())
    elif high > low:
        halo = [withStroke(linewidth=3, foreground=PAPER, alpha=0.75)]
        look = {"color": INK, "lw": 1.3, "solid_capstyle": "butt", "zorder": 3}
        ax.plot([low, high], [place, place], path_effects=halo, **look)


def find_limits(*marks: Any, margin: float = 0.05) -> tuple[float, float]:
    """Ends of an axis that leave room around all finite numbers, `margin` times their range."""
    known = np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in marks])
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.05 * (abs(low) or 1.0), high + 0.05 * (abs(high) or 1.0)
    room = margin * (high - low)
    return float(low - room), float(high + room)


def write_fidelity(
    ax: Any, words: str, is_poor: bool, width: int = 48, heading: str = "", loc: str = "left"
) -> None:
    """Write a surrogate's fidelity above the axes, in the warning color where it is poor."""
    text = "\n".join(filter(None, [heading, wrap_lines(words, width, 3)]))
    if text:
        color = CONTRAST if is_poor else INK if heading else MUTED
        look = {"fontsize": 9, "fontweight": "normal", "color": color, "parse_math": False}
        ax.set_title(text, loc=loc, multialignment="left", **look)


def dodge(
    positions: Floats, order: Floats, n_bins: int = 110, room: float = 0.8, step: float = 0.045
) -> Floats:
    """Offsets (n_dots,) that stack dots in the same of `n_bins` bins, sorted by `order`, NaN last.

    Positions are from 0 to 1; stacks higher than `room` are compressed.
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


def color_scale(values: Any, cmap: Any, is_signed: bool = True) -> Any:
    """ScalarMappable from minus the largest |value| (0 without a sign) to the largest."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    most = float(values.abs().max()) if len(values) else 0.0
    return ScalarMappable(Normalize(-(most or 1.0) if is_signed else 0.0, most or 1.0), cmap)


def contains_zero(numbers: Any) -> Any:
    """Whether intervals `low` to `high` of positive width contain 0, a Series of bool."""
    return (numbers["low"] <= 0) & (numbers["high"] >= 0) & (numbers["high"] > numbers["low"])


def text_color(fill: Any) -> str:
    """Dark or bright letters, whichever contrasts more with an RGB color."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in fill[:3]]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return INK if luminance > 0.25 else PAPER


def diverging(pale: bool = False) -> Any:
    """The palette around 0; pale leaves out the dark ends, so that an image below stays visible."""
    from matplotlib.colors import LinearSegmentedColormap

    if pale:
        return LinearSegmentedColormap.from_list("agnostix_pale", [CONTRAST, PAPER, ACCENT])
    ends = ("#7a3306", CONTRAST, PAPER, ACCENT, "#063d5e")
    stops = (0.0, 0.2, 0.5, 0.8, 1.0)
    return LinearSegmentedColormap.from_list("agnostix_diverging", list(zip(stops, ends, strict=True)))


def sequential() -> Any:
    """The palette of values without a sign: the upper half of the pale diverging one."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("agnostix_sequential", [PAPER, ACCENT])
