"""Rule trees against scikit-learn's tree and loops."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.exceptions import DataError
from agnostix.surrogate_tree.growth import Growth, _float64_cut
from agnostix.surrogate_tree.ordering import ranked
from agnostix.surrogate_tree.rule_feature import RuleFeature
from tests.messages import refuses
from tests.reference import mimic as reference
from tests.surrogate_tree.materials import TABLES, material, small_tree


def grown(X, n_real=None, leaves=12, **kw):
    one = material(X, n_real, **kw)
    names = tuple(f"out{k}" for k in range(one.answers.shape[1]))
    return Growth("soft", leaves, 1, names).grown(one, np.arange(one.fold.size)), one


def arrays(tree):
    return tree.feature, tree.threshold, tree.levels, tree.missing_left, tree.left, tree.right


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(("n_real", "leaves"), [(None, 12), (40, 12), (None, 1), (None, 60), (7, 30)])
def test_rule_tree_apply_matches_sklearn_and_reference(make, n_real, leaves):
    X = make(150)
    one, own = grown(X, n_real, leaves)
    found = one.tree.apply(X)
    in_ranks = ranked(own.numbers, one.ranks)
    np.testing.assert_array_equal(found, one.estimator.apply(in_ranks))
    np.testing.assert_array_equal(found, [reference.leaf_of(row, *arrays(one.tree)) for row in own.numbers])
    np.testing.assert_array_equal(one.tree.values[found], one.estimator.predict(in_ranks).reshape(150, -1))
    assert 1 <= one.tree.leaves.size <= leaves
    assert one.tree.leaves.size == one.estimator.get_n_leaves()
    assert one.tree.depth == one.estimator.get_depth()


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_rule_tree_conditions_hold_in_own_leaf_only(make):
    X = make(120)
    one, own = grown(X, 60, 15)
    tree, found = one.tree, one.tree.apply(X)
    for leaf in tree.leaves:
        conditions = tree.conditions(leaf)
        meets = [
            all(reference.admitted(row[c.feature], c.low, c.high, c.levels, c.missing) for c in conditions)
            for row in own.numbers
        ]
        np.testing.assert_array_equal(meets, found == leaf)


def test_rule_tree_node_statistics_match_rows():
    X = TABLES["pandas"](150)
    one, own = grown(X, 50, 10)
    tree, at, weights = one.tree, one.tree.apply(X), own.weights(np.arange(150))
    for node in range(tree.n_nodes):
        under = reference.leaves_under(node, tree.left, tree.right, set())
        rows = [k for k in range(150) if at[k] in under]
        assert tree.n_real[node] == sum(k < 50 for k in rows) > 0
        assert tree.n_synthetic[node] == sum(k >= 50 for k in rows)
        np.testing.assert_allclose(tree.weight[node], weights[rows].sum())
        np.testing.assert_allclose(
            tree.values[node], np.average(own.answers[rows], axis=0, weights=weights[rows])
        )
        np.testing.assert_allclose(tree.loss[node], reference.squares(rows, own.answers, weights), atol=1e-9)


@given(cut=st.floats(-1e30, 1e30), near=st.integers(-3, 3))
def test_float64_cut_matches_float32_cut(cut, near):
    own = _float64_cut(cut)
    for start in (cut, own):
        x = start
        for _ in range(abs(near)):
            x = np.nextafter(x, np.inf * np.sign(near))
        assert (x <= own) == (np.float32(x) <= cut)


def test_float64_cut_infinite():
    assert _float64_cut(np.inf) == np.inf


def test_rule_tree_unseen_label_goes_with_missing():
    X = TABLES["pandas"](100)
    one, _ = grown(X, leaves=20)
    strange, gone = X.copy(), X.copy()
    strange["job"], gone["job"] = "astronaut", None
    np.testing.assert_array_equal(one.tree.apply(strange), one.tree.apply(gone))


@pytest.mark.parametrize(
    ("column", "values", "answers", "rules"),
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
def test_rule_text(column, values, answers, rules):
    X = pd.DataFrame({column: pd.Series(values)})
    tree = small_tree(X, answers)
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


@pytest.mark.parametrize("value", [np.inf, 1e39])
def test_rule_feature_refuses_infinite_and_beyond_float32(value):
    feature = RuleFeature.learn("x", pd.Series([1.0, 2.0]))
    with refuses(DataError, "'x'", "infinite values", "beyond 3.403e+38"):
        feature.read(pd.Series([value]))


def test_rule_tree_never_splits_on_empty_column():
    X = pd.DataFrame(
        {"gone": [np.nan] * 20, "x": np.arange(20.0), "none": pd.Series([None] * 20, dtype=object)}
    )
    one, _ = grown(X, leaves=8, n_outputs=1)
    assert set(one.tree.feature) == {-1, 1}
