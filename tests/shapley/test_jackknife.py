import numpy as np
import pytest
from scipy.stats import t as student

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions, sample_pairs
from agnostix.shapley.exact import exact_weights
from agnostix.shapley.jackknife import N_GROUPS, Inflation, OwnKernelOperator
from agnostix.shapley.kriging import Kriging, most_likely_kernel
from agnostix.shapley.pair_regression import PairDesign, PairRegression, zero_sum_basis

D = 9
EVERY = all_masks(D)


def table_of(*games):
    """Values of all coalitions (2**D, n_games)."""
    return np.stack([game(EVERY) for game in games], axis=1)


def votes(masks):
    return (masks @ np.array([9, 7, 5, 4, 3, 2, 2, 1, 1]) > 17).astype(float)


def curved(masks):
    return np.tanh(masks @ np.linspace(-1.0, 1.3, D)) + 0.5 * np.sin(masks @ np.linspace(2.0, 0.1, D))


def additive(masks):
    return masks @ np.linspace(-1.0, 2.0, D)


def zero(masks):
    return np.zeros(len(masks))


def values_of(coalitions, table):
    """Coalition values (n_games,) of the pairs of a design."""
    codes = coalitions.masks @ (1 << np.arange(D))
    rest = np.stack([table[codes], table[2**D - 1 - codes]], axis=1).reshape(-1, table.shape[1])
    return CoalitionValues(table[-1], table[0], rest)


def data_of(values):
    differences, delta = values.differences()
    return np.vstack([differences, delta])


def solved(n_pairs, *games, seed=0):
    coalitions = sample_pairs(D, n_pairs, seed)
    values = values_of(coalitions, table_of(*games))
    return OwnKernelOperator.learn(coalitions, values).solve(values)


def by_matrix(coalitions, noise, kernel):
    """Kriging as a matrix, with the noise of a larger design, and the sum of its variances."""
    regression = PairRegression.from_coalitions(coalitions)
    if noise is not None:  # the same weights in every part
        root = np.sqrt(noise)
        x, means = 2.0 * coalitions.masks - 1.0, (2.0 * coalitions.masks - 1.0).mean(1)
        basis = zero_sum_basis(D)
        q, r = np.linalg.qr((x @ basis) / root[:, None], mode="complete")
        plain = basis @ np.linalg.solve(r[: D - 1], (q[:, : D - 1] / root[:, None]).T)
        matrix = np.c_[plain, 1.0 / D - plain @ means]
        contrasts = q[:, D - 1 :] / root[:, None]
        contrasts = np.vstack([contrasts, -means @ contrasts])
        regression = PairRegression(regression.signs, np.r_[noise, 0.0], matrix, contrasts)
    kriging = Kriging.from_regression(regression, kernel.scales, kernel.rho)
    return kriging.matrix, kriging.unscaled_variances.sum()


def test_values_are_those_of_kriging_as_a_matrix_under_the_learned_kernel():
    coalitions = sample_pairs(D, 40, 0)
    values = values_of(coalitions, table_of(curved, votes))
    operator = OwnKernelOperator.learn(coalitions, values)
    kernel, n_informative = most_likely_kernel(coalitions, data_of(values))
    assert (n_informative, kernel.rho > 0.0, operator.lost_dof) == (2, True, 1.5)
    shapley_values, _, _ = operator.solve(values)
    matrix, _ = by_matrix(coalitions, None, kernel)
    np.testing.assert_allclose(shapley_values, matrix @ data_of(values), atol=1e-8)
    np.testing.assert_array_equal(operator.apply(values), shapley_values)


def test_ratios_are_those_of_explicit_refits():
    """Each group left out: the kernel learned from the rest, and the values by another formulation."""
    coalitions = sample_pairs(D, 30, 1)
    data = data_of(values_of(coalitions, table_of(curved, votes)))
    kernel, _ = most_likely_kernel(coalitions, data)
    noise = PairDesign.from_coalitions(coalitions).noise
    whole, variance = by_matrix(coalitions, noise, kernel)
    number = np.random.default_rng(0).permutation(30) % N_GROUPS
    changes, expected = np.zeros((D, 2)), 0.0
    for group in range(N_GROUPS):
        kept = np.flatnonzero(number != group)
        part, rest = Coalitions(coalitions.masks[kept]), data[[*kept, 30]]
        anew, _ = most_likely_kernel(part, rest, start=kernel)
        changes += np.square(by_matrix(part, noise[kept], anew)[0] @ rest - whole @ data)
        expected += by_matrix(part, noise[kept], kernel)[1] - variance
    actual = Inflation.from_pairs(coalitions, kernel, data)
    assert actual.n_groups == N_GROUPS
    np.testing.assert_allclose(actual.ratios, changes.sum(0) / expected, rtol=1e-5)
    np.testing.assert_allclose(actual.shares, changes / changes.sum(0), rtol=1e-4)


@pytest.mark.parametrize("n_pairs", [8, 10, 15, 30, 60])
def test_errors_are_zero_for_no_game_that_pairs_leave_open(n_pairs):
    shapley_values, variances, dof = solved(n_pairs, votes, curved)
    assert (variances > 1e-8).all()
    assert (dof == np.clip(0.4 * (n_pairs - D + 3), 1.0, 4.0)).all()
    assert np.isfinite(shapley_values).all()


def test_additive_game_is_exact_and_zero_has_no_error():
    shapley_values, variances, _ = solved(30, additive, zero)
    np.testing.assert_allclose(shapley_values[:, 0], np.linspace(-1.0, 2.0, D), atol=1e-12)
    np.testing.assert_array_equal(shapley_values[:, 1], 0.0)
    assert np.sqrt(variances[:, 0].max()) < 0.2


def test_games_side_by_side_keep_their_units():
    one, other = solved(40, curved, votes), solved(40, lambda masks: 1e6 * curved(masks), votes)
    np.testing.assert_allclose(other[0], one[0] * [1e6, 1.0], rtol=1e-6)
    np.testing.assert_allclose(other[1], one[1] * [1e12, 1.0], rtol=1e-4)


def test_few_residuals_are_left_to_the_regression():
    coalitions = sample_pairs(D, D + 3, 0)
    values = values_of(coalitions, table_of(curved))
    regression = PairRegression.from_coalitions(coalitions).matrix @ data_of(values)
    np.testing.assert_allclose(
        OwnKernelOperator.learn(coalitions, values).solve(values)[0], regression, atol=1e-12
    )


@pytest.mark.parametrize("game", [votes, curved])
def test_intervals_cover_and_are_not_wide(game):
    """Over 30 designs of 40 pairs; a jackknife that kept the kernel would cover .7 of the votes."""
    truth = exact_weights(EVERY) @ table_of(game)
    covered, stated, missed = [], [], []
    for seed in range(30):
        shapley_values, variances, dof = solved(40, game, seed=seed)
        away = np.abs(shapley_values - truth)
        covered.append(away <= student.ppf(0.975, dof) * np.sqrt(variances))
        stated.append(variances.mean())
        missed.append(np.square(away).mean())
    assert np.mean(covered) >= 0.93
    assert 0.8 < np.sqrt(np.mean(stated) / np.mean(missed)) < 1.9
