"""Maps of sets of pictures: colors, arrangement of outputs, groups and channels, marks and notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from agnostix import PixelEffects, PixelProjection
from agnostix.plotting import PixelEffectDisplay
from agnostix.plotting.style import ACCENT, CONTRAST, PAPER
from tests.messages import refuses

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 9, (80, 4, 5), dtype=np.uint8)
COLOR = RNG.integers(0, 9, (80, 4, 5, 3), dtype=np.uint8)
SCORES = np.c_[GRAY[:, 1, 1], COLOR[:, 2, 2, 0]] / 9.0
SEX = np.where(np.arange(80) % 2 == 0, "man", "woman")


def effects(pictures: Any = GRAY, **params: Any) -> PixelEffects:
    return PixelProjection().fit(pictures, predictions=SCORES).explain(**params)


def stated(values: Any, error: float = 0.0, status: Any = "ok") -> PixelEffects:
    """Effects on one output with these values (height, width), on a white picture."""
    values = np.asarray(values, dtype=float)[None]
    one = effects(np.resize(GRAY, (80, *values.shape[1:])), outputs=[0])
    ends = {"std_errors": np.full(values.shape, error), "low": values - error, "high": values + error}
    status = np.broadcast_to(np.asarray(status, dtype=object), values.shape[1:])
    return replace(one, values=values, averages=np.ones(values.shape[1:]), status=status, **ends)


def painted(display: PixelEffectDisplay, k: int = 0) -> Any:
    return np.asarray(display.axes_[k].images[0].get_array())


def test_frame_has_every_pixel_of_every_map() -> None:
    result = effects(COLOR, by=SEX)
    frame = PixelEffectDisplay.from_explanation(result).frame()
    assert len(frame) == result.values.size
    row = frame[(frame["output"] == "output_1") & (frame["row"] == "woman, green")]
    row = row[(row["y"] == 3) & (row["x"] == 4)]
    assert row["value"].item() == result.values[1, 1, 3, 4, 1]


def test_colors_by_value_on_a_white_picture() -> None:
    shown = painted(PixelEffectDisplay.from_explanation(stated([[2.0, -2.0, 0.0]])).plot())
    for x, color in enumerate((ACCENT, CONTRAST, PAPER)):
        np.testing.assert_allclose(shown[0, x], to_rgb(color), atol=0.01)


def test_constant_pixels_are_gray_and_leave_the_scale_alone() -> None:
    display = PixelEffectDisplay.from_explanation(stated([[np.nan, 0.5, -0.25]])).plot()
    np.testing.assert_allclose(painted(display)[0, 0], 0.93)
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (-0.5, 0.5)


def test_average_picture_shows_through() -> None:
    result = stated(np.zeros((1, 2)))
    shown = painted(
        PixelEffectDisplay.from_explanation(replace(result, averages=np.array([[0.0, 9.0]]))).plot()
    )
    assert shown[0, 0].max() < 0.8
    assert shown[0, 1].min() > 0.99


def test_all_maps_share_one_scale() -> None:
    result = effects()
    display = PixelEffectDisplay.from_explanation(result).plot(factor=100, suffix=" %")
    most = 100 * np.abs(result.values).max()
    np.testing.assert_allclose([display.colorbar_.vmin, display.colorbar_.vmax], [-most, most])


@pytest.mark.parametrize(
    ("pictures", "params", "shape", "titles", "rows"),
    [
        (GRAY, {}, (1, 2), ["output_0", "output_1"], [""]),
        (GRAY, {"by": SEX}, (2, 2), ["output_0", "output_1"], ["man", "woman"]),
        (COLOR, {}, (3, 2), ["output_0", "output_1"], ["red", "green", "blue"]),
        (COLOR, {"outputs": [1], "by": SEX}, (2, 3), [f"output_1, {c}" for c in ("red", "green", "blue")],
         ["man", "woman"]),
        (COLOR[..., :2], {"outputs": [0]}, (1, 2), ["output_0, channel 0", "output_0, channel 1"], [""]),
    ],
    ids=["gray", "groups", "color", "color of one output", "two channels"],
)  # fmt: skip
def test_arrangement(pictures: Any, params: Any, shape: Any, titles: list[str], rows: list[str]) -> None:
    result = effects(pictures, **params)
    display = PixelEffectDisplay.from_explanation(result).plot()
    assert display.values.shape == (*shape, 4, 5)
    assert len(display.axes_) == shape[0] * shape[1]
    found = [" ".join(ax.get_title(loc="left").split()) for ax in display.axes_[: shape[1]]]
    assert found == titles
    assert [display.axes_[i * shape[1]].get_ylabel() for i in range(shape[0])] == rows
    assert np.nanmax(np.abs(display.values)) == np.nanmax(np.abs(result.values))


def test_channels_of_one_output_are_in_order() -> None:
    result = effects(COLOR, outputs=[1], by=SEX)
    display = PixelEffectDisplay.from_explanation(result)
    for g in range(2):
        for c in range(3):
            np.testing.assert_array_equal(display.values[g, c], result.values[g, 0, :, :, c])


def test_many_outputs_are_wrapped() -> None:
    scores = np.c_[tuple(GRAY[:, i, j] for i in range(3) for j in range(4))]
    result = PixelProjection().fit(GRAY, predictions=scores).explain()
    display = PixelEffectDisplay.from_explanation(result).plot()
    assert len(display.axes_) == 12
    tops = {round(ax.get_subplotspec().rowspan.start) for ax in display.axes_}
    assert tops == {0, 1, 2}


def test_marks_and_notes() -> None:
    sure = PixelEffectDisplay.from_explanation(stated([[1.0, -1.0]], error=0.5)).plot()
    assert sure.axes_[0].get_xlabel() == ""
    unsure = PixelEffectDisplay.from_explanation(stated([[1.0, -1.0]], error=2.0)).plot()
    assert "interval contains 0" in unsure.axes_[0].get_xlabel()
    assert unsure.unsure.all()
    thin = PixelEffectDisplay.from_explanation(stated([[1.0, -1.0]], 0.1, [["ok", "thin"]])).plot()
    assert "few pictures" in thin.axes_[0].get_xlabel()
    assert thin.thin.ravel().tolist() == [False, True]


def test_shifts_are_drawn_too() -> None:
    projection = PixelProjection().fit(COLOR, predictions=SCORES)
    reverse = PixelEffectDisplay.from_explanation(projection.reverse(by=SEX), outputs="output_1").plot()
    assert reverse.values.shape == (2, 3, 4, 5)
    assert "average picture" in reverse.colorbar_.ax.get_ylabel()
    scenario = projection.what_if(prediction={"output_0": 0.5})
    display = PixelEffectDisplay.from_explanation(scenario).plot()
    np.testing.assert_array_equal(display.values[0, 2], scenario.values[0, :, :, 2])


def test_selection_and_axes() -> None:
    result = effects(by=SEX)
    display = PixelEffectDisplay.from_explanation(result, outputs=1, groups="woman")
    np.testing.assert_array_equal(display.values[0, 0], result.values[1, 1])
    axes = Figure().subplots(2, 2)
    assert PixelEffectDisplay.from_explanation(result).plot(ax=axes).axes_ == list(axes.flat)
    with refuses(ValueError, "4 axes", "got 1"):
        PixelEffectDisplay.from_explanation(result).plot(ax=Figure().add_subplot())
    assert plt.get_fignums() == []
