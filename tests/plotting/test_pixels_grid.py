"""Maps of several methods or layers side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from agnostix.core.explanation import Detail
from agnostix.plotting import PixelsGridDisplay
from agnostix.plotting.style import ACCENT, CONTRAST
from tests.messages import refuses
from tests.plotting.explanations import layered, pixels


def methods(n_outputs: int = 2) -> dict[str, Any]:
    one = pixels(n_outputs, std_errors=None)
    return {"first": one, "second": replace(one, values=-10.0 * one.values, quantity="contribution")}


def test_grid_frame_has_every_map() -> None:
    explanations = methods()
    frame = PixelsGridDisplay.from_explanations(explanations, rows=[1, 0]).frame()
    assert len(frame) == 2 * 2 * 2 * 24
    assert frame["row"].tolist() == [1] * 96 + [0] * 96
    names = explanations["first"].output_names
    for pixel in frame.iloc[::7].itertuples():
        exp = explanations[pixel.method]
        assert pixel.value == exp.values[pixel.row, pixel.y, pixel.x, names.index(pixel.output)]


def test_grid_has_rows_of_outputs_or_images_and_columns_of_methods() -> None:
    names = methods()["first"].output_names
    display = PixelsGridDisplay.from_explanations(methods()).plot()
    assert display.axes_.shape == (2, 3)
    assert tuple(display.names) == names
    assert [panel.get_title("left") or panel.get_title() for panel in display.axes_[0, 1:]] == [
        "first",
        "second",
    ]
    display = PixelsGridDisplay.from_explanations(methods(), rows=[0, 1], outputs=1)
    assert display.names == [f"0: {names[1]}", f"1: {names[1]}"]


def test_grid_shares_scale_within_method_alone() -> None:
    explanations = methods()
    display = PixelsGridDisplay.from_explanations(explanations, rows=[0, 1]).plot(factor=2.0)
    for bar, exp in zip(display.colorbars_, explanations.values(), strict=True):
        largest = 2.0 * np.abs(exp.values).max()
        assert (bar.vmin, bar.vmax) == (-largest, largest)


def test_grid_colors_by_value_and_shows_image() -> None:
    values = np.zeros((2, 4, 6, 1))
    values[0, 0, 0], values[0, 1, 2] = 2.0, -2.0
    white = pixels(values=values, std_errors=None, data=np.full((2, 4, 6, 3), 255, dtype=np.uint8))
    display = PixelsGridDisplay.from_explanations({"one": white}).plot()
    shown = np.asarray(display.axes_[0, 1].images[0].get_array())
    np.testing.assert_allclose(shown[0, 0], to_rgb(ACCENT), atol=0.01)
    np.testing.assert_allclose(shown[1, 2], to_rgb(CONTRAST), atol=0.01)
    np.testing.assert_array_equal(display.axes_[0, 0].images[0].get_array(), np.ones((4, 6, 3)))


def test_grid_unsigned_maps_start_at_0() -> None:
    one = pixels(1, std_errors=None, quantity="sensitivity")
    unsigned = replace(one, values=np.abs(one.values))
    display = PixelsGridDisplay.from_explanations({"signed": one, "unsigned": unsigned}).plot()
    assert [bar.vmin < 0 for bar in display.colorbars_] == [True, False]


def test_grid_of_layers_splits_explanation() -> None:
    exp = layered()
    display = PixelsGridDisplay.from_explanation(exp, rows=1)
    assert [column.name for column in display.columns] == ["conv1", "conv2", "conv3"]
    for k, column in enumerate(display.columns):
        np.testing.assert_array_equal(column.maps, exp.values[1, k].transpose(2, 0, 1))


def test_grid_names_predicted_output_of_each_image() -> None:
    one = pixels(
        1, std_errors=None, output_names=("predicted",), extras={"predicted": np.array(["cat", "dog"])}
    )
    display = PixelsGridDisplay.from_explanations({"one": one}, rows=[0, 1])
    assert display.names == ["0: cat", "1: dog"]
    assert display.frame()["output"].unique().tolist() == ["cat", "dog"]


def test_grid_draws_into_given_axes() -> None:
    _, axes = plt.subplots(2, 3)
    display = PixelsGridDisplay.from_explanations(methods()).plot(ax=axes)
    assert (display.axes_ == axes).all()
    with refuses(ValueError, "2 x 3 axes", "got 2"):
        PixelsGridDisplay.from_explanations(methods()).plot(ax=axes[:, 0])


def test_grid_refuses_what_is_not_alike() -> None:
    one = pixels(2, std_errors=None)
    with refuses(ValueError, "at least one Explanation"):
        PixelsGridDisplay.from_explanations({})
    with refuses(ValueError, "'b'", str(one.sel(outputs=[0]).values.shape), "outputs with both"):
        PixelsGridDisplay.from_explanations({"a": one, "b": one.sel(outputs=[0])})
    with refuses(ValueError, "'a' and 'b'", "different data"):
        PixelsGridDisplay.from_explanations({"a": one, "b": replace(one, data=1.0 - one.data)})
    with refuses(ValueError, "'a'", "('y', 'x', 'output')", "'row'"):
        PixelsGridDisplay.from_explanations({"a": one.aggregate()})
    with refuses(ValueError, "'a'", "nothing to draw"):
        PixelsGridDisplay.from_explanations({"a": one[:0]})
    with pytest.raises(ValueError, match="no row 5"):
        PixelsGridDisplay.from_explanations({"a": one}, rows=5)


def masked(succeeded: Any = ((True, False), (True, True)), **given: Any) -> Any:
    values = np.zeros((2, 4, 6, 2))
    values[:, 1:3, 2:5] = 1.0
    known = {"values": values, "std_errors": None, "quantity": "mask", "units": "visibility"}
    extras = {"succeeded": Detail(np.array(succeeded), ("row", "output"))}
    return pixels(2, **(known | {"extras": extras} | given))


def test_grid_masks_keep_image_and_outline_it() -> None:
    exp = masked()
    display = PixelsGridDisplay.from_explanations({"mask": exp, "effect": methods()["first"]}).plot()
    assert display.colorbars_[0] is None
    shown = np.asarray(display.axes_[0, 1].images[0].get_array())
    np.testing.assert_allclose(shown[1:3, 2:5], exp.data[0, 1:3, 2:5])
    assert np.ptp(shown[0], axis=-1).max() == 0.0  # gray
    (lines,) = display.axes_[0, 1].collections
    assert {tuple(point) for line in lines.get_segments() for point in line} == {
        (1.5, 0.5), (4.5, 0.5), (1.5, 2.5), (4.5, 2.5)
    }  # fmt: skip
    assert any("outlined" in text.get_text() for ax in display.figure_.axes for text in ax.texts)


def test_grid_failed_masks_are_not_drawn() -> None:
    display = PixelsGridDisplay.from_explanations({"mask": masked()}).plot()
    found, failed = display.axes_[:, 1]
    assert len(found.collections) == 1
    assert found.get_xlabel() == ""
    assert len(failed.collections) == 0
    assert failed.get_xlabel() == "no mask found"
    assert np.ptp(np.asarray(failed.images[0].get_array()), axis=-1).max() == 0.0
    other = PixelsGridDisplay.from_explanations({"mask": masked()}, rows=1, outputs=1).plot()
    assert other.axes_[0, 1].get_xlabel() == ""
    unknown = PixelsGridDisplay.from_explanations({"mask": masked(extras={})}, rows=[0, 1]).plot(
        ax=Figure().subplots(4, 2)
    )
    assert [len(panel.collections) for panel in unknown.axes_[:, 1]] == [1] * 4


def test_grid_draws_on_empty_figure() -> None:
    figure = Figure(layout="constrained")
    display = PixelsGridDisplay.from_explanations(methods()).plot(ax=figure)
    assert display.figure_ is figure
    assert plt.get_fignums() == []
    figure.draw_without_rendering()
    own = PixelsGridDisplay.from_explanations(methods()).plot()
    assert len(own.figure_.axes) == len(figure.axes) == 9


def test_grid_long_names_stay_beside_their_panels() -> None:
    long = {"the first of two methods " * 4: methods()["first"], "the second " * 8: methods()["second"]}
    display = PixelsGridDisplay.from_explanations(long).plot()
    display.figure_.draw_without_rendering()
    panels = display.axes_[0, 1:]
    boxes = [ax._left_title.get_window_extent() for ax in panels]
    assert boxes[0].x1 < boxes[1].x0
    assert all("first of" in ax.get_title("left") for ax in panels[:1])


def test_grid_takes_images_with_unknown_pixels_as_the_same() -> None:
    one = methods()["first"]
    data = np.array(one.data)
    data[0, 1, 2] = np.nan
    both = {"a": replace(one, data=data), "b": replace(one, data=data.copy())}
    assert len(PixelsGridDisplay.from_explanations(both).columns) == 2
    with refuses(ValueError, "'a'", "4 x 6", "(2, 2, 6, 3)"):
        PixelsGridDisplay.from_explanations({"a": replace(one, data=data[:, :2])})


def test_grid_of_layers_and_methods_has_a_column_for_each_pair() -> None:
    values = np.random.default_rng(1).normal(size=(2, 2, 3, 4, 6, 1))
    exp = pixels(
        values=values,
        dims=("row", "layer", "method", "y", "x", "output"),
        coords={"layer": np.array(["conv1", "conv2"]), "method": np.array(["a", "b", "c"])},
        std_errors=None,
    )
    display = PixelsGridDisplay.from_explanation(exp)
    assert [column.name for column in display.columns] == [f"conv{i}, {m}" for i in (1, 2) for m in "abc"]
    np.testing.assert_array_equal(display.columns[4].maps[0], values[0, 1, 1, ..., 0])


def test_grid_scale_leaves_out_few_values_and_says_so() -> None:
    values = np.full((1, 40, 40, 1), 0.5)
    values[0, 0, 0], values[0, 1, 1] = 100.0, -2.0
    exp = pixels(values=values, std_errors=None, data=np.ones((1, 40, 40)), base_values=None, outputs=None)
    bar = PixelsGridDisplay.from_explanations({"a": exp}).plot().colorbars_[0]
    assert (bar.vmin, bar.vmax, bar.extend) == (-0.5, 0.5, "both")
    bar = PixelsGridDisplay.from_explanations({"a": exp}, saturation=0).plot().colorbars_[0]
    assert (bar.vmax, bar.extend) == (100.0, "neither")
    sparse = replace(exp, values=np.where(values == 0.5, 0.0, values))
    assert PixelsGridDisplay.from_explanations({"a": sparse}).plot().colorbars_[0].vmax == 100.0
    with refuses(ValueError, "saturation", "less than 1", "got 1.0"):
        PixelsGridDisplay.from_explanations({"a": exp}, saturation=1.0)


def test_grid_takes_signs_of_each_method_from_the_explanation() -> None:
    exp = layered(1, quantity="relevance", extras={"is_signed": False})
    by_layer = replace(exp, extras={"is_signed": Detail(np.array([True, False, True]), ("layer",))})
    for one, signed in ((exp, [False] * 3), (by_layer, [True, False, True])):
        assert [column.is_signed for column in PixelsGridDisplay.from_explanation(one).columns] == signed


def test_grid_takes_maps_of_layers_of_any_size() -> None:
    whole = pixels(1, std_errors=None)
    coarse = replace(whole, values=whole.values[:, ::2, ::3], extras={"layer": "conv: (8, 2, 2)"})
    display = PixelsGridDisplay.from_explanations({"input": whole, "conv": coarse}, rows=0).plot()
    height, width = whole.values.shape[1:3]
    painted = np.asarray(display.axes_[0, 2].images[0].get_array())
    assert painted.shape[:2] == (height, width)
    frame = display.frame()
    for pixel in frame[frame["method"] == "conv"].itertuples():
        y, x = pixel.y * 2 // height, pixel.x * 2 // width
        assert pixel.value == coarse.values[0, y, x, 0]
    assert "layer conv" in display.columns[1].label
    with refuses(ValueError, "'conv'", "2 x 2 pixels", "height and width"):  # not known to be a layer's
        PixelsGridDisplay.from_explanations({"input": whole, "conv": replace(coarse, extras={})})
