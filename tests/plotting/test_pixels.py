"""Values of pixels laid over pictures, and what masks leave of them."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from agnostix.plotting import PixelsDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, PAPER
from tests.messages import refuses
from tests.plotting.explanations import make, picture, pixels

VALUES = np.zeros((1, 4, 6, 1))
VALUES[0, 0, 0], VALUES[0, 1, 2], VALUES[0, 3, 5] = 2.0, -2.0, 1.0
WHITE = {"data": np.full((1, 4, 6), 255, dtype=np.uint8), "std_errors": None}


def one(values: Any = VALUES, **given: Any) -> Any:
    values = np.asarray(values, dtype=float)
    ends = {"base_values": np.zeros((1, values.shape[3])), "outputs": np.ones((1, values.shape[3]))}
    return pixels(values.shape[3], values=values, **(WHITE | ends | given))


def painted(display: PixelsDisplay, k: int = 0) -> Any:
    return np.asarray(display.axes_[k].images[0].get_array())


def test_pixels_frame_has_every_pixel_and_output() -> None:
    exp = pixels(2)
    frame = PixelsDisplay.from_explanation(exp, row=1).frame()
    assert len(frame) == 48
    for k, name in enumerate(exp.output_names):
        own = frame[frame["output"] == name]
        for pixel in own.itertuples():
            assert pixel.value == exp.values[1, pixel.row, pixel.column, k]
            assert pixel.std_error == exp.std_errors[1, pixel.row, pixel.column, k]
    assert PixelsDisplay.from_explanation(one()).frame()["std_error"].isna().all()


def test_pixels_colors_by_value() -> None:
    shown = painted(PixelsDisplay.from_explanation(one()).plot())
    for place, color in {(0, 0): ACCENT, (1, 2): CONTRAST, (2, 2): PAPER}.items():
        np.testing.assert_allclose(shown[place], to_rgb(color), atol=0.01)


def test_pixels_outputs_share_scale_around_0() -> None:
    exp = one(np.concatenate([VALUES, 3 * VALUES + 1], axis=3))
    display = PixelsDisplay.from_explanation(exp).plot(factor=100, suffix=" %")
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (-700, 700)
    assert len(display.axes_) == 2
    np.testing.assert_allclose(painted(display)[2, 2], to_rgb(PAPER), atol=0.01)


def test_pixels_image_shows_through() -> None:
    data = np.zeros((1, 4, 6), dtype=np.uint8)
    data[0, :, 3:] = 255
    shown = painted(PixelsDisplay.from_explanation(one(np.zeros((1, 4, 6, 1)), data=data)).plot())
    assert (shown[:, :3] < shown[:, 3:]).all()


def test_pixels_masks_keep_colors_and_label_scores() -> None:
    rng = np.random.default_rng(0)
    data, mask = rng.random((1, 4, 6, 3)), rng.random((1, 4, 6, 1))
    extras = {"shown": np.array([[0.75]]), "hidden": np.array([[0.123456]])}
    display = PixelsDisplay.from_explanation(one(mask, data=data, quantity="mask", extras=extras)).plot()
    gray = data[0] @ [0.299, 0.587, 0.114]
    expected = mask[0] * data[0] + (1 - mask[0]) * (0.72 + 0.28 * gray)[..., None]
    np.testing.assert_allclose(painted(display), expected, atol=1e-12)
    assert display.ax_.get_xlabel() == "shown alone: 0.75\nhidden: 0.123"
    assert display.colorbar_ is None


def test_pixels_masks_are_outlined() -> None:
    mask = np.zeros((1, 4, 6, 1))
    mask[0, 1:3, 2:5] = 1.0
    mask[0, 0, 0] = 0.4
    extras = {"shown": np.array([[0.75]]), "hidden": np.array([[0.1]])}
    display = PixelsDisplay.from_explanation(one(mask, quantity="mask", extras=extras)).plot()
    lines = {tuple(map(tuple, line)) for line in display.ax_.collections[0].get_segments()}
    assert lines == {
        ((1.5, 0.5), (1.5, 2.5)),
        ((4.5, 0.5), (4.5, 2.5)),
        ((1.5, 0.5), (4.5, 0.5)),
        ((1.5, 2.5), (4.5, 2.5)),
    }
    assert not PixelsDisplay.from_explanation(one()).plot().ax_.collections


def hatched(display: PixelsDisplay) -> set[tuple[int, int]]:
    """Pixels whose middle lies within the hatching."""
    paths = [path for drawn in display.ax_.collections for path in drawn.get_paths()]
    inside = [path.contains_point((j, i)) for path in paths for i in range(4) for j in range(6)]
    return {divmod(place % 24, 6) for place in np.flatnonzero(inside).tolist()}


@pytest.mark.parametrize(
    ("level", "expected"), [(0.95, {(1, 2), (2, 2)}), (0.99, {(0, 0), (1, 2), (2, 2)}), (0.5, {(2, 2)})]
)
def test_pixels_hatched_where_interval_contains_0(level: float, expected: set[tuple[int, int]]) -> None:
    errors = np.zeros(VALUES.shape)
    errors[0, 0, 0], errors[0, 1, 2], errors[0, 3, 5], errors[0, 2, 2] = 0.9, 1.9, 0.1, 0.1
    display = PixelsDisplay.from_explanation(one(std_errors=errors), confidence_level=level).plot()
    assert hatched(display) == expected
    assert display.ax_.get_xlabel() == "hatched: the interval contains 0"


def test_pixels_exact_values_are_not_hatched() -> None:
    for errors in (None, np.zeros(VALUES.shape)):
        display = PixelsDisplay.from_explanation(one(std_errors=errors)).plot()
        assert not hatched(display)
        assert display.ax_.get_xlabel() == ""
    with refuses(ValueError, "confidence_level", "between 0 and 1", "got 95"):
        PixelsDisplay.from_explanation(pixels(), confidence_level=95)


def test_pixels_predicted_output_has_name_of_class() -> None:
    exp = pixels(output_names=("predicted",), extras={"predicted": np.array(["cat", "dog"])})
    display = PixelsDisplay.from_explanation(exp, row=1)
    assert (display.output_names, display.quantity_label) == (("dog",), "effect on dog")
    assert set(display.frame()["output"]) == {"dog"}


@pytest.mark.parametrize("data", [None, np.zeros((1, 4, 6, 2)), np.zeros((1, 4, 6, 4)), np.zeros((1, 4, 6))])
@pytest.mark.parametrize("quantity", ["effect", "mask"])
def test_pixels_images_of_any_channels(data: Any, quantity: str) -> None:
    is_mask = quantity == "mask"
    values = np.abs(VALUES) / 2 if is_mask else VALUES
    display = PixelsDisplay.from_explanation(one(values, data=data, quantity=quantity)).plot()
    display.figure_.draw_without_rendering()
    white, pale = (1.0, 1.0) if data is None else (0.0, 0.72)
    whole, nothing = (white, pale) if is_mask else (np.multiply(to_rgb(c), pale) for c in (ACCENT, PAPER))
    assert painted(display).shape == (4, 6, 3)
    np.testing.assert_allclose(painted(display)[0, 0], whole, atol=0.01)
    np.testing.assert_allclose(painted(display)[2, 2], nothing, atol=0.01)


def test_pixels_outputs_are_selected() -> None:
    exp = pixels(3)
    display = PixelsDisplay.from_explanation(exp, outputs=[2, 0]).plot()
    assert list(display.output_names) == [exp.output_names[2], exp.output_names[0]]
    with refuses(ValueError, "ax", "3 axes", "each output", "got 2"):
        PixelsDisplay.from_explanation(exp).plot(plt.subplots(ncols=2)[1])


def test_pixels_from_explainer_explains_one_image() -> None:
    calls = []

    class Explainer:
        def explain(self, X: Any, outputs: Any = None, **more: Any) -> Any:
            calls.append((np.shape(X), outputs, more))
            return one()

    PixelsDisplay.from_explainer(Explainer(), np.zeros((5, 4, 6)), row=2, outputs="a", batch=3)
    assert calls == [((1, 4, 6), "a", {"batch": 3})]


@pytest.mark.parametrize(
    ("exp", "others"),
    [
        (make([[0.1, 0.2]]), ["BarDisplay", "WaterfallDisplay"]),
        (picture(), ["SegmentsDisplay", "WaterfallDisplay"]),
    ],
    ids=["table", "segments"],
)
def test_pixels_refuse_other_dims(exp: Any, others: list[str]) -> None:
    facts = ["PixelsDisplay", "('row', 'y', 'x', 'output')", "('row', 'feature', 'output')", *others]
    with refuses(ValueError, *facts) as caught:
        PixelsDisplay.from_explanation(exp)
    assert "TextDisplay" not in str(caught.value)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_pixels_titles_and_labels_within_figure(n: int) -> None:
    extras = {"shown": np.ones((1, n)), "hidden": np.ones((1, n))}
    masks, data = np.ones((1, 64, 64, n)), np.ones((1, 64, 64))
    figure = (
        PixelsDisplay.from_explanation(one(masks, data=data, quantity="mask", extras=extras)).plot().figure_
    )
    figure.canvas.draw()
    for panel in figure.axes:
        box = panel.get_tightbbox()
        assert (box.y0 >= 0) & (box.y1 <= figure.bbox.y1)


def test_pixels_of_a_layer_are_stretched_over_the_image() -> None:
    values = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    image = np.linspace(0, 1, 5 * 7).reshape(1, 5, 7)
    exp = one(values, data=image, extras={"layer": "conv: (8, 2, 3)"})
    display = PixelsDisplay.from_explanation(exp).plot()
    assert len(display.frame()) == 6  # the layer's own values
    rows, columns = np.arange(5) * 2 // 5, np.arange(7) * 3 // 7
    stretched = one(values[:, rows][:, :, columns], data=image)
    wide = PixelsDisplay.from_explanation(stretched).plot()
    np.testing.assert_allclose(painted(display), painted(wide))
    assert painted(display).shape[:2] == (5, 7)
    assert "layer conv" in display.quantity_label
    assert "layer" not in wide.quantity_label
    # A map that is larger than the image, which is stretched; and rows that are no images.
    large = PixelsDisplay.from_explanation(one(np.ones((1, 4, 6, 1)), data=np.ones((1, 2, 3)))).plot()
    assert painted(large).shape[:2] == (4, 6)
    table = PixelsDisplay.from_explanation(one(VALUES, data=np.ones((1, 9)))).plot()
    assert painted(table).shape[:2] == (4, 6)
