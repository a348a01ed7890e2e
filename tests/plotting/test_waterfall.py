"""The waterfall: the way from base to output, what is summed, what is not explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import t as student

from agnostix.core.explanation import Detail
from agnostix.plotting import BarDisplay, WaterfallDisplay
from agnostix.plotting.attributions import values_in_row
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, PAPER
from agnostix.plotting.words import label_in_row
from tests.messages import refuses
from tests.plotting.explanations import intervals, make, people, pixels, surrogate

Z = 1.959963984540054


def _plot(display: WaterfallDisplay, **plot: Any) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_


def _bars(ax: Axes) -> dict[float, tuple[float, float, str]]:
    """Left end, right end and color of each bar by its height."""
    found = {}
    for bar in ax.patches:
        left, right = sorted([bar.get_x(), bar.get_x() + bar.get_width()])
        found[round(bar.get_y() + bar.get_height() / 2, 9)] = (left, right, to_hex(bar.get_facecolor()))
    return found


def test_waterfall_bars_and_intervals_equal_frame() -> None:
    display = WaterfallDisplay.from_explanation(people(), row=3)
    ax = _plot(display, factor=100.0)
    bars, lines = _bars(ax), intervals(ax, INK)
    frame = display.frame()
    assert len(bars) == len(frame) - 2
    for j, step in enumerate(frame.to_dict("records")):
        if step["step"] in ("base", "output"):
            continue
        place = len(frame) - 1 - j
        left, right = sorted([100 * step["start"], 100 * step["end"]])
        assert bars[place][:2] == pytest.approx((left, right))
        assert bars[place][2] == (ACCENT if step["value"] > 0 else CONTRAST)
        half = 100 * Z * step["std_error"]
        assert lines[place] == pytest.approx((100 * step["end"] - half, 100 * step["end"] + half))


def test_waterfall_from_base_value_to_output() -> None:
    exp = people()
    frame = WaterfallDisplay.from_explanation(exp, row=7, output="out_$put$").frame()
    assert frame["step"].tolist() == ["base", *["feature"] * 4, "output"]
    assert frame["value"].iloc[0] == exp.base_values[7, 1]
    assert frame["end"].iloc[-1] == exp.outputs[7, 1]
    np.testing.assert_allclose(frame["start"].iloc[1:-1], frame["end"].iloc[:-2])
    assert frame["end"].iloc[-2] == pytest.approx(exp.outputs[7, 1])
    assert frame["value"].iloc[1:-1].abs().is_monotonic_decreasing


def test_waterfall_ends_are_dots() -> None:
    exp = people()
    dots = [line for line in _plot(WaterfallDisplay.from_explanation(exp)).lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [exp.base_values[0, 1], exp.outputs[0, 1]]


def test_waterfall_other_features_sum_and_error_bound() -> None:
    values, errors = np.arange(1.0, 7.0)[None], np.full((1, 6, 1), 0.5)
    frame = WaterfallDisplay.from_explanation(make(values, std_errors=errors), max_features=2).frame()
    assert frame["label"].tolist() == ["base value", "x5", "x4", "4 other features", "output"]
    assert frame["value"].iloc[3] == 10.0
    assert frame["std_error"].iloc[3] == 2.0


def test_waterfall_one_other_feature_is_shown() -> None:
    frame = WaterfallDisplay.from_explanation(make([[1.0, 2.0, 3.0]]), max_features=2).frame()
    assert frame["step"].tolist() == ["base", "feature", "feature", "feature", "output"]


def test_waterfall_remainder_has_bar() -> None:
    exp = make([[0.2, -0.1]], outputs=[[0.9]], quantity="effect")
    display = WaterfallDisplay.from_explanation(exp)
    rest = display.frame().iloc[-2]
    assert (rest["step"], rest["label"]) == ("remainder", "not explained by the sum")
    assert rest["value"] == pytest.approx(0.3)
    assert rest["end"] == pytest.approx(0.9)
    assert _bars(_plot(display))[1.0] == (pytest.approx(0.6), pytest.approx(0.9), FAINT)


def test_waterfall_zero_remainder_by_completeness() -> None:
    for quantity, completeness, has_remainder in (
        ("effect", None, True),
        ("contribution", "surrogate", False),
        ("contribution", "outputs - base_values", False),
    ):
        exp = make([[0.2, -0.1]], quantity=quantity, completeness=completeness)
        steps = WaterfallDisplay.from_explanation(exp).frame()["step"]
        assert ("remainder" in set(steps)) is has_remainder


def test_waterfall_broken_completeness_has_remainder() -> None:
    frame = WaterfallDisplay.from_explanation(make([[0.2, -0.1]], outputs=[[0.9]])).frame()
    assert frame["step"].iloc[-2] == "remainder"


def test_waterfall_surrogate_ends_with_gap_to_model() -> None:
    exp = surrogate()
    display = WaterfallDisplay.from_explanation(exp, row=1)
    frame = display.frame().set_index("step")
    assert frame.index.tolist() == ["base", *["feature"] * 4, "surrogate", "gap", "output"]
    assert frame["label"].iloc[[0, -3, -2, -1]].tolist() == [
        "surrogate base value",
        "surrogate prediction",
        "gap to the model",
        "model prediction",
    ]
    reached = exp.base_values[1, 1] + exp.values[1, :, 1].sum()
    assert frame.loc["surrogate", "value"] == pytest.approx(reached)
    assert frame.loc["output", "value"] == exp.outputs[1, 1]
    assert frame.loc["gap", ["value", "start", "end"]].tolist() == pytest.approx(
        [0.125, reached, exp.outputs[1, 1]]
    )
    assert frame.loc["gap", ["std_error", "low", "high"]].isna().all()
    ax = _plot(display)
    assert _bars(ax)[1.0] == (pytest.approx(reached), pytest.approx(reached + 0.125), FAINT)
    assert set(intervals(ax, INK)) == {3.0, 4.0, 5.0, 6.0}
    dots = {float(line.get_ydata()[0]): line for line in ax.lines if line.get_marker() == "o"}
    assert [float(dots[place].get_xdata()[0]) for place in (7.0, 2.0, 0.0)] == pytest.approx(
        [0.5, reached, exp.outputs[1, 1]]
    )
    assert [dots[place].get_markerfacecolor() for place in (7.0, 2.0, 0.0)] == [PAPER, MUTED, INK]


def test_waterfall_surrogate_error_is_error_of_gap() -> None:
    exp = surrogate(extras={"surrogate_std_errors": np.full((2, 2), 0.03)})
    display = WaterfallDisplay.from_explanation(exp)
    frame = display.frame().set_index("step")
    for step in ("surrogate", "gap"):
        assert frame.loc[step, "std_error"] == 0.03
        assert frame.loc[step, "high"] - frame.loc[step, "value"] == pytest.approx(0.03 * Z)
    ax = _plot(display)
    reached, lines = frame.loc["surrogate", "value"], intervals(ax, INK)
    assert lines[2.0] == pytest.approx((reached - 0.03 * Z, reached + 0.03 * Z))
    assert lines[1.0] == pytest.approx((exp.outputs[0, 1] - 0.03 * Z, exp.outputs[0, 1] + 0.03 * Z))
    assert sum(text.get_text() == f"± {0.03 * Z:.3f}" for text in ax.texts) == 2


def test_waterfall_exact_surrogate_has_zero_gap() -> None:
    frame = WaterfallDisplay.from_explanation(
        make([[0.25, -0.125]], quantity="contribution", completeness="surrogate")
    ).frame()
    assert frame["value"].tolist() == [0.5, 0.25, -0.125, 0.625, 0.0, 0.625]


def test_waterfall_selected_features_of_surrogate() -> None:
    exp = surrogate().sel(features=["town", "age"])
    frame = WaterfallDisplay.from_explanation(exp).frame().set_index("step")
    left_out = surrogate().values[0, [1, 3], 1].sum()
    assert frame.loc["remainder", "value"] == pytest.approx(left_out)
    assert frame.loc["surrogate", "value"] == pytest.approx(
        surrogate().extras["surrogate_outputs"].array[0, 1]
    )
    assert set(frame.loc["feature", "condition"]) == {"age > 40.5", f"town = {exp.data['town'][0]}"}


def test_waterfall_labels_are_conditions() -> None:
    display = WaterfallDisplay.from_explanation(surrogate())
    frame = display.frame()
    labels = [text.get_text() for text in _plot(display).get_yticklabels()]
    conditions = frame.set_index("label")["condition"]
    assert conditions["age"] == "age > 40.5"
    assert conditions["hours"] == "hours missing"
    assert frame.set_index("label")["data"]["age"] == "41.3"
    assert labels[1:5] == frame["condition"].iloc[1:5].tolist()


def test_label_in_row_shortens_name_in_condition() -> None:
    name = "the number of hours in an ordinary week"
    assert label_in_row(name, "40", f"28.5 < {name} <= 37.5") == "28.5 < the number of hour… <= 37.5"
    assert label_in_row("job", "clerk", "job = " + "c" * 60) == "job = " + "c" * 27 + "…"
    assert label_in_row("a", "1", None) == "a = 1"
    assert label_in_row("a", None, "a\n b") == "a b"


def test_waterfall_leaves_out_features_not_selected() -> None:
    selected = np.array([[[True, False], [True, True], [False, True]]])
    values = np.where(selected, [[[0.1], [-0.2], [0.3]]], 0.0)
    exp = make(
        values,
        quantity="contribution",
        completeness="surrogate",
        extras={"selected": selected},
        fidelity={"r2": np.full((1, 2), 0.95)},
    )
    assert not np.isnan(values_in_row(replace(exp, values=values + 0.1), 0, 0)).any()
    for output, names in ((0, ["x1", "x0"]), (1, ["x2", "x1"])):
        display = WaterfallDisplay.from_explanation(exp, output=output)
        frame = display.frame()
        assert frame.loc[frame["step"] == "feature", "label"].tolist() == names
        assert display.fidelity == ("R² 0.95 with 2 of 3 features: the surrogate follows the model closely")
        assert BarDisplay.from_explanation(exp, output=output).frame()["feature"].tolist() == names


def test_waterfall_texts_are_numbers_with_margins() -> None:
    exp = make([[0.25, -0.125]], std_errors=[[[0.05], [0.0]]])
    texts = [text.get_text() for text in _plot(WaterfallDisplay.from_explanation(exp)).texts]
    assert texts == ["0.500", "+0.250", "−0.125", "0.625", "± 0.098"]


def test_waterfall_labels_have_data_values() -> None:
    exp = people()
    labels = [t.get_text() for t in _plot(WaterfallDisplay.from_explanation(exp, row=2)).get_yticklabels()]
    data = exp.data.iloc[2]
    assert f"town = {data['town']}" in labels
    assert f"age = {data['age']:g}" in labels
    assert "hours = missing" in labels


@pytest.mark.parametrize("data", [np.array([[3.0, np.nan]]), pl.DataFrame({"x1": [None], "x0": [3.0]})])
def test_waterfall_data_of_arrays_and_polars(data: Any) -> None:
    frame = WaterfallDisplay.from_explanation(make([[2.0, 1.0]], data=data)).frame()
    assert frame["data"].tolist() == [None, "3", "missing", None]


def test_waterfall_data_ignores_index() -> None:
    data = pd.DataFrame({"x0": [1.0, 2.0], "x1": [3.0, 4.0]}, index=[1.0, 0.0])
    frame = WaterfallDisplay.from_explanation(make([[2.0, 1.0]] * 2, data=data), row=1).frame()
    assert frame["data"].tolist() == [None, "2", "4", None]


def test_waterfall_grouped_columns_have_no_data() -> None:
    data = pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]})
    exp = make([[0.2, 0.1]], data=data, feature_names=("both", "c"))
    labels = [t.get_text() for t in _plot(WaterfallDisplay.from_explanation(exp)).get_yticklabels()]
    assert labels[1:3] == ["both", "c = 3"]


def test_waterfall_row_by_position_and_name() -> None:
    exp = make([[1.0], [2.0], [3.0]], row_names=("Ann", "Bob", "Cy"))
    for row, value in ((0, 1.0), (-1, 3.0), (np.int64(1), 2.0), ("Bob", 2.0)):
        assert WaterfallDisplay.from_explanation(exp, row=row).frame()["value"].iloc[1] == value
    for row, facts in ((3, ["no row 3", "0 to 2"]), ("Di", ["no row named 'Di'"])):
        with refuses(ValueError, *facts):
            WaterfallDisplay.from_explanation(exp, row=row)
    with refuses(ValueError, "'Ann'", "rows have no names"):
        WaterfallDisplay.from_explanation(make([[1.0]]), row="Ann")


def test_waterfall_output_by_position_and_name() -> None:
    exp = make(np.arange(3.0)[None, None] + 1.0, output_names=("a", "b", "c"))
    for output, value in (("b", 2.0), (0, 1.0), (-1, 3.0)):
        assert WaterfallDisplay.from_explanation(exp, output=output).frame()["value"].iloc[1] == value
    with refuses(ValueError, "3 outputs", "output=", "'a', 'b', 'c'"):
        WaterfallDisplay.from_explanation(exp)
    with refuses(ValueError, "no output 'd'", "'a', 'b', 'c'"):
        WaterfallDisplay.from_explanation(exp, output="d")
    two = exp.sel(outputs=["a", "b"])
    assert WaterfallDisplay.from_explanation(two).frame()["value"].iloc[1] == 2.0
    assert _plot(WaterfallDisplay.from_explanation(two)).get_xlabel() == "b"


def test_waterfall_from_explainer_explains_only_row() -> None:
    calls = []

    class Explainer:
        def explain(self, X: Any, outputs: Any = None) -> Any:
            calls.append((len(X), outputs))
            return make(np.asarray(X, dtype=float)[:, :, None])

    X = np.arange(8.0).reshape(4, 2)
    for table in (X, X.tolist(), pd.DataFrame(X, index=[3, 2, 1, 0]), pl.DataFrame(X)):
        display = WaterfallDisplay.from_explainer(Explainer(), table, row=-1, outputs="a")
        assert display.frame()["value"].iloc[1:3].tolist() == [7.0, 6.0]
    assert calls == [(1, "a")] * 4


def test_waterfall_from_explainer_row_by_name() -> None:
    class Explainer:
        def explain(self, X: Any) -> Any:
            return make(np.asarray(X, dtype=float), row_names=("Ann", "Bob"))

    display = WaterfallDisplay.from_explainer(Explainer(), [[1.0], [2.0]], row="Bob")
    assert display.frame()["value"].iloc[1] == 2.0


def test_waterfall_infinite_error_keeps_scale() -> None:
    exp = make([[0.2, 0.1]], std_errors=[[[np.inf], [0.01]]])
    ax = _plot(WaterfallDisplay.from_explanation(exp))
    ax.figure.draw_without_rendering()
    assert intervals(ax, INK)[2.0] == (-np.inf, np.inf)
    assert "not determined" in [text.get_text() for text in ax.texts]
    low, high = ax.get_xlim()
    assert 0.4 < low < high < 0.9


def test_waterfall_draws_values_that_are_not_determined() -> None:
    kinds = Detail(np.array([["undetermined", "student"]]), ("row", "feature"))
    exp = make([[0.2, 0.1]], std_errors=[[[np.nan], [0.01]]], extras={"interval_kind": kinds})
    display = WaterfallDisplay.from_explanation(exp)
    ax = _plot(display)
    assert intervals(ax, INK)[2.0] == (-np.inf, np.inf)
    assert "not determined" in [text.get_text() for text in ax.texts]
    unknown = _plot(WaterfallDisplay.from_explanation(replace(exp, extras={})))
    assert 2.0 not in intervals(unknown, INK)


def test_waterfall_draws_error_of_base_value() -> None:
    extras = {
        "base_value_std_errors": Detail(np.array([[0.05], [0.0]]), ("row", "output")),
        "degrees_of_freedom": Detail(np.array([0.0, 4.0]), ("feature",)),
    }
    exp = make([[0.2, 0.1], [0.3, 0.2]], std_errors=np.zeros((2, 2, 1)), extras=extras)
    display = WaterfallDisplay.from_explanation(exp, confidence_level=0.9)
    half = 0.05 * student.ppf(0.95, 4)
    base = display.frame().iloc[0]
    assert base[["std_error", "low", "high"]].tolist() == pytest.approx([0.05, 0.5 - half, 0.5 + half])
    assert intervals(_plot(display), INK)[3.0] == pytest.approx((0.5 - half, 0.5 + half))
    own = exp.extras | {"base_value_degrees_of_freedom": Detail(np.full((2, 1), 9.0), ("row", "output"))}
    high = WaterfallDisplay.from_explanation(replace(exp, extras=own)).frame()["high"][0]
    assert high == pytest.approx(0.5 + 0.05 * student.ppf(0.975, 9))
    exact = WaterfallDisplay.from_explanation(exp, row=1)
    assert exact.frame()["high"].iloc[0] == 0.5


def test_waterfall_error_bound_keeps_scale() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 300))
    display = WaterfallDisplay.from_explanation(make(values, std_errors=np.full((1, 300, 1), 1.0)))
    ax = _plot(display)
    assert len(ax.patches) == 11
    frame = display.frame()
    assert frame["std_error"].iloc[-2] == 290.0
    low, high = ax.get_xlim()
    assert high - low < 1.2 * (np.ptp(frame[["start", "end"]].to_numpy()) + 4 * Z)


def test_waterfall_zero_values_and_one_feature() -> None:
    for values in ([[0.0, 0.0]], [[0.1]]):
        ax = _plot(WaterfallDisplay.from_explanation(make(values)))
        ax.figure.draw_without_rendering()
        assert np.isfinite(ax.get_xlim()).all()
        assert np.diff(ax.get_xlim()) > 0


def test_waterfall_leaves_out_nan_features() -> None:
    exp = make([[0.1, np.nan, 0.2], [0.1, 0.3, 0.2]])
    frame = WaterfallDisplay.from_explanation(exp).frame()
    assert frame["label"].tolist() == ["base value", "x2", "x0", "output"]


def test_waterfall_refuses_bad_parameters() -> None:
    exp = make([[0.1]])
    with refuses(ValueError, "max_features", "at least 1", "got 0"):
        WaterfallDisplay.from_explanation(exp, max_features=0)
    with refuses(ValueError, "confidence_level", "between 0 and 1", "got 95"):
        WaterfallDisplay.from_explanation(exp, confidence_level=95)
    with refuses(ValueError, "'feature', 'output')", "'y', 'x', 'output')", "PixelsDisplay"):
        WaterfallDisplay.from_explanation(pixels())
    with refuses(ValueError, "has no rows"):
        WaterfallDisplay.from_explanation(exp[[]])
