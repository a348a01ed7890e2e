"""Sampled and enumerated masks against their distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.lime.mask_draws import MaskDraws, kept_by_size
from tests.reference import lime as ref

LAWS = ["bernoulli", "sizes"]
laws = pytest.mark.parametrize("law", LAWS)


def chance_of_size(d, law):
    """Probability of keeping 0, 1, ..., d features."""
    if law == "bernoulli" or d == 1:
        return [math.comb(d, kept) / 2**d for kept in range(d + 1)]
    return [1.0 / d] * d + [0.0]


def rows_of(masks):
    return [tuple(bool(z) for z in mask) for mask in masks]


@laws
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_mask_draws_list_all_masks_if_few(d, law):
    drawn = MaskDraws.of(d, 64, law, seed=0)
    found = dict(zip(rows_of(drawn.masks), drawn.weights.tolist(), strict=True))
    assert (len(found), drawn.masks.shape, drawn.n_blocks) == (2**d, (2**d, d), 0)
    assert drawn.weights.sum() == pytest.approx(64.0)
    for weight, z in ref.mask_distribution(d, 1e9, law):  # a kernel so wide that it does nothing
        assert found[tuple(one == 1.0 for one in z)] == pytest.approx(64.0 * weight, rel=1e-12)


def test_mask_draws_sample_if_fewer_than_all():
    assert MaskDraws.of(6, 64, "bernoulli", 0).n_blocks == 0
    drawn = MaskDraws.of(7, 127, "bernoulli", 0)
    assert (drawn.n_blocks, drawn.masks.shape) == (31, (31 * 4, 7))
    assert MaskDraws.of(7, 128, "bernoulli", 0).n_blocks == 0
    assert MaskDraws.by_size(7, 127, np.ones(8) / 8, 0).n_blocks == 31
    assert MaskDraws.by_size(7, 128, np.ones(8) / 8, 0).n_blocks == 0


@laws
@pytest.mark.parametrize("d", [9, 40])
def test_mask_draws_follow_distribution(d, law):
    n = 2**13 if d > 9 else 500
    drawn = MaskDraws.of(d, n, law, seed=1)
    check_law(drawn, chance_of_size(d, law))


@pytest.mark.parametrize("d", [9, 40])
def test_mask_draws_by_size_follow_distribution(d):
    n = 2**13 if d > 9 else 500
    chances = np.random.default_rng(0).random(d + 1)
    chances[[0, d // 2]] = 0.0
    chances /= chances.sum()
    drawn = MaskDraws.by_size(d, n, chances, seed=1)
    check_law(drawn, chances)
    assert not np.isin(drawn.masks.sum(1), [0, d // 2]).any()


def check_law(drawn, chances):
    """Frequencies of sizes, features and pairs within five standard errors."""
    n, d = drawn.masks.shape
    assert (drawn.weights == 1.0).all()
    assert n % drawn.n_blocks == 0
    kept, size = drawn.masks.sum(1), np.arange(d + 1)
    chances = np.asarray(chances)
    one, two = chances @ size / d, chances @ (size * (size - 1)) / (d * (d - 1))
    close(np.bincount(kept, minlength=d + 1) / n, chances, n)
    close(drawn.masks.mean(0), np.full(d, one), n)
    z = drawn.masks.astype(float)
    pairs = (z.T @ z / n)[np.triu_indices(d, 1)]
    close(pairs, np.full(pairs.size, two), n)


def close(found, chance, n):
    assert (np.abs(found - chance) <= 5.0 * np.sqrt(chance * (1.0 - chance) / n)).all()


def test_mask_draws_by_size_normalize_probabilities():
    plain, scaled = (MaskDraws.by_size(9, 100, factor * np.arange(10.0), 0) for factor in (1.0, 3.0))
    np.testing.assert_array_equal(plain.masks, scaled.masks)


@laws
def test_mask_draws_by_size_list_weights(law):
    d, n = 4, 1000
    drawn = MaskDraws.by_size(d, n, np.array(chance_of_size(d, law)), seed=0)
    listed = MaskDraws.of(d, n, law, seed=0)
    np.testing.assert_array_equal(drawn.masks, listed.masks)
    np.testing.assert_allclose(drawn.weights, listed.weights, rtol=1e-12)


@laws
def test_mask_draws_same_seed_and_longer_prefix(law):
    one, again, other = (MaskDraws.of(12, 512, law, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.masks, again.masks)
    assert (one.masks != other.masks).any()
    longer = MaskDraws.of(12, 544, law, 3)  # one block more of the same size
    np.testing.assert_array_equal(longer.masks[:512], one.masks)


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 8))
def test_kept_by_size_keeps_smallest(seed, d, n):
    rng = np.random.default_rng(seed)
    u, kept = rng.random((n, d)), rng.integers(0, d + 1, n)
    masks = kept_by_size(u, kept)
    for row in range(n):
        expected = sorted(range(d), key=lambda j, row=row: u[row, j])[: kept[row]]
        assert np.flatnonzero(masks[row]).tolist() == sorted(expected)
