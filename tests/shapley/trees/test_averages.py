"""Bagging, voting and a model for each label as sums of trees, against predictions of all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import read_trees
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.shapley.trees.brute_force import check, numbers, people

X, Y, LABELS = numbers()
FOREST = RandomForestClassifier(3, random_state=0)


@pytest.mark.parametrize(
    "model",
    [
        BaggingRegressor(DecisionTreeRegressor(), 4, max_features=0.6, random_state=0),
        BaggingRegressor(HistGradientBoostingRegressor(max_iter=3), 2, random_state=0),
        BaggingRegressor(make_pipeline(StandardScaler(), DecisionTreeRegressor()), 2, random_state=0),
        VotingRegressor(
            [
                ("f", RandomForestRegressor(2, random_state=0)),
                ("h", HistGradientBoostingRegressor(max_iter=3)),
            ],
            weights=[1, 3],
        ),
        VotingRegressor(
            [("a", DecisionTreeRegressor()), ("b", "drop"), ("c", BaggingRegressor(n_estimators=2))]
        ),
    ],
    ids=["subspaces", "boosted", "scaled", "weighted", "nested"],
)
def test_means_of_regressions(model) -> None:
    read = check(model.fit(X, Y), X)
    assert not read.is_margin


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(n_estimators=3, random_state=0),
        VotingClassifier([("f", FOREST), ("t", DecisionTreeClassifier(max_depth=4))], voting="soft"),
        OneVsRestClassifier(FOREST),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_means_of_probabilities(model, n_classes) -> None:
    model.fit(X, np.minimum(LABELS, n_classes - 1))
    if isinstance(model, OneVsRestClassifier) and n_classes == 3:
        refused(model, X, "OneVsRestClassifier", "divides")
        return
    assert check(model, X).ensemble.n_outputs == n_classes


def test_independent_labels_have_an_output_each() -> None:
    model = OneVsRestClassifier(FOREST).fit(X, np.stack([LABELS > 0, LABELS > 1], axis=1).astype(int))
    assert check(model, X).ensemble.n_outputs == 2


def test_classes_that_a_bagged_tree_has_not_seen_have_probability_0() -> None:
    labels = np.where(np.arange(len(X)) < 3, 9, LABELS)
    tree = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    model = BaggingClassifier(tree, n_estimators=4, max_samples=0.1, random_state=0).fit(X, labels)
    assert min(len(tree.classes_) for tree in model.estimators_) < 4
    check(model, X)


def test_members_with_encodings_of_their_own() -> None:
    table, y = people()
    one_hot = make_column_transformer((OneHotEncoder(), ["k", "g"]), remainder="passthrough")
    ordinal = make_column_transformer((OrdinalEncoder(), ["g", "k"]), remainder="passthrough")
    members = [
        ("one hot", make_pipeline(one_hot, RandomForestRegressor(3, random_state=0))),
        ("ordinal", make_pipeline(ordinal, HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3))),
    ]
    check(VotingRegressor(members).fit(table, y), table)


def refused(model, table, *facts, **params):
    with refuses(DataError, *facts, "algorithm='kernel'"):
        read_trees(as_predictor(model, **params), table, Features.from_names(column_names(table)))


def test_what_is_no_mean_of_trees_is_refused_by_name() -> None:
    boosted = HistGradientBoostingClassifier(max_iter=2)
    members = [("f", FOREST), ("b", boosted)]
    soft = VotingClassifier(members, voting="soft").fit(X, LABELS)
    refused(soft, X, "VotingClassifier", "HistGradientBoostingClassifier")
    hard = VotingClassifier([("f", FOREST)]).fit(X, LABELS)
    refused(hard, X, "voting='hard'", "voting='soft'", output="predict")
    refused(VotingRegressor([("l", LinearRegression())]).fit(X, Y), X, "LinearRegression")
    refused(BaggingRegressor(LinearRegression(), 2).fit(X, Y), X, "LinearRegression")
    refused(AdaBoostRegressor(n_estimators=2).fit(X, Y), X, "AdaBoostRegressor")
    refused(StackingRegressor([("t", DecisionTreeRegressor())]).fit(X, Y), X, "StackingRegressor")
