"""Order of labels, soft and hard targets and best-first growth against brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix.surrogate_tree.growth import TreeGrowth, level_ranks, levels_by_rank, rank_levels
from agnostix.surrogate_tree.training_rows import TrainingRows
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import TABLES, encode, training_rows


@given(seed=st.integers(0, 10**6))
def test_level_ranks_single_output_splits_optimally(seed):
    rng = np.random.default_rng(seed)
    n_levels = int(rng.integers(2, 6))
    codes = np.concatenate([np.arange(n_levels), rng.integers(n_levels, size=12)]).astype(float)
    targets, weights = rng.normal(size=(codes.size, 1)).round(1), rng.uniform(0.5, 2.0, codes.size)
    ranks = level_ranks(codes, targets, weights, n_levels)
    best = min(
        sum(
            reference.squares(
                np.flatnonzero((ranks[codes.astype(int)] < threshold) == side), targets, weights
            )
            for side in (True, False)
        )
        for threshold in range(1, n_levels)
    )
    np.testing.assert_allclose(best, reference.best_two_sets(codes, targets, weights, n_levels), atol=1e-12)


def test_level_ranks_follow_first_principal_component():
    rng = np.random.default_rng(0)
    codes, targets = rng.integers(5, size=200).astype(float), rng.normal(size=(200, 3))
    targets += np.outer([0.0, 3.0, 1.0, 2.0, 4.0], [1.0, -1.0, 0.5])[codes.astype(int)]
    means = np.array([targets[codes == k].mean(axis=0) for k in range(5)])
    counts = np.array([(codes == k).sum() for k in range(5)])
    centered = (means - counts @ means / 200) * np.sqrt(counts)[:, None]
    scores = centered @ np.linalg.svd(centered)[2][0] / np.sqrt(counts)
    ranks = level_ranks(codes, targets, np.ones(200), 5)
    assert list(ranks) in [list(np.argsort(np.argsort(one))) for one in (scores, -scores)]


def test_level_ranks_of_absent_labels_are_nan():
    ranks = level_ranks(np.array([2.0, 0.0, np.nan]), np.array([[1.0], [3.0], [9.0]]), np.ones(3), 4)
    np.testing.assert_array_equal(ranks, [1.0, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(levels_by_rank(ranks), [2, 0])
    ranked = rank_levels(np.array([[0.0, 7.0], [1.0, 7.0], [np.nan, 7.0]]), {0: ranks})
    np.testing.assert_array_equal(ranked, [[1.0, 7.0], [np.nan, 7.0], [np.nan, 7.0]])
    assert np.isnan(level_ranks(np.array([np.nan]), np.ones((1, 1)), np.ones(1), 2)).all()


def numbers_and_training(n=200, n_outputs=3, seed=0):
    X = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 4)), columns=list("abcd"))
    return X, training_rows(X, n_outputs=n_outputs, probabilities=True, seed=seed)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_growth_soft_matches_sklearn_regressor(n_outputs):
    X, training = numbers_and_training(n_outputs=n_outputs)
    tree = TreeGrowth("soft", 10, 1, ("p", "q", "r")[:n_outputs]).grow(training, np.arange(200)).tree
    expected_tree = DecisionTreeRegressor(max_leaf_nodes=10, random_state=0).fit(
        X.to_numpy(), training.predictions[:, 1:] if n_outputs == 2 else training.predictions
    )
    expected = expected_tree.predict(X.to_numpy()).reshape(200, -1)
    np.testing.assert_allclose(tree.values[tree.apply(X)][:, -expected.shape[1] :], expected, atol=1e-12)
    np.testing.assert_allclose(tree.values.sum(axis=1), 1.0)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_growth_hard_matches_sklearn_classifier(n_outputs):
    X, training = numbers_and_training(n_outputs=n_outputs)
    tree = TreeGrowth("hard", 10, 1, ("p", "q", "r")[:n_outputs]).grow(training, np.arange(200)).tree
    expected_tree = DecisionTreeClassifier(max_leaf_nodes=10, random_state=0).fit(
        X.to_numpy(), training.predictions.argmax(axis=1)
    )
    expected = expected_tree.predict_proba(X.to_numpy())
    np.testing.assert_allclose(tree.values[tree.apply(X)], expected, atol=1e-12)


def step_beyond_observed(observed, n_synthetic=40):
    """Predictions with a large step beyond the observed rows and a small one among them."""
    X = pd.DataFrame({"x": [*observed, *np.linspace(2, 9, n_synthetic)]})
    features, encoded = encode(X)
    predictions = (encoded > 5).astype(float) * 10 + (encoded > 0.5)
    n = len(observed)
    fold = np.zeros(n, dtype=int)
    training = TrainingRows.from_observed(features, encoded[:n], predictions[:n], fold, False)
    return training.with_synthetic(encoded[n:], predictions[n:], np.full(n_synthetic, -1))


def test_growth_splits_among_observed_rows():
    training = step_beyond_observed([0.0, 1.0])
    tree = TreeGrowth("soft", 8, 1, ("y",)).grow(training, np.arange(42)).tree
    assert tree.n_observed[tree.leaves].tolist() == [1, 1]
    assert tree.threshold[0] == pytest.approx(0.5)  # the best split is at 5
    np.testing.assert_allclose(tree.values[tree.leaves[0]], 0.0)
    weights = training.weights(np.arange(42))
    np.testing.assert_allclose(
        tree.values[tree.leaves[1], 0], np.average(training.predictions[1:, 0], weights=weights[1:])
    )


def test_growth_equal_observed_rows_are_one_leaf():
    tree = TreeGrowth("soft", 8, 1, ("y",)).grow(step_beyond_observed([1.0, 1.0, 1.0]), np.arange(43)).tree
    assert tree.n_nodes == 1


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("seed", range(4))
def test_growth_every_leaf_has_observed_rows(make, seed):
    X, n_observed = make(200), 15
    training = training_rows(X, n_observed, seed=seed)
    grown = TreeGrowth("soft", 12, 1, ("a", "b")).grow(training, np.arange(200))
    tree, leaf_of, weights = grown.tree, grown.tree.apply(X), training.weights(np.arange(200))
    assert set(leaf_of[:n_observed]) == set(tree.leaves)
    for leaf in tree.leaves:
        rows = leaf_of == leaf
        expected = np.average(training.predictions[rows], axis=0, weights=weights[rows])
        np.testing.assert_allclose(tree.values[leaf], expected)
    in_ranks = rank_levels(training.encoded, grown.ranks)
    np.testing.assert_array_equal(leaf_of, grown.estimator.apply(in_ranks))
    np.testing.assert_allclose(tree.loss[0], reference.squares(range(200), training.predictions, weights))


@pytest.mark.parametrize("max_leaf_nodes", [1, 2, 5])
def test_growth_max_leaf_nodes(max_leaf_nodes):
    training = training_rows(pd.DataFrame({"x": np.random.default_rng(0).normal(size=300)}), n_observed=100)
    tree = TreeGrowth("soft", max_leaf_nodes, 1, ("a", "b")).grow(training, np.arange(300)).tree
    assert tree.leaves.size == max_leaf_nodes


def test_growth_min_samples_leaf():
    _, training = numbers_and_training()
    tree = TreeGrowth("soft", 16, 20, ("p", "q", "r")).grow(training, np.arange(200)).tree
    assert tree.n_observed[tree.leaves].min() >= 20
    assert tree.leaves.size > 3
