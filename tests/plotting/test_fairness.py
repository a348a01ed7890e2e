"""Rates of groups, and distances of populations with other values of a measure."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from agnostix import (
    DisparateImpact,
    EntropicProjection,
    FairnessStress,
    GroupMeasures,
    measure_fairness,
    stress_fairness,
)
from agnostix.plotting import FairnessStressDisplay, GroupMeasuresDisplay
from tests.messages import refuses
from tests.what_if.fairness.people import people

X, Y, SCORE = people()
PROJECTION = EntropicProjection().fit(X, Y, predictions=SCORE)


@pytest.fixture(scope="module")
def measures() -> GroupMeasures:
    return measure_fairness(PROJECTION, group="job", reference="clerk")


@pytest.fixture(scope="module")
def stress() -> FairnessStress:
    impact = DisparateImpact(group="sex", reference="Male")
    return stress_fairness(PROJECTION, impact, targets=[0.6, 0.8, 1.0, 5.0], weight_bounds=(0.5, 2.0))


def test_rates_are_listed_with_the_reference_first(measures: GroupMeasures) -> None:
    frame = GroupMeasuresDisplay.from_explanation(measures).frame()
    assert len(frame) == 12
    assert frame["is_reference"].tolist() == [True, False, False] * 4
    rates = measures.rates.set_index(["measure", "group"])
    for row in frame.to_dict("records"):
        assert row["value"] == rates.loc[(row["measure"], row["group"]), "value"]


def test_words_are_the_comparison_and_bold_where_it_is_apart(measures: GroupMeasures) -> None:
    frame = GroupMeasuresDisplay.from_explanation(measures).frame()
    lines = measures.comparisons.set_index(["measure", "group"])
    for row in frame[~frame["is_reference"]].to_dict("records"):
        names = {"selection rate": "disparate impact", "true positive rate": "equal opportunity"}
        if row["measure"] not in names:
            continue
        line = lines.loc[(names[row["measure"]], row["group"])]
        parity = 1.0 if row["measure"] == "selection rate" else 0.0
        assert f"{abs(line['value']):.2g}" in row["comparison"]
        assert row["is_apart"] == (not line["band_low"] <= parity <= line["band_high"])
    assert (frame.loc[frame["is_reference"], "comparison"] == "").all()


def test_picture_has_a_dot_and_two_lines_for_each_rate(measures: GroupMeasures) -> None:
    display = GroupMeasuresDisplay.from_explanation(measures).plot(Figure().add_subplot())
    lines = [line.get_xdata() for line in display.ax_.lines if len(line.get_xdata())]
    dots = [xs[0] for xs in lines if len(xs) == 1]
    np.testing.assert_array_equal(dots, display.frame()["value"])
    assert sum(len(xs) == 2 for xs in lines) == 2 * len(dots)


def test_largest_groups_are_drawn(measures: GroupMeasures) -> None:
    frame = GroupMeasuresDisplay.from_explanation(measures, max_groups=2).frame()
    assert set(frame["group"]) == {"job = clerk", "job = teacher"}
    with refuses(ValueError, "max_groups", "2", "got 1"):
        GroupMeasuresDisplay.from_explanation(measures, max_groups=1)


def test_distances_are_drawn_with_what_no_population_has(stress: FairnessStress) -> None:
    ax = FairnessStressDisplay.from_explanation(stress).plot(Figure().add_subplot()).ax_
    curve = next(line for line in ax.lines if len(line.get_xdata()) == 3)
    np.testing.assert_array_equal(curve.get_ydata(), stress.frame["kl"][:3])
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[5.0]]
    text = " ".join(one.get_text() for one in ax.texts)
    assert "four fifths" in text
    assert "parity" in text
