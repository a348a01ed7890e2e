"""The look of the house, and the user's, which stays."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from agnostix.plotting import style


def test_settings_come_back_after_an_error() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError):
        _fail_in_style()
    assert dict(mpl.rcParams) == before


def _fail_in_style() -> None:
    with style.figure_style():
        assert mpl.rcParams["text.color"] == style.INK
        raise ZeroDivisionError


def test_the_colours_differ() -> None:
    colours = {style.INK, style.MUTED, style.FAINT, style.PAPER, *style.SERIES}
    assert len(colours) == 4 + len(style.SERIES)
    assert style.SERIES[:2] == (style.ACCENT, style.CONTRAST)


def test_the_grid_lies_below_what_is_drawn_on_any_axes() -> None:
    ax = Figure().add_subplot()
    ax.set_axisbelow(False)
    assert style.axes_for(ax, 1.0, 1.0) == (ax, ax.figure)
    assert ax.get_axisbelow() is True
