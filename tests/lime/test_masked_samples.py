"""Sampled and enumerated masks against their distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.hypercubes import TwoLevels
from agnostix.lime.masked_samples import MaskSamples, keep_smallest
from tests.reference import lime as ref

DISTRIBUTIONS = ["bernoulli", "sizes"]
distributions = pytest.mark.parametrize("distribution", DISTRIBUTIONS)


def size_probabilities(d, distribution):
    """Probability of keeping 0, 1, ..., d features."""
    if distribution == "bernoulli" or d == 1:
        return [math.comb(d, n_kept) / 2**d for n_kept in range(d + 1)]
    return [1.0 / d] * d + [0.0]


def rows_of(masks):
    return [tuple(bool(z) for z in mask) for mask in masks]


@distributions
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_mask_samples_list_all_masks_if_few(d, distribution):
    samples = MaskSamples.sample(d, 64, distribution, seed=0)
    weights = dict(zip(rows_of(samples.masks), samples.weights.tolist(), strict=True))
    assert (len(weights), samples.masks.shape, samples.n_blocks) == (2**d, (2**d, d), 0)
    assert samples.weights.sum() == pytest.approx(64.0)
    for weight, z in ref.mask_distribution(d, 1e9, distribution):  # a kernel so wide that it does nothing
        assert weights[tuple(one == 1.0 for one in z)] == pytest.approx(64.0 * weight, rel=1e-12)


def test_mask_samples_sample_if_fewer_than_all():
    assert MaskSamples.sample(6, 64, "bernoulli", 0).n_blocks == 0
    samples = MaskSamples.sample(7, 127, "bernoulli", 0)
    assert (samples.points.draw, samples.masks.shape) == (TwoLevels(20), (120, 7))
    assert MaskSamples.sample(7, 128, "bernoulli", 0).n_blocks == 0
    assert MaskSamples.sample_sizes(7, 127, np.ones(8) / 8, 0).masks.shape == (121, 7)
    assert MaskSamples.sample_sizes(7, 128, np.ones(8) / 8, 0).n_blocks == 0


@distributions
@pytest.mark.parametrize("d", [9, 40])
def test_mask_samples_follow_distribution(d, distribution):
    n = 2**13 if d > 9 else 500
    samples = MaskSamples.sample(d, n, distribution, seed=1)
    check_distribution(samples, size_probabilities(d, distribution))


@pytest.mark.parametrize("d", [9, 40])
def test_mask_samples_by_size_follow_distribution(d):
    n = 2**13 if d > 9 else 500
    probabilities = np.random.default_rng(0).random(d + 1)
    probabilities[[0, d // 2]] = 0.0
    probabilities /= probabilities.sum()
    samples = MaskSamples.sample_sizes(d, n, probabilities, seed=1)
    check_distribution(samples, probabilities)
    assert not np.isin(samples.masks.sum(1), [0, d // 2]).any()


def check_distribution(samples, probabilities):
    """Frequencies of sizes, features and pairs within five standard errors."""
    n, d = samples.masks.shape
    assert (samples.weights == 1.0).all()
    assert n % samples.n_blocks == 0
    n_kept, size = samples.masks.sum(1), np.arange(d + 1)
    probabilities = np.asarray(probabilities)
    one, two = probabilities @ size / d, probabilities @ (size * (size - 1)) / (d * (d - 1))
    close(np.bincount(n_kept, minlength=d + 1) / n, probabilities, n)
    close(samples.masks.mean(0), np.full(d, one), n)
    z = samples.masks.astype(float)
    pairs = (z.T @ z / n)[np.triu_indices(d, 1)]
    close(pairs, np.full(pairs.size, two), n)


def close(weights, probability, n):
    assert (np.abs(weights - probability) <= 5.0 * np.sqrt(probability * (1.0 - probability) / n)).all()


def test_mask_samples_by_size_normalize_probabilities():
    plain, scaled = (MaskSamples.sample_sizes(9, 100, factor * np.arange(10.0), 0) for factor in (1.0, 3.0))
    np.testing.assert_array_equal(plain.masks, scaled.masks)


@distributions
def test_mask_samples_by_size_list_weights(distribution):
    d, n = 4, 1000
    samples = MaskSamples.sample_sizes(d, n, np.array(size_probabilities(d, distribution)), seed=0)
    listed = MaskSamples.sample(d, n, distribution, seed=0)
    np.testing.assert_array_equal(samples.masks, listed.masks)
    np.testing.assert_allclose(samples.weights, listed.weights, rtol=1e-12)


@distributions
def test_mask_samples_depend_on_seed_only(distribution):
    one, again, other = (MaskSamples.sample(12, 512, distribution, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.masks, again.masks)
    assert (one.masks != other.masks).any()


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 8))
def test_keep_smallest_keeps_smallest(seed, d, n):
    rng = np.random.default_rng(seed)
    u, n_kept = rng.random((n, d)), rng.integers(0, d + 1, n)
    masks = keep_smallest(u, n_kept)
    for row in range(n):
        expected = sorted(range(d), key=lambda j, row=row: u[row, j])[: n_kept[row]]
        assert np.flatnonzero(masks[row]).tolist() == sorted(expected)
