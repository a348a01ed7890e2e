"""Reading trees: single-precision thresholds, what stands before a model, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import Tree, TreeEnsemble, read_trees
from agnostix.core.trees.ensemble import (
    CATEGORY,
    NAN_AS_ZERO,
    NAN_LEFT,
    NAN_RIGHT,
    ZERO_LEFT,
    ZERO_RIGHT,
    below,
    to_single,
)
from agnostix.exceptions import DataError
from tests.messages import refuses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4))
Y = X[:, 0] * X[:, 1] + X[:, 2]


def read(model, table=X, groups=None, **params):
    predictor = as_predictor(model, **params)
    return read_trees(predictor, table, Features.from_names(column_names(table), groups)), predictor


def test_thresholds_split_as_the_library_compares() -> None:
    thresholds = np.array([0.1, 1 / 3, -0.7, 1e-40, 1e300, -1e300, 0.0, 16777217.0])
    single = to_single(thresholds)
    assert single.dtype == np.float32
    with np.errstate(over="ignore"):
        t32 = thresholds.astype(np.float32)
    near = [np.nextafter(t32, np.float32(end)) for end in (np.inf, -np.inf)]
    for value in np.concatenate([t32, *near]):
        np.testing.assert_array_equal(value <= single, float(value) <= thresholds)
        np.testing.assert_array_equal(value <= below(t32), value < t32)


MISSING = [NAN_RIGHT, NAN_LEFT, ZERO_RIGHT, ZERO_LEFT, NAN_AS_ZERO]
GOES_LEFT = {
    NAN_RIGHT: [True, True, False, False],
    NAN_LEFT: [True, True, False, True],
    ZERO_RIGHT: [True, False, False, False],
    ZERO_LEFT: [True, True, False, True],
    NAN_AS_ZERO: [True, True, False, True],
}


def stump(missing, **subsets):
    """One split: leaves of 1 and 2, at most 0.5 to the left."""
    tree = Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.zeros(3, dtype=int),
        threshold=np.full(3, 0.5),
        missing=np.full(3, missing),
        values=np.array([[0.0], [1.0], [2.0]]),
        **subsets,
    )
    return TreeEnsemble.from_trees([tree], np.zeros(1), float)


@pytest.mark.parametrize("missing", MISSING)
def test_missing_values_go_where_a_split_sends_them(missing) -> None:
    ensemble = stump(missing)
    columns = ensemble.read(np.array([[-1.0], [0.0], [1.0], [np.nan]]))
    assert ensemble.goes_left(np.array([0]), columns)[0].tolist() == GOES_LEFT[missing]
    assert ensemble.predict(columns)[:, 0].tolist() == [1.0 if left else 2.0 for left in GOES_LEFT[missing]]


def test_codes_go_where_a_set_sends_them() -> None:
    ensemble = stump(CATEGORY, subset=np.array([0, -1, -1]), subsets=[np.array([1, 0, 1, 0, 1], dtype=bool)])
    columns = ensemble.read(np.array([[0.0], [1.0], [2.0], [3.0], [-1.0], [np.nan], [1.9]]))
    expected = [True, False, True, False, False, True, False]
    assert ensemble.goes_left(np.array([0]), columns)[0].tolist() == expected
    assert (ensemble.predict(columns)[:, 0] == 1.0).tolist() == expected


@pytest.mark.parametrize(
    ("model", "is_margin"),
    [
        (RandomForestRegressor(3, random_state=0), False),
        (make_pipeline(StandardScaler(), RandomForestRegressor(3, random_state=0)), False),
        (
            make_pipeline(FunctionTransformer(np.cbrt), "passthrough", DecisionTreeRegressor(random_state=0)),
            False,
        ),
        (GridSearchCV(DecisionTreeRegressor(random_state=0), {"max_depth": [2]}, cv=2), False),
        (HistGradientBoostingRegressor(max_iter=3), False),
        (HistGradientBoostingRegressor(loss="absolute_error", max_iter=3), False),
        (GradientBoostingRegressor(loss="huber", n_estimators=3), False),
        (GradientBoostingRegressor(init="zero", n_estimators=3), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sums_of_trees_are_the_model_s_predictions(model, is_margin) -> None:
    got, predictor = read(model.fit(X, Y))
    assert got.is_margin == is_margin
    np.testing.assert_allclose(got.predict(X), predictor.predict(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [GradientBoostingClassifier, HistGradientBoostingClassifier])
def test_margins_are_the_predictions_of_a_decision_function(kind) -> None:
    model = kind(random_state=0).fit(X, Y > 0)
    assert read(model)[0].is_margin
    assert not read(model, output="decision_function")[0].is_margin
    np.testing.assert_allclose(read(model)[0].predict(X)[:, 1], model.decision_function(X), atol=1e-12)


def test_exponential_of_a_sum_is_a_margin() -> None:
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=3).fit(X, np.exp(Y))
    got, _ = read(model)
    assert got.is_margin
    np.testing.assert_allclose(np.exp(got.predict(X)[:, 0]), model.predict(X), rtol=1e-12)


def test_frozen_estimators_and_columns_in_another_order() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = FrozenEstimator(RandomForestRegressor(3, random_state=0).fit(frame[["d", "a", "b"]], Y))
    got, predictor = read(model, frame)
    np.testing.assert_allclose(got.predict(frame), predictor.predict(frame), atol=1e-12)
    names = np.array(list("abcd"))
    places = [feature for feature, _ in got.ensemble.columns]
    assert [names[player] for player in got.owner] == [["d", "a", "b"][place] for place in places]


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        (AdaBoostRegressor(n_estimators=2), ["AdaBoostRegressor", "XGBoost", "algorithm='kernel'"]),
        (LinearRegression(), ["LinearRegression", "algorithm='kernel'"]),
        (
            GradientBoostingRegressor(init=LinearRegression(), n_estimators=2),
            ["init=LinearRegression", "algorithm='kernel'"],
        ),
        (
            make_pipeline(PCA(2), DecisionTreeRegressor(random_state=0)),
            ["PCA", "x0", "feature_groups", "algorithm='kernel'"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_models_are_refused_by_name(model, facts) -> None:
    model.fit(X, Y)
    with refuses(DataError, *facts):
        read(model)


def test_one_versus_rest_and_functions_are_refused() -> None:
    model = OneVsRestClassifier(DecisionTreeRegressor(random_state=0)).fit(X, (Y > 0).astype(int))
    with refuses(DataError, "OneVsRestClassifier"):
        read(model, output="predict")
    with refuses(DataError, "function", "Pipeline"):
        read(lambda table: table[:, 0])


def test_columns_that_are_mixed_can_be_one_feature() -> None:
    model = make_pipeline(PCA(3), RandomForestRegressor(3, random_state=0)).fit(X, Y)
    groups = {"all": ["x0", "x1", "x2", "x3"]}
    got, predictor = read(model, groups=groups)
    np.testing.assert_allclose(got.predict(X), predictor.predict(X), atol=1e-12)


class Shifted(RandomForestRegressor):
    """A forest that predicts something else than the mean of its trees."""

    def predict(self, table):
        return super().predict(table) + 1.0


def test_a_reading_that_predicts_something_else_is_refused() -> None:
    with refuses(DataError, "Shifted", "algorithm='kernel'"):
        read(Shifted(3).fit(X, Y))


def test_a_function_that_mixes_columns_is_found_out() -> None:
    model = make_pipeline(
        FunctionTransformer(lambda Z: Z - Z.mean(axis=1, keepdims=True)),
        RandomForestRegressor(3, random_state=0),
    )
    with refuses(DataError, "FunctionTransformer", "x0", "feature_groups", "algorithm='kernel'"):
        read(model.fit(X, Y))


def test_targets_of_several_classifications_are_refused() -> None:
    model = RandomForestClassifier(3, random_state=0).fit(X, np.stack([Y > 0, X[:, 0] > 0], axis=1))
    with refuses(DataError, "RandomForestClassifier", "several targets"):
        read(model)
