"""Path contributions and their standard errors against loops."""

import itertools

import numpy as np
import pytest

from agnostix.surrogate_tree.contributions import ClusterSums, PathContributions
from agnostix.surrogate_tree.growth import TreeGrowth
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import TABLES, training_rows


@pytest.mark.parametrize(("n_observed", "n"), [(60, 60), (40, 100)])
@pytest.mark.parametrize("targets", ["soft", "hard"])
def test_contributions_match_reference(targets, n_observed, n):
    training = training_rows(TABLES["pandas"](n), n_observed, probabilities=True)
    if n > n_observed:
        training.parent[-3:] = -1  # without a parent: each is a cluster of its own
    growth, rows = TreeGrowth(targets, 9, 1, ("a", "b")), np.arange(n)
    tree = growth.grow(training, rows).tree
    values = growth.target_values(training, rows)
    expected_of = values[:, ::-1] * 0.7 + 0.1  # of trees grown without the row
    sums = ClusterSums.from_rows(tree, training, rows, values, expected_of)
    contributions = PathContributions.from_sums(sums)
    leaf_of, weights = tree.apply_encoded(training.encoded), training.weights(rows)
    cluster = [int(parent) if parent >= 0 else 1000 + k for k, parent in enumerate(training.parent)]
    for k, leaf in enumerate(tree.leaves):
        for j in range(2):
            expected = reference.contributions(
                leaf, tree.feature, tree.left, tree.right, tree.values[:, j], 8
            )
            np.testing.assert_allclose(contributions.values[k, :, j], expected, atol=1e-12)
            on_path = {int(tree.feature[node]) for node in tree.path(leaf)[:-1]}
            for position in range(8):
                error, dof = 0.0, np.inf
                if position in on_path:
                    args = (tree.feature, tree.left, tree.right, leaf_of, values[:, j], weights, cluster)
                    error, dof = reference.contribution_error(leaf, position, *args, expected_of[:, j])
                np.testing.assert_allclose(contributions.std_errors[k, position, j], error, atol=1e-12)
                np.testing.assert_allclose(contributions.degrees_of_freedom[k, position, j], dof)


def test_contributions_sum_to_leaf_minus_root():
    training = training_rows(TABLES["pandas"](80))
    tree = TreeGrowth("soft", 10, 1, ("a", "b")).grow(training, np.arange(80)).tree
    leaves = tree.apply_encoded(training.encoded)
    contributions = PathContributions.from_sums(
        ClusterSums.from_rows(tree, training, np.arange(80), training.predictions, tree.values[leaves])
    )
    values, errors, dof = contributions.at(leaves)
    np.testing.assert_allclose(values.sum(axis=1), tree.values[leaves] - tree.values[0], atol=1e-12)
    assert errors.shape == dof.shape == values.shape == (80, 8, 2)
    np.testing.assert_allclose(
        contributions.base_std_errors, training.predictions.std(axis=0, ddof=1) / np.sqrt(80)
    )
    low, high = contributions.ends(0.9)
    is_split = contributions.std_errors > 0
    assert (low[is_split] < high[is_split]).all()
    np.testing.assert_array_equal(low[~is_split], contributions.values[~is_split])


def test_contributions_std_errors_match_bootstrap():
    """With the leaves' own means expected, standard errors match the spread over bootstrap samples."""
    rng = np.random.default_rng(0)
    training = training_rows(TABLES["pandas"](400))
    tree = TreeGrowth("soft", 3, 1, ("a", "b")).grow(training, np.arange(400)).tree
    leaf_of = tree.apply_encoded(training.encoded)
    contributions = PathContributions.from_sums(
        ClusterSums.from_rows(tree, training, np.arange(400), training.predictions, tree.values[leaf_of])
    )
    root = int(tree.feature[0])
    is_left = np.isin(leaf_of, reference.leaves_under(int(tree.left[0]), tree.left, tree.right, set()))
    leaf = next(k for k, node in enumerate(tree.leaves) if tree.path(node)[1] == tree.left[0])
    if sum(tree.feature[node] == root for node in tree.path(tree.leaves[leaf])[:-1]) > 1:
        pytest.fail("the case needs a root feature that is split once")
    changes = []
    for _ in range(800):
        rows = rng.integers(400, size=400)
        predictions = training.predictions[rows]
        changes.append(predictions[is_left[rows]].mean(axis=0) - predictions.mean(axis=0))
    np.testing.assert_allclose(contributions.std_errors[leaf, root], np.std(changes, axis=0), rtol=0.1)


@pytest.mark.parametrize(("n_leaves", "is_whole"), [(6, True), (30, False)])
def test_components_give_the_covariances_of_contributions(n_leaves, is_whole):
    """Dot products of components are covariances by definition: sums of products over clusters."""
    rng = np.random.default_rng(1)
    training = training_rows(TABLES["pandas"](300))
    tree = TreeGrowth("soft", n_leaves, 1, ("a", "b")).grow(training, np.arange(300)).tree
    expected = training.predictions + rng.normal(size=(300, 2)) * rng.lognormal(size=(300, 1))
    sums = ClusterSums.from_rows(tree, training, np.arange(300), training.predictions, expected)
    contributions = PathContributions.from_sums(sums)
    shared, rest = contributions.parts_at(tree.leaves)
    assert shared.shape[-1] <= 32
    whole = contributions.std_errors**2
    np.testing.assert_allclose(np.square(shared).sum(axis=-1) + rest**2, whole, rtol=1e-5, atol=1e-15)
    assert (rest.max() == 0) == is_whole
    weights, leaf_of = training.weights(np.arange(300)), tree.apply_encoded(training.encoded)

    def influence(leaf, position, j):
        """Of every row on a contribution."""
        total = np.zeros(300)
        path = reference.path_to(leaf, tree.left, tree.right)
        for parent, child in itertools.pairwise(path):
            if tree.feature[parent] == position:
                for node, sign in ((parent, -1.0), (child, 1.0)):
                    inside = np.isin(leaf_of, reference.leaves_under(node, tree.left, tree.right, set()))
                    shift = tree.values[leaf_of, j] - tree.values[node, j]
                    own = weights * (training.predictions[:, j] - expected[:, j] + shift) / tree.weight[node]
                    total += sign * np.where(inside, own, 0.0)
        return total

    if is_whole:
        split = np.argwhere(contributions.std_errors > 0)
        for one, other in zip(split, split[::-1], strict=True):
            rows = [influence(tree.leaves[k], position, j) for k, position, j in (one, other)]
            np.testing.assert_allclose(
                shared[tuple(one)] @ shared[tuple(other)], rows[0] @ rows[1] * 300 / 299, atol=1e-12
            )


def test_many_means_have_no_components(monkeypatch):
    """Their errors may add up over rows."""
    monkeypatch.setattr("agnostix.surrogate_tree.contributions.MOST_MEANS", 3)
    training = training_rows(TABLES["pandas"](80))
    tree = TreeGrowth("soft", 10, 1, ("a", "b")).grow(training, np.arange(80)).tree
    leaves = tree.apply_encoded(training.encoded)
    sums = ClusterSums.from_rows(tree, training, np.arange(80), training.predictions, tree.values[leaves])
    contributions = PathContributions.from_sums(sums)
    shared, rest = contributions.parts_at(leaves)
    assert shared.shape == (80, 8, 2, 0)
    np.testing.assert_allclose(rest, contributions.at(leaves)[1], rtol=1e-12)
