"""What the base class of the Displays does: dims that fit, parameters, drawing by name."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from agnostix import Explanation, OcclusionExplainer, plotting
from agnostix.plotting import (
    BarDisplay,
    BeeswarmDisplay,
    ExplanationDisplay,
    HeatmapDisplay,
    PixelsDisplay,
    ScatterDisplay,
    ShiftDisplay,
    WaterfallDisplay,
)
from agnostix.plotting.display import displays_of
from agnostix.plotting.style import ACCENT, PAPER
from tests.plotting.explanations import WILD, make, people, picture, pixels, text

NAMES = ("age", "hours", WILD)
OF_ROWS = {"bar", "beeswarm", "heatmap", "scatter", "waterfall"}


def overall(**given: Any) -> Explanation:
    """One result over all rows, as a permutation importance gives."""
    known = {
        "values": [[0.1, -0.1], [-0.5, 0.5], [0.2, -0.2]],
        "std_errors": np.full((3, 2), 0.02),
        "dims": ("feature", "output"),
        "feature_names": NAMES,
        "output_names": ("no", "yes"),
        "quantity": "effect",
        "method": "by hand",
    }
    return Explanation(**(known | given))


def pairs(values: Any, **given: Any) -> Explanation:
    known = {"dims": ("feature", "feature"), "feature_names": NAMES, "quantity": "contribution"}
    return Explanation(values=values, method="by hand", **(known | given))


def sensitivities(values: Any) -> Explanation:
    return pixels(values=values, quantity="sensitivity", std_errors=None, data=np.ones((2, 4, 6)))


@pytest.mark.parametrize(
    ("exp", "names"),
    [
        (people(), OF_ROWS),
        (people(base_values=None, completeness=None), OF_ROWS - {"waterfall"}),
        (people(outputs=None, completeness=None), OF_ROWS - {"waterfall"}),
        (text(), OF_ROWS | {"text"}),
        (picture(), OF_ROWS | {"segments"}),
        (pixels(), {"pixels"}),
        (pixels().aggregate(), {"pixels"}),
        (overall(), {"bar"}),
        (people().aggregate("town"), {"bar"}),
        (pairs(np.eye(3)), {"heatmap"}),
        (Explanation(values=[1.0], dims=("grid",), quantity="effect", method="by hand"), set()),
    ],
)
def test_displays_are_those_of_the_dims(exp: Explanation, names: set[str]) -> None:
    assert set(displays_of(exp)) == names


@pytest.mark.parametrize("display", [BarDisplay, BeeswarmDisplay, HeatmapDisplay, WaterfallDisplay])
def test_explanation_that_does_not_fit_is_refused_with_displays_that_do(display: Any) -> None:
    with pytest.raises(ValueError, match="PixelsDisplay") as caught:
        display.from_explanation(pixels())
    facts = [display.__name__, str(pixels().dims), *map(str, display.dims)]
    assert [fact for fact in facts if fact not in str(caught.value)] == []


def test_explanation_that_no_display_draws_is_refused_with_another_way() -> None:
    exp = Explanation(values=[1.0], dims=("grid",), quantity="effect", method="by hand")
    with pytest.raises(ValueError, match=r"\('grid',\).*to_frame"):
        BarDisplay.from_explanation(exp)


def test_missing_base_values_are_named() -> None:
    with pytest.raises(ValueError, match=r"no base_values.*BarDisplay"):
        WaterfallDisplay.from_explanation(people(base_values=None, completeness=None))


@pytest.mark.parametrize(
    ("display", "options"),
    [(BarDisplay, {}), (HeatmapDisplay, {}), (BeeswarmDisplay, {}), (WaterfallDisplay, {"row": 0})],
)
@pytest.mark.parametrize("max_features", [0, -1])
def test_no_features_are_refused_by_all(display: Any, options: Any, max_features: int) -> None:
    with pytest.raises(ValueError, match=f"max_features must be at least 1, got {max_features}"):
        display.from_explanation(people(), max_features=max_features, **options)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_confidence_level_outside_0_and_1_is_refused_by_all(level: float) -> None:
    for make_display in (
        lambda: BarDisplay.from_explanation(people(), confidence_level=level),
        lambda: ScatterDisplay.from_explanation(people(), "age", confidence_level=level),
        lambda: PixelsDisplay.from_explanation(pixels(), confidence_level=level),
    ):
        with pytest.raises(ValueError, match=f"confidence_level must be between 0 and 1, got {level}"):
            make_display()


def test_style_that_a_display_does_not_have_is_refused() -> None:
    display = WaterfallDisplay.from_explanation(people())
    with pytest.raises(TypeError, match=r"WaterfallDisplay\.plot.*'cmap'.*ax, factor, suffix"):
        display.plot(cmap="viridis")
    assert plt.get_fignums() == []


def test_names_in_plot_are_those_of_different_displays() -> None:
    public = [getattr(plotting, name) for name in plotting.__all__]
    own = [cls for cls in public if issubclass(cls, ExplanationDisplay) and cls is not ExplanationDisplay]
    assert len({cls.name for cls in own}) == len(own) == 8
    assert not issubclass(ShiftDisplay, ExplanationDisplay)


def test_only_the_row_is_explained_and_other_parameters_reach_explain() -> None:
    asked = []

    class Explainer:
        def explain(self, X: Any, **more: Any) -> Explanation:
            asked.append((len(X), more))
            return people(len(X))

    X = people(20).data
    BarDisplay.from_explainer(Explainer(), X, row=3, output=0)
    BarDisplay.from_explainer(Explainer(), X, outputs=["no"], output=0)
    ScatterDisplay.from_explainer(Explainer(), X, "age", batch=7)
    WaterfallDisplay.from_explainer(Explainer(), X)
    assert asked == [(1, {}), (20, {"outputs": ["no"]}), (20, {"batch": 7}), (1, {})]


def test_bars_over_all_are_the_values_with_their_signs_and_intervals() -> None:
    display = BarDisplay.from_explanation(overall(), output="yes").plot()
    frame = display.frame().set_index("feature")
    assert frame["value"].to_dict() == {"hours": 0.5, WILD: -0.2, "age": -0.1}
    np.testing.assert_allclose(frame["high"] - frame["value"], 1.959963984540054 * 0.02)
    assert display.ax_.get_xlabel() == "effect on yes"
    exact = BarDisplay.from_explanation(overall(std_errors=None)).frame()
    assert (exact["low"] == exact["high"]).all()


def test_bars_of_an_aggregate_are_those_over_rows() -> None:
    for by in (None, "town"):
        over_rows = BarDisplay.from_explanation(people(), by=by)
        aggregate = BarDisplay.from_explanation(people().aggregate(by))
        assert over_rows.frame().equals(aggregate.frame())
        assert (
            over_rows.quantity_label
            == aggregate.quantity_label
            == "mean size of the contribution to out_$put$"
        )


@pytest.mark.parametrize("options", [{"row": 0}, {"by": "town"}])
def test_rows_and_groups_of_a_result_without_rows_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match=r"'row'.*'feature', 'output'"):
        BarDisplay.from_explanation(overall(), **options)


def test_pairs_of_features_are_cells_with_the_largest_first() -> None:
    values = np.array([[0.0, 0.1, 0.3], [0.1, 0.0, -0.9], [0.3, -0.9, 0.0]])
    display = HeatmapDisplay.from_explanation(pairs(values)).plot()
    frame = display.frame()
    assert (
        list(dict.fromkeys(frame["feature"])) == list(dict.fromkeys(frame["other"])) == [WILD, "hours", "age"]
    )
    cells = frame.set_index(["feature", "other"])["value"]
    for i, first in enumerate(NAMES):
        for j, second in enumerate(NAMES):
            assert cells[first, second] == values[i, j]
    assert [text_.get_text() for text_ in display.ax_.get_xticklabels()] == [WILD[:15] + "…", "hours", "age"]
    assert display.output_ax_ is None
    assert display.colorbar_.vmax == -display.colorbar_.vmin == 0.9


def test_pairs_of_an_output_and_the_largest_of_many() -> None:
    values = np.stack([np.eye(3), np.diag([1.0, 3.0, 2.0])], axis=2)
    exp = pairs(values, dims=("feature", "feature", "output"), output_names=("no", "yes"))
    display = HeatmapDisplay.from_explanation(exp, max_features=2).plot()
    assert list(dict.fromkeys(display.frame()["feature"])) == ["hours", WILD]
    assert display.ax_.get_ylabel() == "2 of 3 features"
    assert display.quantity_label == "contribution to yes"


def test_rows_without_outputs_have_no_line_on_top() -> None:
    exp = people(30, base_values=None, outputs=None, completeness=None)
    display = HeatmapDisplay.from_explanation(exp).plot()
    assert display.output_ax_ is None
    assert display.ax_.get_ylim() == (-0.5, 3.5)
    with pytest.raises(ValueError, match=r"order='output'.*cluster"):
        HeatmapDisplay.from_explanation(exp, order="output")


def test_sensitivities_without_a_sign_have_a_scale_from_0() -> None:
    values = np.abs(pixels().values)
    display = PixelsDisplay.from_explanation(sensitivities(values)).plot()
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (0.0, values[0].max())
    shown = np.asarray(display.ax_.images[0].get_array())
    for place, color in ((values[0].argmax(), ACCENT), (values[0].argmin(), PAPER)):
        np.testing.assert_allclose(shown[np.unravel_index(place, (4, 6))], to_rgb(color), atol=0.02)
    signed = PixelsDisplay.from_explanation(sensitivities(-values)).plot()
    assert signed.colorbar_.vmin == -signed.colorbar_.vmax < 0


def test_map_over_all_images_is_drawn_without_an_image() -> None:
    exp = pixels(2)
    display = PixelsDisplay.from_explanation(exp.aggregate(how="mean"), outputs=1).plot()
    np.testing.assert_allclose(display.frame()["value"], exp.values[..., 1].mean(axis=0).ravel())
    assert (display.image == 1.0).all()


def test_row_that_is_not_there_is_refused() -> None:
    explainer = OcclusionExplainer(lambda X: np.asarray(X)[:, 0], random_state=0).fit(np.eye(4))
    with pytest.raises(ValueError, match="There is no row 4"):
        WaterfallDisplay.from_explainer(explainer, np.eye(4), row=4)


def test_explanation_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        BarDisplay.from_explanation(make(np.zeros((0, 2))))


@pytest.mark.parametrize("name", sorted(OF_ROWS - {"scatter"}))
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((3, 0, 1)), "no entries along 'feature'"),
        (np.zeros((3, 2, 0)), "no entries along 'output'"),
        (np.full((3, 2, 1), np.nan), "no value that is not NaN"),
        (np.full((1, 1, 1), np.nan), "no value that is not NaN"),
    ],
)
def test_explanation_without_a_value_is_refused(name: str, values: Any, reason: str) -> None:
    exp = make(
        values,
        completeness=None,
        base_values=np.zeros(values[:, 0].shape if values.shape[1] else (3, 1)),
        outputs=np.zeros(values[:, 0].shape if values.shape[1] else (3, 1)),
    )
    with pytest.raises(ValueError, match=f"{reason}: there is nothing to draw"):
        getattr(exp.plot, name)()
