"""Standardized differences before and after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import EntropicProjection, Scenario
from agnostix.plotting import LoveDisplay
from agnostix.plotting.style import PAPER


@pytest.fixture(scope="module")
def scenario(projection: EntropicProjection) -> Scenario:
    return projection.what_if({"age": 44.0, "sex": {"Female": 0.4}, "zeros": (5.0, 8.0)})


def _plot(display: LoveDisplay) -> Axes:
    return display.plot(Figure().add_subplot()).ax_


def test_love_differences_are_those_of_the_rows(scenario: Scenario, people: pd.DataFrame) -> None:
    frame = LoveDisplay.from_explanation(scenario).frame()
    weights = scenario.weights / scenario.weights.sum()
    columns = {("age", None): (people["age"], 44.0, 44.0), ("zeros", None): (people["zeros"], 5.0, 8.0)}
    columns["sex", "Female"] = ((people["sex"] == "Female").astype(float), 0.4, 0.4)
    for row in frame.to_dict("records"):
        key = row["feature"], row["level"]
        values, low, high = columns.get(key, (None, None, None))
        assert row["stated"] == (key in columns)
        if values is None:
            numbers = people[key[0]]
            values = numbers if key[1] is None else (numbers == key[1]).astype(float)
            low = high = values.mean()
        for name, mean in (("before", values.mean()), ("after", weights @ values)):
            expected = max(low - mean, mean - high, 0.0) / values.std(ddof=0)
            assert row[name] == pytest.approx(expected, abs=1e-9)
    assert set(columns) <= set(zip(frame["feature"], frame["level"], strict=True))


def test_love_stated_first_then_the_farthest(scenario: Scenario) -> None:
    frame = LoveDisplay.from_explanation(scenario).frame()
    assert frame["stated"].is_monotonic_decreasing
    for _, part in frame.groupby("stated"):
        assert part[["before", "after"]].max(axis=1).is_monotonic_decreasing
    assert (frame["feature"] == "sex").sum() == 1


def test_love_dots_and_threshold(scenario: Scenario) -> None:
    display = LoveDisplay.from_explanation(scenario, threshold=0.2, max_features=5)
    frame = display.frame().head(5)[::-1]
    ax = _plot(display)
    dots = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    before, after = dots
    assert to_hex(before.get_markerfacecolor()) == PAPER
    np.testing.assert_array_equal(after.get_xdata(), frame["after"])
    np.testing.assert_array_equal(before.get_xdata(), frame.loc[frame["stated"], "before"])
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [0.2]


def test_love_other_conditions_are_no_targets(projection: EntropicProjection) -> None:
    scenario = projection.what_if({"age": 44.0})
    conditions = scenario.conditions.assign(where="sex = Female")
    other = replace(scenario, conditions=conditions)
    assert not LoveDisplay.from_explanation(other).frame()["stated"].any()
