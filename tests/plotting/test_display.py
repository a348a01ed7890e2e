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
from tests.messages import refuses
from tests.plotting.explanations import WILD, layered, make, people, picture, pixels, text

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
        (layered(), {"pixels_grid"}),
        (pixels().aggregate(), {"pixels"}),
        (overall(), {"bar"}),
        (people().aggregate("town"), {"bar"}),
        (pairs(np.eye(3)), {"heatmap"}),
        (Explanation(values=[1.0], dims=("grid",), quantity="effect", method="by hand"), set()),
    ],
)
def test_displays_of_by_dims(exp: Explanation, names: set[str]) -> None:
    assert set(displays_of(exp)) == names


@pytest.mark.parametrize("display", [BarDisplay, BeeswarmDisplay, HeatmapDisplay, WaterfallDisplay])
def test_from_explanation_refuses_other_dims_and_names_display(display: Any) -> None:
    facts = ["PixelsDisplay", display.__name__, str(pixels().dims), *map(str, display.dims)]
    with refuses(ValueError, *facts):
        display.from_explanation(pixels())


def test_from_explanation_refuses_dims_without_display() -> None:
    exp = Explanation(values=[1.0], dims=("grid",), quantity="effect", method="by hand")
    with refuses(ValueError, "('grid',)", "to_frame"):
        BarDisplay.from_explanation(exp)


def test_from_explanation_names_missing_base_values() -> None:
    with refuses(ValueError, "no base_values", "BarDisplay"):
        WaterfallDisplay.from_explanation(people(base_values=None, completeness=None))


@pytest.mark.parametrize(
    ("display", "options"),
    [(BarDisplay, {}), (HeatmapDisplay, {}), (BeeswarmDisplay, {}), (WaterfallDisplay, {"row": 0})],
)
@pytest.mark.parametrize("max_features", [0, -1])
def test_from_explanation_refuses_max_features_below_1(display: Any, options: Any, max_features: int) -> None:
    with refuses(ValueError, "max_features", "at least 1", f"got {max_features}"):
        display.from_explanation(people(), max_features=max_features, **options)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_from_explanation_refuses_confidence_level_out_of_range(level: float) -> None:
    for make_display in (
        lambda: BarDisplay.from_explanation(people(), confidence_level=level),
        lambda: ScatterDisplay.from_explanation(people(), "age", confidence_level=level),
        lambda: PixelsDisplay.from_explanation(pixels(), confidence_level=level),
    ):
        with refuses(ValueError, "confidence_level", "between 0 and 1", f"got {level}"):
            make_display()


def test_plot_refuses_unknown_style() -> None:
    display = WaterfallDisplay.from_explanation(people())
    with refuses(TypeError, "WaterfallDisplay.plot", "'cmap'", "ax, factor, suffix"):
        display.plot(cmap="viridis")
    assert plt.get_fignums() == []


def test_display_names_are_unique() -> None:
    public = [getattr(plotting, name) for name in plotting.__all__]
    own = [cls for cls in public if issubclass(cls, ExplanationDisplay) and cls is not ExplanationDisplay]
    assert len({cls.name for cls in own}) == len(own) == 11
    assert not issubclass(ShiftDisplay, ExplanationDisplay)


def test_from_explainer_explains_only_row_and_passes_options() -> None:
    calls = []

    class Explainer:
        def explain(self, X: Any, **more: Any) -> Explanation:
            calls.append((len(X), more))
            return people(len(X))

    X = people(20).data
    BarDisplay.from_explainer(Explainer(), X, row=3, output=0)
    BarDisplay.from_explainer(Explainer(), X, outputs=["no"], output=0)
    ScatterDisplay.from_explainer(Explainer(), X, "age", batch=7)
    WaterfallDisplay.from_explainer(Explainer(), X)
    assert calls == [(1, {}), (20, {"outputs": ["no"]}), (20, {"batch": 7}), (1, {})]


def test_bar_without_rows_keeps_signs_and_intervals() -> None:
    display = BarDisplay.from_explanation(overall(), output="yes").plot()
    frame = display.frame().set_index("feature")
    assert frame["value"].to_dict() == {"hours": 0.5, WILD: -0.2, "age": -0.1}
    np.testing.assert_allclose(frame["high"] - frame["value"], 1.959963984540054 * 0.02)
    assert display.ax_.get_xlabel() == "effect on yes"
    exact = BarDisplay.from_explanation(overall(std_errors=None)).frame()
    assert (exact["low"] == exact["high"]).all()


