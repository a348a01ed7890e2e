"""What holds for every Display."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import agnostix.plotting as plotting
from agnostix import (
    DisparateImpact,
    EntropicProjection,
    FairnessStress,
    GapExplanation,
    GroupMeasures,
    PixelEffects,
    PixelProjection,
    explain_gap,
    measure_fairness,
    stress_fairness,
)
from agnostix.metrics import ComparisonResult, MetricCurve, MetricResult, UnreliableResult
from agnostix.plotting import (
    ComparisonDisplay,
    FairnessStressDisplay,
    GapDisplay,
    GroupMeasuresDisplay,
    InteractionHeatmapDisplay,
    InteractionNetworkDisplay,
    LeavesDisplay,
    LoveDisplay,
    MetricCurveDisplay,
    MetricScoresDisplay,
    PixelEffectDisplay,
    PixelsDisplay,
    PixelsGridDisplay,
    PruningPathDisplay,
    RocDisplay,
    SegmentsDisplay,
    ShiftDisplay,
    TextDisplay,
    TreeDisplay,
    WeightConcentrationDisplay,
    WhatIfCurveDisplay,
    WhatIfMapDisplay,
    WhatIfRankingDisplay,
)
from tests.plotting.explanations import fitted_mimic, interacting, layered, picture, pixels, text
from tests.plotting.test_attribution_displays import DISPLAYS

WILD = "a_b^2 $x$ <script>"

Maker = Callable[[EntropicProjection], Any]
MAKERS: dict[str, Maker] = {
    "WhatIfCurveDisplay": lambda p: WhatIfCurveDisplay.from_explainer(p, WILD),
    "WhatIfRankingDisplay": WhatIfRankingDisplay.from_explainer,
    "WhatIfMapDisplay": lambda p: WhatIfMapDisplay.from_explainer(p, WILD, "age", n_targets=5),
    "ShiftDisplay": lambda p: ShiftDisplay.from_explanation(p.what_if({WILD: 0.3})),
    "LoveDisplay": lambda p: LoveDisplay.from_explanation(p.what_if({WILD: 0.3})),
    "WeightConcentrationDisplay": lambda p: WeightConcentrationDisplay.from_explanation(
        p.what_if({WILD: 0.3})
    ),
    "SegmentsDisplay": lambda p: SegmentsDisplay.from_explanation(picture()),
    "PixelsDisplay": lambda p: PixelsDisplay.from_explanation(pixels()),
    "PixelEffectDisplay": lambda p: PixelEffectDisplay.from_explanation(_effects()),
    "PixelsGridDisplay": lambda p: PixelsGridDisplay.from_explanation(layered()),
    "TextDisplay": lambda p: TextDisplay.from_explanation(text()),
    "TreeDisplay": lambda p: TreeDisplay.from_estimator(fitted_mimic()),
    "InteractionHeatmapDisplay": lambda p: InteractionHeatmapDisplay.from_explanation(interacting()),
    "InteractionNetworkDisplay": lambda p: InteractionNetworkDisplay.from_explanation(interacting()),
    "GapDisplay": lambda p: GapDisplay.from_explanation(_gap(p)),
    "GroupMeasuresDisplay": lambda p: GroupMeasuresDisplay.from_explanation(_groups(p)),
    "FairnessStressDisplay": lambda p: FairnessStressDisplay.from_explanation(_stress(p)),
    "PruningPathDisplay": lambda p: PruningPathDisplay.from_estimator(fitted_mimic()),
    "LeavesDisplay": lambda p: LeavesDisplay.from_estimator(fitted_mimic()),
    "ComparisonDisplay": lambda p: ComparisonDisplay.from_result(_comparison()),
    "RocDisplay": lambda p: RocDisplay.from_result(_doubts()),
    "MetricCurveDisplay": lambda p: MetricCurveDisplay.from_result(_metric()),
    "MetricScoresDisplay": lambda p: MetricScoresDisplay.from_result(_metric()),
}


def _gap(projection: EntropicProjection) -> GapExplanation:
    table = projection.table_
    X = pd.DataFrame({name: column.values for name, column in table.columns.items()})
    is_odd, p = np.arange(len(X)) % 2 == 1, X.iloc[:, -1].to_numpy()
    A, B = (EntropicProjection().fit(X[rows], predictions=p[rows]) for rows in (~is_odd, is_odd))
    return explain_gap(A, B)


def _groups(projection: EntropicProjection) -> GroupMeasures:
    decided, group = _decided(projection)
    return measure_fairness(decided, group=group, reference="a")


def _stress(projection: EntropicProjection) -> FairnessStress:
    decided, group = _decided(projection)
    return stress_fairness(decided, DisparateImpact(group=group, reference="a"), n_targets=3)


def _decided(projection: EntropicProjection) -> tuple[EntropicProjection, str]:
    """Decisions in two groups that a column of the projection's name makes."""
    group = list(projection.table_.columns)[-1]
    X = pd.DataFrame({group: ["a", "b"] * 40, "age": np.arange(80.0)})
    return EntropicProjection().fit(X, predictions=[1, 0, 0, 1, 1] * 16), group


def _effects() -> PixelEffects:
    pictures = np.random.default_rng(0).integers(0, 5, (60, 3, 4))
    predictions = pd.DataFrame({WILD: pictures[:, 1, 1] / 5.0})
    return PixelProjection().fit(pictures, predictions=predictions).explain()


def _metric() -> MetricResult:
    values = np.random.default_rng(0).random((6, 4))
    return MetricResult(
        name=WILD,
        scores=values.mean(axis=1),
        greater_is_better=False,
        made_for=("contribution",),
        quantity="contribution",
        output_names=(WILD,),
        curve=MetricCurve(np.linspace(0.0, 1.0, 4), values, {"random": values[::-1]}),
    )


