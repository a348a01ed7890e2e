"""The scatter: values against the feature's own, its distribution, labels, missing values."""

from __future__ import annotations

from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import Explanation
from agnostix.plotting import ScatterDisplay
from agnostix.plotting.style import FAINT
from tests.messages import refuses
from tests.plotting.explanations import WILD, make, people


def _plot(display: ScatterDisplay, **plot: Any) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_


def _dots(ax: Axes) -> np.ndarray:
    (dots,) = [
        part for part in ax.collections if len(part.get_offsets()) and not hasattr(part, "get_segments")
    ]
    return np.asarray(dots.get_offsets())


def _lines(ax: Axes) -> np.ndarray:
    found = [part for part in ax.collections if hasattr(part, "get_segments")]
    return np.array([segment for part in found for segment in part.get_segments()])


def _bars(ax: Axes) -> list[tuple[float, float]]:
    bars = [bar for bar in ax.patches if to_hex(bar.get_facecolor()) == FAINT]
    return [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in bars]


def _of(column: Any, n_rows: int) -> Explanation:
    values = np.linspace(-1.0, 1.0, n_rows)[:, None]
    return make(values, data=pd.DataFrame({"x0": column}))


def test_scatter_dots_equal_frame() -> None:
    exp = people()
    display = ScatterDisplay.from_explanation(exp, "age")
    frame = display.frame()
    np.testing.assert_array_equal(frame["data"], exp.data["age"])
    np.testing.assert_array_equal(frame["value"], exp.values[:, 0, 1])
    dots = _dots(_plot(display, factor=10.0))
    np.testing.assert_allclose(dots, np.column_stack([frame["data"], 10 * frame["value"]]))


def test_scatter_intervals_by_option_or_few_rows() -> None:
    display = ScatterDisplay.from_explanation(people(), "age")
    frame = display.frame()
    np.testing.assert_allclose(frame["high"] - frame["value"], 1.959963984540054 * frame["std_error"])
    lines = _lines(_plot(display, factor=10.0))
    np.testing.assert_allclose(lines[:, :, 1], 10 * frame[["low", "high"]])
    np.testing.assert_allclose(lines[:, :, 0], frame[["data", "data"]])
    assert len(_lines(_plot(display, intervals=False))) == 0
    many = ScatterDisplay.from_explanation(people(201), "age")
    assert len(_lines(_plot(many))) == 0
    assert len(_lines(_plot(many, intervals=True))) == 201


def test_scatter_infinite_error_spans_axes() -> None:
    errors = np.full((3, 1, 1), 0.1)
    errors[1] = np.inf
    exp = make([[0.1], [0.2], [0.3]], data=np.array([[1.0], [2.0], [3.0]]), std_errors=errors)
    ax = _plot(ScatterDisplay.from_explanation(exp, 0))
    ax.figure.draw_without_rendering()
    assert [[2.0, 0.0], [2.0, 1.0]] in _lines(ax).tolist()
    assert -0.5 < ax.get_ylim()[0] < ax.get_ylim()[1] < 1.0


def test_scatter_bars_count_rows() -> None:
    display = ScatterDisplay.from_explanation(_of([0.0] * 30 + [1.0] * 10, 40), "x0")
    ax = _plot(display)
    bars = dict(_bars(ax))
    filled = {center: height for center, height in bars.items() if height > 0}
    low, high = sorted(filled)
    assert filled[low] == pytest.approx(3 * filled[high])
    floor = ax.get_ylim()[0]
    assert all(bar.get_y() == pytest.approx(floor) for bar in ax.patches)
    assert _dots(ax)[:, 1].min() > floor + max(filled.values())


def test_scatter_levels_have_place_each() -> None:
    exp = people()
    display = ScatterDisplay.from_explanation(exp, "town")
    assert display.levels == ("north", "south", "west")
    ax = _plot(display)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["north", "south", "west"]
    dots = _dots(ax)
    np.testing.assert_allclose(dots[:, 1], exp.values[:, 2, 1])
    places = np.round(dots[:, 0]).astype(int)
    assert [display.levels[j] for j in places] == exp.data["town"].tolist()
    assert np.abs(dots[:, 0] - places).max() <= 0.36
    counts = exp.data["town"].value_counts()
    heights = dict(_bars(ax))
    for j, level in enumerate(display.levels):
        assert heights[j] / heights[0] == pytest.approx(counts[level] / counts["north"])


