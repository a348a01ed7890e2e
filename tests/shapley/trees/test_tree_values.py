"""Exact values of trees against brute force over the user's columns; long paths, deep trees, any cuts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import Tree, TreeEnsemble, read_trees
from agnostix.core.trees.ensemble import NAN_RIGHT
from agnostix.shapley.trees import plans, prepared, sums, tree_values
from agnostix.shapley.trees.prepared import PreparedTree
from agnostix.shapley.trees.sums import TreeSums
from tests.reference import trees as reference
from tests.reference.shapley import shapley
from tests.shapley.trees.brute_force import check, numbers, people


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeRegressor(random_state=0),
        ExtraTreeRegressor(random_state=0),
        RandomForestRegressor(4, random_state=0),
        ExtraTreesRegressor(4, random_state=0),
        GradientBoostingRegressor(n_estimators=10, random_state=0),
        HistGradientBoostingRegressor(max_iter=8),
        DecisionTreeRegressor(max_leaf_nodes=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_regressors_against_brute_force(model) -> None:
    X, y, _ = numbers()
    assert not check(model.fit(X, y), X).is_margin


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(4, random_state=0),
        ExtraTreesClassifier(4, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_three_classes_and_missing_values_against_brute_force(model, missing) -> None:
    X, _, labels = numbers(missing)
    read = check(model.fit(X, labels), X)
    assert read.is_margin == isinstance(model, HistGradientBoostingClassifier)
    assert read.ensemble.n_outputs == 3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_margins_of_gradient_boosting_against_brute_force(n_classes) -> None:
    X, _, labels = numbers()
    model = GradientBoostingClassifier(n_estimators=8, random_state=0).fit(
        X, np.minimum(labels, n_classes - 1)
    )
    read = check(model, X)
    assert read.is_margin
    assert read.ensemble.n_outputs == n_classes


def test_several_targets_against_brute_force() -> None:
    X, y, _ = numbers()
    check(RandomForestRegressor(3, random_state=0).fit(X, np.stack([y, -(y**2)], axis=1)), X)


ENCODER = make_column_transformer(
    (OneHotEncoder(), ["k"]),
    (OrdinalEncoder(), ["g"]),
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["c", "a"]),
    remainder="passthrough",
)


@pytest.mark.parametrize("groups", [None, {"numbers": ["a", "b"]}])
def test_encoded_columns_are_one_player_of_their_source(groups) -> None:
    X, y = people(missing=True)
    model = make_pipeline(ENCODER, RandomForestClassifier(4, random_state=0)).fit(X, y > 0)
    check(model, X, groups=groups)


def test_bins_and_selected_columns_against_brute_force() -> None:
    X, y = people()
    steps = make_column_transformer(
        (OneHotEncoder(drop="first"), ["k", "g"]),
        (KBinsDiscretizer(4, quantile_method="linear"), ["c", "b", "a"]),
    )
    check(
        make_pipeline(steps, SelectKBest(f_regression, k=9), RandomForestRegressor(4, random_state=0)).fit(
            X, y
        ),
        X,
    )


@pytest.mark.parametrize("is_classifier", [False, True])
def test_own_encoder_of_categories_against_brute_force(is_classifier) -> None:
    X, y = people(missing=True)
    X = X.astype({"k": "category", "g": "category"})
    X.loc[::7, "k"] = np.nan
    kind = HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
    model = kind(max_iter=8, categorical_features="from_dtype", min_samples_leaf=3)
    check(model.fit(X, np.digitize(y, [-0.5, 0.5]) if is_classifier else y), X)


def as_tree(nested):
    """A nested tree as arrays, depth first."""
    left, right, feature, threshold, value = [], [], [], [], []
    stack = [(nested, None)]
    while stack:
        node, place = stack.pop()
        here = len(left)
        if place is not None:
            place[0][place[1]] = here
        inner = isinstance(node, tuple)
        left.append(-1), right.append(-1)
        feature.append(node[0] if inner else 0)
        threshold.append(node[1] if inner else 0.0)
        value.append([0.0 if inner else node])
        if inner:
            stack += [(node[3], (right, here)), (node[2], (left, here))]
    return Tree(
        left=np.array(left),
        right=np.array(right),
        feature=np.array(feature),
        threshold=np.array(threshold),
        missing=np.full(len(left), NAN_RIGHT),
        values=np.array(value),
    )


def sums_of(nested, rows, background, weights, player_of):
    ensemble = TreeEnsemble.from_trees([as_tree(nested)], np.zeros(1), float)
    owner = np.array([player_of[feature] for feature, _ in ensemble.columns], dtype=int)
    found = TreeSums(ensemble, owner, max(player_of) + 1, len(rows))
    found.add_tree(0, ensemble.read(rows), ensemble.read(background), weights)
    return found.total[0].T


def sums_prepared(nested, rows, background, weights, player_of):
    """The same of a tree that background rows have passed in two parts; None if it is too large."""
    ensemble = TreeEnsemble.from_trees([as_tree(nested)], np.zeros(1), float)
    owner = np.array([player_of[feature] for feature, _ in ensemble.columns], dtype=int)
    tree = PreparedTree(ensemble, 0, owner) if prepared.can_prepare(ensemble)[0] else None
    if tree is None or not tree.is_whole:
        return None
    most = tree.most_bytes(len(background))
    for part in (slice(0, 2), slice(2, None)):
        tree.add_background(ensemble.read(background[part]), weights[part])
    assert tree.n_bytes <= most
    found = TreeSums(ensemble, owner, max(player_of) + 1, len(rows))
    found.add_prepared(tree, ensemble.read(rows))
    return found.total[0].T


def test_dummies_of_one_column_are_conditions_of_one_player() -> None:
    # No mixture of these rows has neither dummy, unless each of them is a player.
    nested = (0, 0.5, (1, 0.5, (2, 0.5, 0.0, 4.0), 0.0), (2, 0.5, 2.0, 3.0))
    row, background, weights = np.array([[1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 0.0]]), np.ones(1)
    by_dummy = sums_of(nested, row, background, weights, [0, 1, 2])[0]
    got = sums_of(nested, row, background, weights, [0, 0, 1])[0]
    np.testing.assert_allclose(got, reference.shapley(nested, row[0], background, weights, [0, 0, 1], 2))

    def game(coalition):
        mixed = [
            [*(row[0] if 0 in coalition else b)[:2], (row[0] if 1 in coalition else b)[2]] for b in background
        ]
        return np.mean([reference.predict(nested, one) for one in mixed])

    np.testing.assert_allclose(got, shapley(game, 2), atol=1e-15)
    assert abs(by_dummy[2] - got[1]) > 0.1


@pytest.mark.parametrize("n_players", [2, 8, 9, 31, 32, 63, 64, 65, 200])
def test_long_chains_of_conditions(n_players) -> None:
    rng = np.random.default_rng(n_players)
    nested = 1.0
    for player in reversed(range(n_players)):
        nested = (player, 1.0, nested, float(rng.normal()))
    rows, background = rng.random((2, 4, n_players)) + 0.5 / n_players  # a few conditions of many are not met
    rows[0], background[:2] = 0.0, 0.0
    rows[1, ::2], rows[1, 1::2], background[2, ::2], background[2, 1::2] = 2.0, 0.0, 0.0, 2.0
    background[1, -1] = 2.0
    weights = np.array([0.1, 0.4, 0.3, 0.2])
    player_of = list(range(n_players))
    got = sums_of(nested, rows, background, weights, player_of)
    expected = [reference.shapley(nested, row, background, weights, player_of, n_players) for row in rows]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)
    assert np.abs(got[1]).max() > 1e-3
    also = sums_prepared(nested, rows, background, weights, player_of)
    assert (also is None) == (n_players > 64)
    if also is not None:
        np.testing.assert_allclose(also, expected, rtol=0, atol=1e-13)


@st.composite
def cases(draw):
    """A tree on few features, grown by drawn choices, rows and background, and players of the features."""
    n_features = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def grow(depth):
        if depth == 0 or rng.random() < 0.15:
            return float(rng.integers(-3, 4))
        feature = int(rng.integers(n_features))
        return feature, float(rng.integers(4)) + 0.5, grow(depth - 1), grow(depth - 1)

    nested = grow(draw(st.integers(1, 8)))
    rows, background = (
        rng.integers(0, 5, (3, n_features)),
        rng.integers(0, 5, (draw(st.integers(1, 6)), n_features)),
    )
    player_of = rng.integers(0, draw(st.integers(1, n_features)), n_features).tolist()
    return nested, rows.astype(float), background.astype(float), player_of


@settings(deadline=None, max_examples=60)
@given(cases(), st.sampled_from([(8, 64), (0, 64), (2, 4), (0, 1)]))
def test_any_tree_against_pairs_of_rows(case, sizes) -> None:
    nested, rows, background, player_of = case
    weights = np.linspace(1, 2, len(background)) / np.linspace(1, 2, len(background)).sum()
    with pytest.MonkeyPatch.context() as patch:
        for module in (prepared, sums):
            patch.setattr(module, "MOST_DENSE", sizes[0])
        patch.setattr(plans, "WHOLE_LEAVES", sizes[1])
        patch.setattr(plans, "BLOCK_LEVELS", 2)
        got = sums_of(nested, rows, background, weights, player_of)
        also = sums_prepared(nested, rows, background, weights, player_of)
    n_players = max(player_of) + 1
    expected = [reference.shapley(nested, row, background, weights, player_of, n_players) for row in rows]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    if also is not None:
        np.testing.assert_allclose(also, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bits", [8, 3])
def test_players_beyond_one_number_are_told_apart(monkeypatch, bits) -> None:
    monkeypatch.setattr(plans, "MOST_BITS", bits)
    X, y, _ = numbers()
    check(RandomForestRegressor(2, random_state=0).fit(X, y), X)


def test_forest_grown_to_the_end_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 40, (3000, 7)).astype(float)
    y = rng.normal(size=3000)
    model = RandomForestRegressor(2, random_state=0).fit(X, y)
    assert min(tree.get_depth() for tree in model.estimators_) > 20
    assert min(tree.get_n_leaves() for tree in model.estimators_) > 1000
    check(model, X, rows=(0, 1, 2), n_background=100)


def explained(model, X, rows, background, weights=None, features=None):
    features = features or Features.from_names(column_names(X))
    weights = np.full(len(background), 1 / len(background)) if weights is None else weights
    return tree_values(
        read_trees(as_predictor(model), X, features), rows, background, weights, len(features.names)
    )


def test_values_do_not_depend_on_how_work_is_cut() -> None:
    X, _, labels = numbers(n_rows=2000)
    for model in (RandomForestClassifier(2, random_state=0), HistGradientBoostingClassifier(max_iter=3)):
        model.fit(X, labels)
        whole = explained(model, X, X[:700], X)
        with config_context(working_memory=1):
            np.testing.assert_allclose(explained(model, X, X[:700], X), whole, rtol=0, atol=1e-13)
        order = np.random.default_rng(0).permutation(2000)
        np.testing.assert_allclose(
            explained(model, X, X[:700][::-1], X[order])[::-1], whole, rtol=0, atol=1e-13
        )


def test_weights_count_as_rows_that_are_repeated_or_left_out() -> None:
    X, y, _ = numbers()
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    weights = np.r_[0.5, 0.25, 0.25, 0.0]
    repeated = explained(model, X, X[:5], X[[10, 10, 11, 12]])
    np.testing.assert_allclose(explained(model, X, X[:5], X[10:14], weights), repeated, rtol=0, atol=1e-14)


def test_a_background_of_one_row_and_rows_that_equal_it() -> None:
    X, y, _ = numbers()
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    got = explained(model, X, X[:3], X[:1])
    np.testing.assert_array_equal(got[0], 0.0)
    np.testing.assert_allclose(
        got[:, :, 0].sum(axis=1), model.predict(X[:3]) - model.predict(X[:1]), atol=1e-12
    )


def test_trees_without_splits_give_nothing() -> None:
    X, _, _ = numbers()
    model = RandomForestRegressor(3, random_state=0).fit(X, np.full(len(X), 2.0))
    np.testing.assert_array_equal(explained(model, X, X[:3], X), 0.0)


def test_columns_that_the_model_ignores_get_nothing() -> None:
    X, y, _ = numbers()
    model = DecisionTreeRegressor(random_state=0).fit(X[:, :3], y)
    frame = pd.DataFrame(X, columns=list("abcde"))
    named = DecisionTreeRegressor(random_state=0).fit(frame[["c", "a"]], y)
    got = explained(named, frame, frame[:4], frame)
    np.testing.assert_array_equal(got[:, [1, 3, 4]], 0.0)
    assert (np.abs(got[:, [0, 2]]).max(axis=0) > 1e-3).all()
    assert explained(model, X[:, :3], X[:2, :3], X[:, :3]).shape == (2, 3, 1)
