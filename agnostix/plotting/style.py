"""One look for all pictures: few colors, each with a meaning, that color-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the package's style; the user's settings stay as they are."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def axes_for(ax: Any, width: float, height: float) -> tuple[Any, Any]:
    """The given axes or those of a new figure (width, height in inches), and their figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(width, height))
    ax.set_axisbelow(True)  # the grid lies below what is drawn
    return ax, ax.figure


def shorten(name: str, most: int = 34) -> str:
    """A name cut to `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"
