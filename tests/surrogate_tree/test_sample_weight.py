"""Weights of the rows, in the tree, its fidelity and its leaves."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from agnostix import MimicTree, as_predictor
from agnostix.exceptions import DataError
from agnostix.surrogate_tree import cross_fitting
from tests.messages import refuses

rng = np.random.default_rng(0)
X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300), "town": rng.choice(list("xyz"), 300)})
WEIGHTS = rng.gamma(1.0, size=300)


def number(Z):
    a, b = np.asarray(Z["a"]), np.asarray(Z["b"])
    return np.where(a > 0, 1.0, 0.0) + np.where((a > 0.5) & (b > 0), 2.0, 0.0) + 0.2 * np.tanh(b)


def likely(Z):
    yes = 1 / (1 + np.exp(1 - number(Z)))
    return np.column_stack([1 - yes, yes])


MODELS = {"regression": number, "classification": as_predictor(likely, task="classification")}
SYNTHETIC = ["none", "bootstrap", "leaf", "auto"]


def fit(model, Z=X, weights=None, **parameters):
    return MimicTree(MODELS[model], random_state=0, **parameters).fit(Z, sample_weight=weights)


def assert_equal(mimic, other):
    pd.testing.assert_frame_equal(mimic.leaves_, other.leaves_)
    pd.testing.assert_frame_equal(mimic.pruning_path_, other.pruning_path_)
    np.testing.assert_array_equal(mimic.rule_tree_.values, other.rule_tree_.values)
    assert (mimic.fidelity_.r2, mimic.fidelity_.label) == (other.fidelity_.r2, other.fidelity_.label)


@pytest.mark.parametrize("synthetic", SYNTHETIC)
@pytest.mark.parametrize("model", MODELS)
def test_equal_weights_are_none(model, synthetic):
    assert_equal(fit(model, weights=np.full(300, 0.1), synthetic=synthetic), fit(model, synthetic=synthetic))


@pytest.mark.parametrize("synthetic", SYNTHETIC)
@pytest.mark.parametrize("model", MODELS)
def test_weight_0_leaves_a_row_out_and_scale_has_no_effect(model, synthetic):
    weights = np.where(np.arange(300) % 3 == 0, 0.0, WEIGHTS)
    kept = weights > 0
    mimic = fit(model, weights=weights, synthetic=synthetic)
    assert_equal(mimic, fit(model, X[kept], weights[kept], synthetic=synthetic))
    assert_equal(mimic, fit(model, weights=8 * weights, synthetic=synthetic))
    assert mimic.n_model_rows_ <= kept.sum() + 8000 + 40


@pytest.mark.parametrize("synthetic", SYNTHETIC)
@pytest.mark.parametrize("model", MODELS)
def test_order_of_rows_and_frame_library_have_no_effect(model, synthetic):
    order = np.random.default_rng(1).permutation(300)
    mimic = fit(model, weights=WEIGHTS, synthetic=synthetic)
    assert_equal(mimic, fit(model, X.iloc[order], WEIGHTS[order], synthetic=synthetic))
    assert_equal(mimic, fit(model, pl.DataFrame(X), WEIGHTS, synthetic=synthetic))


@pytest.mark.parametrize("model", MODELS)
def test_leaves_and_root_are_weighted_means(model):
    mimic = fit(model, weights=WEIGHTS, synthetic="none", targets="soft", max_leaf_nodes=6)
    predictions = np.asarray(MODELS[model](X) if callable(MODELS[model]) else MODELS[model].predict(X))
    predictions = predictions.reshape(300, -1)
    root = np.average(predictions, axis=0, weights=WEIGHTS)
    np.testing.assert_allclose(mimic.rule_tree_.values[0], root)
    leaf = mimic.apply(X)
    for node, row in mimic.leaves_.iterrows():
        inside = leaf == node
        assert row["coverage"] == pytest.approx(WEIGHTS[inside].sum() / WEIGHTS.sum())
        mean = np.average(predictions[inside], axis=0, weights=WEIGHTS[inside])
        np.testing.assert_allclose(mimic.rule_tree_.values[node], mean)
        names = [f"mean {name}" for name in mimic.output_names_]
        np.testing.assert_allclose(row[names].to_numpy(dtype=float), mean)


def test_fidelity_is_weighted(monkeypatch):
    monkeypatch.setattr(cross_fitting, "HOLD_OUT_FROM", 0)
    mimic = fit("regression", weights=WEIGHTS, synthetic="none", max_leaf_nodes=4)
    held_out = mimic._fitted.held_out
    predictions, outputs = mimic._fitted.training.predictions[held_out], mimic._fitted.outputs
    weights = mimic._fitted.training.sample_weight[held_out]
    assert np.ptp(weights) > 1
    assert mimic.fidelity_.r2 == pytest.approx(r2_score(predictions, outputs, sample_weight=weights))
    assert mimic.fidelity_.n_effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert mimic.fidelity_.n_rows == held_out.size


@pytest.mark.parametrize("synthetic", SYNTHETIC)
def test_tree_is_where_the_weight_is(synthetic):
    def two_worlds(Z):  # of which each needs the whole tree
        steps = np.floor(4 * np.asarray(Z["b"]).clip(-0.99, 0.99)) * (np.asarray(Z["a"]) > 0)
        return (
            steps + 10 * np.floor(4 * np.asarray(Z["b"]).clip(-0.99, 0.99)) * (np.asarray(Z["a"]) <= 0) / 10
        )

    model = MimicTree(two_worlds, max_leaf_nodes=8, synthetic=synthetic, random_state=0)
    by_side = []
    for sign in (1, -1):
        mimic = model.fit(X, sample_weight=np.where(sign * X["a"] > 0, 100.0, 1.0))
        errors = (mimic.predict(X) - two_worlds(X)) ** 2
        by_side.append([errors[sign * X["a"] > 0].mean(), errors[sign * X["a"] <= 0].mean()])
    assert all(heavy <= light + 0.05 for heavy, light in by_side)


def test_unfitted_model_is_fitted_with_the_weights():
    numbers, y = X[["a", "b"]], X["a"] ** 2 + X["b"]
    mimic = MimicTree(LinearRegression(), random_state=0).fit(numbers, y, sample_weight=WEIGHTS)
    expected = LinearRegression().fit(numbers, y, sample_weight=WEIGHTS).coef_
    np.testing.assert_allclose(mimic.model_.coef_, expected)


@pytest.mark.parametrize("wrong", [np.ones(299), -WEIGHTS, np.full(300, np.nan), np.zeros(300)])
def test_weights_that_are_none_are_refused(wrong):
    with refuses(DataError, "sample_weight", "300 rows"):
        fit("regression", weights=wrong)


def test_standard_errors_of_contributions_follow_weights():
    mimic, light = fit("regression", weights=WEIGHTS), fit("regression")
    assert (mimic.explain(X[:5]).std_errors >= 0).all()
    assert mimic.stability(2).n_refits == light.stability(2).n_refits == 2
