"""The look of the house, and the user's, which stays."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from agnostix.plotting import style


def test_figure_style_restores_rcparams_after_error() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError):
        _fail_in_style()
    assert dict(mpl.rcParams) == before


def _fail_in_style() -> None:
    with style.figure_style():
        assert mpl.rcParams["text.color"] == style.INK
        raise ZeroDivisionError


def test_style_colors_differ() -> None:
    colors = {style.INK, style.MUTED, style.FAINT, style.PAPER, *style.SERIES}
    assert len(colors) == 4 + len(style.SERIES)
    assert style.SERIES[:2] == (style.ACCENT, style.CONTRAST)


def test_axes_for_puts_grid_below() -> None:
    ax = Figure().add_subplot()
    ax.set_axisbelow(False)
    assert style.axes_for(ax, 1.0, 1.0) == (ax, ax.figure)
    assert ax.get_axisbelow() is True
