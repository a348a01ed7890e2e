import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agnostix.what_if.calibration.divergences import DIVERGENCES, BoundedRatio
from agnostix.what_if.calibration.dual import DualState, minimize_dual, minimize_smoothed, solve_intercept
from agnostix.what_if.calibration.primal import Calibration
from tests.reference.calibration import farthest
from tests.what_if.calibration.random_problems import random_problem

BOUNDS = [(0.0, np.inf), (0.4, 1.8), (0.0, 1.5), (0.6, np.inf)]


def state_of(name, form, seed=0, xi=None, smoothing=0.0):
    problem = random_problem(seed, form, n_most=80)
    parts = [problem[part] for part in ("phi", "low", "high", "penalty", "base")]
    ratios = BoundedRatio(DIVERGENCES[name], *problem["weight_bounds"], smoothing)
    calibration = Calibration.from_targets(*parts, ratios)
    return DualState.at(calibration, np.zeros(problem["low"].size) if xi is None else xi)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@given(st.integers(0, 10_000))
@example(9183)  # beside the pole of empirical likelihood
def test_solve_intercept_makes_weights_sum_to_one(name, bounds, smoothing, seed):
    rng = np.random.default_rng(seed)
    base, exponent = rng.dirichlet(np.ones(30)), rng.normal(size=30) * 10.0 ** rng.uniform(-3.0, 1.5)
    ratios = BoundedRatio(DIVERGENCES[name], *bounds, smoothing)
    alpha = solve_intercept(ratios, base, exponent, rng.normal())
    ratio, slopes = ratios.at(alpha + exponent)
    rounding = 2.0 * float(base @ slopes) * np.spacing(np.abs(exponent).max())
    assert base @ ratio == pytest.approx(1.0, abs=1e-11 + rounding)


@pytest.mark.parametrize("form", ["targets", "mixed"])
@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_hessian_is_derivative_of_means(name, form, smoothing):
    k = random_problem(1, form, n_most=80)["low"].size
    xi = 0.2 * np.random.default_rng(0).normal(size=k)
    state = state_of(name, form, 1, xi, smoothing)
    step = 1e-6
    for j, unit in enumerate(np.eye(k)):
        ahead, behind = (state_of(name, form, 1, xi + side * step * unit, smoothing) for side in (1, -1))
        np.testing.assert_allclose(state.hessian[j], (ahead.means - behind.means) / (2.0 * step), atol=1e-6)


def test_slope_is_derivative_on_each_side_of_a_kink():
    problem = random_problem(3, "ranges", n_most=80)
    wide = problem["low"] < problem["high"]
    assert wide.any()
    state = state_of("kullback_leibler", "ranges", 3)
    j = int(np.flatnonzero(wide)[0])
    unit = np.eye(wide.size)[j]
    assert state.slope(unit) == pytest.approx(state.means[j] - state.problem.low[j])
    assert state.slope(-unit) == pytest.approx(state.problem.high[j] - state.means[j])
    assert state.slope(unit, arriving=True) == pytest.approx(state.means[j] - state.problem.high[j])


@pytest.mark.parametrize("name", DIVERGENCES)
def test_rounded_corners_lead_to_the_same_minimum(name):
    for seed in range(8):
        state = state_of(name, "capped", seed)
        direct, _, _ = minimize_dual(state)
        rounded, _ = minimize_smoothed(state.problem)
        assert rounded.residual <= 1e-12
        np.testing.assert_allclose(rounded.weights, direct.weights, atol=1e-11)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_minimize_dual_ends_in_a_proof_beyond_the_rows(name, bounds):
    rng = np.random.default_rng(5)
    phi = rng.normal(size=(60, 2))
    target = np.array([1.5, -1.4])
    ratios, base, hard = BoundedRatio(DIVERGENCES[name], *bounds), np.full(60, 1.0 / 60), np.full(2, np.inf)
    inside, beyond = (
        Calibration.from_targets(phi, far * target, far * target, hard, base, ratios) for far in (0.02, 3.0)
    )
    assert not minimize_dual(DualState.at(inside, np.zeros(2)))[2]
    state, _, separated = minimize_dual(DualState.at(beyond, np.zeros(2)))
    assert separated
    height = beyond.phi @ state.xi
    assert farthest(height, base, bounds) < beyond.support(state.xi)
