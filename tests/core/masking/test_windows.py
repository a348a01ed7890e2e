import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking import Windows
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.reference.pictures import starts


@st.composite
def windows(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    size = tuple(draw(st.integers(1, length)) for length in shape)
    stride = tuple(draw(st.integers(1, length)) for length in size)
    return Windows(shape, size, stride)


def hidden_by_hand(of):
    """Pixels that each window hides, of shape (n_windows, height, width)."""
    found = []
    for top in starts(of.shape[0], of.size[0], of.stride[0]):
        for left in starts(of.shape[1], of.size[1], of.stride[1]):
            hidden = np.zeros(of.shape, dtype=bool)
            hidden[top : top + of.size[0], left : left + of.size[1]] = True
            found.append(hidden)
    return np.array(found)


@given(windows())
def test_windows_masks_match_slices(of):
    expected = hidden_by_hand(of)
    assert of.n_windows == len(expected)
    np.testing.assert_array_equal(~of.masks[:, of.cells], expected)


@given(windows())
def test_windows_cells_are_numbered_and_distinct(of):
    np.testing.assert_array_equal(np.unique(of.cells), np.arange(of.masks.shape[1]))
    assert len(np.unique(of.masks, axis=1).T) == of.masks.shape[1]


@given(windows(), st.integers(0, 99))
def test_windows_spread_averages_covering_windows(of, seed):
    effects = np.random.default_rng(seed).normal(size=(2, of.n_windows, 3))
    hidden = hidden_by_hand(of)
    assert hidden.any(axis=0).all()
    expected = np.empty((2, *of.shape, 3))
    for place in np.ndindex(of.shape):
        expected[(slice(None), *place)] = effects[:, hidden[(slice(None), *place)]].mean(axis=1)
    np.testing.assert_allclose(of.average(effects), expected, atol=1e-12)


def test_windows_are_cut_at_border():
    of = Windows((5, 4), (3, 2), (3, 2))
    np.testing.assert_array_equal(of.cells, [[0, 0, 1, 1]] * 3 + [[2, 2, 3, 3]] * 2)
    np.testing.assert_array_equal(of.masks, ~np.eye(4, dtype=bool))


@pytest.mark.parametrize(
    ("size", "stride", "facts"),
    [
        ((6, 2), (1, 1), ["'size'", "height of 6 pixels", "images have 5", "height of 5 or less"]),
        ((5, 7), (1, 1), ["'size'", "width of 7 pixels", "images have 6", "width of 6 or less"]),
        ((3, 2), (4, 2), ["'stride'", "4 pixels", "height 3", "stride of 3 or less"]),
        ((3, 2), (3, 3), ["'stride'", "3 pixels", "width 2", "stride of 2 or less"]),
    ],
)
def test_windows_refuse_size_and_stride_that_do_not_fit(size, stride, facts):
    with refuses(DataError, "SlidingWindow", *facts):
        Windows((5, 6), size, stride)
