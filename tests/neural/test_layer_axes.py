"""Which axes of a layer's output are places or channels, by shapes alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.exceptions import DataError
from agnostix.neural.layer_axes import read_layer_axes
from tests.messages import refuses

TABLE, IMAGES, GRAY = (1, 5), (1, 8, 6, 3), (1, 8, 6)


@pytest.mark.parametrize(
    ("shape", "rows", "has_channels_last", "summed", "dims", "is_of_input"),
    [
        ((7,), TABLE, False, (), ("feature",), False),
        ((5,), TABLE, True, (), ("feature",), False),  # as many units as columns, and none is a column
        ((5, 4), TABLE, True, (2,), ("feature",), True),  # tokens
        ((5, 4), TABLE, False, (2,), ("feature",), True),
        ((5, 5), TABLE, False, (2,), ("feature",), True),
        ((4, 5), TABLE, False, (1,), ("feature",), True),  # a series
        ((4, 5), TABLE, True, (1,), ("feature",), True),
        ((4, 3), TABLE, False, (1,), ("feature",), False),
        ((6, 4), TABLE, True, (2,), ("feature",), False),  # a class token more
        ((4, 3, 3), TABLE, False, (1,), ("y", "x"), False),  # of a spectrogram
        ((9,), IMAGES, False, (), ("feature",), False),
        ((4, 8, 6), IMAGES, False, (1,), ("y", "x"), True),
        ((4, 4, 3), IMAGES, False, (1,), ("y", "x"), False),
        ((4, 3, 4), IMAGES, True, (3,), ("y", "x"), False),
        ((8, 6), GRAY, False, (), ("y", "x"), True),
        ((49, 16), IMAGES, True, (2,), ("feature",), False),  # tokens of patches
        ((4, 2, 3, 3), IMAGES, False, (1,), ("z", "y", "x"), False),
    ],
)
def test_places_of_a_layer(shape, rows, has_channels_last, summed, dims, is_of_input):
    axes = read_layer_axes("layer", shape, rows, has_channels_last, "places")
    assert (axes.summed, axes.dims, axes.is_of_input) == (summed, dims, is_of_input)


@pytest.mark.parametrize(
    ("shape", "rows", "has_channels_last", "n"),
    [
        ((7,), TABLE, False, 7),
        ((5, 4), TABLE, True, 4),
        ((4, 5), TABLE, False, 4),
        ((4, 8, 6), IMAGES, False, 4),
        ((4, 3, 9), IMAGES, True, 9),
        ((4, 2, 2, 2, 2), IMAGES, False, 4),
    ],
)
def test_channels_of_a_layer(shape, rows, has_channels_last, n):
    axes = read_layer_axes("layer", shape, rows, has_channels_last, "channels")
    assert (axes.dims, axes.is_of_input) == (("feature",), False)
    assert axes.feature_names == tuple(f"layer[{i}]" for i in range(n))
    assert str(axes) == f"layer: {shape}"


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from([TABLE, IMAGES, GRAY]),
    st.booleans(),
    st.sampled_from(["places", "channels"]),
)
def test_each_axis_is_summed_or_named(shape, rows, has_channels_last, kept):
    try:
        axes = read_layer_axes("layer", tuple(shape), rows, has_channels_last, kept)
    except DataError:
        assert kept == "channels"
        assert tuple(shape) == rows[1:3]
        return
    left = np.zeros((2, *shape)).sum(axis=axes.summed or ()).shape[1:]
    assert len(left) == len(axes.dims)
    if axes.dims == ("feature",):
        assert len(axes.feature_names) == left[0]
    if axes.is_of_input:
        assert left == (rows[1:2] if len(rows) == 2 else rows[1:3])


def test_what_cannot_be_put_on_axes_is_refused():
    with refuses(
        DataError, "'conv'", "(n_rows, 4, 2, 2, 2, 2)", "4 axes", "up to 3", "layer_values='channels'"
    ):
        read_layer_axes("conv", (4, 2, 2, 2, 2), IMAGES, False, "places")
    with refuses(DataError, "'squeeze'", "(n_rows, 8, 6)", "no channels", "layer_values='places'"):
        read_layer_axes("squeeze", (8, 6), GRAY, False, "channels")
