import numpy as np
import pytest

from agnostix.core.masking.masker import all_masks
from agnostix.shapley import exchangeable_kernel
from agnostix.shapley.coalitions import sample_pairs
from agnostix.shapley.estimation import build_operator
from agnostix.shapley.exact import exact_weights
from agnostix.shapley.exchangeable_kernel import ExchangeableErrors, _errors_of_kernels
from agnostix.shapley.kriging import GAMMAS, RHOS, KernelParams, Spectrum
from agnostix.shapley.pair_regression import PairRegression
from tests.reference import shapley as ref

D = 6
EVERY = all_masks(D)


def of_pairs(n_pairs, seed=0, n_players=D):
    coalitions = sample_pairs(n_players, n_pairs, seed)
    regression = PairRegression.from_coalitions(coalitions)
    return coalitions, regression, ExchangeableErrors.from_regression(regression, regression)


@pytest.mark.parametrize("k", [0, 2, 3])
def test_variances_are_those_of_random_games(k):
    """All covariances of a random game by the definition, and of its Shapley values by enumeration."""
    _, regression, errors = of_pairs(14)
    odd = ref.odd_kernel([GAMMAS[k]] * D)
    sides = [frozenset(np.flatnonzero(mask).tolist()) for mask in EVERY]
    covariance = np.array([[odd(s, t) for t in sides] for s in sides])
    # Halves of differences: the odd part of a game, of which pairs show twice.
    values = exact_weights(EVERY) / 2.0
    codes = (regression.signs > 0) @ (1 << np.arange(D))
    missed = regression.matrix @ np.eye(2**D)[codes] - values
    of_game = np.einsum("ij,jk,ik->i", missed, covariance, missed)
    of_noise = np.square(regression.matrix) @ regression.noise
    contrasts = regression.contrasts.T @ np.eye(2**D)[codes]
    explained = np.einsum("ij,jk,ik->i", contrasts, covariance, contrasts).mean()
    for j in (0, 8, 15):
        expected = (RHOS[j] * of_game + of_noise) / (1.0 + RHOS[j] * explained)
        np.testing.assert_allclose(errors.variances[k, j], expected, rtol=1e-6)


def test_each_game_has_its_likeliest_kernel():
    _, regression, errors = of_pairs(24)
    data = np.random.default_rng(0).normal(size=(25, 3)) * np.sqrt(np.r_[regression.noise[:-1], 1.0])[:, None]
    data[:, 1] = regression.signs[:, :3].prod(axis=1) + regression.signs[:, 0]
    actual = errors.unscaled_variances(data, np.ones(data.shape[1]))
    spectra = [Spectrum.from_regression(regression, np.full(D, gamma)) for gamma in GAMMAS]
    for j in range(3):
        fits = np.stack([spectrum.likelihoods(data[:, [j]], RHOS) for spectrum in spectra])
        best = np.unravel_index(fits.argmax(), fits.shape)
        np.testing.assert_array_equal(actual[:, j], 1.05 * errors.variances[best])
        np.testing.assert_array_equal(errors.unscaled_variances(data[:, [j]], np.ones(1))[:, 0], actual[:, j])


def test_interactions_of_three_hardly_disturb_the_regression():
    """White residuals would overstate the errors of such games; their sizes are known from all coalitions."""
    n_players, every = 10, all_masks(10)
    rng = np.random.default_rng(0)
    signs = 2.0 * every - 1.0
    groups = [rng.choice(n_players, 3, replace=False) for _ in range(40)]
    worths = sum(signs[:, group].prod(axis=1)[:, None] * rng.normal(size=10) for group in groups)
    worths += signs @ rng.normal(size=(n_players, 10))
    coalitions, regression, errors = of_pairs(150, n_players=n_players)
    codes = coalitions.masks @ (1 << np.arange(n_players))
    data = np.vstack([worths[codes] - worths[1023 - codes], worths[-1] - worths[0]])
    missed = np.square(regression.matrix @ data - exact_weights(every) @ worths).mean()
    noise = np.square(regression.contrasts.T @ data).mean(0)
    stated = (errors.unscaled_variances(data, noise) * noise).mean()
    white = ((np.square(regression.matrix) @ regression.noise)[:, None] * noise).mean()
    assert 0.7 < np.sqrt(stated / missed) < 1.5
    assert stated < white / 2.0


def test_operator_without_kernel_states_them():
    coalitions, _, errors = of_pairs(20)
    operator = build_operator(coalitions, KernelParams.without_kernel(D))
    np.testing.assert_array_equal(operator.exchangeable.variances, errors.variances)
    assert build_operator(coalitions.prefix(7), KernelParams.without_kernel(D)).exchangeable is None


def test_many_players_have_the_mean_error_of_some(monkeypatch):
    regression = PairRegression.from_coalitions(sample_pairs(12, 40, seed=0))
    every = _errors_of_kernels(regression)
    monkeypatch.setattr(exchangeable_kernel, "_MOST_PLAYERS", 6)
    expected = every[:, [0, 2, 4, 6, 8, 11]].mean(1, keepdims=True)
    np.testing.assert_allclose(_errors_of_kernels(regression), np.repeat(expected, 12, axis=1))


def test_residuals_that_are_rounding_choose_no_kernel():
    _, regression, errors = of_pairs(16)
    rng = np.random.default_rng(0)
    additive = regression.signs @ rng.normal(size=(D, 5))
    for size in (1e-9, 1e-7):
        data = additive + size * rng.normal(size=additive.shape)
        noise = np.square(regression.contrasts.T @ data).mean(0)
        found = errors.unscaled_variances(data, noise)
        np.testing.assert_array_equal(found, np.repeat(found[:, :1], 5, axis=1))
