"""Cost-complexity pruning against scikit-learn and loops, and the choice of a tree."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from agnostix.surrogate_tree.choice import best_way, price_steps, smallest
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.ordering import ranked
from agnostix.surrogate_tree.pruning import stand_ins, weakest_links
from agnostix.surrogate_tree.reduction import reduced
from agnostix.surrogate_tree.scores import Scores
from agnostix.surrogate_tree.trial import Trial
from tests.reference import mimic as reference
from tests.surrogate_tree.materials import TABLES, material


def grown(seed, leaves=14, n=150):
    one = material(TABLES["pandas"](n), seed=seed)
    return Growth("soft", leaves, 1, ("a", "b")).grown(one, np.arange(n)), one


@pytest.mark.parametrize("seed", range(4))
def test_weakest_links_match_sklearn_and_reference(seed):
    own, one = grown(seed)
    tree, steps = own.tree, price_steps(weakest_links(own.tree))[0]
    path = reference.pruning_path(tree.left, tree.right, tree.loss / tree.weight[0])
    np.testing.assert_allclose(steps[1:], [price for price, _ in path], rtol=1e-9)
    sizes = [
        1 + int((np.isfinite(weakest_links(tree)) & (weakest_links(tree) > step)).sum()) for step in steps
    ]
    assert sizes == [tree.leaves.size, *(leaves for _, leaves in path)]
    full = DecisionTreeRegressor(max_leaf_nodes=14, random_state=0)
    theirs = full.cost_complexity_pruning_path(ranked(one.numbers, own.ranks), one.answers).ccp_alphas
    np.testing.assert_allclose(steps, theirs * 2, rtol=1e-9)  # which are means over two outputs


@pytest.mark.parametrize("seed", range(3))
def test_reduced_tree_matches_ancestors_of_larger(seed):
    own, one = grown(seed)
    X, prices = TABLES["pandas"](150), weakest_links(own.tree)
    for step in price_steps(prices)[0]:
        splits = (own.tree.left >= 0) & (prices > step)
        small = own.reduced(splits)
        found = small.tree.values[small.tree.apply(X)]
        expected = own.tree.values[stand_ins(own.tree, splits)[own.tree.apply(X)]]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(
            small.tree.apply(X), small.estimator.apply(ranked(one.numbers, small.ranks))
        )
        assert small.tree.leaves.size == 1 + splits.sum()
        np.testing.assert_array_equal(reduced(own.tree, splits)[0].loss[0], own.tree.loss[0])


def scores(hits, losses):
    return Scores(np.array(hits, dtype=float), np.array(losses, dtype=float))


class Tried:
    """A trial whose scores are known."""

    def __init__(self, hits, given, nearby):
        self._hits, self._given, self._nearby = hits, given, nearby

    def scores(self):
        return scores(self._hits, [self._given] * len(self._hits))

    def scores_nearby(self, price):
        return scores(self._hits, [self._nearby] * len(self._hits))


def test_best_way_breaks_label_ties_by_r2():
    first = [Tried([1] * 15 + [0], 0.5, 0.5)]
    near = [Tried([1] * 13 + [0] * 3, 0.1, 0.1)]  # two labels of sixteen: 1.46 standard errors
    far = [Tried([1] * 5 + [0] * 11, 0.0, 0.0)]
    assert best_way([first, near, far], ["none"] * 3, "label") == 1
    assert best_way([first, near, far], ["none"] * 3, "r2") == 2
    assert best_way([first, far], ["none"] * 2, "label") == 0
    assert best_way([near, near], ["none"] * 2, "label") == 0
    assert near[0].scores().is_as_good(first[0].scores()) == (False, True)
    assert near[0].scores().is_as_good(first[0].scores(), 2.0) == (True, True)


def test_best_way_breaks_ties_by_synthetic_rows():
    one, other = [Tried([1] * 4, 0.1, 0.5)], [Tried([1] * 4, 0.2, 0.3)]
    assert best_way([one, other], ["bootstrap"] * 2, "label") == 1
    assert best_way([one, other], ["none", "bootstrap"], "label") == 0
    assert best_way([one, one, other], ["none", "bootstrap", "bootstrap"], "r2") == 0


def test_pruning_one_standard_error_rule():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=400)
    X = pd.DataFrame({"x": x, "noise": rng.normal(size=400)})
    one = material(X)
    steep = np.where(x > 0.5, 5.0, 0.0)[:, None] + rng.normal(size=(400, 1))
    one = type(one)(one.features, one.numbers, steep, one.fold, one.parent, 400, False)
    growth = Growth("soft", 12, 1, ("y",))
    whole = growth.grown(one, np.arange(400)).tree
    trials = []
    for part in range(5):
        rows, test = np.flatnonzero(one.fold != part), np.flatnonzero(one.fold == part)
        trials.append(Trial.of(growth.grown(one, rows).tree, one, test, drawn=True))
    prices = weakest_links(whole)
    assert 1 + int((np.isfinite(prices) & (prices > smallest(prices, trials))).sum()) == 2


def test_scores_average_synthetic_rows_with_parent():
    found = scores([1, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]).within(
        np.array([0, 1, 1, 0]), np.array([1.0, 1.0, 2.0, 1.0])
    )
    np.testing.assert_allclose(found.hits, [1.0, 2 / 3])
    np.testing.assert_allclose(found.losses, [2.5, 8 / 3])
