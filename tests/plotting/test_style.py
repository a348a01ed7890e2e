"""The look of the house, and the user's, which stays."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from agnostix.plotting import style


def test_settings_come_back_after_an_error() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), style.house_style():
        assert mpl.rcParams["text.color"] == style.INK
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_the_colours_differ() -> None:
    colours = {style.INK, style.MUTED, style.FAINT, style.PAPER, *style.SERIES}
    assert len(colours) == 4 + len(style.SERIES)
    assert style.ACCENT, style.CONTRAST == style.SERIES[:2]
