"""Exports of a tree to SQL, Python, JSON and text give the tree's own predictions."""

import json
import re
import sqlite3
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from agnostix import MimicTree, as_predictor
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.export import (
    plain_value,
    python_value,
    sql_name,
    sql_value,
    to_json_object,
    to_outline,
    to_python_function,
    to_sql_case,
)
from agnostix.surrogate_tree.rule_tree import RuleFeature
from tests.messages import refuses
from tests.surrogate_tree.trees import random_tree, table_of

cases = given(seed=st.integers(0, 10**6), n_leaves=st.integers(1, 25), hostile=st.booleans())


def node_numbers(tree):
    """The result of each node is its number."""
    return list(range(tree.n_nodes))


def with_unseen(table):
    """The table with a label absent from fit."""
    table = table.copy()
    table.iloc[:5, 2] = "never seen"
    return table


def by_sql(case, table):
    with sqlite3.connect(":memory:") as base:
        table.to_sql("some table", base, index=False)
        results = [row[0] for row in base.execute(f'SELECT {case} FROM "some table"')]
    base.close()
    return results


def by_python(source, rows, name="predict"):
    """Results of an exported function for rows as mappings."""
    namespace = {}
    exec(source, namespace)
    return [namespace[name](row) for row in rows]


@cases
def test_sql_case_matches_tree(seed, n_leaves, hostile):
    table = table_of(60, seed, hostile)
    tree = random_tree(table, n_leaves, seed)
    table = with_unseen(table)
    assert by_sql(to_sql_case(tree, node_numbers(tree)), table) == tree.apply(table).tolist()


@cases
def test_python_function_matches_tree(seed, n_leaves, hostile):
    table = table_of(60, seed, hostile)
    tree = random_tree(table, n_leaves, seed)
    table = with_unseen(table)
    source = to_python_function(tree, node_numbers(tree), "predict", "Predict by a tree.")
    rows = table.astype(object).to_dict("records")
    assert by_python(source, rows) == tree.apply(table).tolist()


def predict_by_json(content, row):
    """Prediction for one row by the JSON export."""
    types = {feature["name"]: feature for feature in content["features"]}
    node = content["nodes"][0]
    while "left" in node:
        value, feature = row[node["feature"]], types[node["feature"]]
        missing = value is None or value != value
        if feature["type"] == "labels":
            missing = missing or value not in feature["labels"]
        if missing:
            goes_left = node["missing"] == "left"
        elif "in" in node:
            goes_left = value in node["in"]
        else:
            threshold = (
                pd.Timestamp(node["at_most"])
                if feature["type"] == "date" and node["at_most"]
                else node["at_most"]
            )
            goes_left = threshold is None or value <= threshold
        node = content["nodes"][node["left"] if goes_left else node["right"]]
    return node["prediction"]


@cases
def test_json_matches_tree(seed, n_leaves, hostile):
    table = table_of(60, seed, hostile)
    tree = random_tree(table, n_leaves, seed)
    table = with_unseen(table)
    content = json.loads(json.dumps(to_json_object(tree, node_numbers(tree)), allow_nan=False))
    rows = table.astype(object).to_dict("records")
    assert [predict_by_json(content, row) for row in rows] == tree.apply(table).tolist()
    assert [node["rule"] for node in content["nodes"]] == [tree.rule(node) for node in range(tree.n_nodes)]


def test_sql_and_python_of_deep_tree():
    table = pd.DataFrame({"a": np.arange(301.0)})
    tree = random_tree(table, 2, 0)
    n = 300
    inner = np.arange(n)
    size = 2 * n + 1
    left, right = np.full(size, -1), np.full(size, -1)
    feature, threshold = np.full(size, -1), np.full(size, np.nan)
    chain = np.concatenate([[0], 2 * inner[1:]])  # each right side splits again
    left[chain], right[chain] = 2 * inner + 1, 2 * inner + 2
    feature[chain], threshold[chain] = 0, inner + 0.5
    tree = replace(
        tree,
        feature=feature,
        threshold=threshold,
        levels=(frozenset(),) * size,
        missing_left=np.zeros(size, dtype=bool),
        left=left,
        right=right,
        values=np.zeros((size, 2)),
    )
    expected = tree.apply(table).tolist()
    assert len(set(expected)) == 301
    source = to_python_function(tree, node_numbers(tree), "predict", "Deep.")
    assert by_python(source, table.to_dict("records")) == expected
    assert by_sql(to_sql_case(tree, node_numbers(tree)), table) == expected


