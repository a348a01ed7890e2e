"""Random games by brute force over all coalitions: covariances of interactions, posterior, likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalitions import sample_pairs
from agnostix.shapley.interactions.game_kernel import EVEN, ODD, GameKernel
from agnostix.shapley.interactions.game_process import GameProcess
from agnostix.shapley.interactions.indices import size_weights
from agnostix.shapley.interactions.likelihood import _Likelihood, most_likely_kernel
from tests.shapley.interactions.games import NAMES, all_targets

D = 5
SLOPES = np.array([0.3, 0.7, 0.1, 0.5, 0.2])
PARITIES = {"even": EVEN, "odd": ODD}


def kernel(parity, own=0.2):
    return GameKernel(parity, SLOPES, 0.8, 0.6, own)


def every_covariance(one):
    """Of the values of all coalitions (2**d, 2**d), written without the package, and their signs."""
    signs = np.where(all_masks(D), 1.0, -1.0)
    a = np.array([[sum(SLOPES * x * y) for y in signs] for x in signs])
    if one.parity == EVEN:
        pairs = sum(
            SLOPES[i] * SLOPES[j] * np.outer(signs[:, i] * signs[:, j], signs[:, i] * signs[:, j])
            for i in range(D)
            for j in range(i)
        )
        low, rest = pairs / pairs[0, 0], np.cosh(a) / np.cosh(SLOPES.sum())
    else:
        low, rest = signs @ signs.T / D, np.sinh(a) / np.sinh(SLOPES.sum())
    own = np.eye(2**D) + one.parity * np.fliplr(np.eye(2**D))
    own[[0, -1]] = 0.0  # the empty and the full coalition are known
    return one.lowest * low + one.rest * rest, one.own * own, signs


def index_matrix(index):
    weights, masks, targets = size_weights(index, D), all_masks(D).astype(float), all_targets(index, D)
    pairs = weights.of_pairs(masks, targets.first, targets.second)
    return np.hstack([weights.of_players(masks, targets.players), pairs]).T


@pytest.mark.parametrize("parity", PARITIES.values(), ids=PARITIES)
@pytest.mark.parametrize("index", NAMES)
def test_covariances_of_interactions_are_those_of_all_coalitions(index, parity):
    one, targets, matrix = kernel(parity), all_targets(index, D), index_matrix(index)
    smooth, own, signs = every_covariance(one)
    np.testing.assert_allclose(one.covariances(signs, signs), smooth, atol=1e-12)
    np.testing.assert_allclose(one.target_covariances(signs, targets), (matrix @ smooth).T, atol=1e-12)
    inner = slice(1, -1)
    np.testing.assert_allclose(
        one.own_covariances(signs[inner], targets), (matrix @ own).T[inner], atol=1e-12
    )
    variances = np.diag(matrix @ (smooth + own) @ matrix.T)
    np.testing.assert_allclose(one.target_variances(targets), variances, atol=1e-12)


@pytest.mark.parametrize("parity", PARITIES.values(), ids=PARITIES)
@pytest.mark.parametrize("index", ["k-SII", "STII"])
def test_posterior_is_that_of_a_game_of_all_coalitions(index, parity):
    """Conditioning the values of all coalitions on some, then taking the index of what is expected."""
    one, targets, matrix = kernel(parity), all_targets(index, D), index_matrix(index)
    smooth, own, signs = every_covariance(one)
    joint = smooth + own
    pairs = sample_pairs(D, 9, 0)
    known = np.append(pairs.masks @ (1 << np.arange(D)), 2**D - 1)
    contrast = np.eye(10)
    if parity == EVEN:  # up to a constant
        contrast = contrast[:-1] - contrast[-1]
    inner = contrast @ joint[np.ix_(known, known)] @ contrast.T
    cross = matrix @ joint[:, known] @ contrast.T
    data = np.random.default_rng(0).normal(size=(len(contrast), 2))
    process = GameProcess.from_kernel(one, signs[known], targets)
    np.testing.assert_allclose(process.values(data), cross @ np.linalg.solve(inner, data), atol=1e-9)
    left = np.diag(matrix @ joint @ matrix.T - cross @ np.linalg.solve(inner, cross.T))
    np.testing.assert_allclose(process.unscaled_variances, left, atol=1e-10)


@pytest.mark.parametrize("parity", PARITIES.values(), ids=PARITIES)
def test_gradient_of_the_likelihood(parity):
    rng = np.random.default_rng(1)
    signs = np.vstack([np.where(sample_pairs(D, 11, 0).masks, 1.0, -1.0), np.ones((1, D))])
    likelihood = _Likelihood(parity, signs, rng.normal(size=(11 + (parity == ODD), 2)))
    params = np.append(np.log(SLOPES), [-0.5, -2.0])
    _, gradient = likelihood(params)
    steps = 1e-4 * np.eye(len(params))
    numeric = [(likelihood(params + step)[0] - likelihood(params - step)[0]) / 2e-4 for step in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-4)


def test_slopes_tell_who_interacts():
    d = 8
    pairs = sample_pairs(d, 100, 0)
    signs = np.vstack([np.where(pairs.masks, 1.0, -1.0), np.ones((1, d))])
    values = signs[:, 0] * signs[:, 1] + 0.5 * signs[:, 1] * signs[:, 2]
    slopes = most_likely_kernel(EVEN, signs, (values[:-1] - values[-1])[:, None]).slopes
    assert slopes[:3].min() > 3.0 * slopes[3:].max()


def test_scales_are_those_of_games_with_the_covariance():
    """The mean over draws; the likelihood alone is right, and a share is added for what is not."""
    rng, one = np.random.default_rng(0), kernel(EVEN)
    signs = np.vstack([np.where(sample_pairs(D, 14, 0).masks, 1.0, -1.0), np.ones((1, D))])
    process = GameProcess.from_kernel(one, signs, all_targets("SII", D))
    draws = 3.0 * process.root @ rng.normal(size=(14, 4000))
    assert process.scales(draws).mean() == pytest.approx(9.0 * 1.25, rel=0.1)
