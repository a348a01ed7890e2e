"""Bars: of a row, over rows, by group."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix.plotting import BarDisplay, BeeswarmDisplay, HeatmapDisplay, ScatterDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, INK, SERIES
from tests.messages import refuses
from tests.plotting.explanations import intervals, make, people, surrogate
from tests.reference.metrics_comparison import ends_of_mean


def _plot(display: BarDisplay, **plot: Any) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_


def _bars(ax: Axes) -> list[tuple[float, float, str]]:
    """Height, length and color of each bar, from top to bottom."""
    bars = [
        (round(bar.get_y() + bar.get_height() / 2, 9), bar.get_width(), to_hex(bar.get_facecolor()))
        for bar in ax.patches
    ]
    return sorted(bars, reverse=True)


def test_bar_of_row_has_signs_and_data() -> None:
    exp = people()
    display = BarDisplay.from_explanation(exp, row=2)
    frame = display.frame()
    assert dict(zip(frame["feature"], frame["value"], strict=True)) == dict(
        zip(exp.feature_names, exp.values[2, :, 1], strict=True)
    )
    assert frame["value"].abs().is_monotonic_decreasing
    ax = _plot(display, factor=100.0)
    bars = _bars(ax)
    assert [length for _, length, _ in bars] == pytest.approx(list(100 * frame["value"]))
    assert [color for *_, color in bars] == [ACCENT if v >= 0 else CONTRAST for v in frame["value"]]
    ends = [intervals(ax, INK)[place] for place, *_ in bars]
    np.testing.assert_allclose(ends, 100 * frame[["low", "high"]])
    assert "hours = missing" in [text.get_text() for text in ax.get_yticklabels()]


def test_bar_of_surrogate_row_has_conditions() -> None:
    exp = surrogate()
    display = BarDisplay.from_explanation(exp, row=1)
    frame = display.frame().set_index("feature")
    assert frame.loc["age", "condition"] == "age > 40.5"
    assert frame.loc["age", "data"] == "38.7"
    assert frame.loc[list(exp.feature_names), "value"].tolist() == exp.values[1, :, 1].tolist()
    labels = [text.get_text() for text in _plot(display).get_yticklabels()]
    assert labels == frame["condition"].tolist()
    over = BarDisplay.from_explanation(exp)
    assert over.frame()["condition"].isna().all()
    assert {text.get_text() for text in _plot(over).get_yticklabels()} == set(exp.feature_names)


def test_bar_of_text_row_and_refusal_over_texts() -> None:
    words = np.array([["good", "film", ""], ["bad", "film", "too"]])
    exp = make([[0.2, 0.1, np.nan], [0.2, 0.1, 0.3]], extras={"words": words})
    own = BarDisplay.from_explanation(exp, row=0)
    assert own.frame()["condition"].tolist() == ["good", "film"]
    assert [text.get_text() for text in _plot(own).get_yticklabels()] == ["good", "film"]
    facts = ("features are words", "TextDisplay", "row=")
    for display in (BarDisplay, BeeswarmDisplay, HeatmapDisplay):
        with refuses(ValueError, *facts):
            display.from_explanation(exp)
    with refuses(ValueError, *facts):
        ScatterDisplay.from_explanation(exp, 0)
    BarDisplay.from_explanation(make(exp.values[:, :2], extras={"words": np.tile(["a", "b"], (2, 1))}))


def test_bar_over_rows_equals_aggregate() -> None:
    exp = replace(people(), std_errors=None)
    frame = BarDisplay.from_explanation(exp).frame().set_index("feature")
    sizes = np.abs(exp.values[:, :, 1])
    np.testing.assert_allclose(frame.loc[list(exp.feature_names), "value"], sizes.mean(axis=0))
    errors = sizes.std(axis=0, ddof=1) / np.sqrt(len(exp))
    np.testing.assert_allclose(frame.loc[list(exp.feature_names), "std_error"], errors)
    noisy = BarDisplay.from_explanation(people()).frame().set_index("feature")
    total = people().aggregate()
    np.testing.assert_allclose(noisy.loc[list(exp.feature_names), "value"], total.values[:, 1])
    np.testing.assert_allclose(noisy.loc[list(exp.feature_names), "low"], total.interval()[0][:, 1])
    assert frame["value"].is_monotonic_decreasing
    ends = [ends_of_mean(sizes[:, exp.feature_names.index(name)], 0.95)[1] for name in frame.index]
    np.testing.assert_allclose(frame["high"], ends, rtol=1e-9)
    ax = _plot(BarDisplay.from_explanation(exp))
    assert [length for _, length, _ in _bars(ax)] == pytest.approx(list(frame["value"]))
    assert ax.get_xlim()[0] == 0.0
    assert ax.get_xlabel().replace("\n", " ") == "mean absolute contribution to out_$put$"


def test_bar_joins_neighbors_whose_order_is_not_certain() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(200, 1))
    values = np.hstack([3 * common, 1.05 * common, common, 0.9 + rng.normal(size=(200, 1)) * 0.3])
    display = BarDisplay.from_explanation(make(values))
    frame = display.frame()
    assert frame["feature"].tolist()[0] == "x0"
    by_name = frame.set_index("feature")["is_apart"]
    assert by_name["x0"] is True
    for one, other in pairwise(frame["feature"]):
        low, high = make(values).difference(one, other, how="mean_abs").interval()
        assert by_name[one] is bool(low.item() > 0 or high.item() < 0)
    assert by_name.iloc[-1] is None
    pair = make(values[:, 1:3]).difference(0, 1, how="mean_abs")
    alone = make(values[:, 1:3]).aggregate()
    assert pair.std_errors.item() < 0.1 * alone.std_errors.min()  # the two move together
    ax = _plot(display)
    joined = [line for line in ax.lines if list(line.get_xdata()) == [-0.006, -0.006]]
    assert len(joined) == sum(one is False for one in by_name) > 0
    assert ax.get_xlabel().endswith("joined names: order not certain")
    certain = _plot(BarDisplay.from_explanation(make(values[:, :2])))
    assert "joined" not in certain.get_xlabel()


def test_bar_of_only_row() -> None:
    frame = BarDisplay.from_explanation(people()[[3]]).frame()
    assert frame["data"].notna().all()


@pytest.mark.parametrize("make_table", [lambda data: data, lambda data: pl.DataFrame(data.to_dict("list"))])
def test_bar_by_column_has_bar_per_group_and_feature(make_table: Any) -> None:
    exp = people(data=make_table(people().data))
    towns = people().data["town"].to_numpy()
    display = BarDisplay.from_explanation(exp, by="town")
    frame = display.frame()
    assert len(frame) == 3 * 4
    for group, own in frame.groupby("group"):
        expected = exp[towns == group].aggregate().values[:, 1]
        np.testing.assert_allclose(own.set_index("feature").loc[list(exp.feature_names), "value"], expected)
    ax = _plot(display)
    bars = _bars(ax)
    assert [length for _, length, _ in bars] == pytest.approx(list(frame["value"]))
    assert [color for *_, color in bars] == [*SERIES[:3]] * 4
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["north", "south", "west"]


def test_bar_by_labels_and_missing_labels() -> None:
    exp = make([[1.0], [2.0], [4.0], [6.0], [3.0]])
    frame = BarDisplay.from_explanation(exp, by=["$a$", "$a$", "b", "b", None]).frame()
    assert dict(zip(frame["group"], frame["value"], strict=True)) == {"$a$": 1.5, "b": 5.0, "missing": 3.0}
    display = BarDisplay.from_explanation(exp, by=["$a$", "$a$", "b", "b", None])
    ax = _plot(display)
    ax.figure.draw_without_rendering()
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())
    # One row tells nothing of the others: its interval has no end.
    assert sorted(intervals(ax, INK).values())[0] == (-np.inf, np.inf)


def test_bar_by_intervals_keeps_order() -> None:
    exp = people()
    frame = BarDisplay.from_explanation(exp, by=pd.cut(exp.data["age"], [0, 35, 45, 100])).frame()
    assert frame["group"].astype(str).unique().tolist() == ["(0, 35]", "(35, 45]", "(45, 100]"]


def test_bar_refuses_bad_parameters() -> None:
    exp = people()
    with refuses(ValueError, "at most 6", "groups", "coarser labels"):
        BarDisplay.from_explanation(exp, by="age")
    with refuses(ValueError, "'county'", "no column of data"):
        BarDisplay.from_explanation(exp, by="county")
    with refuses(ValueError, "row=", "by=", "not both"):
        BarDisplay.from_explanation(exp, by="town", row=1)
    with refuses(ValueError, "max_features", "at least 1", "0"):
        BarDisplay.from_explanation(exp, max_features=0)


def test_bar_max_features_counts_others() -> None:
    rng = np.random.default_rng(0)
    display = BarDisplay.from_explanation(make(rng.normal(size=(20, 300))))
    ax = _plot(display)
    assert len(ax.patches) == 12
    assert ax.get_ylabel() == "12 of 300 features"
    assert len(display.frame()) == 300
    assert _plot(BarDisplay.from_explanation(people())).get_ylabel() == ""


def test_bar_infinite_error_keeps_scale() -> None:
    exp = make([[0.2, -0.1]], std_errors=[[[np.inf], [0.01]]])
    ax = _plot(BarDisplay.from_explanation(exp))
    ax.figure.draw_without_rendering()
    assert intervals(ax, INK)[1.0] == (-np.inf, np.inf)
    assert -0.3 < ax.get_xlim()[0] < ax.get_xlim()[1] < 0.3


def test_bar_zero_and_nan_values() -> None:
    ax = _plot(BarDisplay.from_explanation(make(np.zeros((5, 2)))))
    assert np.diff(ax.get_xlim()) > 0
    values = np.array([[0.1, np.nan, np.nan], [0.3, 0.4, np.nan]])
    display = BarDisplay.from_explanation(make(values))
    assert display.frame()["feature"].tolist() == ["x1", "x0"]
    assert display.frame()["value"].tolist() == pytest.approx([0.4, 0.2])
    assert len(_bars(_plot(display))) == 2
    by_group = BarDisplay.from_explanation(make(values), by=["a", "b"])
    assert by_group.frame()["value"].isna().sum() == 1
    assert len(_bars(_plot(by_group))) == 3


def test_bar_from_explainer_explains_only_row() -> None:
    class Explainer:
        def explain(self, X: Any) -> Any:
            return make(np.asarray(X, dtype=float))

    X = np.arange(6.0).reshape(3, 2)
    assert BarDisplay.from_explainer(Explainer(), X, row=1).frame()["value"].tolist() == [3.0, 2.0]
    over = BarDisplay.from_explainer(Explainer(), X, by=[0, 0, 1]).frame()
    assert over["value"].tolist() == [2.0, 5.0, 1.0, 4.0]
