"""Pictures in segments: colors, outlines, what is hatched, and numbers in any range."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from scipy.stats import norm

from agnostix.core.explanation import Detail
from agnostix.plotting import PixelsDisplay, SegmentsDisplay
from agnostix.plotting.images import outlines, to_gray
from agnostix.plotting.style import ACCENT, CONTRAST, PAPER, diverging
from tests.messages import refuses
from tests.plotting.explanations import make, picture, pixels

from_explanation = SegmentsDisplay.from_explanation


def _plot(display: SegmentsDisplay, **plot: Any) -> SegmentsDisplay:
    return display.plot(Figure().add_subplot(), **plot)


def _painted(panel: Any) -> np.ndarray:
    return np.asarray(panel.images[0].get_array())


def _hatched(panel: Any) -> bool:
    return any(isinstance(child, QuadContourSet) for child in panel.collections)


def test_segments_frame_values_and_n_pixels() -> None:
    exp = picture()
    frame = from_explanation(exp, confidence_level=0.9).frame()
    assert list(frame) == ["output", "segment", "value", "std_error", "low", "high", "n_pixels"]
    assert frame["segment"].tolist() == ["segment 0", "segment 1", "segment 2"]
    assert frame["value"].tolist() == [0.3, -0.2, 0.01]
    assert frame["n_pixels"].tolist() == [14, 6, 4]
    half = 0.02 * norm.ppf(0.95)
    np.testing.assert_allclose(frame["low"], frame["value"] - half)
    np.testing.assert_allclose(frame["high"], frame["value"] + half)


def test_segments_color_by_value_and_image() -> None:
    exp = picture()
    display = _plot(from_explanation(exp), factor=100.0, suffix=" %")
    palette, painted = diverging(pale=True), _painted(display.ax_)
    for i in range(4):
        for j in range(6):
            value = exp.values[0, exp.extras["segments"].array[0, i, j], 0]
            shade = 0.72 + 0.28 * exp.data[0, i, j]
            expected = np.multiply(palette(0.5 + 0.5 * value / 0.3)[:3], shade)
            np.testing.assert_allclose(painted[i, j], expected, atol=1e-9)
    assert display.colorbar_.mappable.get_clim() == (-30.0, 30.0)
    display.figure_.draw_without_rendering()
    assert all(tick.get_text().endswith(" %") for tick in display.colorbar_.ax.get_yticklabels())


def test_segments_palette_middle_and_ends() -> None:
    palette = diverging(pale=True)
    assert [to_hex(palette(place)) for place in (0.0, 1.0)] == [CONTRAST, ACCENT]
    middle = [int(PAPER[j : j + 2], 16) / 255 for j in (1, 3, 5)]
    np.testing.assert_allclose(palette(0.5)[:3], middle, atol=0.01)
    assert _plot(from_explanation(picture()), cmap="PuOr").colorbar_.cmap.name == "PuOr"
    nothing = _plot(from_explanation(picture([[0.0, 0.0, 0.0]])))
    assert nothing.colorbar_.mappable.get_clim() == (-1.0, 1.0)


def test_segments_hatched_where_interval_contains_0() -> None:
    for error, is_hatched in ((0.02, True), (0.001, False)):
        panel = _plot(from_explanation(picture(error=error))).ax_
        assert _hatched(panel) is is_hatched
        assert (panel.get_xlabel() == "hatched: the interval contains 0") is is_hatched
    unsure = _plot(from_explanation(picture())).ax_
    (found,) = (child for child in unsure.collections if isinstance(child, QuadContourSet))
    box = found.get_paths()[0].get_extents()
    np.testing.assert_allclose([box.x0, box.x1, box.y0, box.y1], [3.5, 5.5, 1.5, 3.5], atol=0.02)


def test_segments_hatched_by_exact_and_infinite_errors() -> None:
    assert not _hatched(_plot(from_explanation(picture(std_errors=None))).ax_)
    assert not _hatched(_plot(from_explanation(picture([[0.0, 0.1, 0.2]], error=0.0))).ax_)
    assert _hatched(_plot(from_explanation(picture(error=np.inf))).ax_)


def test_outlines_equal_plain_loops() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (7, 5))
    expected = set()
    for i in range(7):
        for j in range(5):
            if j < 4 and labels[i, j] != labels[i, j + 1]:
                expected.add(((j + 0.5, i - 0.5), (j + 0.5, i + 0.5)))
            if i < 6 and labels[i, j] != labels[i + 1, j]:
                expected.add(((j - 0.5, i + 0.5), (j + 0.5, i + 0.5)))
    found = set()
    for (x0, y0), (x1, y1) in outlines(labels):
        for step in range(round(x1 - x0 + y1 - y0)):
            a, b = (x0 + step * (x1 > x0), y0 + step * (y1 > y0)), (x1 > x0, y1 > y0)
            found.add((a, (a[0] + b[0], a[1] + b[1])))
    assert found == expected
    assert outlines(np.zeros((3, 3), dtype=int)) == []


def test_segments_max_features_draws_strongest() -> None:
    display = _plot(from_explanation(picture(), max_features=1))
    assert display.ax_.get_xlabel() == "1 of 3 segments"
    assert len(display.frame()) == 3
    painted = _painted(display.ax_)
    gray = 0.72 + 0.28 * picture().data[0]
    np.testing.assert_allclose(painted[:2, 3:], gray[:2, 3:, None].repeat(3, axis=2))
    (lines,) = (child for child in display.ax_.collections if isinstance(child, LineCollection))
    assert {tuple(map(tuple, segment)) for segment in lines.get_segments()} == {
        ((2.5, -0.5), (2.5, 1.5)),
        ((3.5, 1.5), (3.5, 3.5)),
        ((2.5, 1.5), (3.5, 1.5)),
    }


@pytest.mark.parametrize("n", [2, 5])
def test_segments_outputs_share_scale(n: int) -> None:
    values = np.random.default_rng(0).normal(size=(1, 3, n))
    exp = picture(values)
    display = from_explanation(exp, outputs=[exp.output_names[1], 0]).plot()
    assert len(display.axes_) == 2
    assert display.ax_ is display.axes_[0]
    frame = display.frame()
    assert list(dict.fromkeys(frame["output"])) == [exp.output_names[1], exp.output_names[0]]
    for k in (0, 1):
        own = frame[frame["output"] == exp.output_names[k]].set_index("segment")["value"]
        np.testing.assert_array_equal(own.sort_index(), values[0, :, k])
        assert own.abs().is_monotonic_decreasing
    most = np.abs(values[..., :2]).max()
    assert display.colorbar_.mappable.get_clim() == pytest.approx((-most, most))
    assert [panel.get_title(loc="left") for panel in display.axes_] == [
        exp.output_names[1],
        exp.output_names[0],
    ]
    assert display.quantity_label == "contribution to the output"
    display.figure_.draw_without_rendering()


def test_segments_many_outputs_and_given_axes() -> None:
    exp = picture(np.random.default_rng(0).normal(size=(1, 3, 5)))
    display = from_explanation(exp, outputs=range(5))
    display.plot()
    assert len(display.figure_.axes) == 2 * 3 + 1
    assert sum(not panel.axison for panel in display.figure_.axes) == 1
    figure, axes = plt.subplots(1, 5)
    display.plot(axes)
    assert display.axes_ == list(axes)
    assert display.figure_ is figure
    with refuses(ValueError, "ax", "5 axes", "each output", "got 1"):
        display.plot(Figure().add_subplot())


def test_segments_titles_state_fidelity() -> None:
    values = np.full((1, 3, 2), 0.1)
    more = {"quantity": "contribution", "completeness": "surrogate", "fidelity": {"r2": [[0.9, 0.3]]}}
    exp = picture(values, **more)
    (alone,) = _plot(from_explanation(exp)).axes_
    assert alone.get_title(loc="left") == "R² 0.30: the surrogate follows the model poorly"
    assert to_hex(alone._left_title.get_color()) == CONTRAST
    both = from_explanation(exp, outputs=[0, 1]).plot().axes_
    assert [panel.get_title(loc="left").split("\n")[1] for panel in both] == ["R² 0.90", "R² 0.30"]
    assert [to_hex(panel._left_title.get_color()) == CONTRAST for panel in both] == [False, True]


def test_segments_titles_equal_pixels_titles() -> None:
    displays = [
        from_explanation(picture(np.ones((1, 3, 2))), outputs=[0, 1]),
        PixelsDisplay.from_explanation(pixels(2)),
    ]
    one, other = (display.plot().ax_._left_title for display in displays)
    assert one.get_text() == other.get_text()
    assert one.get_fontproperties() == other.get_fontproperties()


def test_segments_predicted_output_has_name_of_class() -> None:
    exp = picture(np.full((2, 3, 1), 0.1), output_names=("predicted",), extras={"predicted": ["cat", "dog"]})
    display = from_explanation(exp, row=1)
    assert display.quantity_label == "contribution to dog"
    assert set(display.frame()["output"]) == {"dog"}


def test_to_gray_scales_any_range() -> None:
    gray = np.array([[0, 51], [102, 255]], dtype=np.uint8)
    np.testing.assert_allclose(to_gray(gray), [[0.0, 0.2], [0.4, 1.0]])
    np.testing.assert_allclose(to_gray(np.array([[0.1, 0.2], [0.4, 0.9]])), [[0.1, 0.2], [0.4, 0.9]])
    np.testing.assert_allclose(to_gray(np.array([[-2.0, 0.0], [1.0, 2.0]])), [[0.0, 0.5], [0.75, 1.0]])
    np.testing.assert_allclose(to_gray(np.array([[0, 4], [8, 16]])), [[0.0, 0.25], [0.5, 1.0]])
    np.testing.assert_allclose(to_gray(np.array([[-1.0, np.nan], [1.0, 0.0]])), [[0.0, 1.0], [1.0, 0.5]])
    np.testing.assert_allclose(to_gray(np.full((2, 2), 7.0)), np.ones((2, 2)))
    np.testing.assert_allclose(to_gray(np.array([[True, False]])), [[1.0, 0.0]])


def test_to_gray_channels() -> None:
    rng = np.random.default_rng(0)
    picture_ = rng.random((3, 2, 3))
    expected = 0.299 * picture_[..., 0] + 0.587 * picture_[..., 1] + 0.114 * picture_[..., 2]
    np.testing.assert_allclose(to_gray(picture_), expected)
    with_opacity = np.concatenate([picture_, rng.random((3, 2, 1))], axis=2)
    np.testing.assert_allclose(to_gray(with_opacity), expected)
    np.testing.assert_allclose(to_gray(picture_[..., :1]), picture_[..., 0])
    np.testing.assert_allclose(to_gray(picture_[..., :2]), picture_[..., :2].mean(axis=2))


@pytest.mark.parametrize("shape", [(1, 4, 6), (1, 4, 6, 1), (1, 4, 6, 3), (1, 4, 6, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_segments_images_of_any_shape_and_dtype(shape: tuple[int, ...], dtype: Any) -> None:
    data = (200 * np.random.default_rng(0).random(shape)).astype(dtype)
    exp = picture(data=data)
    display = from_explanation(exp).plot()
    display.figure_.canvas.draw()
    low, high = (0, 255) if dtype is np.uint8 else (data.min(), data.max())
    gray = (data[0].reshape(4, 6, -1) - float(low)) / float(high - low)
    gray = gray[..., :3] @ [0.299, 0.587, 0.114] if gray.shape[2] >= 3 else gray[..., 0]
    values = np.take(exp.values[0, :, 0], exp.extras["segments"].array[0])
    expected = diverging(pale=True)(0.5 + 0.5 * values / 0.3)[..., :3] * (0.72 + 0.28 * gray)[..., None]
    np.testing.assert_allclose(_painted(display.ax_), expected, atol=1e-6)


def test_segments_labels_of_any_integer_dtype() -> None:
    for dtype in (np.uint8, np.int32):
        segments = picture().extras["segments"].array.astype(dtype)
        frame = from_explanation(picture(extras={"segments": segments})).frame()
        assert frame["n_pixels"].tolist() == [14, 6, 4]
        kept = picture(extras={"segments": segments}).sel(features=["segment 2"])
        assert from_explanation(kept).frame()["n_pixels"].tolist() == [4]


def test_segments_without_image() -> None:
    painted = _painted(_plot(from_explanation(picture(data=None))).ax_)
    np.testing.assert_allclose(painted[0, 0], diverging(pale=True)(1.0)[:3])


def test_segments_row_by_position_and_name() -> None:
    values = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    exp = picture(values, row_names=("Ann", "Bob"))
    for row in (1, -1, "Bob"):
        assert from_explanation(exp, row=row).frame()["value"].tolist() == [0.6, 0.5, 0.4]
    with refuses(ValueError, "no row 2", "0 to 1"):
        from_explanation(exp, row=2)


def test_segments_selected_features_keep_pixels() -> None:
    frame = from_explanation(picture().sel(features=["segment 2", "segment 0"])).frame()
    assert frame.set_index("segment")["n_pixels"].to_dict() == {"segment 0": 14, "segment 2": 4}


def test_segments_from_explainer_explains_one_image() -> None:
    calls = []

    class Explainer:
        def explain(self, X: Any, outputs: Any = None, **more: Any) -> Any:
            calls.append((np.shape(X), outputs, more))
            return picture(np.ones((len(X), 3, 1 if outputs is None else len(outputs))))

    X = np.zeros((5, 4, 6))
    one = SegmentsDisplay.from_explainer(Explainer(), X, row=2, batch=3)
    two = SegmentsDisplay.from_explainer(Explainer(), X.tolist(), outputs=["a", "b"])
    assert calls == [((1, 4, 6), None, {"batch": 3}), ((1, 4, 6), ["a", "b"], {})]
    assert (one.frame()["output"].nunique(), two.frame()["output"].nunique()) == (1, 2)


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        (
            {"extras": {"segments": Detail(np.zeros((1, 4, 6)), ("row", "y", "x"))}},
            ["extras['segments']", "dims ('row', 'y', 'x')", "points_to 'feature'", "points_to=None"],
        ),
        (
            {"extras": {"segments": np.full((1, 4, 6), 4)}},
            ["extras['segments']", "feature 4", "there are 4, counted from 0"],
        ),
        (
            {"data": np.zeros((1, 6, 4, 3))},
            ["images have shape (6, 4, 3)", "segments (4, 6)", "(n_rows, height, width)"],
        ),
        (
            {"data": np.zeros((1, 24))},
            ["images have shape (24,)", "segments (4, 6)", "(n_rows, height, width)"],
        ),
    ],
)
def test_segments_refuse_labels_or_images_that_do_not_fit(given: dict, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        from_explanation(picture(**given))


def test_segments_refuse_bad_parameters() -> None:
    with refuses(ValueError, "SegmentsDisplay", "no segments", "BarDisplay", "WaterfallDisplay"):
        from_explanation(make([[0.1, 0.2]]))
    with refuses(ValueError, "max_features", "at least 1", "got 0"):
        from_explanation(picture(), max_features=0)
    three = picture(np.ones((1, 3, 3)))
    with refuses(ValueError, "3 outputs", "outputs=", "'c0"):
        from_explanation(three)
    for outputs in ([], [0, -3]):
        with refuses(ValueError, "outputs", "one output or several different ones", f"got {outputs}"):
            from_explanation(three, outputs=outputs)
