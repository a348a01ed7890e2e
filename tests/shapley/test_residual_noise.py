"""Noise variances of games: what pilots and a game's own pairs say where residuals are few."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalitions import first_pairs, sample_pairs
from agnostix.shapley.estimation import build_operator
from agnostix.shapley.exact import exact_weights
from agnostix.shapley.kriging import KernelParams, learn_kernel
from agnostix.shapley.residual_noise import NoisePrior, Spread, by_size

D = 12
MASKS = all_masks(D)
CODES = 1 << np.arange(D)


def pairs_of(games, design):
    """Worths (n_pairs, n_games) of both sides, and (n_games,) of the empty and the full coalition."""
    return games[design.masks @ CODES], games[~design.masks @ CODES], games[0], games[-1]


def test_spread_matches_loop():
    games = np.random.default_rng(0).normal(size=(2**D, 3))
    design = sample_pairs(D, 20, seed=0)
    first, second, empty, full = pairs_of(games, design)
    spread = Spread.from_pairs(first, second, empty + full)
    for game in range(3):
        differences, sums = [], []
        for mask in design.masks:
            one, other = games[mask @ CODES, game], games[(~mask) @ CODES, game]
            differences.append((one - other) ** 2)
            sums.append((one + other - games[0, game] - games[-1, game]) ** 2)
        assert spread.differences[game] == pytest.approx(np.mean(differences))
        assert spread.sums[game] == pytest.approx(np.mean(sums))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_sums_are_interactions_of_even_order(order):
    parity = (-1.0) ** MASKS[:, :order].sum(axis=1)
    design = sample_pairs(D, 30, seed=0)
    first, second, empty, full = pairs_of(parity[:, None], design)
    spread = Spread.from_pairs(first, second, empty + full)
    assert (spread.differences[0] > 0) == (order % 2 == 1)
    assert (spread.sums[0] > 0) == (order % 2 == 0)


def test_guess_is_of_differences_within_bounds_by_sums_unless_there_are_none():
    spread = Spread(np.array([2.0, 2.0, 2.0, 0.0, 0.0]), np.array([3.0, 0.02, 1e-14, 2.0, 0.0]))
    np.testing.assert_allclose(spread.guess(), [0.05, 0.01, 0.2, 0.01, 0.0])


def test_prior_is_mean_of_pilots():
    noise, differences = np.array([1.0, 2.0, 6.0, 0.0]), np.array([10.0, 10.0, 20.0, 0.0])
    prior = NoisePrior.from_games(noise, differences, 40)
    assert prior.relative == pytest.approx(0.2)
    assert prior.size == pytest.approx(10.0)
    assert prior.n_seen == 120
    squared_variation = np.var([0.1, 0.2, 0.3], ddof=1) / 0.2**2
    assert prior.dof == pytest.approx(min(6.0, 2.0 / (squared_variation - 2 / 40)))


@pytest.mark.parametrize(("ratios", "dof"), [([1.0, 1.0, 1.0], 6.0), ([1e-6, 1e-6, 1.0], 2.0), ([0.5], 2.0)])
def test_prior_dof_by_how_alike_pilots_are(ratios, dof):
    assert NoisePrior.from_games(np.array(ratios), np.ones(len(ratios)), 100).dof == dof


def test_prior_of_no_residuals_is_unknown():
    assert NoisePrior.from_games(np.ones(3), np.ones(3), 0) == NoisePrior.unknown()
    assert NoisePrior.from_games(np.zeros(3), np.zeros(3), 5) == NoisePrior.unknown()


def test_prior_of_exact_pilots_counts_their_residuals():
    prior = NoisePrior.from_games(np.full(4, 1e-31), np.ones(4), 10)
    assert (prior.relative, prior.n_seen) == (0.0, 40)
    spread = Spread(np.ones(1), np.zeros(1))
    some, _ = prior.shrink(np.zeros(1), 7, spread, 30, 1.0)
    none, _ = NoisePrior.unknown().shrink(np.zeros(1), 7, spread, 30, 1.0)
    assert some[0] == pytest.approx(none[0] / 41 * 31 / 30, rel=0.1)


def test_shrink_is_posterior_mean():
    spread = Spread(np.array([4.0, 1.0]), np.array([2.0, 0.0]))
    own = np.array([0.3, 0.0])
    prior = NoisePrior(relative=0.1, dof=4.0, n_seen=80.0, size=2.0)
    shrunk, dof = prior.shrink(own, 7, spread, 19, gain=5.0)
    size = (19 * np.array([4.0, 1.0]) + 2.0) / 20
    np.testing.assert_allclose(shrunk, (7 * own + 4 * 0.1 * size) / 11)
    assert dof == 0.4 * 11
    guessed, dof = NoisePrior.unknown().shrink(own, 7, spread, 19, gain=5.0)
    guess = 19 * np.array([0.025 * 4.0, 0.1 * 1.0]) / 20
    np.testing.assert_allclose(guessed, (7 * own + 2 * guess / 5.0) / 9)
    assert dof == 0.4 * 9


def test_prior_gives_way_to_many_residuals_unless_all_are_0():
    spread, prior = Spread(np.ones(2), np.ones(2)), NoisePrior(relative=0.1, dof=4.0, n_seen=80.0)
    own = np.array([1e-6, 0.0])
    for dof in (10, 100):
        shrunk, _ = prior.shrink(own, dof, spread, 10**9, gain=1.0)
        expected = np.array([1e-6 * np.exp(20 / dof), 0.1])
        np.testing.assert_allclose(shrunk, (dof * own + 4 * expected) / (dof + 4))
    few, _ = prior.shrink(own, 10, spread, 10**9, gain=1.0, n_residuals=100)
    np.testing.assert_allclose(few[0], (10 * 1e-6 + 4e-6 * np.exp(0.2)) / 14)


def test_few_residuals_leave_half_of_the_variance_to_large_values():
    values = np.array([[3.0, 0.0], [-4.0, 0.0], [0.0, 0.0]])
    variances = by_size(np.outer([1.0, 2.0, 3.0], [10.0, 1.0]), values, 0.5)
    np.testing.assert_allclose(variances[:, 0], [5 + 30 * 9 / 25, 10 + 30 * 16 / 25, 15])
    np.testing.assert_allclose(variances[:, 1], [1.5, 2.0, 2.5])


@given(st.floats(-6, 6), st.integers(0, 50), st.booleans())
def test_shrink_has_units_of_the_game(exponent, dof, has_pilots):
    unit = 10.0**exponent
    rng = np.random.default_rng(0)
    noise, differences, sums = rng.random((3, 4))
    priors = [NoisePrior.unknown()] * 2
    if has_pilots:
        priors = [NoisePrior.from_games(noise * u, differences * u, 9) for u in (1.0, unit)]
    one, its_dof = priors[0].shrink(noise, dof, Spread(differences, sums), 9, 2.0)
    other, _ = priors[1].shrink(noise * unit, dof, Spread(differences * unit, sums * unit), 9, 2.0)
    np.testing.assert_allclose(other, one * unit, rtol=1e-9)
    assert its_dof >= 1.0


def test_game_of_zeros_is_not_exact_beside_pilots():
    zero = Spread(np.zeros(1), np.zeros(1))
    shrunk, _ = NoisePrior.from_games(np.ones(3), np.ones(3), 9).shrink(np.zeros(1), 9, zero, 19, 1.0)
    assert 0 < shrunk[0] < 0.1
    assert NoisePrior.unknown().shrink(np.zeros(1), 9, zero, 19, 1.0)[0][0] == 0.0


# Games with steps: a residual of 0 proves nothing.

WEIGHTS = np.r_[8.0, np.ones(D - 1)]
STEPS = {
    "all of five": MASKS[:, :5].all(axis=1),
    "big party": np.greater(MASKS @ WEIGHTS, WEIGHTS.sum() / 2),
    "parity": MASKS[:, :5].sum(axis=1) % 2,
    "veto": MASKS[:, 0] & (MASKS[:, 1:7].sum(axis=1) >= 3),
    "three": MASKS[:, :3].all(axis=1) + MASKS @ np.linspace(0.0, 1.0, D),
}


@pytest.mark.parametrize("n_pairs", [D, first_pairs(D)])
@pytest.mark.parametrize("game", STEPS.values(), ids=STEPS)
def test_errors_of_games_with_steps_cover(game, n_pairs):
    games = np.asarray(game, dtype=float)[:, None]
    truth = exact_weights(MASKS) @ games
    covered = []
    for seed in range(20):
        design = sample_pairs(D, n_pairs, seed)
        first, second, empty, full = pairs_of(games, design)
        operator = build_operator(design, KernelParams.without_kernel(D))
        values = operator.game_values(first - second, full - empty)
        variances, dof = operator.game_variances(
            first - second, full - empty, Spread.from_pairs(first, second, full + empty)
        )
        assert (variances > 1e-6).all()
        covered.append(np.abs(values - truth) <= student.ppf(0.975, dof) * np.sqrt(variances))
    assert np.mean(covered) >= 0.92


def test_pilots_tell_of_steps_that_a_game_does_not_show():
    rng = np.random.default_rng(0)
    thresholds = rng.integers(4, 9, 30)
    games = np.stack([MASKS[:, :8].sum(axis=1) >= k for k in thresholds], axis=1).astype(float)
    truth = exact_weights(MASKS) @ games
    covered, exact = [], []
    for seed in range(10):
        longer = sample_pairs(D, first_pairs(D), seed)
        first, second, empty, full = pairs_of(games, longer)
        params = learn_kernel(longer, (first - second)[:, :8], (full - empty)[:8])
        design = longer.prefix(D)
        operator = build_operator(design, params)
        y, delta = (first - second)[:D, 8:], (full - empty)[8:]
        spread = Spread.from_pairs(first[:D, 8:], second[:D, 8:], (full + empty)[8:])
        variances, dof = operator.game_variances(y, delta, spread)
        residuals = np.square(operator.whitener @ np.vstack([y, delta])).mean(axis=0)
        exact.append(residuals < 1e-12)
        off = np.abs(operator.game_values(y, delta) - truth[:, 8:])
        covered.append(off <= student.ppf(0.975, dof) * np.sqrt(variances))
    assert np.any(exact)
    assert np.mean(covered) >= 0.92
