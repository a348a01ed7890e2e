"""Path contributions and their standard errors against loops."""

import numpy as np
import pytest

from agnostix.surrogate_tree.contributions import Contributions
from agnostix.surrogate_tree.growth import Growth
from tests.reference import mimic as reference
from tests.surrogate_tree.materials import TABLES, material


@pytest.mark.parametrize(("n_real", "n"), [(60, 60), (40, 100)])
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_contributions_match_reference(kind, n_real, n):
    one = material(TABLES["pandas"](n), n_real, shares=True)
    if n > n_real:
        one.parent[-3:] = -1  # made from none: each tells by itself
    growth, rows = Growth(kind, 9, 1, ("a", "b")), np.arange(n)
    tree = growth.grown(one, rows).tree
    wanted = growth.wanted(one, rows)
    found = Contributions.of(tree, one, rows, wanted)
    at, weights = tree.apply_read(one.numbers), one.weights(rows)
    kin = [int(parent) if parent >= 0 else 1000 + k for k, parent in enumerate(one.parent)]
    for k, leaf in enumerate(tree.leaves):
        for j in range(2):
            expected = reference.contributions(
                leaf, tree.feature, tree.left, tree.right, tree.values[:, j], 8
            )
            np.testing.assert_allclose(found.values[k, :, j], expected, atol=1e-12)
            asked = {int(tree.feature[node]) for node in tree.path(leaf)[:-1]}
            for place in range(8):
                error = 0.0
                if place in asked:
                    args = (tree.feature, tree.left, tree.right, at, wanted[:, j], weights, kin)
                    error = reference.contribution_error(leaf, place, *args)
                np.testing.assert_allclose(found.std_errors[k, place, j], error, atol=1e-12)


def test_contributions_sum_to_leaf_minus_root():
    one = material(TABLES["pandas"](80))
    tree = Growth("soft", 10, 1, ("a", "b")).grown(one, np.arange(80)).tree
    found = Contributions.of(tree, one, np.arange(80), one.answers)
    leaves = tree.apply_read(one.numbers)
    values, errors = found.at(leaves)
    np.testing.assert_allclose(values.sum(axis=1), tree.values[leaves] - tree.values[0], atol=1e-12)
    assert errors.shape == values.shape == (80, 8, 2)


def test_contributions_std_errors_match_bootstrap():
    """Given the splits, standard errors match the spread over bootstrap samples."""
    rng = np.random.default_rng(0)
    one = material(TABLES["pandas"](400))
    tree = Growth("soft", 3, 1, ("a", "b")).grown(one, np.arange(400)).tree
    found = Contributions.of(tree, one, np.arange(400), one.answers)
    at, root = tree.apply_read(one.numbers), int(tree.feature[0])
    side = np.isin(at, reference.leaves_under(int(tree.left[0]), tree.left, tree.right, set()))
    leaf = next(k for k, node in enumerate(tree.leaves) if tree.path(node)[1] == tree.left[0])
    if sum(tree.feature[node] == root for node in tree.path(tree.leaves[leaf])[:-1]) > 1:
        pytest.fail("the case is not as it was thought out")
    moved = []
    for _ in range(800):
        rows = rng.integers(400, size=400)
        answers = one.answers[rows]
        moved.append(answers[side[rows]].mean(axis=0) - answers.mean(axis=0))
    np.testing.assert_allclose(found.std_errors[leaf, root], np.std(moved, axis=0), rtol=0.1)
