"""How few rows carry the weight."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from agnostix import EntropicProjection
from agnostix.plotting import WeightConcentrationDisplay


def test_concentration_curve_is_share_of_heaviest_rows(projection: EntropicProjection) -> None:
    scenario = projection.what_if({"age": 48.0})
    display = WeightConcentrationDisplay.from_explanation(scenario)
    frame = display.frame()
    assert frame.iloc[0].tolist() == [0.0, 0.0]
    assert frame.iloc[-1].tolist() == pytest.approx([1.0, 1.0])
    assert len(frame) <= 201
    ordered = np.sort(scenario.weights)[::-1]
    for share_of_rows, share_of_weight in frame.to_numpy():
        k = round(share_of_rows * ordered.size)
        assert share_of_weight == pytest.approx(ordered[:k].sum() / ordered.sum(), abs=1e-12)
    ax = display.plot(Figure().add_subplot()).ax_
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), frame)


def test_concentration_marks_share_of_rows() -> None:
    weights = np.r_[np.full(10, 9.0), np.full(90, 1.0 / 9.0)]
    ax = WeightConcentrationDisplay(weights).plot(Figure().add_subplot()).ax_
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["50 % of the weight:\n6 % of the rows", "90 % of the weight:\n10 % of the rows"]


def test_concentration_equal_weights_on_diagonal() -> None:
    frame = WeightConcentrationDisplay(np.ones(1000)).frame()
    np.testing.assert_allclose(frame["share_of_weight"], frame["share_of_rows"], atol=1e-12)


def test_concentration_zero_weights_and_few_rows() -> None:
    frame = WeightConcentrationDisplay(np.array([0.0, 3.0, 0.0])).frame()
    assert frame["share_of_weight"].tolist() == [0.0, 1.0, 1.0, 1.0]
