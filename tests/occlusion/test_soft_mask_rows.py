import numpy as np
import pytest
from scipy import stats

from agnostix.core.evaluate import evaluate
from agnostix.core.models import as_predictor
from agnostix.occlusion.rise import SoftMaskRows, SoftMaskSampler
from tests.reference.pictures import rise, soft_mask

RNG = np.random.default_rng(0)
PICTURES = RNG.random((2, 6, 8))
FILL = PICTURES.mean(axis=(1, 2), keepdims=True)
WEIGHTS = RNG.normal(size=(6, 8, 2))


def bent(X):
    """Two outputs, one with products of pixels."""
    sums = np.tensordot(X, WEIGHTS, axes=2)
    return np.stack([sums[:, 0], sums[:, 0] * sums[:, 1]], axis=1)


def maps(model, sampler, pictures=PICTURES, fill=FILL, n_jobs=None):
    which = np.tile([0, 1], (len(pictures), 1))
    source = SoftMaskRows(sampler, pictures, fill, which)
    return evaluate(as_predictor(model), source, SoftMaskRows.estimate_saliency, n_outputs=2, n_jobs=n_jobs)[
        0
    ]


def test_rise_maps_match_reference():
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.4, 64, 0)
    drawn = zip(*sampler.sample(slice(0, 64)), strict=True)
    masks = [soft_mask(grid, shift, 6, 8) for grid, shift in drawn]
    for picture, fill, (values, _, base) in zip(PICTURES, FILL, maps(bent, sampler), strict=True):
        scores = bent(np.array([fill + mask * (picture - fill) for mask in masks]))
        for k in range(2):
            np.testing.assert_allclose(values[..., k], rise(scores[:, k], masks, 0.4), atol=1e-12)
        np.testing.assert_allclose(base, scores.mean(axis=0), atol=1e-12)


def test_rise_std_errors_match_sum_of_blocks():
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 64, 0)
    n, size = sampler.points.n_blocks, sampler.points.size
    masks = np.array([soft_mask(*drawn, 6, 8) for drawn in zip(*sampler.sample(slice(0, 64)), strict=True)])
    scores = bent(FILL[0] + masks * (PICTURES[0] - FILL[0]))
    apart = (scores - scores.mean(axis=0)) / (64 * 0.5)
    blocks = [
        np.einsum("nyx,nk->yxk", masks[b * size : (b + 1) * size] - 0.5, apart[b * size : (b + 1) * size])
        for b in range(n)
    ]
    (_, errors, _), _ = maps(bent, sampler)
    np.testing.assert_allclose(errors, np.std(blocks, axis=0, ddof=1) * np.sqrt(n), atol=1e-12)


def moments(sampler):
    """Covariance of the masks' pixels, with cells that show or not by themselves."""
    down, right = sampler.interpolation
    pixels = np.einsum("ayi,bxj->abyxij", down, right)
    flat = pixels.reshape(*pixels.shape[:2], 48, -1)
    mean = flat.mean(axis=(0, 1))
    assert np.allclose(mean.sum(axis=1), 1.0)
    products = np.einsum("abpi,abqi->pq", flat, flat) / (pixels.shape[0] * pixels.shape[1])
    return sampler.p_keep * (1 - sampler.p_keep) * products


def test_rise_intervals_cover_linear_model():
    """The map is the covariance of the masks with the score, divided by the share."""
    slopes = (WEIGHTS * (PICTURES[0] - FILL[0])[..., None]).reshape(48, 2)
    apart = []
    for seed in range(12):
        sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed)
        expected = (moments(sampler) @ slopes / 0.5).reshape(6, 8, 2)
        (values, errors, _), _ = maps(lambda X: np.tensordot(X, WEIGHTS, axes=2), sampler)
        apart.append((values - expected) / errors)
    assert np.abs(values - expected).max() < 0.1 * np.abs(expected).max()
    assert 0.92 < np.mean(np.abs(apart) < stats.t.ppf(0.975, 15)) < 0.98


def test_rise_std_errors_match_spread_over_seeds():
    found = [
        maps(bent, SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed), PICTURES[:1], FILL[:1])[0]
        for seed in range(40)
    ]
    spread = np.std([values for values, _, _ in found], axis=0, ddof=1)
    told = np.sqrt(np.mean([errors**2 for _, errors, _ in found], axis=0))
    assert 0.8 < np.median(told / spread) < 1.25


def test_rise_std_error_below_that_of_independent_masks():
    """Against independent masks with scores counted from 0, as RISE is written."""
    rng = np.random.default_rng(1)
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, 0)
    down, right = sampler.interpolation
    plain = []
    for _ in range(40):
        grids, shifts = (rng.random((256, 3, 3)) < 0.5).astype(float), rng.integers(0, [2, 3], (256, 2))
        masks = down[shifts[:, 0]] @ grids @ right[shifts[:, 1]].transpose(0, 2, 1)
        scores = 1.0 + bent(FILL[0] + masks * (PICTURES[0] - FILL[0]))
        plain.append(np.einsum("nyx,nk->yxk", masks, scores) / (256 * 0.5))
    ours = [
        maps(
            lambda X: 1.0 + bent(X),
            SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed),
            PICTURES[:1],
            FILL[:1],
        )[0][0]
        for seed in range(40)
    ]
    assert np.median(np.std(ours, axis=0)) < 0.5 * np.median(np.std(plain, axis=0))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_rise_maps_same_for_any_n_jobs(n_jobs):
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 64, 0)
    for one, other in zip(maps(bent, sampler), maps(bent, sampler, n_jobs=n_jobs), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
