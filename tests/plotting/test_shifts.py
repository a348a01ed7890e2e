"""What else moved."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import EntropicProjection, Scenario
from agnostix.plotting import ShiftDisplay
from agnostix.plotting.style import ACCENT, PAPER


@pytest.fixture(scope="module")
def scenario(projection: EntropicProjection) -> Scenario:
    return projection.what_if({"age": 44.0, "sex": {"Female": 0.4}})


def _plot(display: ShiftDisplay) -> Axes:
    return display.plot(Figure().add_subplot()).ax_


def test_shifts_stated_first_and_one_of_two_levels(scenario: Scenario) -> None:
    frame = ShiftDisplay.from_explanation(scenario).frame()
    assert frame["stated"].tolist()[:3] == [True, True, False]
    assert set(frame.loc[frame["stated"], "feature"]) == {"age", "sex"}
    assert frame.loc[frame["feature"] == "sex", "level"].tolist() == ["Female"]
    assert (frame["feature"] == "town").sum() == 3
    rest = frame.loc[~frame["stated"], "shift"].abs()
    assert rest.is_monotonic_decreasing


def test_shifts_dots_and_bars_equal_frame(scenario: Scenario) -> None:
    display = ShiftDisplay.from_explanation(scenario)
    frame = display.frame()[::-1].reset_index(drop=True)
    ax = _plot(display)
    bars, stems = (np.array([path[:, 0] for path in lines.get_segments()]) for lines in ax.collections)
    np.testing.assert_array_equal(bars, frame[["low", "high"]])
    np.testing.assert_array_equal(stems[:, 1], frame["shift"])
    points = {}
    for line in ax.lines:
        if line.get_marker() == "o":
            stated = to_hex(line.get_markerfacecolor()) == ACCENT
            assert stated or to_hex(line.get_markerfacecolor()) == PAPER
            points |= {int(y): (float(x), stated) for x, y in line.get_xydata()}
    assert points == {j: (row["shift"], row["stated"]) for j, row in enumerate(frame.to_dict("records"))}
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[-1] == "age"
    assert len(labels) == len(frame)


def test_shifts_max_features(scenario: Scenario) -> None:
    assert len(_plot(ShiftDisplay.from_explanation(scenario, max_features=3)).get_yticks()) == 3


def test_shifts_infinite_errors_keep_scale(scenario: Scenario) -> None:
    shifts = scenario.shifts.copy()
    shifts.loc[0, ["low", "high"]] = [-np.inf, np.inf]
    shifts.loc[1, ["shift", "low", "high"]] = np.nan
    ax = _plot(ShiftDisplay(shifts))
    ax.figure.draw_without_rendering()
    low, high = ax.get_xlim()
    assert -5 < low < high < 5
