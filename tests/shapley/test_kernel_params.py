import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley import kriging
from agnostix.shapley.coalitions import sample_pairs
from agnostix.shapley.kriging import (
    MAX_NORM,
    KernelParams,
    Spectrum,
    learn_kernel,
    most_likely_kernel,
    project,
)
from agnostix.shapley.odd_kernel import pair_covariances
from agnostix.shapley.pair_regression import PairRegression
from agnostix.shapley.residual_noise import NoisePrior
from tests.reference import shapley as ref

D = 8


def games_of(orders, n_games=6, seed=0):
    """Differences of random games: sums of products of signs over groups of so many players."""
    rng = np.random.default_rng(seed)
    design = sample_pairs(D, 60, seed=0)
    signs = 2.0 * design.masks - 1.0
    y, delta = np.zeros((60, n_games)), np.zeros(n_games)
    for order in orders:
        for _ in range(12):
            group = rng.choice(D, order, replace=False)
            weight = rng.normal(size=n_games)
            y += signs[:, group].prod(1)[:, None] * weight * (order % 2)
            delta += weight * (order % 2)
    return design, y, delta


def test_learn_kernel_maximizes_likelihood_on_grid():
    design, y, delta = games_of([1, 3, 5])
    params = learn_kernel(design, y, delta)
    regression, data = PairRegression.from_coalitions(design), np.vstack([y, delta])

    def fits(scales):
        return Spectrum.from_regression(regression, scales).likelihoods(data, kriging.RHOS)

    assert params.is_active
    shape = params.scales / params.gamma
    assert shape.mean() == pytest.approx(1.0)
    ours = fits(params.scales)
    assert params.rho == kriging.RHOS[ours.argmax()]
    for gamma in kriging.GAMMAS:
        assert fits(gamma * shape).max() <= ours.max() + 1e-9
        assert fits(np.full(D, gamma)).max() <= ours.max() + 1e-9


def test_learn_kernel_on_noise_is_almost_off():
    design, y, delta = games_of([1], n_games=40)
    spread = np.sqrt(PairRegression.from_coalitions(design).noise[:-1])
    y = y + spread[:, None] * np.random.default_rng(1).normal(size=y.shape)
    params = learn_kernel(design, y, delta)
    assert params.rho <= 0.1
    assert params.noise.relative == pytest.approx((1.0 / np.square(y).mean(0)).mean(), rel=0.1)


@pytest.mark.parametrize("orders", [[1], [1, 2], [2], []])
def test_learn_kernel_off_for_games_of_order_two(orders):
    design, y, delta = games_of(orders)
    params = learn_kernel(design, y, delta)
    assert (params.rho, params.is_active) == (0.0, False)
    assert params.noise.relative == 0.0


def test_learn_kernel_ignores_games_without_residual():
    design, y, delta = games_of([1, 3])
    _, plain, its_delta = games_of([1])
    alone = learn_kernel(design, y, delta)
    beside = learn_kernel(design, np.c_[y, plain], np.r_[delta, its_delta])
    assert (beside.gamma, beside.power, beside.rho) == (alone.gamma, alone.power, alone.rho)
    np.testing.assert_array_equal(beside.scales, alone.scales)


@given(st.lists(st.floats(-8, 8), min_size=6, max_size=6))
def test_learn_kernel_ignores_units_of_games(exponents):
    design, y, delta = games_of([1, 3, 5])
    units = 10.0 ** np.array(exponents)
    one, other = learn_kernel(design, y, delta), learn_kernel(design, y * units, delta * units)
    assert (one.gamma, one.power, one.rho) == (other.gamma, other.power, other.rho)
    np.testing.assert_allclose(one.scales, other.scales, rtol=1e-6)
    assert one.noise.relative == pytest.approx(other.noise.relative, rel=1e-6)
    assert one.noise.dof == pytest.approx(other.noise.dof, rel=1e-6)


def test_learn_kernel_scales_grow_with_influence():
    rng = np.random.default_rng(0)
    design = sample_pairs(D, 60, seed=0)
    signs = 2.0 * design.masks - 1.0
    weight = rng.normal(size=(4, 5))
    y = signs[:, :4] @ np.abs(weight) + 3.0 * signs[:, :3].prod(1)[:, None] * weight[0]
    params = learn_kernel(design, y, np.abs(weight).sum(0) + 3.0 * weight[0])
    assert params.power >= 1.0
    assert params.scales[:3].min() > 100.0 * params.scales[4:].max()


def test_learn_kernel_off_without_degrees_of_freedom():
    design = sample_pairs(D, D, seed=0)
    rng = np.random.default_rng(0)
    params = learn_kernel(design, rng.normal(size=(D, 3)), rng.normal(size=3))
    assert not params.is_active
    assert params.noise.relative > 0.0
    assert params.noise.n_seen == 3.0
    saturated = learn_kernel(design.prefix(D - 1), rng.normal(size=(D - 1, 3)), rng.normal(size=3))
    assert saturated.noise == NoisePrior.unknown()


