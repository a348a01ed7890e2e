import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix.perturb import Fades
from tests.reference.pictures import soft_mask

RNG = np.random.default_rng(0)


def masks_of(fades, part):
    """Masks of shape (n, height, width), each by loops."""
    grids, shifts = fades.drawn(part)
    return np.array([soft_mask(grid, shift, *fades.shape) for grid, shift in zip(grids, shifts, strict=True)])


@st.composite
def fades(draw):
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    return Fades.of(
        shape, draw(st.integers(2, 4)), draw(st.sampled_from([0.2, 0.5])), 32, draw(st.integers(0, 99))
    )


@settings(max_examples=25, deadline=None)
@given(fades())
def test_a_mask_is_the_grid_enlarged_and_shifted(of):
    part = slice(1, 9)
    rows = of.rows(np.ones(of.shape), np.zeros((1, 1)), part)
    np.testing.assert_allclose(rows.built(), masks_of(of, part), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(fades(), st.integers(0, 99))
def test_the_weighted_sum_is_that_of_the_masks(of, seed):
    part = slice(2, 12)
    scores = np.random.default_rng(seed).normal(size=(10, 3))
    expected = np.einsum("nyx,nc->yxc", masks_of(of, part), scores)
    np.testing.assert_allclose(of.weighted(scores, part), expected, atol=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_every_pixel_shows_with_the_same_chance(share):
    of = Fades.of((6, 9), 3, share, 4096, 0)
    mean = of.weighted(np.ones((of.points.n_points, 1)), slice(0, of.points.n_points)) / of.points.n_points
    np.testing.assert_allclose(mean, share, atol=0.01)


def test_shifts_reach_a_whole_cell_less_one_pixel():
    of = Fades.of((6, 9), 3, 0.5, 1024, 0)
    _, shifts = of.drawn(slice(0, 1024))
    assert set(map(tuple, shifts.tolist())) == {(i, j) for i in range(2) for j in range(3)}


def test_parts_are_those_of_the_whole():
    of = Fades.of((6, 9), 3, 0.5, 256, 7)
    whole, part = of.drawn(slice(0, 256)), of.drawn(slice(13, 99))
    for every, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(every[13:99], some)


@pytest.mark.parametrize(
    ("picture", "fill"),
    [
        (RNG.random((6, 9)), np.full((1, 1), 0.3)),
        (RNG.random((6, 9, 3)).astype(np.float32), RNG.random((1, 1, 3)).astype(np.float32)),
        (RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8), np.full((1, 1, 3), 9, dtype=np.uint8)),
    ],
    ids=["grey", "single", "bytes"],
)
def test_pictures_are_mixed_in_their_own_type(picture, fill):
    of = Fades.of((6, 9), 3, 0.5, 32, 0)
    built = of.rows(picture, fill, slice(0, 8)).built()
    masks = masks_of(of, slice(0, 8)).reshape(8, 6, 9, *[1] * (picture.ndim - 2))
    expected = masks * picture.astype(float) + (1 - masks) * fill
    assert (built.shape, built.dtype) == ((8, *picture.shape), picture.dtype)
    np.testing.assert_allclose(built, expected, atol=0.5 + 1e-9 if picture.dtype == np.uint8 else 1e-6)
