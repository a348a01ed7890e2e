"""The heat map: order, colors around 0, the output on top."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from agnostix.plotting import HeatmapDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, diverging
from tests.messages import refuses
from tests.plotting.explanations import make, people


def _plot(display: HeatmapDisplay, **plot: Any) -> HeatmapDisplay:
    return display.plot(Figure().add_subplot(), **plot)


def _image(display: HeatmapDisplay) -> Any:
    (image,) = display.ax_.images
    return image


def _blocks(n_each: int = 20) -> np.ndarray:
    """Three kinds of rows, mixed."""
    rng = np.random.default_rng(0)
    centers = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.5]])
    kinds = rng.permutation(np.repeat(np.arange(3), n_each))
    return centers[kinds] + 0.05 * rng.normal(size=(3 * n_each, 3))


def test_heatmap_cells_equal_frame() -> None:
    exp = people()
    display = _plot(HeatmapDisplay.from_explanation(exp), factor=100.0)
    frame = display.frame()
    drawn = np.asarray(_image(display).get_array())
    np.testing.assert_allclose(drawn.ravel(), 100 * frame["value"])
    for j, name in enumerate(dict.fromkeys(frame["feature"])):
        own = frame[frame["feature"] == name]
        k = exp.feature_names.index(name)
        np.testing.assert_array_equal(own["value"], exp.values[own["row"], k, 1])
        np.testing.assert_array_equal(own["output"], exp.outputs[own["row"], 1])
        assert display.ax_.get_yticklabels()[j].get_text() == name
        assert display.ax_.get_yticks()[j] == 3 - j
    assert _image(display).get_extent() == [-0.5, 59.5, -0.5, 3.5]


def test_heatmap_line_on_top_is_output() -> None:
    exp = people()
    display = _plot(HeatmapDisplay.from_explanation(exp), factor=100.0)
    rows = display.frame()["row"].iloc[: len(exp)]
    base, outputs = (line.get_ydata() for line in display.output_ax_.lines)
    np.testing.assert_allclose(base, 50.0)
    np.testing.assert_allclose(outputs, 100 * exp.outputs[rows, 1])
    assert display.output_ax_.get_xlim() == display.ax_.get_xlim()
    assert display.output_ax_.get_title(loc="left") == "out_$put$"


def test_heatmap_order_by_output() -> None:
    frame = HeatmapDisplay.from_explanation(people(), order="output").frame()
    assert frame["output"].iloc[:60].is_monotonic_increasing


@pytest.mark.parametrize("n_each", [20, 500])
def test_heatmap_order_by_cluster(n_each: int) -> None:
    exp = make(_blocks(n_each))
    frame = HeatmapDisplay.from_explanation(exp).frame()
    rows = frame["row"].iloc[: len(exp)].to_numpy()
    assert sorted(rows) == list(range(len(exp)))
    kinds = np.abs(exp.values[rows, :, 0]).argmax(axis=1)
    assert (np.diff(kinds) != 0).sum() == 2
    outputs = exp.outputs[rows, 0]
    half = len(exp) // 2
    assert outputs[:half].mean() < outputs[-half:].mean()


def test_heatmap_ignores_row_order() -> None:
    exp = make(_blocks())
    mixed = np.random.default_rng(1).permutation(len(exp))
    one, other = (HeatmapDisplay.from_explanation(e).frame() for e in (exp, exp[mixed]))
    np.testing.assert_array_equal(one["value"], other["value"])


def test_heatmap_palette_is_centered_and_marks_clipping() -> None:
    values = np.full((200, 1), 0.1)
    values[0] = -5.0
    display = _plot(HeatmapDisplay.from_explanation(make(values)))
    assert _image(display).get_clim() == (-0.1, 0.1)
    assert display.colorbar_.extend == "min"
    display = _plot(HeatmapDisplay.from_explanation(make([[0.5, -0.2]])))
    assert _image(display).get_clim() == (-0.5, 0.5)
    assert display.colorbar_.extend == "neither"


def test_diverging_colors_by_sign() -> None:
    palette = diverging()
    np.testing.assert_allclose(palette(0.5)[:3], 1.0, atol=0.02)
    for place, color in ((0.8, ACCENT), (0.2, CONTRAST)):
        expected = [int(color[j : j + 2], 16) / 255 for j in (1, 3, 5)]
        np.testing.assert_allclose(palette(place)[:3], expected, atol=0.03)
    display = _plot(HeatmapDisplay.from_explanation(make([[0.5, -0.2]])), cmap="PuOr")
    assert _image(display).get_cmap().name == "PuOr"


def test_heatmap_many_rows_are_averaged_in_cells() -> None:
    rng = np.random.default_rng(0)
    exp = make(rng.normal(size=(2400, 2)))
    display = _plot(HeatmapDisplay.from_explanation(exp, order="output"))
    drawn = np.asarray(_image(display).get_array())
    assert drawn.shape == (2, 800)
    matrix = display.frame()["value"].to_numpy().reshape(2, 2400)
    np.testing.assert_allclose(drawn, matrix.reshape(2, 800, 3).mean(axis=2))
    assert len(display.output_ax_.lines[1].get_ydata()) == 2400


def test_heatmap_few_rows_have_names() -> None:
    exp = make(np.eye(3), row_names=("Ann $a$", "Bob", "C" * 40))
    display = _plot(HeatmapDisplay.from_explanation(exp, order="output"))
    labels = display.ax_.get_xticklabels()
    assert [text.get_text() for text in labels] == ["Ann $a$", "Bob", "C" * 15 + "…"]
    assert not any(text.get_parse_math() for text in labels)
    assert display.frame()["row"].tolist()[:3] == ["Ann $a$", "Bob", "C" * 40]
    assert len(_plot(HeatmapDisplay.from_explanation(people())).ax_.get_xticks()) == 0


def test_heatmap_long_row_names_are_rotated() -> None:
    exp = make(np.eye(20), row_names=tuple(f"customer {j}" for j in range(20)))
    labels = _plot(HeatmapDisplay.from_explanation(exp)).ax_.get_xticklabels()
    assert {text.get_rotation() for text in labels} == {90.0}


def test_heatmap_max_features_counts_others() -> None:
    exp = make(np.random.default_rng(0).normal(size=(20, 300)))
    display = _plot(HeatmapDisplay.from_explanation(exp))
    assert _image(display).get_array().shape == (12, 20)
    assert display.ax_.get_ylabel() == "12 of 300 features"


@pytest.mark.parametrize(
    "values", [np.zeros((5, 2)), [[0.3]], [[0.1], [0.2]], [[0.1, np.nan], [0.2, 0.4], [0.3, np.nan]]]
)
def test_heatmap_zero_single_and_nan_values(values: Any) -> None:
    display = _plot(HeatmapDisplay.from_explanation(make(values)))
    display.figure_.draw_without_rendering()
    low, high = _image(display).get_clim()
    assert low == -high < 0
    masked = np.ma.getmaskarray(_image(display).get_array())
    assert masked.sum() == np.isnan(np.asarray(values)).sum()
    assert np.diff(display.output_ax_.get_ylim()) > 0


def test_heatmap_refuses_bad_parameters() -> None:
    with refuses(ValueError, "order", "'cluster', 'output'", "got 'size'"):
        HeatmapDisplay.from_explanation(people(), order="size")
    with refuses(ValueError, "max_features", "at least 1", "got 0"):
        HeatmapDisplay.from_explanation(people(), max_features=0)
