"""A kernel of the first pairs, and least squares of what it misses in the others."""

import numpy as np
import pytest
from scipy.stats import t as student

from agnostix.core.masking.masker import all_masks
from agnostix.shapley import continued_kernel
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import count_pairs, sample_pairs
from agnostix.shapley.continued_kernel import ContinuedOperator, Correction
from agnostix.shapley.estimation import learn_operator
from agnostix.shapley.exact import exact_weights
from agnostix.shapley.jackknife import OwnKernelOperator
from agnostix.shapley.odd_kernel import pair_covariances

D = 11
EVERY = all_masks(D)
CODES = 1 << np.arange(D)


def curved(masks):
    return np.tanh(masks @ np.linspace(-1.0, 1.3, D)) + 0.5 * np.sin(masks @ np.linspace(2.0, 0.1, D))


def votes(masks):
    return (masks @ np.array([9, 7, 5, 4, 3, 3, 2, 2, 2, 1, 1]) > 19.0).astype(float)


def values_of(coalitions, *games):
    table = np.stack([game(EVERY) for game in games], axis=1)
    codes = coalitions.masks @ CODES
    rest = np.stack([table[codes], table[2**D - 1 - codes]], axis=1).reshape(-1, len(games))
    return CoalitionValues(table[-1], table[0], rest)


@pytest.fixture(autouse=True)
def few_factorized(monkeypatch):
    monkeypatch.setattr(continued_kernel, "MAX_FACTORIZED", 60)


def test_many_pairs_continue_a_kernel():
    few, many = (sample_pairs(D, n, 0) for n in (60, 61))
    assert isinstance(learn_operator(few, values_of(few, curved)), OwnKernelOperator)
    assert isinstance(learn_operator(many, values_of(many, curved)), ContinuedOperator)


def test_predictions_are_those_of_kriging_with_an_unknown_trend():
    """By the bordered system of all differences, Delta among them as a pair without noise."""
    coalitions = sample_pairs(D, 90, 1)
    values = values_of(coalitions, curved, votes)
    operator = ContinuedOperator.learn(coalitions, values)
    kriging = operator.first.kriging
    signs = np.vstack([np.where(coalitions.masks[:60], 1.0, -1.0), np.ones(D)])
    others = np.where(coalitions.masks[60:], 1.0, -1.0)
    differences, delta = values.differences()
    data = np.vstack([differences[:60], delta])
    noise = 1.0 / coalitions.prefix(60).kernel_weights()
    covariance = kriging.rho * pair_covariances(signs, kriging.scales) + np.diag(
        np.r_[noise / noise.mean(), 1e-9]
    )
    inverse = np.linalg.inv(covariance)
    slopes = np.linalg.solve(signs.T @ inverse @ signs, signs.T @ inverse @ data)
    cross = kriging.rho * pair_covariances(others, kriging.scales, signs)
    expected = others @ slopes + cross @ inverse @ (data - signs @ slopes)
    np.testing.assert_allclose(operator.first.predict(data, others), expected, rtol=1e-4, atol=1e-5)


def test_correction_of_all_pairs_is_exact():
    """The values of a game that is 0 in the first pairs, by the definition."""
    everyone = sample_pairs(D, count_pairs(D), 0)
    correction = Correction.from_coalitions(everyone, 60)
    rng = np.random.default_rng(0)
    game = np.zeros(2**D)
    differences = rng.normal(size=everyone.n_pairs - 60)
    codes = everyone.masks[60:] @ CODES
    game[codes] = differences / 2.0
    game[2**D - 1 - codes] = -differences / 2.0
    np.testing.assert_allclose(correction.matrix @ differences, exact_weights(EVERY) @ game, atol=1e-12)
    np.testing.assert_allclose(correction.unsampled, 0.0, atol=1e-12)


def test_values_are_efficient_and_linear_and_errors_positive():
    coalitions = sample_pairs(D, 150, 0)
    values = values_of(coalitions, curved, votes)
    operator = ContinuedOperator.learn(coalitions, values)
    found, variances, dof = operator.solve(values)
    np.testing.assert_allclose(found.sum(0), values.full - values.empty, atol=1e-12)
    np.testing.assert_allclose(operator.apply(values), found, atol=1e-13)
    assert (variances > 0.0).all()
    assert (dof >= 1.0).all()
    assert 0.0 < operator.share < 1.0


def test_additive_games_stay_exact():
    coalitions = sample_pairs(D, 150, 0)
    slopes = np.linspace(-1.0, 2.0, D)
    values = values_of(coalitions, lambda masks: masks @ slopes)
    np.testing.assert_allclose(learn_operator(coalitions, values).solve(values)[0][:, 0], slopes, atol=1e-12)


@pytest.mark.parametrize("game", [curved, votes])
def test_errors_fall_with_more_pairs_and_intervals_cover(game):
    truth = exact_weights(EVERY) @ game(EVERY)
    missed, covered = {}, []
    for n_pairs in (60, 66, 200, 600):
        for seed in range(15):
            coalitions = sample_pairs(D, n_pairs, seed)
            values = values_of(coalitions, game)
            found, variances, dof = learn_operator(coalitions, values).solve(values)
            away = np.abs(found[:, 0] - truth)
            missed.setdefault(n_pairs, []).append(np.square(away).mean())
            covered.append(
                away <= student.ppf(0.975, dof[:, 0] if np.ndim(dof) else dof) * np.sqrt(variances[:, 0])
            )
    means = {n_pairs: np.mean(squares) for n_pairs, squares in missed.items()}
    assert means[66] < 1.2 * means[60]
    assert means[200] < 0.8 * means[60]
    assert means[600] < 0.5 * means[200]
    assert np.mean(covered) >= 0.92
