"""XGBoost's models against brute force, each with what it does in a way of its own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from tests.shapley.trees.booster_cases import HALF, LABELS, SPARSE, X, Y, levels, refused
from tests.shapley.trees.brute_force import check, people

xgboost = pytest.importorskip("xgboost")
SINGLE = 1e-6


def regressor(**params):
    return xgboost.XGBRegressor(n_estimators=10, max_depth=5, **params)


def classifier(**params):
    return xgboost.XGBClassifier(n_estimators=8, max_depth=5, **params)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"base_score": 3.0},
        {"booster": "dart", "rate_drop": 0.3},
        {"objective": "reg:absoluteerror"},
        {"n_estimators": 3, "num_parallel_tree": 3, "subsample": 0.5},
    ],
    ids=str,
)
def test_regression(params) -> None:
    model = xgboost.XGBRegressor(**{"n_estimators": 10, "max_depth": 5} | params).fit(X, Y)
    assert not check(model, X, tolerance=SINGLE).is_margin


@pytest.mark.parametrize("objective", ["count:poisson", "reg:gamma", "reg:tweedie"])
def test_margins_where_predictions_are_exponentials(objective) -> None:
    assert check(regressor(objective=objective).fit(X, np.exp(Y)), X, tolerance=SINGLE).is_margin


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:logistic", "binary:logitraw"])
def test_margins_of_two_classes(objective) -> None:
    model = classifier(objective=objective, base_score=0.3).fit(X, Y > 0)
    read = check(model, X, tolerance=SINGLE)
    assert read.is_margin
    assert read.ensemble.n_outputs == 2


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_classes_and_targets(strategy) -> None:
    model = classifier(multi_strategy=strategy).fit(X, LABELS)
    assert check(model, X, tolerance=SINGLE).ensemble.n_outputs == 3
    model = regressor(multi_strategy=strategy).fit(X, np.stack([Y, -(Y**2)], axis=1))
    assert not check(model, X, tolerance=SINGLE).is_margin


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_early_stopping_predicts_up_to_the_best_iteration(booster) -> None:
    model = xgboost.XGBClassifier(
        n_estimators=60, learning_rate=0.9, booster=booster, num_parallel_tree=2, early_stopping_rounds=4
    )
    model.fit(X[:HALF], LABELS[:HALF], eval_set=[(X[HALF:], LABELS[HALF:])], verbose=False)
    n_grown = len(model.get_booster().get_dump())
    read = check(model, X, tolerance=SINGLE)
    assert read.ensemble.n_trees == 6 * (model.best_iteration + 1) < n_grown


def test_random_forests() -> None:
    assert not check(xgboost.XGBRFRegressor(n_estimators=8).fit(X, Y), X, tolerance=SINGLE).is_margin
    check(xgboost.XGBRFClassifier(n_estimators=4).fit(X, LABELS), X, tolerance=SINGLE)


@pytest.mark.parametrize("most_one_hot", [1, 10])
def test_categories(most_one_hot) -> None:
    table, y = levels()
    model = regressor(enable_categorical=True, max_cat_to_onehot=most_one_hot).fit(table, y)
    assert len(check(model, table, tolerance=SINGLE).ensemble.subsets) > 0
    table["k"] = table["k"].cat.set_categories(list("xuwv"))  # the model has its own order
    check(model, table, tolerance=SINGLE)


def test_numbers_that_stand_for_missing_values() -> None:
    table = np.where(np.isnan(X), -9.0, X)
    check(regressor(missing=-9.0).fit(table, Y), table, tolerance=SINGLE)


def test_what_sparse_columns_do_not_store_is_missing() -> None:
    table, y = people()
    check(make_pipeline(SPARSE, regressor()).fit(table, y), table, tolerance=SINGLE)


def test_rows_of_double_precision_go_as_they_do_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    table = np.round(rng.random((200, 2)), 1) + 1e-9 * rng.normal(size=(200, 2))
    check(regressor().fit(table, rng.normal(size=200)), table, tolerance=SINGLE)


@pytest.mark.filterwarnings("ignore")  # the library warns of it
def test_linear_boosters_are_refused() -> None:
    refused(regressor(booster="gblinear").fit(X, Y), X, "gblinear")


def test_levels_that_training_had_not_are_refused_by_name() -> None:
    table, y = levels()
    model = regressor(enable_categorical=True).fit(table, y)
    table["k"] = table["k"].cat.add_categories(["new"])
    check(model, table, tolerance=SINGLE)
    table.loc[150, "k"] = "new"
    refused(model, table, "k", "'new'")


def test_truth_values_may_be_missing() -> None:
    table, y = levels()
    table["g"] = (table["g"] == "f").astype("boolean")
    table.loc[::5, "g"] = None
    check(regressor(enable_categorical=True).fit(table, y), table, tolerance=SINGLE)
