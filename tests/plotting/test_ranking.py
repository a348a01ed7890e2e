"""The ranking: order, directions, bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import EntropicProjection
from agnostix.plotting import WhatIfRankingDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, PAPER


def _plot(display: WhatIfRankingDisplay, **plot: object) -> Axes:
    return display.plot(Figure().add_subplot(), **plot).ax_  # type: ignore[arg-type]


def _drawn(ax: Axes) -> list[dict]:
    """Dots with the bar through them."""
    bars = {
        line.get_ydata()[0]: line for line in ax.lines if len(line.get_ydata()) == 2 and line.get_lw() > 2
    }
    out = []
    for line in ax.lines:
        if line.get_marker() == "o" and len(line.get_xdata()) == 1:
            x, y = float(line.get_xdata()[0]), float(line.get_ydata()[0])
            out.append({"x": x, "y": y, "bar": list(bars[y].get_xdata()), "dot": line})
    return out


def test_ranking_dots_and_bars_equal_frame(projection: EntropicProjection) -> None:
    display = WhatIfRankingDisplay.from_explainer(projection)
    frame = display.frame()
    drawn = _drawn(_plot(display, factor=10.0))
    assert len(drawn) == len(frame)
    keys = list(dict.fromkeys(zip(frame["feature"], frame["level"], strict=True)))
    for row in frame.to_dict("records"):
        place = len(keys) - 1 - keys.index((row["feature"], row["level"]))
        up = row["direction"] == "up"
        (own,) = [mark for mark in drawn if mark["y"] == pytest.approx(place + (0.13 if up else -0.13))]
        assert own["x"] == pytest.approx(10.0 * row["change"])
        assert own["bar"] == pytest.approx([10.0 * row["change_low"], 10.0 * row["change_high"]])
        dot = own["dot"]
        assert to_hex(dot.get_color()) == (ACCENT if up else CONTRAST)
        assert to_hex(dot.get_markerfacecolor()) == (ACCENT if up else PAPER)
        assert dot.get_alpha() == (1.0 if row["status"] == "ok" else 0.45)


def test_ranking_largest_change_first(projection: EntropicProjection) -> None:
    frame = WhatIfRankingDisplay.from_explainer(projection).frame()
    largest = frame.groupby(["feature", "level"], sort=False, dropna=False)["change"].agg(
        lambda c: c.abs().max()
    )
    assert largest.is_monotonic_decreasing
    assert set(frame["feature"].iloc[:4]) == {"age", "sex"}


def test_ranking_draws_one_of_two_levels(projection: EntropicProjection) -> None:
    frame = WhatIfRankingDisplay.from_explainer(projection).frame()
    assert set(frame.loc[frame["feature"] == "sex", "level"]) == {"Male"}
    assert set(frame.loc[frame["feature"] == "town", "level"]) == {"north", "south", "west"}


def test_ranking_max_features(projection: EntropicProjection) -> None:
    display = WhatIfRankingDisplay.from_explainer(projection, max_features=2)
    ax = _plot(display)
    assert len(ax.get_yticks()) == 2
    assert len(_drawn(ax)) == 4


def test_ranking_names_of_levels_and_long_names(projection: EntropicProjection) -> None:
    ranking = projection.rank(features=["age", "sex"])
    ranking["feature"] = ranking["feature"].replace("age", "a" * 60)
    labels = [text.get_text() for text in _plot(WhatIfRankingDisplay(ranking)).get_yticklabels()]
    assert sorted(labels) == ["a" * 33 + "…", "sex = Male"]


def test_ranking_leaves_out_unknown_changes(projection: EntropicProjection) -> None:
    ranking = projection.rank(features=["age", "zeros"])
    down = ranking["direction"] == "down"
    ranking.loc[down, ["change", "change_low", "change_high"]] = np.nan
    ranking.loc[~down, ["change_low", "change_high"]] = [-np.inf, np.inf]
    ax = _plot(WhatIfRankingDisplay(ranking))
    ax.figure.draw_without_rendering()
    assert len(_drawn(ax)) == 2
    assert np.isfinite(ax.get_xlim()).all()


def test_ranking_only_unknown_changes() -> None:
    row = {"feature": "a", "level": None, "quantity": "r2", "output": None}
    row |= {"direction": "up", "status": "infeasible"}
    unknown = pd.DataFrame([row | dict.fromkeys(["change", "change_low", "change_high"], np.nan)])
    ax = _plot(WhatIfRankingDisplay(unknown))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a"]
    assert ax.get_xlabel() == "change of R²"


def test_ranking_is_that_of_the_last_output_whatever_ranks_last() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.random((60, 2)), columns=["a", "b"])
    # the second output ranks b, the last feature to be listed, first
    outputs = np.column_stack([X["a"] + 0.1 * X["b"], X["b"] + 0.1 * X["a"]])
    explainer = EntropicProjection().fit(X, predictions=outputs)
    shown = WhatIfRankingDisplay.from_explainer(explainer).frame()
    assert set(shown["output"]) == {explainer.predictions_.output_names[-1]}
    first = WhatIfRankingDisplay.from_explainer(explainer, output=explainer.predictions_.output_names[0])
    assert first.frame()["feature"].iloc[0] == "a"
    assert shown["feature"].iloc[0] == "b"


def test_ranking_output_by_name(projection: EntropicProjection) -> None:
    shown = WhatIfRankingDisplay.from_explainer(projection, metric=["prediction", "mean_absolute_error"])
    assert set(shown.frame()["quantity"]) == {"mean_absolute_error"}
    shown = WhatIfRankingDisplay.from_explainer(
        projection, output="out_$put$", metric=["prediction", "mean_absolute_error"]
    )
    assert set(shown.frame()["quantity"]) == {"prediction"}
    assert _plot(shown).get_xlabel() == "change of mean prediction of out_$put$"


def test_ranking_axis_has_signs_and_suffix(projection: EntropicProjection) -> None:
    ax = _plot(WhatIfRankingDisplay.from_explainer(projection), factor=100.0, suffix=" %")
    ax.figure.draw_without_rendering()
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert "0" in labels
    assert all(label == "0" or (label[0] in "+-" and label.endswith(" %")) for label in labels)
