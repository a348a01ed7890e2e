"""Rates far below a percent, as of fraud, are not shown as 0 or 1 anywhere."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from agnostix import MimicTree, WhatIfReport, as_predictor
from agnostix.plotting import TreeDisplay
from agnostix.plotting.words import format_percent
from agnostix.report.formatting import THIN_SPACE, Scale

AMOUNT = pd.DataFrame({"amount": np.random.default_rng(0).lognormal(3.0, 1.0, 3000).round(2)})


def fraud(rate):
    """A model of two classes, the second one rare, and eight times as frequent in large amounts."""

    def predict(X):
        chance = np.where(np.asarray(X)[:, 0] > 60.0, 8.0 * rate, rate)
        return np.column_stack([1.0 - chance, chance])

    return as_predictor(predict, task="classification", output_names=["ok", "fraud"])


@pytest.mark.parametrize("rate", [5e-4, 5e-5, 5e-6])
def test_rules_tell_rare_rates_apart(rate):
    tree = MimicTree(fraud(rate), random_state=0).fit(AMOUNT)
    lines = tree.to_text().splitlines()
    shown = [float(re.search(r"ok ([\d.]+);", line)[1]) for line in lines]
    expected = [1.0 - rate, 1.0 - 8.0 * rate]
    np.testing.assert_allclose(1.0 - np.array(shown), 1.0 - np.array(expected), rtol=0.06)


@pytest.mark.parametrize("rate", [5e-4, 5e-5, 5e-6])
def test_report_shows_rare_rates(rate):
    page = WhatIfReport(lambda X: fraud(rate).function(X)[:, 1], AMOUNT).markdown()
    page += WhatIfReport(fraud(rate), AMOUNT).markdown()
    assert not re.search(r"(?<![\d.])0\.0+" + THIN_SPACE + "%", page)


@pytest.mark.parametrize("coverage", [0.2, 0.004, 0.0002])
def test_drawn_tree_shows_coverage_of_rare_leaf(coverage):
    X = pd.DataFrame({"x": np.arange(5000.0)})
    edge = 5000.0 * (1.0 - coverage)
    tree = MimicTree(lambda X: 10.0 * (np.asarray(X)[:, 0] > edge), random_state=0, min_samples_leaf=1)
    display = TreeDisplay.from_estimator(tree.fit(X)).plot()
    texts = [text.get_text() for text in display.ax_.texts]
    assert "0.0 %" not in texts
    assert format_percent(float(tree.leaves_["coverage"].min()), 1) in texts
    plt.close(display.figure_)


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.5, 1, "50.0 %"),
        (0.004, 0, "0.40 %"),
        (0.0004, 1, "0.040 %"),
        (0.99996, 1, "99.9960 %"),
        (0.0, 1, "0.0 %"),
        (1.0, 0, "100 %"),
        (1.0 + 1e-12, 0, "100 %"),
    ],
)
def test_format_percent(share, decimals, text):
    assert format_percent(share, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"), [(5e-4, "0.050"), (4e-6, "0.00040"), (0.2, "20.00"), (0.999996, "99.99960")]
)
def test_scale_of_outcome_in_percent_keeps_rare_side(value, text):
    assert Scale.from_interval([value], 1e-8, True).value(value) == text + THIN_SPACE + "%"