def test_bar_of_aggregate_equals_bar_over_rows() -> None:
    for by in (None, "town"):
        over_rows = BarDisplay.from_explanation(people(), by=by)
        aggregate = BarDisplay.from_explanation(people().aggregate(by))
        known = over_rows.frame().drop(columns="is_apart", errors="ignore")  # whose pairs need rows
        assert known.equals(aggregate.frame())
        assert (
            over_rows.quantity_label == aggregate.quantity_label == "mean absolute contribution to out_$put$"
        )


@pytest.mark.parametrize("options", [{"row": 0}, {"by": "town"}])
def test_bar_without_rows_refuses_row_and_by(options: Any) -> None:
    with refuses(ValueError, "'row'", "('feature', 'output')"):
        BarDisplay.from_explanation(overall(), **options)


def test_heatmap_of_pairs_orders_cells_by_size() -> None:
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


def test_heatmap_of_pairs_output_and_max_features() -> None:
    values = np.stack([np.eye(3), np.diag([1.0, 3.0, 2.0])], axis=2)
    exp = pairs(values, dims=("feature", "feature", "output"), output_names=("no", "yes"))
    display = HeatmapDisplay.from_explanation(exp, max_features=2).plot()
    assert list(dict.fromkeys(display.frame()["feature"])) == ["hours", WILD]
    assert display.ax_.get_ylabel() == "2 of 3 features"
    assert display.quantity_label == "contribution to yes"


def test_heatmap_without_outputs_has_no_line_on_top() -> None:
    exp = people(30, base_values=None, outputs=None, completeness=None)
    display = HeatmapDisplay.from_explanation(exp).plot()
    assert display.output_ax_ is None
    assert display.ax_.get_ylim() == (-0.5, 3.5)
    with refuses(ValueError, "order='output'", "cluster"):
        HeatmapDisplay.from_explanation(exp, order="output")


def test_pixels_unsigned_sensitivities_scale_from_0() -> None:
    values = np.abs(pixels().values)
    display = PixelsDisplay.from_explanation(sensitivities(values)).plot()
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (0.0, values[0].max())
    shown = np.asarray(display.ax_.images[0].get_array())
    for place, color in ((values[0].argmax(), ACCENT), (values[0].argmin(), PAPER)):
        np.testing.assert_allclose(shown[np.unravel_index(place, (4, 6))], to_rgb(color), atol=0.02)
    signed = PixelsDisplay.from_explanation(sensitivities(-values)).plot()
    assert signed.colorbar_.vmin == -signed.colorbar_.vmax < 0


def test_pixels_over_rows_has_no_image() -> None:
    exp = pixels(2)
    display = PixelsDisplay.from_explanation(exp.aggregate(how="mean"), outputs=1).plot()
    np.testing.assert_allclose(display.frame()["value"], exp.values[..., 1].mean(axis=0).ravel())
    assert (display.image == 1.0).all()


def test_from_explainer_refuses_unknown_row() -> None:
    explainer = OcclusionExplainer(lambda X: np.asarray(X)[:, 0], random_state=0).fit(np.eye(4))
    with refuses(ValueError, "no row 4"):
        WaterfallDisplay.from_explainer(explainer, np.eye(4), row=4)


def test_from_explanation_refuses_no_rows() -> None:
    with refuses(ValueError, "no rows"):
        BarDisplay.from_explanation(make(np.zeros((0, 2))))


def test_display_refuses_explanation_of_size_0() -> None:
    ends = {"completeness": None, "base_values": None, "outputs": None}
    for values, name in (
        (np.zeros((3, 0, 1)), "bar"),
        (np.zeros((3, 0, 1)), "beeswarm"),
        (np.zeros((3, 0, 1)), "heatmap"),
        (np.zeros((3, 2, 0)), "bar"),
        (np.zeros((3, 2, 0)), "beeswarm"),
        (np.zeros((3, 2, 0)), "heatmap"),
    ):
        dim = "features" if values.shape[1] == 0 else "outputs"
        with refuses(ValueError, f"no {dim}", "nothing to draw"):
            getattr(make(values, **ends).plot, name)()
    with refuses(ValueError, "no features", "nothing to draw"):
        pairs(np.zeros((0, 0)), feature_names=()).plot.heatmap()


@pytest.mark.parametrize(
    ("name", "exp"),
    [
        ("beeswarm", make(np.full((3, 2), np.nan), completeness=None)),
        ("beeswarm", make([[[0.1, np.nan]], [[0.2, np.nan]]], completeness=None)),
        ("heatmap", make(np.full((3, 2), np.nan), completeness=None)),
        ("heatmap", pairs(np.full((3, 3), np.nan))),
        ("segments", picture(values=np.full((1, 4), np.nan), completeness=None)),
    ],
)
def test_display_refuses_output_of_nan_alone(name: str, exp: Explanation) -> None:
    with refuses(ValueError, "NaN", "nothing to draw"):
        getattr(exp.plot, name)()
