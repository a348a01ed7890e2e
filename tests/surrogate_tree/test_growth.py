"""Orders of labels, soft and hard targets and growth against brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.ordering import level_ranks, ranked, seen_order
from tests.reference import mimic as reference
from tests.surrogate_tree.materials import TABLES, material, read


@given(seed=st.integers(0, 10**6))
def test_level_ranks_single_output_splits_optimally(seed):
    rng = np.random.default_rng(seed)
    n_levels = int(rng.integers(2, 6))
    codes = np.concatenate([np.arange(n_levels), rng.integers(n_levels, size=12)]).astype(float)
    answers, weights = rng.normal(size=(codes.size, 1)).round(1), rng.uniform(0.5, 2.0, codes.size)
    ranks = level_ranks(codes, answers, weights, n_levels)
    found = min(
        sum(
            reference.squares(np.flatnonzero((ranks[codes.astype(int)] < cut) == side), answers, weights)
            for side in (True, False)
        )
        for cut in range(1, n_levels)
    )
    np.testing.assert_allclose(found, reference.best_two_sets(codes, answers, weights, n_levels), atol=1e-12)


def test_level_ranks_follow_first_principal_component():
    rng = np.random.default_rng(0)
    codes, answers = rng.integers(5, size=200).astype(float), rng.normal(size=(200, 3))
    answers += np.outer([0.0, 3.0, 1.0, 2.0, 4.0], [1.0, -1.0, 0.5])[codes.astype(int)]
    means = np.array([answers[codes == k].mean(axis=0) for k in range(5)])
    held = np.array([(codes == k).sum() for k in range(5)])
    centred = (means - held @ means / 200) * np.sqrt(held)[:, None]
    scores = centred @ np.linalg.svd(centred)[2][0] / np.sqrt(held)
    ranks = level_ranks(codes, answers, np.ones(200), 5)
    assert list(ranks) in [list(np.argsort(np.argsort(one))) for one in (scores, -scores)]


def test_level_ranks_of_absent_labels_are_nan():
    ranks = level_ranks(np.array([2.0, 0.0, np.nan]), np.array([[1.0], [3.0], [9.0]]), np.ones(3), 4)
    np.testing.assert_array_equal(ranks, [1.0, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(seen_order(ranks), [2, 0])
    out = ranked(np.array([[0.0, 7.0], [1.0, 7.0], [np.nan, 7.0]]), {0: ranks})
    np.testing.assert_array_equal(out, [[1.0, 7.0], [np.nan, 7.0], [np.nan, 7.0]])
    assert np.isnan(level_ranks(np.array([np.nan]), np.ones((1, 1)), np.ones(1), 2)).all()


def numbers_and_shares(n=200, n_outputs=3, seed=0):
    X = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 4)), columns=list("abcd"))
    return X, material(X, n_outputs=n_outputs, shares=True, seed=seed)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_growth_soft_matches_sklearn_regressor(n_outputs):
    X, one = numbers_and_shares(n_outputs=n_outputs)
    tree = Growth("soft", 10, 1, ("p", "q", "r")[:n_outputs]).grown(one, np.arange(200)).tree
    own = DecisionTreeRegressor(max_leaf_nodes=10, random_state=0).fit(
        X.to_numpy(), one.answers[:, 1:] if n_outputs == 2 else one.answers
    )
    expected = own.predict(X.to_numpy()).reshape(200, -1)
    np.testing.assert_allclose(tree.values[tree.apply(X)][:, -expected.shape[1] :], expected, atol=1e-12)
    np.testing.assert_allclose(tree.values.sum(axis=1), 1.0)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_growth_hard_matches_sklearn_classifier(n_outputs):
    X, one = numbers_and_shares(n_outputs=n_outputs)
    tree = Growth("hard", 10, 1, ("p", "q", "r")[:n_outputs]).grown(one, np.arange(200)).tree
    own = DecisionTreeClassifier(max_leaf_nodes=10, random_state=0).fit(
        X.to_numpy(), one.answers.argmax(axis=1)
    )
    np.testing.assert_allclose(tree.values[tree.apply(X)], own.predict_proba(X.to_numpy()), atol=1e-12)


def test_synthetic_rows_weigh_four_times_observed():
    one = material(pd.DataFrame({"x": np.arange(50.0)}), n_real=10)
    weights = one.weights(np.arange(50))
    assert (weights[:10] == 1.0).all()
    np.testing.assert_allclose(weights[10:].sum(), 40.0)
    np.testing.assert_array_equal(one.weights(np.arange(10)), np.ones(10))


def drawn_beyond(given, n_drawn=40):
    """Outputs with a large step beyond the observed rows and a small one among them."""
    X = pd.DataFrame({"x": [*given, *np.linspace(2, 9, n_drawn)]})
    features, numbers = read(X)
    answers = (numbers > 5).astype(float) * 10 + (numbers > 0.5)
    n = len(given)
    own = Material.given(features, numbers[:n], answers[:n], False)
    return own.joined(numbers[n:], answers[n:], np.full(n_drawn, -1))


def test_growth_splits_among_observed_rows():
    one = drawn_beyond([0.0, 1.0])
    tree = Growth("soft", 8, 1, ("y",)).grown(one, np.arange(42)).tree
    assert tree.n_real[tree.leaves].tolist() == [1, 1]
    assert tree.threshold[0] == pytest.approx(0.5)  # the best split is at 5
    np.testing.assert_allclose(tree.values[tree.leaves[0]], 0.0)
    weights = one.weights(np.arange(42))
    np.testing.assert_allclose(
        tree.values[tree.leaves[1], 0], np.average(one.answers[1:, 0], weights=weights[1:])
    )


def test_growth_equal_observed_rows_are_one_leaf():
    tree = Growth("soft", 8, 1, ("y",)).grown(drawn_beyond([1.0, 1.0, 1.0]), np.arange(43)).tree
    assert tree.n_nodes == 1


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("seed", range(4))
def test_growth_every_leaf_has_observed_rows(make, seed):
    X, n_real = make(200), 15
    one = material(X, n_real, seed=seed)
    own = Growth("soft", 12, 1, ("a", "b")).grown(one, np.arange(200))
    tree, at, weights = own.tree, own.tree.apply(X), one.weights(np.arange(200))
    assert set(at[:n_real]) == set(tree.leaves)
    for leaf in tree.leaves:
        np.testing.assert_allclose(
            tree.values[leaf], np.average(one.answers[at == leaf], axis=0, weights=weights[at == leaf])
        )
    np.testing.assert_array_equal(at, own.estimator.apply(ranked(one.numbers, own.ranks)))
    np.testing.assert_allclose(tree.loss[0], reference.squares(range(200), one.answers, weights))


@pytest.mark.parametrize("leaves", [1, 2, 5])
def test_growth_max_leaf_nodes(leaves):
    one = material(pd.DataFrame({"x": np.random.default_rng(0).normal(size=300)}), n_real=100)
    tree = Growth("soft", leaves, 1, ("a", "b")).grown(one, np.arange(300)).tree
    assert tree.leaves.size == leaves


def test_growth_min_samples_leaf():
    _, one = numbers_and_shares()
    tree = Growth("soft", 16, 20, ("p", "q", "r")).grown(one, np.arange(200)).tree
    assert tree.n_real[tree.leaves].min() >= 20
    assert tree.leaves.size > 3