def test_scatter_rare_levels_are_pooled() -> None:
    labels = [f"often $ {j % 12:02d}" for j in range(48)] + [f"once {j}" for j in range(5)]
    display = ScatterDisplay.from_explanation(_of(labels, 53), "x0")
    assert display.levels is not None
    assert len(display.levels) == 13
    assert display.levels[-1] == "5 other labels"
    assert (display.frame()["data"] == "5 other labels").sum() == 5
    ax = _plot(display)
    assert not any(text.get_parse_math() for text in ax.get_xticklabels())
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {30.0}


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        (pd.Categorical(["mid", "low", "mid"], ["low", "mid"], ordered=True), ("low", "mid")),
        ([True, False, True], (False, True)),
        ([None, "a", None], ("a",)),
    ],
)
def test_scatter_levels_of_any_column(column: Any, levels: tuple[Any, ...]) -> None:
    display = ScatterDisplay.from_explanation(_of(column, 3), "x0")
    assert display.levels == levels
    assert np.isfinite(_dots(_plot(display))).all()


def test_scatter_missing_values_to_the_left() -> None:
    exp = people()
    ax = _plot(ScatterDisplay.from_explanation(exp, "hours"))
    ax.figure.draw_without_rendering()
    dots = _dots(ax)
    missing = exp.data["hours"].isna().to_numpy()
    known = exp.data["hours"].dropna()
    np.testing.assert_allclose(dots[~missing, 0], known)
    assert (dots[missing, 0] < known.min()).all()
    assert len(np.unique(dots[missing, 0])) > 1
    np.testing.assert_allclose(dots[missing, 1], exp.values[missing, 1, 1])
    (text,) = ax.texts
    assert text.get_text() == "missing"
    assert all(tick >= known.min() for tick in ax.get_xticks())
    assert len(_plot(ScatterDisplay.from_explanation(exp, "age")).texts) == 0


@pytest.mark.parametrize("column", [[np.nan] * 4, [None] * 4, [7.0] * 4])
def test_scatter_missing_or_constant_column(column: Any) -> None:
    ax = _plot(ScatterDisplay.from_explanation(_of(column, 4), "x0"))
    ax.figure.draw_without_rendering()
    assert np.isfinite(_dots(ax)).all()
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_scatter_dates_have_date_axis(zone: str | None) -> None:
    dates = pd.date_range("2020-03-01", periods=50, freq="9D", tz=zone).to_series(index=range(50))
    dates[3] = pd.NaT
    ax = _plot(ScatterDisplay.from_explanation(_of(dates, 50), "x0"))
    ax.figure.draw_without_rendering()
    assert isinstance(ax.xaxis.get_major_formatter(), mdates.ConciseDateFormatter)
    drawn = mdates.num2date(_dots(ax)[0, 0]).replace(tzinfo=None)
    assert drawn == (dates[0] if zone is None else dates[0].tz_convert("UTC").tz_localize(None))
    assert "2021" in [text.get_text() for text in ax.get_xticklabels()]


def test_scatter_polars_columns() -> None:
    dates = pl.date_range(pl.date(2021, 1, 1), pl.date(2021, 1, 6), eager=True)
    data = pl.DataFrame(
        {
            "n": [1, 2, None, 4, 5, 6],
            "label": ["a", "b", None, "a", "b", "c"],
            "when": dates,
            "long": dates - dates[0],
        }
    )
    exp = make(np.ones((6, 4)), data=data, feature_names=tuple(data.columns))
    for name in data.columns:
        ax = _plot(ScatterDisplay.from_explanation(exp, name))
        ax.figure.draw_without_rendering()
        assert len(_dots(ax)) == 6
        assert np.isfinite(_dots(ax)).all()


def test_scatter_signs_in_names_are_text() -> None:
    ax = _plot(ScatterDisplay.from_explanation(people(), WILD))
    assert ax.get_xlabel() == WILD
    assert ax.get_ylabel() == "contribution to out_$put$"
    assert not ax.xaxis.label.get_parse_math()
    assert not ax.yaxis.label.get_parse_math()


def test_scatter_refuses_unknown_feature_or_column() -> None:
    exp = people()
    with refuses(ValueError, "no feature 'county'", "'age', 'hours'"):
        ScatterDisplay.from_explanation(exp, "county")
    with refuses(ValueError, "no feature 4"):
        ScatterDisplay.from_explanation(exp, 4)
    with refuses(ValueError, "no column 'x0'"):
        ScatterDisplay.from_explanation(make([[1.0]]), "x0")


def test_scatter_from_explainer() -> None:
    class Explainer:
        def explain(self, X: Any) -> Any:
            return make(np.asarray(X, dtype=float), data=np.asarray(X))

    display = ScatterDisplay.from_explainer(Explainer(), [[1.0, 2.0], [3.0, 4.0]], "x1")
    assert display.frame()["value"].tolist() == [2.0, 4.0]
