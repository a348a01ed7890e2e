"""LightGBM's models against brute force, each with what it does in a way of its own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from tests.shapley.trees.booster_cases import HALF, LABELS, SPARSE, X, Y, levels, refused
from tests.shapley.trees.brute_force import check, people

lightgbm = pytest.importorskip("lightgbm")


def regressor(**params):
    return lightgbm.LGBMRegressor(n_estimators=10, min_child_samples=3, verbose=-1, **params)


def classifier(**params):
    return lightgbm.LGBMClassifier(n_estimators=6, min_child_samples=3, verbose=-1, **params)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"boosting_type": "dart"},
        {"use_missing": False},
        {"zero_as_missing": True},
        {"num_leaves": 2},
    ],
    ids=str,
)
def test_regression(params) -> None:
    table = X.copy()
    table[np.random.default_rng(0).random(X.shape) < 0.2] = 0.0
    assert not check(regressor(**params).fit(table, Y), table).is_margin


def test_missing_values_that_training_did_not_see_go_as_zero() -> None:
    model = regressor().fit(np.nan_to_num(X), Y)
    check(model, X)


@pytest.mark.parametrize("boosting_type", ["gbdt", "rf"])
def test_margins_of_classes(boosting_type) -> None:
    params = {"boosting_type": boosting_type, "subsample": 0.5, "subsample_freq": 1}
    for labels, n_outputs in ((Y > 0, 2), (LABELS, 3)):
        read = check(classifier(**params).fit(X, labels), X)
        assert read.is_margin
        assert read.ensemble.n_outputs == n_outputs


def test_margins_where_predictions_are_exponentials() -> None:
    assert check(regressor(objective="poisson").fit(X, np.exp(Y)), X).is_margin


def test_categories() -> None:
    table, y = levels()
    few = {"max_cat_to_onehot": 1, "cat_smooth": 1, "min_data_per_group": 2}
    model = regressor(**few).fit(table, y)
    assert len(check(model, table).ensemble.subsets) > 0
    table["k"] = table["k"].cat.set_categories(list("xuwv"))
    check(model, table)


def test_early_stopping_predicts_up_to_the_best_iteration() -> None:
    model = lightgbm.LGBMRegressor(n_estimators=60, learning_rate=0.9, verbose=-1)
    stop = lightgbm.early_stopping(3, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another name for eval_set in new versions
        model.fit(X[:HALF], Y[:HALF], eval_set=[(X[HALF:], Y[HALF:])], callbacks=[stop])
    assert check(model, X).ensemble.n_trees == model.best_iteration_ < 60


def test_sparse_columns() -> None:
    table, y = people()
    check(make_pipeline(SPARSE, regressor()).fit(table, y), table)


def test_linear_leaves_are_refused() -> None:
    refused(regressor(linear_tree=True).fit(np.nan_to_num(X), Y), X, "linear_tree=True")