def test_learn_kernel_uses_max_learning_dof_pairs(monkeypatch):
    design, y, delta = games_of([1, 3])
    monkeypatch.setattr(kriging, "MAX_LEARNING_DOF", 20)
    some, n = learn_kernel(design, y, delta), D - 1 + 20
    same = learn_kernel(design.prefix(n), y[:n], delta)
    assert (some.rho, some.gamma, some.power) == (same.rho, same.gamma, same.power)
    assert some.noise == same.noise
    np.testing.assert_array_equal(some.scales, same.scales)


def test_search_uphill_ends_where_no_step_is_more_likely():
    """On this grid, that is the best of all; from wherever it starts."""
    design, y, delta = games_of([1, 3, 5], n_games=2)
    data = np.vstack([y, delta])
    best, n_informative = most_likely_kernel(design, data)
    assert n_informative == 2
    for gamma in kriging.GAMMAS:
        start = kriging.Candidate(np.ones(D), 1.0, gamma, 0.0)
        uphill, _ = most_likely_kernel(design, data, start=start)
        assert (uphill.gamma, uphill.power, uphill.rho) == (best.gamma, best.power, best.rho)


def test_likelihood_of_games_is_the_sum_of_each():
    design, y, delta = games_of([1, 3, 5])
    data, regression = np.vstack([y, delta]), PairRegression.from_coalitions(design)
    spectrum = Spectrum.from_regression(regression, np.full(D, 0.3))
    by_game = spectrum.likelihoods_by_game(data, kriging.RHOS)
    np.testing.assert_allclose(by_game.sum(1), spectrum.likelihoods(data, kriging.RHOS), rtol=1e-12)
    alone = spectrum.likelihoods_by_game(data[:, [2]], kriging.RHOS)
    np.testing.assert_array_equal(by_game[:, [2]], alone)


def test_kernel_params_restrict_keeps_scales_and_variance():
    params = KernelParams(np.array([0.1, 0.0, 0.3, 0.5]), 4.0, 0.2, 1.0, NoisePrior.unknown())
    some = params.restrict(np.array([0, 2, 3]))
    np.testing.assert_array_equal(some.scales, [0.1, 0.3, 0.5])
    assert some.rho == 4.0
    fewer = params.restrict(np.array([0, 2]))
    own, full = ref.odd_kernel([0.1, 0.3]), 1.0 - np.exp(-0.9)
    apart, together = ref.product_kernel([0.1, 0.3])(set(), {0}), ref.product_kernel([0.1, 0.3])(set(), {1})
    expected = 4.0 * (apart - together) / full
    assert fewer.rho * own(frozenset(), frozenset({0})) == pytest.approx(expected)
    assert fewer.is_active
    assert not params.restrict(np.array([1])).is_active


def test_kernel_params_scales_are_read_only():
    params = KernelParams(np.array([0.1, 0.3]), 4.0, 0.2, 1.0, NoisePrior.unknown())
    with pytest.raises(ValueError, match="read-only"):
        params.scales[0] = 1.0


def test_spectrum_likelihoods_match_reference_up_to_constant():
    scales, rhos = np.array([0.4, 1.0, 0.2, 0.7]), np.array([0.0, 0.3, 2.0, 50.0])
    regression = PairRegression.from_coalitions(sample_pairs(4, 7, seed=0))
    data = np.random.default_rng(0).normal(size=(8, 3))
    actual = Spectrum.from_regression(regression, scales).likelihoods(data, rhos)
    kernel = ref.odd_kernel(scales)
    rows = [frozenset(np.flatnonzero(row > 0).tolist()) for row in regression.signs]
    expected = []
    for rho in rhos[1:]:
        covariance = [[rho * kernel(s, t) for t in rows] for s in rows] + np.diag(regression.noise)
        logs = [ref.restricted_likelihood(regression.signs, covariance, column) for column in data.T]
        expected.append(sum(logs))
    np.testing.assert_allclose(np.diff(actual[1:]), np.diff(expected), atol=1e-9)


def test_spectrum_likelihood_is_minus_inf_for_huge_rho():
    regression = PairRegression.from_coalitions(sample_pairs(6, 20, seed=0))
    scales = np.ones(6)
    largest = MAX_NORM / np.linalg.norm(project(regression, pair_covariances(regression.signs, scales)))
    data = np.random.default_rng(0).normal(size=(21, 2))
    actual = Spectrum.from_regression(regression, scales).likelihoods(data, np.array([0.5, 2.0]) * largest)
    assert np.isfinite(actual[0])
    assert actual[1] == -np.inf
