"""The beeswarm: where dots stand, what color they have, that they do not move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix.plotting import BeeswarmDisplay
from agnostix.plotting.style import MUTED, dodge
from tests.plotting.explanations import make, people


def _plot(display: BeeswarmDisplay, **plot: Any) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_


def _dots(ax: Axes) -> pd.DataFrame:
    """Position, feature (by height) and color of every dot."""
    ax.figure.draw_without_rendering()
    names = [text.get_text() for text in ax.get_yticklabels()]
    heights = ax.get_yticks()
    found = []
    for part in ax.collections:
        x, y = part.get_offsets().T
        colors = part.get_facecolor()
        colors = np.broadcast_to(colors, (len(x), 4))
        for one, height, color in zip(x, y, colors, strict=True):
            name = names[int(np.argmin(np.abs(np.asarray(heights) - height)))]
            found.append((name, float(one), float(height), to_hex(color)))
    return pd.DataFrame(found, columns=["feature", "x", "y", "color"])


def test_beeswarm_dot_per_row_at_value() -> None:
    exp = people()
    dots = _dots(_plot(BeeswarmDisplay.from_explanation(exp), factor=100.0))
    assert len(dots) == 4 * len(exp)
    for j, name in enumerate(exp.feature_names):
        drawn = np.sort(dots.loc[dots["feature"] == name, "x"])
        np.testing.assert_allclose(drawn, np.sort(100 * exp.values[:, j, 1]))


def test_beeswarm_features_ordered_by_mean_size() -> None:
    exp = people()
    sizes = np.abs(exp.values[:, :, 1]).mean(axis=0)
    expected = [exp.feature_names[j] for j in np.argsort(-sizes)]
    display = BeeswarmDisplay.from_explanation(exp)
    assert list(dict.fromkeys(display.frame()["feature"])) == expected
    ax = _plot(display)
    order = np.argsort(-np.asarray(ax.get_yticks()))
    assert [ax.get_yticklabels()[j].get_text() for j in order] == expected


def test_beeswarm_colors_are_ranks_or_gray() -> None:
    exp = people()
    display = BeeswarmDisplay.from_explanation(exp)
    frame = display.frame()
    ages = frame[frame["feature"] == "age"]
    np.testing.assert_allclose(ages["rank"], (ages["data"].astype(float).rank() - 1) / (len(exp) - 1))
    dots = _dots(_plot(display))
    for name, gray in (("town", 60), ("hours", 12), ("age", 0)):
        assert (dots.loc[dots["feature"] == name, "color"] == MUTED).sum() == gray
    palette = colormaps["cividis"]
    by_value = dict(zip(ages["value"], ages["rank"], strict=True))
    for dot in dots[dots["feature"] == "age"].to_dict("records"):
        assert dot["color"] == to_hex(palette(by_value[dot["x"]]))


def test_beeswarm_colorbar_only_with_ranks() -> None:
    display = BeeswarmDisplay.from_explanation(people()).plot(Figure().add_subplot())
    assert [text.get_text() for text in display.colorbar_.ax.get_yticklabels()] == ["low", "high"]
    display = BeeswarmDisplay.from_explanation(make([[1.0, 2.0]])).plot(Figure().add_subplot())
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([True, False, True], [1.0, 0.0, 1.0]),
        (pd.Categorical(["mid", "low", "high"], ["low", "mid", "high"], ordered=True), [0.5, 0.0, 1.0]),
        (pd.to_datetime(["2021-05-01", "2020-01-01", None]), [1.0, 0.0, np.nan]),
        (["b", "a", "c"], [np.nan] * 3),
        ([5, 5, 5], [0.5] * 3),
        ([np.nan] * 3, [np.nan] * 3),
    ],
)
def test_beeswarm_rank_of_ordered_columns(column: Any, expected: list[float]) -> None:
    exp = make(np.ones((3, 1)), data=pd.DataFrame({"x0": column}))
    ranks = BeeswarmDisplay.from_explanation(exp).frame()["rank"].to_numpy()
    np.testing.assert_allclose(ranks, expected)


def test_beeswarm_rank_of_polars_and_arrays() -> None:
    values = np.ones((3, 2))
    for data in (np.array([[1.0, 9.0], [2.0, np.nan], [4.0, 3.0]]), pl.DataFrame({"x0": [1, 2, 4]})):
        frame = BeeswarmDisplay.from_explanation(make(values, data=data)).frame()
        assert frame.loc[frame["feature"] == "x0", "rank"].tolist() == [0.0, 0.5, 1.0]


def test_dodge_stays_within_and_orders_by_rank() -> None:
    rng = np.random.default_rng(0)
    positions, order = rng.random(5000) ** 3, rng.random(5000)
    offsets = dodge(positions, order)
    assert np.abs(offsets).max() <= 0.4
    np.testing.assert_array_equal(offsets, dodge(positions, order))
    first = positions < 1 / 110
    stack = np.argsort(offsets[first])
    assert (np.diff(order[first][stack]) >= 0).all()
    assert offsets[first].sum() == pytest.approx(0.0)
    assert len(np.unique(offsets[first])) == first.sum()


def test_dodge_few_dots_keep_distance() -> None:
    np.testing.assert_allclose(dodge(np.full(3, 0.5), np.arange(3.0)), [-0.045, 0.0, 0.045])
    np.testing.assert_allclose(dodge(np.array([0.1, 0.5, 1.0]), np.zeros(3)), 0.0)
    assert dodge(np.array([]), np.array([])).shape == (0,)


def test_beeswarm_ignores_row_order() -> None:
    exp = people()
    shuffled = exp[np.random.default_rng(1).permutation(len(exp))]
    columns = ["feature", "x", "y", "color"]
    one, other = (
        _dots(_plot(BeeswarmDisplay.from_explanation(e))).sort_values(columns, ignore_index=True)
        for e in (exp, shuffled)
    )
    pd.testing.assert_frame_equal(one, other)


def test_beeswarm_many_rows_are_rasterized() -> None:
    rng = np.random.default_rng(0)
    exp = make(rng.normal(size=(10_000, 3)), data=rng.normal(size=(10_000, 3)))
    ax = _plot(BeeswarmDisplay.from_explanation(exp))
    assert sum(len(part.get_offsets()) for part in ax.collections) == 30_000
    assert all(part.get_rasterized() for part in ax.collections)


def test_beeswarm_max_features_counts_others() -> None:
    exp = make(np.random.default_rng(0).normal(size=(20, 300)))
    display = BeeswarmDisplay.from_explanation(exp)
    ax = _plot(display)
    assert len(ax.get_yticks()) == 12
    assert ax.get_ylabel() == "12 of 300 features"
    assert len(display.frame()) == 12 * 20


def test_beeswarm_zero_single_and_nan_values() -> None:
    for values in (np.zeros((50, 2)), [[0.3]], [[0.1, np.nan], [0.2, 0.4]]):
        ax = _plot(BeeswarmDisplay.from_explanation(make(values)))
        ax.figure.draw_without_rendering()
        assert np.diff(ax.get_xlim()) > 0
        assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()
