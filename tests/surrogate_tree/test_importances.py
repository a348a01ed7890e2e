"""Importances and their errors against loops, scikit-learn and jackknives."""

import numpy as np
import pandas as pd
import pytest

from agnostix import MimicTree
from agnostix.surrogate_tree.contributions import ClusterSums
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.importances import Importances
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import TABLES, training_rows


def example(n, targets="soft"):
    training = training_rows(TABLES["pandas"](n), n, probabilities=True)
    rows = np.arange(n)
    growth = TreeGrowth(targets, 6, 1, ("a", "b"))
    grown = growth.grow(training, rows)
    return training, rows, grown, growth.target_values(training, rows)


@pytest.mark.parametrize("targets", ["soft", "hard"])
def test_importances_match_loops_and_scikit_learn(targets):
    training, rows, grown, values = example(60, targets)
    tree, leaf = grown.tree, grown.tree.apply_encoded(training.encoded)
    own = Importances.from_sums(ClusterSums.from_rows(tree, training, rows, values, 0.5 * values))
    expected = reference.importances(
        tree.leaves, tree.feature, tree.left, tree.right, leaf, values, training.weights(rows), 8
    )
    np.testing.assert_allclose(own.values, expected, atol=1e-12)
    np.testing.assert_allclose(own.values, grown.estimator.feature_importances_, atol=1e-12)
    np.testing.assert_array_equal(own.std_errors > 0, own.values > 0)


def test_std_errors_match_jackknife_given_the_splits():
    training, rows, grown, values = example(300)
    tree, leaf = grown.tree, grown.tree.apply_encoded(training.encoded)
    own = Importances.from_sums(ClusterSums.from_rows(tree, training, rows, values, tree.values[leaf]))

    def without(k):
        kept = np.delete(rows, k)
        args = (tree.leaves, tree.feature, tree.left, tree.right, leaf[kept], values[kept], np.ones(299), 8)
        return reference.importances(*args)

    drawn = np.random.default_rng(0).permutation(300)[:100]  # of the jackknife's terms
    terms = (np.array([without(k) for k in drawn]) - own.values) ** 2
    np.testing.assert_allclose(own.std_errors, np.sqrt(terms.sum(axis=0) * 3), rtol=0.25, atol=2e-3)


def test_importances_frame():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("xyz"))
    mimic = MimicTree(lambda Z: np.asarray(2 * (Z["x"] > 0) + Z["y"]), random_state=0).fit(X)
    frame = mimic.importances_
    assert list(frame.index) == ["y", "x", "z"] or list(frame.index) == ["x", "y", "z"]
    np.testing.assert_allclose(frame.loc[["x", "y", "z"], "importance"], mimic.feature_importances_)
    assert (frame["low"] >= 0).all()
    assert (frame["high"] <= 1).all()
    assert (frame["low"] <= frame["importance"]).all()
    assert (frame["importance"] <= frame["high"]).all()
    constant = MimicTree(lambda Z: np.ones(len(Z)), random_state=0).fit(X).importances_
    assert (constant == 0).all(axis=None)
