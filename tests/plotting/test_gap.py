"""The waterfall from one table to another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from agnostix import EntropicProjection, GapExplanation, explain_gap
from agnostix.plotting import GapDisplay
from agnostix.plotting.steps import UNKNOWN
from tests.messages import refuses


@pytest.fixture(scope="module")
def gap() -> GapExplanation:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 5)), columns=list("abcde")).assign(town="north", year=2019.0)
    other = X.assign(**{name: X[name] + 0.1 * k for k, name in enumerate("abcde")}, town="west", year=2020.0)
    A, B = (
        EntropicProjection().fit(T, predictions=pd.DataFrame({"risk": T[list("abcde")].sum(axis=1)}))
        for T in (X, other)
    )
    return explain_gap(A, B)


def test_steps_lead_from_a_to_b(gap: GapExplanation) -> None:
    display = GapDisplay.from_explanation(gap)
    frame = display.frame()
    assert frame["label"].iloc[[0, -1]].tolist() == ["A", "B"]
    assert frame["value"].iloc[0] == gap.totals.loc["A", "value"]
    bars = frame[frame["step"].isin(["feature", "gap"])]
    np.testing.assert_array_equal(bars["value"], gap.frame["value"])
    np.testing.assert_allclose(frame["start"].to_numpy()[1:-1], frame["end"].to_numpy()[:-2])
    assert frame["end"].iloc[-2] == pytest.approx(frame["value"].iloc[-1])
    assert display.output_name == "mean prediction of risk"


def test_labels_say_how_far_columns_moved(gap: GapExplanation) -> None:
    labels = GapDisplay.from_explanation(gap).frame()["label"].tolist()
    shift = gap.frame.set_index("column").loc["e", "shift"]
    assert f"e, +{shift:.2f} sd" in labels
    assert "town" in labels


def test_other_columns_are_summed_and_unknown_ones_named(gap: GapExplanation) -> None:
    frame = GapDisplay.from_explanation(gap, max_columns=2).frame()
    steps = ["base", "feature", "feature", "others", "feature", "feature", "gap", "output"]
    assert frame["step"].tolist() == steps
    others = frame.set_index("step").loc["others"]
    assert others["label"] == "3 other columns"
    assert others["value"] == pytest.approx(gap.frame["value"].iloc[2:5].sum())
    assert others["std_error"] == pytest.approx(gap.frame["std_error"].iloc[2:5].sum())
    assert frame["end"].iloc[-2] == pytest.approx(frame["value"].iloc[-1])


def test_picture_has_bars_intervals_and_words(gap: GapExplanation) -> None:
    ax = GapDisplay.from_explanation(gap).plot(Figure().add_subplot(), factor=100.0, suffix=" %").ax_
    known = gap.frame["value"].dropna().to_numpy()
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 100.0 * known, atol=1e-9)
    words = [text.get_text() for text in ax.texts]
    assert words.count(UNKNOWN) == 2
    assert words.count("–") == 2
    assert ax.get_xlabel() == "mean prediction of risk"
    lines = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert len(lines) == 2 + int((gap.frame["high"] > gap.frame["low"]).sum())


def test_too_few_columns_are_refused(gap: GapExplanation) -> None:
    with refuses(ValueError, "max_columns", "1", "0"):
        GapDisplay.from_explanation(gap, max_columns=0)