def test_outline_shows_every_split_and_leaf():
    table = table_of(60, 3)
    tree = random_tree(table, 3, 5)
    text = to_outline(tree, [f"leaf {node}" for node in range(tree.n_nodes)])
    assert len(text.splitlines()) == tree.n_nodes - 1
    for leaf in tree.leaves:
        assert text.count(f": leaf {leaf}\n") + text.endswith(f": leaf {leaf}") == 1
    assert to_outline(random_tree(table, 1, 0), ["leaf 0"]) == "any row: leaf 0"


def test_outline_exact():
    table = pd.DataFrame({"a": [1.0, 2.0, np.nan], "c": ["x", "y", "z"]})
    tree = replace(random_tree(table, 3, 2), missing_left=np.array([False, True, False, False, False]))
    tree = replace(
        tree,
        feature=np.array([1, 0, -1, -1, -1]),
        threshold=np.array([np.nan, 1.5, np.nan, np.nan, np.nan]),
        levels=(frozenset({0, 2}), *[frozenset()] * 4),
        left=np.array([1, 3, -1, -1, -1]),
        right=np.array([2, 4, -1, -1, -1]),
    )
    assert to_outline(tree, list("01234")) == (
        "├─ c in {x, z}\n│  ├─ a <= 1.5 or missing: 3\n│  └─ a > 1.5: 4\n└─ c = y: 2"
    )


def test_sql_and_python_literals():
    assert sql_name('a "b"') == '"a ""b"""'
    assert sql_value("it's") == "'it''s'"
    assert (sql_value(np.bool_(True)), sql_value(np.int64(3)), sql_value(np.float32(0.5))) == (
        "TRUE",
        "3",
        "0.5",
    )
    assert sql_value(pd.Timestamp("2020-01-02")) == "'2020-01-02 00:00:00'"
    assert sql_value(pd.Timedelta("1s")) == "1000000000"
    assert python_value(pd.Timestamp("2020-01-02", tz="UTC")) == (
        "datetime.datetime.fromisoformat('2020-01-02T00:00:00+00:00')"
    )
    assert python_value(pd.Timestamp("2020-01-02").date()) == "datetime.date.fromisoformat('2020-01-02')"
    assert python_value(pd.Timedelta("1s")) == "datetime.timedelta(microseconds=1000000)"
    assert python_value(np.str_("a'b")) == '"a\'b"'


def test_plain_value_and_sql_name_refuse():
    with refuses(DataError, "Interval(0, 1, closed='right')", "type Interval", "X[column].astype(str)"):
        plain_value(pd.Interval(0, 1))
    with refuses(DataError, "NUL"):
        sql_name("a\0b")


def test_python_function_of_polars_dates():
    pl = pytest.importorskip("polars")
    from datetime import date, datetime

    table = pl.DataFrame(
        {"d": [date(2020, 1, 1 + k) for k in range(9)], "m": [datetime(2020, 1, 1, k) for k in range(9)]}
    )
    tree = random_tree(table, 6, 1)
    source = to_python_function(tree, node_numbers(tree), "predict", "Dates.")
    assert by_python(source, table.rows(named=True)) == tree.apply(table).tolist()


def test_rule_feature_records_missing_values():
    assert RuleFeature.from_column("a", pd.Series([1.0, np.nan])).has_missing


