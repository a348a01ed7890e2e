"""Rule trees against scikit-learn's tree and loops."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.exceptions import DataError
from agnostix.surrogate_tree.growth import TreeGrowth, rank_levels
from agnostix.surrogate_tree.rule_tree import RuleFeature
from tests.messages import refuses
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import TABLES, small_tree, training_rows


def grow(X, n_observed=None, max_leaf_nodes=12, **params):
    training = training_rows(X, n_observed, **params)
    names = tuple(f"out{k}" for k in range(training.predictions.shape[1]))
    growth = TreeGrowth("soft", max_leaf_nodes, 1, names)
    return growth.grow(training, np.arange(training.fold.size)), training


def arrays(tree):
    return tree.feature, tree.threshold, tree.levels, tree.missing_left, tree.left, tree.right


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(
    ("n_observed", "max_leaf_nodes"), [(None, 12), (40, 12), (None, 1), (None, 60), (7, 30)]
)
def test_rule_tree_apply_matches_sklearn_and_reference(make, n_observed, max_leaf_nodes):
    X = make(150)
    grown, training = grow(X, n_observed, max_leaf_nodes)
    tree, estimator = grown.tree, grown.estimator
    leaf_of = tree.apply(X)
    in_ranks = rank_levels(training.encoded, grown.ranks)
    np.testing.assert_array_equal(leaf_of, estimator.apply(in_ranks))
    np.testing.assert_array_equal(
        leaf_of, [reference.leaf_of(row, *arrays(tree)) for row in training.encoded]
    )
    np.testing.assert_array_equal(tree.values[leaf_of], estimator.predict(in_ranks).reshape(150, -1))
    assert 1 <= tree.leaves.size <= max_leaf_nodes
    assert tree.leaves.size == estimator.get_n_leaves()
    assert tree.depth == estimator.get_depth()


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_rule_tree_conditions_hold_in_own_leaf_only(make):
    X = make(120)
    grown, training = grow(X, 60, 15)
    tree, leaf_of = grown.tree, grown.tree.apply(X)
    for leaf in tree.leaves:
        conditions = tree.conditions(leaf)
        is_admitted = [
            all(reference.admitted(row[c.feature], c.low, c.high, c.levels, c.missing) for c in conditions)
            for row in training.encoded
        ]
        np.testing.assert_array_equal(is_admitted, leaf_of == leaf)


def test_rule_tree_node_statistics_match_rows():
    X = TABLES["pandas"](150)
    grown, training = grow(X, 50, 10)
    tree, leaf_of, weights = grown.tree, grown.tree.apply(X), training.weights(np.arange(150))
    for node in range(tree.n_nodes):
        below = reference.leaves_under(node, tree.left, tree.right, set())
        rows = [k for k in range(150) if leaf_of[k] in below]
        assert tree.n_observed[node] == sum(k < 50 for k in rows) > 0
        assert tree.n_synthetic[node] == sum(k >= 50 for k in rows)
        np.testing.assert_allclose(tree.weight[node], weights[rows].sum())
        mean = np.average(training.predictions[rows], axis=0, weights=weights[rows])
        np.testing.assert_allclose(tree.values[node], mean)
        squares = reference.squares(rows, training.predictions, weights)
        np.testing.assert_allclose(tree.loss[node], squares, atol=1e-9)


def test_rule_tree_unseen_label_goes_with_missing():
    X = TABLES["pandas"](100)
    grown, _ = grow(X, max_leaf_nodes=20)
    unseen, missing = X.copy(), X.copy()
    unseen["job"], missing["job"] = "astronaut", None
    np.testing.assert_array_equal(grown.tree.apply(unseen), grown.tree.apply(missing))


@pytest.mark.parametrize(
    ("column", "values", "predictions", "rules"),
    [
        ("age", [1.0, 2.0, 3.0], [0.0, 0.0, 1.0], ["age <= 2.5", "age > 2.5"]),
        ("n", [0.1, 0.3, None], [0.0, 0.0, 1.0], ["n not missing", "n missing"]),
        ("n", [0.1, 0.3, None], [0.0, 1.0, 1.0], ["n <= 0.2", "n > 0.2 or missing"]),
        ("job", ["a", "b", "c"], [1.0, 0.0, 1.0], ["job = b", "job in {a, c}"]),
        ("job", ["a", "b", None], [1.0, 0.0, 0.0], ["job = b or missing", "job = a"]),
        ("on", [True, True, False], [1.0, 1.0, 0.0], ["on = False", "on = True"]),
        (
            "day",
            pd.to_datetime(["2020-01-01", "2020-01-03"]),
            [0.0, 1.0],
            ["day <= 2020-01-02", "day > 2020-01-02"],
        ),
        ("span", pd.to_timedelta([1, 3], "D"), [0.0, 1.0], ["span <= 2 days", "span > 2 days"]),
    ],
)
def test_rule_text(column, values, predictions, rules):
    X = pd.DataFrame({column: pd.Series(values)})
    tree = small_tree(X, predictions)
    assert [tree.rule(leaf).strip("()") for leaf in tree.leaves] == rules


def test_rule_text_of_polars_dates():
    X = pl.DataFrame({"day": [date(2020, 1, 1), date(2020, 1, 3)]})
    tree = small_tree(X, [0.0, 1.0])
    assert [tree.rule(leaf) for leaf in tree.leaves] == ["day <= 2020-01-02", "day > 2020-01-02"]
    assert tree.rule(0) == "any row"


def test_rule_text_merges_two_bounds():
    X = pd.DataFrame({"x": np.arange(9.0)})
    tree = small_tree(X, [0, 0, 0, 5, 5, 5, 1, 1, 1], 3)
    assert [tree.rule(leaf) for leaf in tree.leaves] == ["x <= 2.5", "2.5 < x <= 5.5", "x > 5.5"]


def test_rule_feature_refuses_infinite():
    feature = RuleFeature.from_column("x", pd.Series([1.0, 2.0]))
    with refuses(DataError, "'x'", "infinite values", "with missing values"):
        feature.encode(pd.Series([np.inf]))
    assert np.isnan(feature.encode(pd.Series([np.inf]).where(lambda x: np.isfinite(x)))).all()


def test_rule_tree_never_splits_on_empty_column():
    X = pd.DataFrame(
        {"empty": [np.nan] * 20, "x": np.arange(20.0), "none": pd.Series([None] * 20, dtype=object)}
    )
    grown, _ = grow(X, max_leaf_nodes=8, n_outputs=1)
    assert set(grown.tree.feature) == {-1, 1}
