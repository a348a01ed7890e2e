"""What holds for every Display of an explanation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpydoc.validate import validate

from agnostix import Explanation, OcclusionExplainer, as_predictor
from agnostix.plotting import (
    BarDisplay,
    BeeswarmDisplay,
    HeatmapDisplay,
    PixelsDisplay,
    PixelsGridDisplay,
    ScatterDisplay,
    SegmentsDisplay,
    TextDisplay,
    WaterfallDisplay,
)
from agnostix.plotting.style import find_limits
from agnostix.plotting.words import format_numbers, format_value, label_feature
from tests.plotting.explanations import WILD, make, people, surrogate

MAKERS: dict[str, Callable[..., Any]] = {
    "waterfall": WaterfallDisplay.from_explanation,
    "bar of a row": lambda exp, **given: BarDisplay.from_explanation(exp, row=0, **given),
    "bar": BarDisplay.from_explanation,
    "beeswarm": BeeswarmDisplay.from_explanation,
    "scatter": lambda exp, **given: ScatterDisplay.from_explanation(exp, -1, **given),
    "heatmap": HeatmapDisplay.from_explanation,
}
DISPLAYS = [BarDisplay, BeeswarmDisplay, HeatmapDisplay, ScatterDisplay, WaterfallDisplay]


@pytest.fixture(params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return MAKERS[request.param]


@pytest.fixture
def display(maker: Callable[..., Any]) -> Any:
    return maker(people())


def _texts(figure: Any) -> list[Any]:
    """All that is written and seen."""
    axes = [*figure.axes, *(child for ax in figure.axes for child in ax.child_axes)]
    found = []
    for ax in axes:
        found += [ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title, *ax.texts]
        for axis, limits_ in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            ticks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
            found += [text for tick, text in ticks if limits_[0] <= tick <= limits_[1]]
    return [text for text in found if text.get_text() and text.get_visible()]


def test_plot_makes_figure_or_uses_given_axes(display: Any) -> None:
    assert display.plot() is display
    assert plt.get_fignums() == [display.figure_.number]
    ax = Figure().add_subplot()
    assert display.plot(ax=ax).ax_ is ax
    assert display.figure_ is ax.figure
    assert len(plt.get_fignums()) == 1
    figure, (left, right) = plt.subplots(ncols=2)
    display.plot(right)
    assert display.figure_ is figure
    assert not left.has_data()


def test_plot_shows_signs_in_names_as_text(display: Any) -> None:
    display.plot().figure_.draw_without_rendering()
    wild = [text for text in _texts(display.figure_) if "$" in text.get_text()]
    assert any(WILD in text.get_text() for text in wild)
    assert any("out_$put$" in text.get_text() for text in wild)
    assert all(not text.get_parse_math() for text in wild)


def test_plot_leaves_rcparams_alone(display: Any) -> None:
    with plt.rc_context({"font.size": 17.0, "text.color": "red", "axes.grid": True}):
        before = dict(plt.rcParams)
        display.plot().figure_.draw_without_rendering()
        assert dict(plt.rcParams) == before


def test_frame_is_copy_and_unscaled(display: Any) -> None:
    first = display.frame()
    kept = first.copy()
    first.insert(0, "more", 0)
    pd.testing.assert_frame_equal(display.frame(), kept)
    display.plot(Figure().add_subplot(), factor=100.0)
    pd.testing.assert_frame_equal(display.frame(), kept)


def test_plot_long_names_leave_room_and_are_not_cut(maker: Callable[..., Any]) -> None:
    names = ("y y " * 60, "x" * 200)
    data = pd.DataFrame({names[0]: [1.0, 2.0] * 20, names[1]: ["z" * 200, "w" * 100] * 20})
    values = np.random.default_rng(0).normal(size=(40, 2))
    exp = make(values, data=data, feature_names=names, output_names=("o" * 200,), quantity="effect")
    figure = maker(exp).plot().figure_
    figure.draw_without_rendering()
    place = figure.axes[0].get_position()
    assert place.width > 0.3
    assert place.height > 0.3
    width, height = figure.bbox.width, figure.bbox.height
    for text in _texts(figure):
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()


@pytest.mark.parametrize("n_features", [1, 3, 300])
def test_plot_cuts_no_text_by_number_of_features(maker: Callable[..., Any], n_features: int) -> None:
    values = 1e5 * np.random.default_rng(0).normal(size=(40, n_features))
    errors = np.full((40, n_features, 1), 1e4)
    exp = make(values, std_errors=errors, data=values, quantity="effect")
    figure = maker(exp).plot().figure_
    figure.draw_without_rendering()
    for text in _texts(figure):
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= figure.bbox.height + 1, text.get_text()


@pytest.mark.parametrize("r2", [0.9, 0.1, np.nan])
def test_plot_cuts_no_text_of_surrogate(maker: Callable[..., Any], r2: float) -> None:
    figure = maker(surrogate(r2)).plot().figure_
    figure.draw_without_rendering()
    for text in _texts(figure):
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= figure.bbox.height + 1, text.get_text()


@pytest.mark.parametrize("n_rows", [1, 2, 60])
def test_plot_few_rows_and_any_table(maker: Callable[..., Any], n_rows: int) -> None:
    for frame in (people(n_rows).data, np.random.default_rng(0).normal(size=(n_rows, 4))):
        display = maker(people(n_rows, data=frame)).plot(Figure().add_subplot())
        display.figure_.draw_without_rendering()
        assert np.isfinite([*display.ax_.get_xlim(), *display.ax_.get_ylim()]).all()


def _span(display: Any) -> float:
    """How far the scale of the values reaches."""
    if isinstance(display, HeatmapDisplay):
        low, high = display.ax_.images[0].get_clim()
    else:
        low, high = display.ax_.get_ylim() if isinstance(display, ScatterDisplay) else display.ax_.get_xlim()
    return high - low


def test_plot_scale_is_relative_to_values(maker: Callable[..., Any]) -> None:
    spans = []
    for size in (1.0, 1e-12, 1e12):
        values = size * np.random.default_rng(0).normal(size=(30, 2))
        exp = make(
            values, base_values=np.zeros((30, 1)), outputs=values.sum(axis=1, keepdims=True), data=values
        )
        display = maker(exp).plot()
        display.figure_.draw_without_rendering()
        spans.append(_span(display) / size)
    np.testing.assert_allclose(spans, spans[0], rtol=0.2)  # room for the numbers' own width differs
    assert spans[0] > 0.1


def test_plot_suffix_follows_numbers(display: Any) -> None:
    display.plot(factor=100.0, suffix=" %").figure_.draw_without_rendering()
    assert any(text.get_text().endswith(" %") for text in _texts(display.figure_))


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "waterfall"])
def test_quantity_label_by_quantity_and_completeness(name: str) -> None:
    for quantity, completeness, words in (
        ("contribution", "outputs - base_values", "contribution to out_$put$"),
        ("contribution", "surrogate", "contribution to out_$put$ (surrogate)"),
        ("coefficient", None, "coefficient for out_$put$"),
        ("effect", None, "effect on out_$put$"),
    ):
        label = MAKERS[name](people(quantity=quantity, completeness=completeness)).quantity_label
        assert label.removeprefix("mean absolute ") == words
    log_odds = MAKERS[name](people(completeness="surrogate", units="log-odds")).quantity_label
    assert log_odds.endswith("contribution to out_$put$ (surrogate, log-odds)")


@pytest.mark.parametrize("name", list(MAKERS))
def test_from_explainer_equals_from_explanation(name: str, people: pd.DataFrame) -> None:
    def model(X: pd.DataFrame) -> np.ndarray:
        return X["age"].to_numpy() / 100 + 0.2 * (X["sex"] == "Female").to_numpy()

    explainer = OcclusionExplainer(as_predictor(model, task="regression"), random_state=0).fit(people)
    exp: Explanation = explainer.explain(people.head(30))
    X = people.head(30)
    displays = {
        "waterfall": lambda: WaterfallDisplay.from_explainer(explainer, X),
        "bar of a row": lambda: BarDisplay.from_explainer(explainer, X, row=0),
        "bar": lambda: BarDisplay.from_explainer(explainer, X),
        "beeswarm": lambda: BeeswarmDisplay.from_explainer(explainer, X),
        "scatter": lambda: ScatterDisplay.from_explainer(explainer, X, -1),
        "heatmap": lambda: HeatmapDisplay.from_explainer(explainer, X),
    }
    pd.testing.assert_frame_equal(displays[name]().frame(), MAKERS[name](exp).frame())


@pytest.mark.parametrize(
    "public",
    [*DISPLAYS, PixelsDisplay, PixelsGridDisplay, SegmentsDisplay, TextDisplay],
    ids=lambda public: public.__name__,
)
def test_display_docstrings_are_complete(public: type) -> None:
    ignored = {"ES01", "EX01", "GL01", "RT02", "SA01", "RT03", "PR07"}
    methods = [name for name, _ in inspect.getmembers(public, callable) if not name.startswith("_")]
    for name in ["", *methods]:
        errors = validate(".".join(filter(None, [public.__module__, public.__name__, name])))["errors"]
        assert [error for error in errors if error[0] not in ignored] == []


def test_format_numbers_shares_decimals() -> None:
    assert format_numbers([0.1234, -0.05, 0.0], signed=True) == ["+0.123", "−0.050", "0.000"]
    assert format_numbers([12345.6, -1.2]) == ["12,346", "−1"]
    assert format_numbers([1.5e-9, 0.0], signed=True) == ["+1.50e−09", "0.00e+00"]
    assert format_numbers([0.0, -0.0]) == ["0.00", "0.00"]
    assert format_numbers([np.inf, -np.inf, 1.0]) == ["∞", "−∞", "1.00"]
    assert format_numbers([]) == []


def test_format_value_and_label_feature() -> None:
    texts = {"39": 39.0, "−0.1235": -0.12346, "1.235e+08": 123456789.0, "7": 7, "True": True, "a b": "a\nb"}
    for words, value in texts.items():
        assert format_value(value) == words
    for nothing in (None, np.nan, pd.NA, pd.NaT):
        assert format_value(nothing) == "missing"
    assert format_value(pd.Timestamp("2020-03-01")) == "2020-03-01"
    assert format_value(np.float32(2.0)) == "2"
    assert label_feature("age", "39") == "age = 39"
    assert label_feature("a" * 60, "39") == "a" * 28 + "… = 39"
    assert len(label_feature("a" * 60, "b" * 60)) == 34
    assert label_feature("a", "b" * 60) == "a = " + "b" * 29 + "…"


def test_find_limits_ignores_unknown() -> None:
    assert find_limits([0.0, 1.0], [np.inf, np.nan], margin=0.1) == pytest.approx((-0.1, 1.1))
    for nothing in ([], [np.nan], [0.0], [5.0, 5.0]):
        low, high = find_limits(nothing)
        assert low < high