def test_outline_names_shorter_side_of_labels():
    table = pd.DataFrame({"c": list("abcdef")})
    tree = random_tree(table, 2, 0)
    tree = replace(tree, levels=(frozenset({4}), *tree.levels[1:]), missing_left=np.zeros(3, dtype=bool))
    assert to_outline(tree, list("012")) == "├─ c = e: 1\n└─ c not e: 2"
    tree = replace(tree, levels=(frozenset({0, 1, 2, 3}), *tree.levels[1:]))
    assert to_outline(tree, list("012")) == "├─ c not in {e, f}: 1\n└─ c in {e, f}: 2"


@pytest.fixture(scope="module")
def mimic():
    table = table_of(300, 1)
    y = np.where(table["a"].fillna(0) > 0.3, "it's", np.where(table["c"].isna(), 'so "so"', "no"))

    def model(X):
        labels = np.where(X["a"].fillna(0) > 0.3, 0, np.where(X["c"].isna(), 1, 2))
        return np.eye(3)[labels] * 0.7 + 0.1

    predictor = as_predictor(model, task="classification", output_names=["it's", 'so "so"', "no"])
    fitted = MimicTree(predictor, max_leaf_nodes=6, random_state=0).fit(table)
    assert (fitted.predict(table) == y).mean() > 0.95
    return fitted


def test_mimic_tree_exports_labels(mimic):
    table = with_unseen(table_of(80, 2))
    expected = mimic.predict(table).tolist()
    assert by_sql(mimic.to_sql(), table) == expected
    with sqlite3.connect(":memory:") as base:
        table.to_sql("t", base, index=False)
        names = [column[0] for column in base.execute(mimic.to_sql(table="t")).description]
        assert names == [*table.columns, "prediction"]
        assert [row[-1] for row in base.execute(mimic.to_sql(table="t"))] == expected
    base.close()
    rows = table.astype(object).to_dict("records")
    assert by_python(mimic.to_python(name="classify"), rows, "classify") == expected
    assert [predict_by_json(json.loads(mimic.to_json()), row) for row in rows] == expected
    assert len(re.findall("fidelity [01]", mimic.to_text())) == len(mimic.leaves_)


def test_mimic_tree_exports_probabilities(mimic):
    table = with_unseen(table_of(80, 3))
    for k, name in enumerate(mimic.output_names_):
        assert by_sql(mimic.to_sql(output=name), table) == mimic.predict_proba(table)[:, k].tolist()
    rows = table.astype(object).to_dict("records")
    assert by_python(mimic.to_python(output="no"), rows) == mimic.predict_proba(table)[:, 2].tolist()


def test_mimic_tree_exports_refuse_bad_output_and_name(mimic):
    with refuses(DataError, "'output'", """"it's", 'so "so"', 'no' or None""", "got 'yes'"):
        mimic.to_sql(output="yes")
    with refuses(DataError, "Python name", "got 'a b'"):
        mimic.to_python(name="a b")
    with pytest.raises(NotFittedError):
        MimicTree(LinearRegression()).to_text()
    X = np.random.default_rng(0).normal(size=(60, 2))
    two = MimicTree(lambda X: X[:, :2], max_leaf_nodes=3, random_state=0).fit(X)
    with refuses(DataError, "several numbers", "output=", "'output_0', 'output_1'"):
        two.to_sql()
    assert json.loads(two.to_json())["nodes"][0]["prediction"] == two.rule_tree_.values[0].tolist()
    assert "rmse" in two.to_text()


def test_outline_lists_labels_left_by_splits_above():
    table = pd.DataFrame({"c": list("abcd")})
    tree = replace(
        random_tree(table, 3, 0),
        feature=np.array([0, 0, -1, -1, -1]),
        levels=(frozenset({0, 1}), frozenset({1, 2}), *[frozenset()] * 3),
        missing_left=np.zeros(5, dtype=bool),
        left=np.array([1, 3, -1, -1, -1]),
        right=np.array([2, 4, -1, -1, -1]),
    )
    assert (
        to_outline(tree, list("01234")) == "├─ c in {a, b}\n│  ├─ c = b: 3\n│  └─ c = a: 4\n└─ c in {c, d}: 2"
    )
