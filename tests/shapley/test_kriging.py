import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalitions import count_pairs, sample_pairs
from agnostix.shapley.exact import exact_weights
from agnostix.shapley.kriging import Kriging
from agnostix.shapley.pair_regression import PairRegression
from tests.reference import shapley as ref


def rows_of(regression):
    return [frozenset(np.flatnonzero(row > 0).tolist()) for row in regression.signs]


@pytest.mark.parametrize("rho", [0.1, 5.0, 300.0])
@pytest.mark.parametrize(
    ("scales", "n"), [([0.5, 1.0, 0.2], 3), ([0.5, 0.0, 0.2, 0.9], 6), ([0.3, 0.1, 0.8, 0.4, 2.0], 9)]
)
def test_kriging_weights_and_variances_match_reference(scales, n, rho):
    regression = PairRegression.from_coalitions(sample_pairs(len(scales), n, seed=2))
    kriging = Kriging.from_regression(regression, np.array(scales), rho)
    weights, variances = ref.kriging(rows_of(regression), scales, rho, regression.noise)
    np.testing.assert_allclose(kriging.matrix, weights, atol=1e-9)
    np.testing.assert_allclose(kriging.unscaled_variances, variances, rtol=1e-8, atol=1e-10)


def test_kriging_without_kernel_is_pair_regression():
    design = sample_pairs(6, 14, seed=0)
    regression = PairRegression.from_coalitions(design)
    kriging = Kriging.from_regression(regression, np.ones(6), 0.0)
    np.testing.assert_allclose(kriging.matrix, regression.matrix, atol=1e-14)
    x, w = regression.signs[:-1], 1.0 / regression.noise[:-1]
    inverse = np.linalg.inv(x.T @ (w[:, None] * x))
    ones = inverse.sum(1)
    np.testing.assert_allclose(
        kriging.unscaled_variances, np.diag(inverse - np.outer(ones, ones) / ones.sum()), atol=1e-12
    )
    data = np.random.default_rng(0).normal(size=15)
    residuals = data[:-1] - x @ (kriging.matrix @ data)
    assert np.square(kriging.whitener @ data).sum() == pytest.approx(w @ residuals**2)


def test_kriging_small_rho_tends_to_no_kernel():
    regression = PairRegression.from_coalitions(sample_pairs(6, 14, seed=0))
    none, small = (Kriging.from_regression(regression, np.ones(6), rho) for rho in (0.0, 1e-9))
    np.testing.assert_allclose(small.matrix, none.matrix, atol=1e-8)
    np.testing.assert_allclose(small.unscaled_variances, none.unscaled_variances, atol=1e-8)


def test_kriging_variances_match_simulated_errors():
    d, rho, rng = 6, 40.0, np.random.default_rng(0)
    scales = np.array([0.2, 0.9, 0.1, 0.5, 0.3, 0.6])
    design = sample_pairs(d, 14, seed=1)
    regression = PairRegression.from_coalitions(design)
    kernel, masks = ref.odd_kernel(scales), all_masks(d)
    every = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    covariance = rho * np.array([[kernel(s, t) for t in every] for s in every])
    games = np.linalg.cholesky(covariance + 1e-10 * np.eye(64)) @ rng.normal(size=(64, 4000))
    odd = (games - games[::-1]) / 4.0
    codes = (regression.signs > 0) @ (1 << np.arange(d))
    noise = np.sqrt(regression.noise)[:, None] * rng.normal(size=(15, 4000))
    data = odd[codes] - odd[63 - codes] + noise
    kriging = Kriging.from_regression(regression, scales, rho)
    missed = np.square(kriging.matrix @ data - exact_weights(masks) @ odd).mean(1)
    np.testing.assert_allclose(missed, kriging.unscaled_variances, rtol=0.1)
    assert np.square(kriging.whitener @ data).mean() == pytest.approx(1.0, rel=0.05)


def test_kriging_kernel_of_two_players_changes_nothing():
    regression = PairRegression.from_coalitions(sample_pairs(6, 14, seed=0))
    kriging = Kriging.from_regression(regression, np.array([1.0, 0.0, 0.5, 0.0, 0.0, 0.0]), 1e9)
    np.testing.assert_allclose(kriging.matrix, regression.matrix, atol=1e-6)


@given(st.integers(2, 12), st.integers(0, 60), st.floats(-4, 2), st.floats(-3, 30), st.integers(0, 1000))
@example(d=7, more=26, size=1.0, rho=18.0, seed=196)
@example(d=7, more=10, size=0.0, rho=22.0, seed=196)
def test_kriging_is_finite_and_efficient(d, more, size, rho, seed):
    rng = np.random.default_rng(seed)
    n = min(d - 1 + more, count_pairs(d))
    scales = 10.0**size * rng.exponential(size=d) * (rng.random(d) < 0.6)
    scales[0] = 10.0**size
    regression = PairRegression.from_coalitions(sample_pairs(d, n, seed))
    kriging = Kriging.from_regression(regression, scales, 10.0**rho)
    assert np.isfinite(kriging.matrix).all()
    assert np.isfinite(kriging.whitener).all()
    assert (kriging.unscaled_variances > 0.0).all()
    rounding = 1e-14 * d * max(1.0, np.abs(kriging.matrix).max())
    np.testing.assert_allclose(kriging.matrix.sum(0), np.r_[np.zeros(n), 1.0], rtol=0, atol=rounding)
    np.testing.assert_allclose(kriging.matrix @ regression.signs, np.eye(d), atol=1e-6)
