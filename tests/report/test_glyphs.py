"""Names in scripts that matplotlib's font lacks: pages and plots without a warning for each glyph."""

import warnings

import numpy as np
import pandas as pd
import pytest

from agnostix import MimicTree, OcclusionExplainer
from agnostix.plotting import BarDisplay, BeeswarmDisplay, HeatmapDisplay, ScatterDisplay, WaterfallDisplay
from agnostix.report import WhatIfReport

NAMES = ["年齢", "🙂", "ราคา"]
X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=NAMES)
X = X.set_axis([f"行 {j}" for j in range(60)])


def model(X):
    return np.asarray(X["年齢"] * 2 + X["🙂"])


def test_report_does_not_warn_of_glyphs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = WhatIfReport(
            model, X, rows=["行 3"], explainers=[OcclusionExplainer(model)], mimic=MimicTree(model)
        ).html()
    assert all(name in page for name in NAMES)


@pytest.mark.parametrize(
    "display", [BarDisplay, BeeswarmDisplay, HeatmapDisplay, ScatterDisplay, WaterfallDisplay]
)
def test_displays_do_not_warn_of_glyphs(display):
    explanation = OcclusionExplainer(model).fit(X).explain(X[:8])
    params = {ScatterDisplay: {"feature": "年齢"}, WaterfallDisplay: {"row": "行 3"}}.get(display, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.from_explanation(explanation, **params).plot()
