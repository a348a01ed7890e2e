import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.occlusion.rise import SoftMaskSampler
from tests.reference.pictures import soft_mask

RNG = np.random.default_rng(0)


def masks_of(sampler, part):
    """Masks of shape (n, height, width), each by loops."""
    grids, offsets = sampler.sample(part)
    pairs = zip(grids, offsets, strict=True)
    return np.array([soft_mask(grid, offset, *sampler.image_shape) for grid, offset in pairs])


@st.composite
def samplers(draw):
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    return SoftMaskSampler.from_seed(
        shape, draw(st.integers(2, 4)), draw(st.sampled_from([0.2, 0.5])), 32, draw(st.integers(0, 99))
    )


@given(samplers())
def test_soft_masks_are_enlarged_and_shifted_grids(sampler):
    part = slice(1, 9)
    np.testing.assert_allclose(sampler.batch(part).to_array(), masks_of(sampler, part), atol=1e-12)
    composed = sampler.batch(part).compose(np.ones(sampler.image_shape), np.zeros((1, 1)))
    np.testing.assert_allclose(composed, masks_of(sampler, part), atol=1e-12)


@given(samplers(), st.integers(0, 99))
def test_weighted_sum_matches_sum_over_masks(sampler, seed):
    part = slice(2, 12)
    scores = np.random.default_rng(seed).normal(size=(10, 3))
    expected = np.einsum("nyx,nc->yxc", masks_of(sampler, part), scores)
    np.testing.assert_allclose(sampler.weighted_sum(scores, part), expected, atol=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_soft_masks_keep_every_pixel_with_probability_p(share):
    sampler = SoftMaskSampler.from_seed((6, 9), 3, share, 4096, 0)
    n = sampler.points.n_points
    mean = sampler.weighted_sum(np.ones((n, 1)), slice(0, n)) / n
    np.testing.assert_allclose(mean, share, atol=0.01)


def test_soft_masks_shifts_cover_cell():
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 1024, 0)
    _, shifts = sampler.sample(slice(0, 1024))
    assert set(map(tuple, shifts.tolist())) == {(i, j) for i in range(2) for j in range(3)}


def test_soft_mask_sampler_of_slice():
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 256, 7)
    whole, part = sampler.sample(slice(0, 256)), sampler.sample(slice(13, 99))
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
def test_compose_keeps_image_dtype(picture, fill):
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 32, 0)
    built = sampler.batch(slice(0, 8)).compose(picture, fill)
    masks = masks_of(sampler, slice(0, 8)).reshape(8, 6, 9, *[1] * (picture.ndim - 2))
    expected = masks * picture.astype(float) + (1 - masks) * fill
    assert (built.shape, built.dtype) == ((8, *picture.shape), picture.dtype)
    np.testing.assert_allclose(built, expected, atol=0.5 + 1e-9 if picture.dtype == np.uint8 else 1e-6)