def _comparison() -> ComparisonResult:
    exp = text()
    results = {name: {WILD: _metric(), "b" * 80: _metric()} for name in (WILD, "deletion" * 20)}
    explanations = {WILD: exp, "b" * 80: exp}
    return ComparisonResult(results=results, explanations=explanations, agreement={})


def _doubts() -> UnreliableResult:
    rng = np.random.default_rng(0)
    signals = {WILD: rng.normal(size=30), "s" * 90: rng.normal(size=30), "margin": rng.random(30)}
    return UnreliableResult(signals=signals, is_wrong=np.arange(30) < 12)


@pytest.fixture(params=list(MAKERS))
def display(request: pytest.FixtureRequest, projection: EntropicProjection) -> Any:
    return MAKERS[request.param](projection)


@pytest.fixture(params=[name for name in MAKERS if name != "PixelsGridDisplay"])  # which needs a grid of axes
def display_of_one_ax(request: pytest.FixtureRequest, projection: EntropicProjection) -> Any:
    return MAKERS[request.param](projection)


def test_public_displays_are_all_here() -> None:
    bases = ["Display", "ExplanationDisplay"]
    assert sorted([*MAKERS, *bases, *(display.__name__ for display in DISPLAYS)]) == plotting.__all__


def test_plot_makes_new_figure(display: Any) -> None:
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    assert plt.get_fignums() == [display.figure_.number]


def test_plot_draws_on_given_axes_only(display_of_one_ax: Any) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert display_of_one_ax.plot(ax=ax).ax_ is ax
    assert display_of_one_ax.figure_ is figure
    assert ax.has_data()
    figure.draw_without_rendering()
    assert plt.get_fignums() == []


def test_plot_draws_on_axes_of_shared_figure(display_of_one_ax: Any) -> None:
    figure, (left, right) = plt.subplots(ncols=2)
    display_of_one_ax.plot(right)
    assert display_of_one_ax.figure_ is figure
    assert not left.has_data()


@pytest.mark.parametrize("own", [False, True])
def test_plot_shows_signs_in_names_as_text(display: Any, own: bool) -> None:
    is_grid = isinstance(display, PixelsGridDisplay)
    display.plot(None if own else Figure().subplots(2, 4) if is_grid else Figure().add_subplot())
    display.figure_.draw_without_rendering()
    axes = [*display.figure_.axes, *(child for ax in display.figure_.axes for child in ax.child_axes)]
    texts = [
        text
        for ax in axes
        for text in [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
    ]
    wild = [text for text in texts if "$" in text.get_text()]
    assert all(not text.get_parse_math() for text in wild)
    if not isinstance(display, WeightConcentrationDisplay | PruningPathDisplay | RocDisplay):
        assert any(WILD in " ".join(text.get_text().split()) for text in wild)


def test_plot_leaves_rcparams_alone(display: Any) -> None:
    with plt.rc_context({"font.size": 17.0, "text.color": "red", "axes.grid": True}):
        before = dict(plt.rcParams)
        display.plot()
        display.figure_.draw_without_rendering()
        assert dict(plt.rcParams) == before


@pytest.mark.parametrize("name", list(MAKERS))
def test_plot_long_names_leave_room(name: str) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"y y " * 60: rng.normal(size=100), "age": rng.normal(size=100)})
    X["x" * 200] = rng.choice(["z" * 200, "w" * 100], 100)
    long = EntropicProjection(n_targets=5).fit(X, predictions=X.iloc[:, 0])
    makers: dict[str, Maker] = {
        "WhatIfCurveDisplay": lambda p: WhatIfCurveDisplay.from_explainer(p, "y y " * 60, by="x" * 200),
        "WhatIfMapDisplay": lambda p: WhatIfMapDisplay.from_explainer(
            p, "y y " * 60, ("x" * 200, "z" * 200), n_targets=3
        ),
        "ShiftDisplay": lambda p: ShiftDisplay.from_explanation(p.what_if({"y y " * 60: 0.1})),
        "LoveDisplay": lambda p: LoveDisplay.from_explanation(p.what_if({"y y " * 60: 0.1})),
        "WeightConcentrationDisplay": lambda p: WeightConcentrationDisplay.from_explanation(
            p.what_if({"y y " * 60: 0.1})
        ),
        "SegmentsDisplay": lambda p: SegmentsDisplay.from_explanation(picture(output_names=("o" * 200,))),
        "PixelsDisplay": lambda p: PixelsDisplay.from_explanation(pixels(output_names=("o" * 200,))),
        "PixelEffectDisplay": lambda p: PixelEffectDisplay.from_explanation(_effects()),
        "PixelsGridDisplay": lambda p: PixelsGridDisplay.from_explanation(
            layered(
                1, output_names=("o" * 200,), coords={"layer": np.array(["l" * 200, "m" * 200, "n" * 200])}
            )
        ),
        "TextDisplay": lambda p: TextDisplay.from_explanation(text(output_names=("o" * 200,))),
    }
    display = (MAKERS | makers)[name](long).plot()
    display.figure_.draw_without_rendering()
    place = display.ax_.get_position()
    assert place.width > (0.2 if name == "PixelsGridDisplay" else 0.3)  # a fourth of the figure at most
    assert place.height > 0.3


def test_frame_is_copy(display: Any) -> None:
    first = display.frame()
    kept = first.copy()
    first.insert(0, "more", 0)
    assert display.frame().equals(kept)


def test_plot_twice_makes_two_figures(display: Any) -> None:
    first = display.plot().figure_
    assert display.plot().figure_ is not first


def test_plot_limits_are_finite(display: Any) -> None:
    display.plot()
    limits = [*display.ax_.get_xlim(), *display.ax_.get_ylim()]
    assert np.isfinite(limits).all()
