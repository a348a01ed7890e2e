"""The curve: its numbers are those of the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import EntropicProjection
from agnostix.plotting import WhatIfCurveDisplay
from agnostix.plotting.style import SERIES
from tests.messages import refuses


def _plot(display: WhatIfCurveDisplay, **plot: object) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_  # type: ignore[arg-type]


def _lines(ax: Axes) -> list:
    return [line for line in ax.lines if line.get_linestyle() == "-"]


def _dots(ax: Axes) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for line in ax.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    ]


def test_curve_line_and_band_equal_frame(projection: EntropicProjection) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "age")
    frame = display.frame()
    ax = _plot(display, factor=100.0)
    drawn = np.full(len(frame), np.nan)
    for line in _lines(ax):
        x, y = line.get_data()
        np.testing.assert_array_equal(x, frame["target"])
        drawn = np.where(np.isnan(drawn), y, drawn)
    np.testing.assert_array_equal(drawn, 100.0 * frame["value"])
    vertices = np.concatenate([path.vertices for band in ax.collections for path in band.get_paths()])
    for name in ("low", "high"):
        for x, y in zip(frame["target"], 100.0 * frame[name], strict=True):
            assert np.hypot(*(vertices - [x, y]).T).min() < 1e-12


def test_curve_thin_parts_are_fainter_and_joined(projection: EntropicProjection) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "age", targets={"age": [40, 45, 50, 55, 60]})
    status = display.frame()["status"].tolist()
    assert status[0] == "ok"
    assert status[-1] == "thin"
    ax = _plot(display)
    alpha = {line.get_alpha(): np.isfinite(line.get_ydata()) for line in _lines(ax)}
    solid = np.array(status) == "ok"
    assert (alpha[1.0] | alpha[0.4]).all()
    assert alpha[1.0][solid].all()
    assert alpha[0.4][~solid].all()
    assert (alpha[1.0] & alpha[0.4]).sum() >= 1
    faint, strong = sorted({band.get_alpha() for band in ax.collections})
    assert faint < strong


def test_curve_dot_at_data_average(projection: EntropicProjection, people: pd.DataFrame) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "age")
    mean = projection.baseline()["value"].iloc[0]
    (dot,) = _dots(_plot(display))
    assert dot == pytest.approx((people["age"].mean(), mean), rel=1e-12)


@pytest.mark.parametrize("targets", [[45.0, 50.0], [-999.0, 45.0, 50.0]])
def test_curve_no_dot_without_data_average(projection: EntropicProjection, targets: list[float]) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "age", targets={"age": targets})
    assert _dots(_plot(display)) == []


def test_curve_infeasible_targets_leave_gaps(projection: EntropicProjection, people: pd.DataFrame) -> None:
    mean = float(people["age"].mean())
    display = WhatIfCurveDisplay.from_explainer(projection, "age", targets={"age": [-50, 38, mean, 45, 500]})
    assert display.frame()["status"].tolist()[::4] == ["infeasible", "infeasible"]
    ax = _plot(display)
    ax.figure.draw_without_rendering()
    assert len(_dots(ax)) == 1
    shown = np.nanmax([np.isfinite(line.get_ydata()) for line in _lines(ax)], axis=0)
    assert shown.tolist() == [False, True, True, True, False]


def test_curve_infinite_errors_keep_scale(projection: EntropicProjection) -> None:
    frame = WhatIfCurveDisplay.from_explainer(projection, "age").frame()
    frame.loc[[0, 3], ["low", "high", "std_error"]] = [-np.inf, np.inf, np.inf]
    ax = _plot(WhatIfCurveDisplay(frame))
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    assert -5 < low < high < 5


def test_curve_by_group_has_line_each(projection: EntropicProjection) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "age", by="sex")
    ax = _plot(display)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Female", "Male"]
    named = {line.get_label(): to_hex(line.get_color()) for line in _lines(ax)}
    assert named["Female"] == SERIES[0]
    assert named["Male"] == SERIES[1]
    frame = display.frame()
    for group, (x, y) in zip(["Female", "Male"], sorted(_dots(ax), key=lambda dot: -dot[1]), strict=True):
        own = frame[frame["group"] == group]
        at = own["kl"].argmin()
        assert (x, y) == (own["target"].iloc[at], own["value"].iloc[at])
    bars = {to_hex(bar.get_facecolor()) for bar in ax.patches}
    assert bars == {SERIES[0], SERIES[1]}


def test_curve_more_groups_than_colors(projection: EntropicProjection) -> None:
    frame = WhatIfCurveDisplay.from_explainer(projection, "age").frame()
    many = pd.concat([frame.assign(group=f"g{j}") for j in range(len(SERIES) + 2)], ignore_index=True)
    ax = _plot(WhatIfCurveDisplay(many))
    assert len(ax.get_legend().get_texts()) == len(SERIES) + 2


def test_curve_bars_are_density_of_distribution(projection: EntropicProjection) -> None:
    curves = projection.explain(features="age")
    display = WhatIfCurveDisplay.from_explanation(curves, "age")
    ax = _plot(display)
    bars = curves.distributions
    assert len(ax.patches) == len(bars)
    area = np.array([bar.get_width() * bar.get_height() for bar in ax.patches])
    np.testing.assert_allclose(area / area.sum(), bars["share"] / bars["share"].sum(), atol=1e-12)
    np.testing.assert_allclose([bar.get_x() for bar in ax.patches], bars["left"])
    lowest_value = display.frame()["low"].min()
    assert max(bar.get_y() + bar.get_height() for bar in ax.patches) < lowest_value


def test_curve_without_distribution_has_no_bars(projection: EntropicProjection) -> None:
    frame = WhatIfCurveDisplay.from_explainer(projection, "age").frame()
    assert not _plot(WhatIfCurveDisplay(frame)).patches


def test_curve_of_level_proportion(projection: EntropicProjection) -> None:
    display = WhatIfCurveDisplay.from_explainer(projection, "sex", level="Female")
    frame = display.frame()
    assert set(frame["level"]) == {"Female"}
    ax = _plot(display, suffix=" %", factor=100.0)
    assert ax.get_xlabel() == "proportion of sex = Female"
    assert ax.get_ylabel() == "mean prediction of out_$put$"
    ax.figure.draw_without_rendering()
    assert all(label.get_text().endswith(" %") for label in ax.get_yticklabels())


def test_curve_quantity_is_selected(projection: EntropicProjection) -> None:
    curves = projection.explain(features="age", metric=["prediction", "mean_absolute_error"])
    error = WhatIfCurveDisplay.from_explanation(curves, "age", quantity="mean_absolute_error")
    assert set(error.frame()["quantity"]) == {"mean_absolute_error"}
    assert _plot(error).get_ylabel() == "mean absolute error"
    assert set(WhatIfCurveDisplay.from_explanation(curves, "age").frame()["quantity"]) == {"prediction"}


def test_curve_refuses_categorical_feature_without_level(projection: EntropicProjection) -> None:
    with refuses(ValueError, "'sex'", "level", "'Female', 'Male'"):
        WhatIfCurveDisplay.from_explainer(projection, "sex")


def test_curve_refuses_unknown_level(projection: EntropicProjection) -> None:
    facts = ("no curve of 'sex'", "level 'Other'", "quantity 'prediction'", "output 'out_$put$'")
    with refuses(ValueError, *facts):
        WhatIfCurveDisplay.from_explainer(projection, "sex", level="Other")


def test_curve_refuses_unknown_output(projection: EntropicProjection) -> None:
    with refuses(ValueError, "no curve of 'age'", "output 'other'"):
        WhatIfCurveDisplay.from_explainer(projection, "age", output="other")


def test_curve_refuses_unknown_feature(projection: EntropicProjection) -> None:
    with refuses(KeyError, "'height'", "There are: age"):
        WhatIfCurveDisplay.from_explanation(projection.explain(features="age"), "height")
