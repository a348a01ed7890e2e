"""Displays drawn from the explanation itself are those that are asked for by their classes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from agnostix import plotting
from tests.messages import refuses
from tests.plotting.explanations import layered, people, picture, pixels, text

MAKERS = {
    "bar": ("BarDisplay", people, {"row": 3}),
    "beeswarm": ("BeeswarmDisplay", people, {"max_features": 2}),
    "heatmap": ("HeatmapDisplay", people, {"order": "output"}),
    "pixels": ("PixelsDisplay", pixels, {"row": 1}),
    "pixels_grid": ("PixelsGridDisplay", layered, {"rows": [1, 0]}),
    "scatter": ("ScatterDisplay", people, {"feature": "age"}),
    "segments": ("SegmentsDisplay", picture, {}),
    "text": ("TextDisplay", text, {"confidence_level": 0.8}),
    "waterfall": ("WaterfallDisplay", people, {"row": 3, "max_features": 2}),
}


@pytest.mark.parametrize("name", MAKERS)
def test_explanation_plot_equals_display(name: str) -> None:
    display, make, options = MAKERS[name]
    exp = make()
    drawn = getattr(exp.plot, name)(**options)
    assert type(drawn).__name__ == display
    assert drawn.figure_ is not None
    pd.testing.assert_frame_equal(
        drawn.frame(), getattr(plotting, display).from_explanation(exp, **options).frame()
    )


def test_explanation_plot_splits_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    plot = plotting.WaterfallDisplay.plot

    def spy(self: Any, ax: Any = None, *, factor: float = 1.0, suffix: str = "") -> Any:
        asked.update(ax=ax, factor=factor, suffix=suffix)
        return plot(self, ax, factor=factor, suffix=suffix)

    monkeypatch.setattr(plotting.WaterfallDisplay, "plot", spy)
    drawn = people().plot.waterfall(row=2, factor=100.0, suffix=" %", max_features=1)
    assert asked == {"ax": None, "factor": 100.0, "suffix": " %"}
    assert "3 other features" in set(drawn.frame()["label"])


def test_explanation_plot_refuses_unknown_option() -> None:
    with refuses(TypeError, "'color'"):
        people().plot.waterfall(color="red")


def test_explanation_does_not_import_matplotlib() -> None:
    code = (
        "import sys; from agnostix.core.explanation import Explanation; "
        "e = Explanation(values=[1.0], dims=('feature',), feature_names=('a',), quantity='effect', "
        "method='m'); e.plot; print([name for name in sys.modules if 'matplotlib' in name])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
