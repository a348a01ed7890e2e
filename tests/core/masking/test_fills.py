"""Inpainting and noise fills."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from agnostix.core.masking import Inpainter, SegmentMasker
from agnostix.core.masking.fills import NOISE, inpaint_fill, noise_fills
from tests.reference.pictures import inpainted

RNG = np.random.default_rng(8)


def without_noise(picture, hidden):
    """The smooth part of the inpainting, without noise."""
    inpainter = Inpainter(picture, 3)
    noise = inpainter._noise.copy()
    inpainter._noise = 0.0 * noise
    return inpainter.filled(hidden)


@given(seed=st.integers(0, 10**6), height=st.integers(1, 7), width=st.integers(2, 7), colors=st.booleans())
def test_inpainter_matches_dense_system(seed, height, width, colors):
    rng = np.random.default_rng(seed)
    picture = rng.random((height, width, 3) if colors else (height, width))
    hidden = rng.random((height, width)) < 0.6
    hidden[0, 0] = False
    np.testing.assert_allclose(without_noise(picture, hidden), inpainted(picture, hidden), atol=1e-10)


def test_inpainter_continues_ramp():
    ramp = np.add.outer(2.0 * np.arange(9), 3.0 * np.arange(11))
    hidden = np.zeros((9, 11), dtype=bool)
    hidden[2:6, 3:9] = True
    np.testing.assert_allclose(without_noise(ramp, hidden), ramp, atol=1e-10)


def test_inpainter_noise_scale_ignores_mask():
    picture = np.full((60, 60), 5.0)
    picture[0, :2] = 0.0, 10.0
    hidden = np.zeros((60, 60), dtype=bool)
    hidden[20:, 5:] = True
    added = Inpainter(picture, 1).filled(hidden)[hidden] - without_noise(picture, hidden)[hidden]
    assert kstest(added / (10.0 * NOISE), "norm").pvalue > 0.01
    smaller = hidden.copy()
    smaller[:30] = False
    other = Inpainter(picture, 1).filled(smaller)[smaller] - without_noise(picture, smaller)[smaller]
    np.testing.assert_allclose(other, added.reshape(40, 55)[10:].ravel(), atol=1e-9)
    assert not np.allclose(Inpainter(picture, 2).filled(hidden), Inpainter(picture, 1).filled(hidden))


def test_inpainter_keeps_known_pixels_and_dtype():
    picture = RNG.integers(0, 256, (8, 9, 3)).astype(np.uint8)
    hidden = RNG.random((8, 9)) < 0.5
    found = Inpainter(picture, 0).filled(hidden)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[~hidden], picture[~hidden])
    assert np.abs(found[hidden] - inpainted(picture, hidden)[hidden]).max() < 5 * NOISE * 255 + 1


def test_inpainter_all_hidden_is_mean_color():
    picture = RNG.random((40, 50, 3))
    found = Inpainter(picture, 0).filled(np.ones((40, 50), dtype=bool))
    np.testing.assert_allclose(found.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.002)
    assert found.std() < 0.05


def test_inpaint_fill_segments_are_independent():
    picture, labels = RNG.random((6, 8, 3)), np.add.outer(np.arange(6) // 3 * 2, np.arange(8) // 4)
    found = inpaint_fill(picture, labels, 4)
    for label in range(4):
        alone = Inpainter(picture, 4).filled(labels == label)
        np.testing.assert_array_equal(found[labels == label], alone[labels == label])
    read = SegmentMasker(labels, "inpaint", random_state=4).read(picture[None])
    np.testing.assert_array_equal(read.fill[0, 0], found)


def test_noise_fills_match_channel_mean_and_spread():
    picture = np.stack([RNG.normal(100, 10, (80, 90)), RNG.normal(50, 3, (80, 90))], axis=-1)
    found = noise_fills(picture[None], 4, 0)[0]
    assert found.shape == (4, 80, 90, 2)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), np.tile([100, 50], (4, 1)), atol=0.5)
    np.testing.assert_allclose(found.std(axis=(1, 2)), np.tile([10, 3], (4, 1)), rtol=0.03)
    assert found.min() >= picture.min()
    assert found[..., 0].max() <= picture[..., 0].max()
    np.testing.assert_array_equal(noise_fills(picture[None], 2, 0)[0], found[:2])
    assert not np.allclose(noise_fills(picture[None], 1, 1)[0], found[:1])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_noise_fills_of_constant_image(dtype):
    picture = np.full((3, 4, 3), 7, dtype=dtype)
    np.testing.assert_array_equal(noise_fills(picture[None], 3, 0), np.full((1, 3, 3, 4, 3), 7, dtype=dtype))
