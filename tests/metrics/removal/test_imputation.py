"""Linear imputation of many holes at once, against a dense system of each and the fill "inpaint"."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix.core.masking.fills import Inpainter
from agnostix.metrics.removal import imputation
from agnostix.metrics.removal.imputation import Imputer, solve_holes
from tests.reference import metrics as reference


def _holes(rng, n_holes, height, width, share):
    holes = rng.random((n_holes, height, width)) < share
    holes[:, rng.integers(height), rng.integers(width)] = False
    return holes


@pytest.mark.parametrize("most_in_band", [imputation.MOST_IN_BAND, 0])
@given(st.integers(0, 2**31), st.tuples(st.integers(1, 9), st.integers(2, 9)), st.floats(0.05, 0.95))
@settings(max_examples=20)
def test_holes_are_those_of_a_dense_system_each(most_in_band, seed, shape, share):
    rng = np.random.default_rng(seed)
    picture = rng.normal(size=(*shape, 2))
    holes = _holes(rng, 3, *shape, share)
    if not holes.any():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imputation, "MOST_IN_BAND", most_in_band)
        solved = solve_holes(picture, holes)
    found = np.split(solved, np.cumsum(holes.sum(axis=(1, 2)))[:-1])
    for hole, values in zip(holes, found, strict=True):
        np.testing.assert_allclose(values, reference.imputed(picture, hole)[hole], rtol=0, atol=1e-10)


def test_turned_pictures_have_turned_values():
    rng = np.random.default_rng(3)
    picture, holes = rng.random((5, 9, 1)), _holes(rng, 2, 5, 9, 0.6)
    one, other = np.zeros(holes.shape), np.zeros((2, 9, 5))
    one[holes] = solve_holes(picture, holes)[:, 0]
    other[holes.swapaxes(1, 2)] = solve_holes(picture.swapaxes(0, 1), holes.swapaxes(1, 2))[:, 0]
    np.testing.assert_array_equal(one, other.swapaxes(1, 2))


def test_a_linear_ramp_is_continued_inside():
    ramp = np.add.outer(np.arange(9.0), 2.0 * np.arange(8.0))[..., None]
    hole = np.zeros((1, 9, 8), dtype=bool)
    hole[0, 2:7, 3:6] = True
    np.testing.assert_allclose(solve_holes(ramp, hole)[:, 0], ramp[hole[0], 0], atol=1e-12)


def test_pictures_are_those_of_the_fill_inpaint():
    rng = np.random.default_rng(0)
    picture = rng.random((12, 10, 3))
    holes = _holes(rng, 4, 12, 10, 0.4)
    inpainter = Inpainter(picture, 0)
    inpainter._noise = np.zeros_like(inpainter._noise)
    for filled, hole in zip(Imputer(picture, 0.0, 1).fill(holes), holes, strict=True):
        np.testing.assert_allclose(filled, inpainter.filled(hole), atol=1e-12)
        np.testing.assert_array_equal(filled[~hole], picture[~hole])


def test_no_bit_depends_on_how_many_holes_are_solved_together(monkeypatch):
    rng = np.random.default_rng(1)
    picture, holes = rng.random((16, 16, 1)), _holes(rng, 6, 16, 16, 0.5)
    together = list(Imputer(picture, 0.01, 7).fill(holes))
    monkeypatch.setattr(imputation, "MOST_UNKNOWNS", 200)
    assert len(imputation._chunks(holes)) > 3
    for one, other in zip(together, Imputer(picture, 0.01, 7).fill(holes), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


def test_holes_of_everything_and_of_nothing():
    picture = np.arange(24.0).reshape(4, 3, 2)
    holes = np.stack([np.ones((4, 3), dtype=bool), np.zeros((4, 3), dtype=bool), np.eye(4, 3, dtype=bool)])
    whole, none, some = Imputer(picture, 0.0, 0).fill(holes)
    np.testing.assert_allclose(whole, np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape))
    np.testing.assert_array_equal(none, picture)
    np.testing.assert_allclose(some, reference.imputed(picture, holes[2]))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_gray_pictures_keep_type_and_range_and_noise_is_a_share_of_it(dtype):
    rng = np.random.default_rng(2)
    picture = (100 + 100 * rng.random((20, 20))).astype(dtype)
    hole = _holes(rng, 1, 20, 20, 0.5)
    (smooth,), (noisy,), (other,) = (
        Imputer(picture, noise, 3, draw).fill(hole) for noise, draw in ((0.0, 0), (0.01, 0), (0.01, 1))
    )
    assert smooth.dtype == noisy.dtype == dtype
    assert picture.min() <= noisy.min()
    assert noisy.max() <= picture.max()
    apart = noisy[hole[0]].astype(float) - smooth[hole[0]]
    assert 0.6 * 0.01 * np.ptp(picture) < apart.std() < 1.4 * 0.01 * np.ptp(picture)
    assert (noisy != other).any()
