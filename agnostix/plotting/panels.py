"""Pictures side by side, and the scale beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.plotting.marks import write_ticks
from agnostix.plotting.style import FAINT
from agnostix.plotting.words import in_lines

_N_ABREAST = 4
"""Panels beside each other at most."""


def panels_for(ax: Any, n: int, shape: tuple[int, ...]) -> list[Any]:
    """Axes for pictures, one for each output.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of them or None
        Where; None for a new figure.
    n : int
        How many are needed.
    shape : tuple of int
        Height and width of a picture.

    Returns
    -------
    list of matplotlib Axes

    Raises
    ------
    ValueError
        If there are not as many.
    """
    if ax is not None:
        panels = list(np.ravel(ax))
        if len(panels) != n:
            raise ValueError(f"ax must be {n} axes, one for each output, got {len(panels)}.")
        return panels
    import matplotlib.pyplot as plt

    n_down, size = -(-n // _N_ABREAST), 4.2 if n == 1 else 2.9
    n_across = -(-n // n_down)
    height = size * shape[0] / shape[1] + 1.2  # room for a heading and two lines below
    figsize = (size * n_across + 1.1, height * n_down)
    _, grid = plt.subplots(n_down, n_across, squeeze=False, figsize=figsize)
    for unused in grid.flat[n:]:
        unused.set_axis_off()
    return list(grid.flat[:n])


def frame_picture(panel: Any) -> None:
    """A thin frame, and no ticks.

    Parameters
    ----------
    panel : matplotlib Axes
        With a picture.
    """
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set(visible=True, color=FAINT)


def draw_scale(panels: list[Any], colours: Any, label: str, suffix: str) -> Any:
    """The scale of all panels.

    Parameters
    ----------
    panels : list of matplotlib Axes
        Beside which it stands.
    colours : matplotlib ScalarMappable
        The colours of numbers.
    label : str
        What the numbers are.
    suffix : str
        Unit after them.

    Returns
    -------
    matplotlib Colorbar
    """
    scale = panels[0].figure.colorbar(colours, ax=panels, aspect=28, shrink=0.8, fraction=0.06, pad=0.02)
    scale.outline.set_edgecolor(FAINT)
    scale.set_label(in_lines(label, 34, 3), parse_math=False)
    scale.locator.set_params(nbins=6)
    write_ticks(scale.ax.yaxis, suffix)
    return scale
