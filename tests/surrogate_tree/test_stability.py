"""Errors of means over pairs of trees."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from agnostix import MimicTree
from agnostix.surrogate_tree.stability import _jackknife

X = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=list("xyz"))


def numbers(Z):
    return np.asarray(np.tanh(Z["x"]) + 0.4 * Z["y"] + 0.38 * Z["z"])


def test_jackknife_leaves_out_one_tree_after_the_other():
    trees = np.random.default_rng(1).normal(size=7)
    pairs = np.full((7, 7), np.nan)
    for a, b in combinations(range(7), 2):
        pairs[a, b] = abs(trees[a] - trees[b])
    means = [
        np.mean([abs(one - other) for one, other in combinations(np.delete(trees, k), 2)]) for k in range(7)
    ]
    expected = np.sqrt(6 / 7 * sum((mean - np.mean(means)) ** 2 for mean in means))
    assert _jackknife(pairs) == pytest.approx(expected)


def test_stability_has_errors_that_are_not_0():
    mimic = MimicTree(numbers, synthetic="none", max_leaf_nodes=4, random_state=0).fit(X)
    stability = mimic.stability(6)
    assert stability.agreement is stability.agreement_sd is stability.agreement_std_error is None
    assert stability.r2_std_error > 0
    assert stability.jaccard_std_error > 0
    for name, share in stability.used.items():
        low, high = binomtest(round(share * 6), 6).proportion_ci(method="wilson")
        np.testing.assert_allclose(
            (stability.used_low[name], stability.used_high[name]), (low, high), atol=1e-12
        )
    assert np.isnan(mimic.stability(2).r2_std_error)


def test_equal_trees_follow_the_rule_of_three():
    step = MimicTree(lambda Z: np.asarray(Z["x"] > 0, dtype=float), synthetic="none", random_state=0).fit(X)
    stability = step.stability(5)
    assert (stability.jaccard, stability.jaccard_std_error) == (1.0, 0.2)
