import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley.coalitions import Coalitions, count_pairs, sample_pairs
from agnostix.shapley.game_kriging import GameKriging, explained_noise
from agnostix.shapley.kriging import Kriging, project
from agnostix.shapley.odd_kernel import pair_covariances
from agnostix.shapley.pair_regression import PairDesign, PairRegression
from tests.messages import refuses
from tests.reference import shapley as ref

SCALES = np.array([0.3, 0.1, 0.8, 0.4, 2.0, 0.6])


def of_pairs(n_pairs, rho, scales=SCALES, seed=2):
    coalitions = sample_pairs(scales.size, n_pairs, seed=seed)
    return coalitions, GameKriging.from_design(PairDesign.from_coalitions(coalitions), scales, rho)


def coalitions_of(coalitions):
    listed = [frozenset(np.flatnonzero(mask).tolist()) for mask in coalitions.masks]
    return [*listed, frozenset(range(coalitions.n_players))]


@pytest.mark.parametrize("rho", [0.1, 5.0, 300.0])
@pytest.mark.parametrize("n_pairs", [5, 9, 20])
def test_values_and_variances_match_bordered_system(rho, n_pairs):
    coalitions, kriging = of_pairs(n_pairs, rho)
    noise = np.r_[PairDesign.from_coalitions(coalitions).noise, 0.0]
    weights, variances = ref.kriging(coalitions_of(coalitions), SCALES.tolist(), rho, noise)
    data = np.random.default_rng(0).normal(size=(n_pairs + 1, 3))
    np.testing.assert_allclose(kriging.values(data), weights @ data, atol=1e-9)
    np.testing.assert_allclose(kriging.unscaled_variances, variances, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rho", [0.0, 2.0, 1e9])
def test_values_and_residuals_are_those_of_kriging_as_a_matrix(rho):
    coalitions, kriging = of_pairs(20, rho)
    other = Kriging.from_regression(PairRegression.from_coalitions(coalitions), SCALES, rho)
    data = np.random.default_rng(0).normal(size=(21, 3))
    np.testing.assert_allclose(kriging.values(data), other.matrix @ data, rtol=1e-6)
    np.testing.assert_allclose(kriging.unscaled_variances, other.unscaled_variances, rtol=1e-6)
    squares = np.square(other.whitener @ data).sum(0)
    np.testing.assert_allclose(np.square(kriging.residuals(data)).sum(0), squares, rtol=1e-6)
    assert kriging.dof == len(other.whitener) == 15


@pytest.mark.parametrize("rho", [0.0, 3.0])
def test_variance_without_pairs_is_what_they_take_from_that_of_the_error(rho):
    """The best prediction changes by something uncorrelated with its error, so that variances add up."""
    coalitions, kriging = of_pairs(20, rho)
    design = PairDesign.from_coalitions(coalitions)
    left_out = np.array([1, 7, 12])
    fewer = GameKriging.from_design(design[np.delete(np.arange(20), left_out)], SCALES, rho)
    gained = fewer.unscaled_variances - kriging.unscaled_variances
    np.testing.assert_allclose(kriging.variance_without(left_out), gained, rtol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 3.0, 1e4])
def test_explained_noise_is_the_mean_variance_of_white_contrasts(rho):
    coalitions, _ = of_pairs(20, rho)
    regression = PairRegression.from_coalitions(coalitions)
    covariance = project(regression, pair_covariances(regression.signs, SCALES))
    expected = 1.0 + rho * np.trace(covariance) / regression.dof
    actual = explained_noise(PairDesign.from_coalitions(coalitions), SCALES, rho)
    assert actual == pytest.approx(expected, rel=1e-9)


def test_pairs_that_do_not_determine_the_values_are_refused():
    design = PairDesign.from_coalitions(Coalitions(np.eye(6, dtype=bool)[[0, 1, 2, 3, 3, 3]]))
    with refuses(ValueError, "do not determine"):
        GameKriging.from_design(design, SCALES, 1.0)
    with refuses(ValueError, "do not determine"):
        GameKriging.from_design(design[:4], SCALES, 0.0)


@given(st.integers(2, 12), st.integers(0, 60), st.floats(-4, 2), st.floats(-3, 30), st.integers(0, 1000))
def test_values_are_finite_efficient_and_exact_for_additive_games(d, more, size, rho, seed):
    rng = np.random.default_rng(seed)
    n = min(d - 1 + more, count_pairs(d))
    scales = 10.0**size * rng.exponential(size=d) * (rng.random(d) < 0.6)
    scales[0] = 10.0**size
    coalitions = sample_pairs(d, n, seed)
    kriging = GameKriging.from_design(PairDesign.from_coalitions(coalitions), scales, 10.0**rho)
    worths = rng.normal(size=(d, 2))
    signs = np.vstack([2.0 * coalitions.masks - 1.0, np.ones(d)])
    np.testing.assert_allclose(kriging.values(signs @ worths), worths, rtol=0, atol=1e-6)
    data = rng.normal(size=(n + 1, 2))
    values = kriging.values(data)
    np.testing.assert_allclose(values.sum(0), data[-1], rtol=0, atol=1e-12 * max(1.0, np.abs(values).max()))
    assert (kriging.unscaled_variances > 0.0).all()


@pytest.mark.parametrize("rho", [0.0, 3.0])
def test_noise_by_left_out_pairs_is_that_of_explicit_predictions(rho):
    """The same as of the matrix, where each pair is predicted by the others."""
    coalitions, kriging = of_pairs(20, rho)
    data = np.random.default_rng(0).normal(size=(21, 3))
    other = Kriging.from_regression(PairRegression.from_coalitions(coalitions), SCALES, rho)
    total = 0.0
    for pair in range(20):
        # A pair of another noise, so large that the others predict it.
        noisy = PairDesign.from_coalitions(coalitions)
        noisy.noise[pair] += 1e8
        without = GameKriging.from_design(noisy, SCALES, rho)
        unit = np.zeros((21, 1))
        unit[pair] = 1.0
        information = np.square(kriging.residuals(unit)).sum()
        missed = (kriging.residuals(unit).T @ kriging.residuals(data))[0] / information
        changes = kriging.values(data) - without.values(data)
        np.testing.assert_allclose(changes, kriging.values(unit) * missed, rtol=1e-4, atol=1e-7)
        total = total + missed**2 * information / 20
    np.testing.assert_allclose(kriging.cross_validated(data), total, rtol=1e-6)
    np.testing.assert_allclose(other.noise(data), total, rtol=1e-6)
