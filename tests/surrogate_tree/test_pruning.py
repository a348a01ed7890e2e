"""Cost-complexity pruning and the 1-SE rule against scikit-learn and loops."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from agnostix.surrogate_tree.growth import TreeGrowth, rank_levels
from agnostix.surrogate_tree.pruning import (
    HeldOutTree,
    RowScores,
    alpha_steps,
    count_leaves,
    one_se_alpha,
    prune,
    pruned_ancestors,
    weakest_links,
)
from agnostix.surrogate_tree.training_rows import TrainingRows
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import TABLES, encode, training_rows


def grow(seed, max_leaf_nodes=14, n=150):
    training = training_rows(TABLES["pandas"](n), seed=seed)
    return TreeGrowth("soft", max_leaf_nodes, 1, ("a", "b")).grow(training, np.arange(n)), training


@pytest.mark.parametrize("seed", range(4))
def test_weakest_links_match_sklearn_and_reference(seed):
    grown, training = grow(seed)
    tree = grown.tree
    alphas = weakest_links(tree)
    steps = alpha_steps(alphas)[0]
    path = reference.pruning_path(tree.left, tree.right, tree.loss / tree.weight[0])
    np.testing.assert_allclose(steps[1:], [alpha for alpha, _ in path], rtol=1e-9)
    sizes = [count_leaves(alphas, step) for step in steps]
    assert sizes == [tree.leaves.size, *(n_leaves for _, n_leaves in path)]
    full = DecisionTreeRegressor(max_leaf_nodes=14, random_state=0)
    X = rank_levels(training.encoded, grown.ranks)
    expected = full.cost_complexity_pruning_path(X, training.predictions).ccp_alphas
    np.testing.assert_allclose(steps, expected * 2, rtol=1e-9)  # which are means over two outputs


@pytest.mark.parametrize("seed", range(3))
def test_pruned_tree_matches_ancestors_of_larger(seed):
    grown, training = grow(seed)
    tree, alphas, X = grown.tree, weakest_links(grown.tree), TABLES["pandas"](150)
    for step in alpha_steps(alphas)[0]:
        splits = (tree.left >= 0) & (alphas > step)
        pruned = grown.prune(splits)
        expected = tree.values[pruned_ancestors(tree, splits)[tree.apply(X)]]
        np.testing.assert_array_equal(pruned.tree.values[pruned.tree.apply(X)], expected)
        in_ranks = rank_levels(training.encoded, pruned.ranks)
        np.testing.assert_array_equal(pruned.tree.apply(X), pruned.estimator.apply(in_ranks))
        assert pruned.tree.leaves.size == 1 + splits.sum()
        np.testing.assert_array_equal(prune(tree, splits)[0].loss[0], tree.loss[0])


def test_one_se_alpha_selects_single_step_function():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=400)
    features, encoded = encode(pd.DataFrame({"x": x, "noise": rng.normal(size=400)}))
    predictions = np.where(x > 0.5, 5.0, 0.0)[:, None] + rng.normal(size=(400, 1))
    fold = np.arange(400) % 5
    training = TrainingRows.from_observed(features, encoded, predictions, fold, False)
    growth = TreeGrowth("soft", 12, 1, ("y",))
    alphas = weakest_links(growth.grow(training, np.arange(400)).tree)
    held_out = [
        HeldOutTree.from_rows(
            growth.grow(training, np.flatnonzero(fold != k)).tree,
            training,
            np.flatnonzero(fold == k),
            with_synthetic=True,
        )
        for k in range(5)
    ]
    assert count_leaves(alphas, -1.0) == 12
    assert count_leaves(alphas, one_se_alpha(alphas, held_out)) == 2


def test_scores_average_synthetic_rows_with_parent():
    scores = RowScores(np.array([1.0, 0.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    averaged = scores.average_by(np.array([0, 1, 1, 0]), np.array([1.0, 1.0, 2.0, 1.0]))
    np.testing.assert_allclose(averaged.hits, [1.0, 2 / 3])
    np.testing.assert_allclose(averaged.losses, [2.5, 8 / 3])
