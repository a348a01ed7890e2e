import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley.coalitions import Coalitions, count_pairs, sample_pairs
from agnostix.shapley.pair_regression import PairRegression
from tests.messages import refuses
from tests.reference import shapley as ref


def sides(design):
    return [frozenset(np.flatnonzero(mask).tolist()) for mask in design.masks]


def data_of(game, design):
    everyone = frozenset(range(design.n_players))
    y = [game(side) - game(everyone - side) for side in sides(design)]
    return np.array([*y, game(everyone) - game(frozenset())])


def random_game(d, seed):
    return ref.table_game(np.random.default_rng(seed).normal(size=2**d))


@pytest.mark.parametrize(("d", "n"), [(2, 1), (3, 2), (5, 4), (5, 9), (6, 17)])
def test_pair_regression_matches_regression_on_coalitions(d, n):
    design, game = sample_pairs(d, n, seed=1), random_game(d, 0)
    actual = PairRegression.from_coalitions(design).matrix @ data_of(game, design)
    np.testing.assert_allclose(actual, ref.pair_regression(game, sides(design), d), atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4, 7])
def test_pair_regression_on_all_pairs_is_exact(d):
    design, game = sample_pairs(d, count_pairs(d), seed=1), random_game(d, 0)
    actual = PairRegression.from_coalitions(design).matrix @ data_of(game, design)
    np.testing.assert_allclose(actual, ref.shapley(game, d), atol=1e-13)


@pytest.mark.parametrize("d", [2, 5, 8])
def test_pair_regression_on_chain_is_antithetic_permutation(d):
    design, game = sample_pairs(d, d - 1, seed=4), random_game(d, 0)
    grown = sorted([*sides(design), *(frozenset(range(d)) - s for s in sides(design))], key=len)
    order, last = [], frozenset()
    for size in range(1, d):
        last = next(side for side in grown if len(side) == size and side >= last)
        order += list(last - set(order))
    order += list(frozenset(range(d)) - last)
    actual = PairRegression.from_coalitions(design).matrix @ data_of(game, design)
    np.testing.assert_allclose(actual, ref.permutation_pass(game, order), atol=1e-12)


@given(st.integers(2, 40), st.integers(0, 30), st.integers(0, 10_000))
def test_pair_regression_constraint_and_contrasts(d, more, seed):
    n = min(d - 1 + more, count_pairs(d))
    regression = PairRegression.from_coalitions(sample_pairs(d, n, seed))
    assert (regression.n_pairs, regression.n_players, regression.dof) == (n, d, n + 1 - d)
    np.testing.assert_allclose(regression.matrix.sum(0), np.r_[np.zeros(n), 1.0], atol=1e-12)
    np.testing.assert_allclose(regression.matrix @ regression.signs, np.eye(d), atol=1e-10)
    np.testing.assert_allclose(regression.contrasts.T @ regression.signs, 0.0, atol=1e-10)
    scaled = regression.contrasts.T * regression.noise
    np.testing.assert_allclose(scaled @ regression.contrasts, np.eye(regression.dof), atol=1e-10)
    assert regression.noise[:-1].mean() == pytest.approx(1.0)
    assert regression.noise[-1] == 0.0


@given(st.integers(3, 12), st.integers(0, 500))
def test_pair_regression_exact_for_pairwise_interactions(d, seed):
    rng = np.random.default_rng(seed)
    main, both = rng.normal(size=d), np.triu(rng.normal(size=(d, d)), 1)
    design = sample_pairs(d, d - 1, seed)
    m, o = design.masks.astype(float), 1.0 - design.masks

    def value_of(masks):
        return masks @ main + ((masks @ both) * masks).sum(1)

    z = np.r_[value_of(m) - value_of(o), main.sum() + both.sum()]
    expected = main + (both.sum(0) + both.sum(1)) / 2.0
    np.testing.assert_allclose(PairRegression.from_coalitions(design).matrix @ z, expected, atol=1e-9)


def test_pair_regression_refuses_too_few_pairs():
    with refuses(ValueError, "4 pairs", "5 players", "got 3"):
        PairRegression.from_coalitions(sample_pairs(5, 3, seed=0))


def test_pair_regression_refuses_singular_design():
    masks = np.zeros((3, 4), dtype=bool)
    masks[0, 0] = masks[1, 1] = True
    masks[2, :2] = True
    with refuses(ValueError, "do not determine the Shapley values"):
        PairRegression.from_coalitions(Coalitions(masks))
