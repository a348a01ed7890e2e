"""Networks and heatmaps of interactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba

from agnostix import Explanation, KernelShapExplainer
from agnostix.plotting import InteractionHeatmapDisplay, InteractionNetworkDisplay
from agnostix.plotting.display import displays_of
from agnostix.plotting.style import ACCENT, CONTRAST, PAPER
from tests.messages import refuses

WILD = "a_b^2 $x$ <script>"
NAMES = ("age", "hours", WILD)
DISPLAYS = [InteractionNetworkDisplay, InteractionHeatmapDisplay]


def pairs(n_rows: int = 2, **given: Any) -> Explanation:
    """Values of a first row, and half of them in others; of the pair with WILD and hours nothing is known."""
    values = np.array([[0.4, 0.2, -0.1], [0.2, -0.3, 0.02], [-0.1, 0.02, 0.05]])
    errors = np.full((3, 3), 0.01)
    errors[1, 2] = errors[2, 1] = 0.05
    known: dict[str, Any] = {
        "values": np.stack([values / (1 + place) for place in range(n_rows)])[..., None],
        "std_errors": np.stack([errors] * n_rows)[..., None],
        "dims": ("row", "feature", "feature", "output"),
        "feature_names": NAMES,
        "output_names": ("yes",),
        "quantity": "interaction",
        "method": "by hand",
    }
    return Explanation(**(known | given))


def test_displays_of_interactions() -> None:
    assert displays_of(pairs()) == {
        "interaction_network": InteractionNetworkDisplay,
        "interaction_heatmap": InteractionHeatmapDisplay,
    }
    listed = pairs().pairs_as_features()
    assert {"bar", "beeswarm", "heatmap"} <= displays_of(listed).keys()


def test_waterfall_of_pairs_sums_the_others_by_their_name() -> None:
    complete = {"outputs": [[0.39]], "base_values": [[0.0]], "completeness": "outputs - base_values"}
    exp = pairs(n_rows=1, **complete, extras={"index": "k-SII"})
    frame = exp.pairs_as_features().plot.waterfall(max_features=2).frame()
    assert "4 other features and pairs" in frame["label"].tolist()


@pytest.mark.parametrize("display", DISPLAYS)
def test_frame_has_each_pair_once(display: Any) -> None:
    frame = display.from_explanation(pairs(), row=0).plot().frame()
    assert len(frame) == 6
    by_pair = {frozenset(one[:2]): one[2] for one in frame[["feature", "other", "value"]].to_numpy()}
    assert by_pair[frozenset(["age"])] == 0.4
    assert by_pair[frozenset(["age", "hours"])] == 0.2
    assert by_pair[frozenset([WILD, "age"])] == -0.1
    assert ((frame["low"] <= frame["value"]) & (frame["value"] <= frame["high"])).all()


@pytest.mark.parametrize("display", DISPLAYS)
def test_without_a_row_it_is_the_mean_size(display: Any) -> None:
    shown = display.from_explanation(pairs())
    assert "mean absolute interaction" in shown.quantity_label
    frame = shown.plot().frame()
    value = frame.loc[(frame["feature"] == "hours") & (frame["other"] == "hours"), "value"]
    assert value.item() == pytest.approx((0.3 + 0.15) / 2)
    alone = display.from_explanation(pairs(1)).frame()
    assert (alone["value"] < 0).any()


def test_network_draws_sizes_signs_and_doubt() -> None:
    display = InteractionNetworkDisplay.from_explanation(pairs(), row=0).plot(factor=100, suffix=" %")
    lines = {line.get_linestyle(): line for line in display.ax_.lines}
    assert set(lines) == {"-", ":"}
    solid = [line for line in display.ax_.lines if line.get_linestyle() == "-"]
    widths = {to_hex(line.get_color()): line.get_linewidth() for line in solid}
    assert widths == {ACCENT: 9.0, CONTRAST: 4.5}
    dots = display.ax_.collections
    assert [dot.get_sizes()[0] for dot in dots] == sorted((dot.get_sizes()[0] for dot in dots), reverse=True)
    assert to_hex(dots[1].get_facecolor()[0]) == CONTRAST
    words = display.ax_.texts[-1].get_text()
    assert "40.0 %" in words
    assert "20.0 %" in words


def test_network_of_a_doubtful_feature_is_hollow() -> None:
    exp = pairs(1, std_errors=np.full((1, 3, 3, 1), 1.0))
    display = InteractionNetworkDisplay.from_explanation(exp).plot()
    assert {to_hex(dot.get_facecolor()[0]) for dot in display.ax_.collections} == {PAPER}


def test_heatmap_has_numbers_and_pale_cells() -> None:
    display = InteractionHeatmapDisplay.from_explanation(pairs(), row=0).plot()
    assert display.colorbar_.vmax == -display.colorbar_.vmin == 0.2
    texts = {text.get_text(): text for text in display.ax_.texts}
    assert set(texts) == {"0.400", "0.200", "−0.300", "−0.100", "0.020", "0.050"}
    cells = {patch.get_xy(): to_rgba(patch.get_facecolor()) for patch in display.ax_.patches}
    assert len(cells) == 6
    sizes = InteractionHeatmapDisplay.from_explanation(pairs()).plot()
    assert sizes.colorbar_.vmin == 0.0


def test_max_features_and_two_outputs() -> None:
    values = np.stack([pairs().values[..., 0], -pairs().values[..., 0]], axis=3)
    exp = pairs(values=values, std_errors=None, output_names=("no", "yes"))
    display = InteractionHeatmapDisplay.from_explanation(exp, row=0, max_features=2).plot()
    assert display.ax_.get_ylabel() == "2 of 3 features"
    assert display.frame()["value"].iloc[0] == -0.4
    assert display.quantity_label == "interaction for yes"


def test_single_feature() -> None:
    exp = pairs().sel(features="age")
    for name in ("interaction_network", "interaction_heatmap"):
        assert len(getattr(exp.plot, name)(row=0).frame()) == 1


def test_from_explainer_explains_interactions() -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    explainer = KernelShapExplainer(lambda rows: rows[:, 0] * rows[:, 1], random_state=0, verbose=0).fit(X)
    for display in DISPLAYS:
        frame = display.from_explainer(explainer, X, row=2, index="STII", max_features=2).plot().frame()
        exp = explainer.explain_interactions(X[2:3], index="STII")
        of_pair = frame.loc[frame["feature"] != frame["other"], "value"].item()
        assert of_pair == pytest.approx(exp.values[0, 0, 1, 0])


@pytest.mark.parametrize("display", DISPLAYS)
def test_bad_input(display: Any) -> None:
    with refuses(ValueError, "dims", "('feature', 'feature')", "HeatmapDisplay"):
        display.from_explanation(pairs()[:1].sel(features=[0, 1]).pairs_as_features())
    with refuses(ValueError, "row", "9"):
        display.from_explanation(pairs(), row=9)
    with refuses(ValueError, "max_features", "0"):
        display.from_explanation(pairs(), max_features=0)
