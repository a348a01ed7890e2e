"""MimicTree as a classifier, a regressor and an explainer."""

import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from agnostix import MimicTree, as_predictor
from agnostix.exceptions import DataError
from agnostix.testing import AdditiveModel, CountingModel, ProbabilityModel
from agnostix.testing.tables import mixed, mixed_polars, numbers
from tests.messages import refuses, states


@cache
def iris():
    """A fitted tree, which no test changes, and its rows and classes."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = RandomForestClassifier(15, random_state=0).fit(X, y)
    return MimicTree(model, random_state=0).fit(X), X, y


def test_mimic_classifier_matches_sklearn_tree():
    mimic, X, y = iris()
    assert is_classifier(mimic)
    assert not is_regressor(mimic)
    proba, labels = mimic.predict_proba(X), mimic.predict(X)
    np.testing.assert_array_equal(proba, mimic.estimator_.predict(X.to_numpy()))
    np.testing.assert_array_equal(labels, mimic.classes_[proba.argmax(axis=1)])
    np.testing.assert_array_equal(mimic.classes_, [0, 1, 2])
    assert mimic.score(X, y) == accuracy_score(y, labels) > 0.9
    assert isinstance(mimic.tree_, Tree)
    np.testing.assert_array_equal(mimic.apply(X), mimic.tree_.apply(X.to_numpy(dtype=np.float32)))
    np.testing.assert_allclose(mimic.feature_importances_.sum(), 1.0)
    path = mimic.decision_path(X.head(3))
    assert path.shape == (3, mimic.tree_.node_count)
    for k, leaf in enumerate(mimic.apply(X.head(3))):
        assert sorted(path[k].indices) == sorted(mimic.rule_tree_.path(leaf))
    assert set(mimic.apply(X)) == set(mimic.leaves_.index)


def test_mimic_regressor_predicts_numbers():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    mimic = MimicTree(RandomForestRegressor(10, random_state=0).fit(X, y), random_state=0).fit(X)
    assert is_regressor(mimic)
    assert not is_classifier(mimic)
    assert mimic.predict(X).shape == (442,)
    assert mimic.score(X, y) == r2_score(y, mimic.predict(X))
    assert not hasattr(mimic, "predict_proba")
    assert not hasattr(mimic, "classes_")
    assert mimic.fidelity_.label is None
    assert "fidelity" not in mimic.leaves_
    assert list(mimic.pruning_path_.columns) == [
        "leaves",
        "ccp_alpha",
        "r2",
        "r2_std_error",
        "r2_low",
        "r2_high",
        "chosen",
    ]
    fidelity = mimic.fidelity(X, y)
    assert fidelity.accuracy_model == r2_score(y, mimic.model.predict(X))
    assert fidelity.accuracy_tree == mimic.score(X, y)
    assert fidelity.accuracy_both is None
    difference = fidelity.measures["accuracy_difference"]
    assert difference.value == pytest.approx(fidelity.accuracy_model - fidelity.accuracy_tree)
    assert list(fidelity.frame().index) == ["r2", "accuracy_model", "accuracy_tree", "accuracy_difference"]


def test_mimic_of_several_outputs():
    X = numbers(60)
    mimic = MimicTree(LinearRegression().fit(X, X[:, :2] * [1.0, -2.0]), random_state=0).fit(X)
    assert mimic.predict(X).shape == (60, 2)
    assert mimic.output_names_ == ("output_0", "output_1")


@pytest.mark.parametrize("labels", [np.array(["no", "yes"]), np.array([False, True]), np.array([3, 7])])
def test_predict_keeps_dtype_of_labels(labels):
    X = numbers(80)
    y = labels[(X[:, 0] > 0.2).astype(int)]
    mimic = MimicTree(LogisticRegression(), random_state=0).fit(X, y)
    assert mimic.predict(X).dtype.kind == y.dtype.kind
    np.testing.assert_array_equal(mimic.classes_, mimic.model_.classes_)
    assert mimic.score(X, y) > 0.85
    np.testing.assert_allclose(mimic.predict_proba(X).sum(axis=1), 1.0)


def test_fidelity_to_rows_matches_counts():
    mimic, X, y = iris()
    fidelity = mimic.fidelity(X, y)
    model, tree = mimic.model.predict(X), mimic.predict(X)
    assert fidelity.label == np.mean(model == tree)
    assert fidelity.accuracy_model == np.mean(model == y)
    assert fidelity.accuracy_tree == np.mean(tree == y)
    assert fidelity.accuracy_both == np.mean((model == y) & (tree == y))
    assert fidelity.accuracy_difference == pytest.approx(np.mean(model == y) - np.mean(tree == y))
    frame = fidelity.frame(0.9)
    assert list(frame.index) == [
        "label",
        "r2",
        "kl",
        "accuracy_model",
        "accuracy_tree",
        "accuracy_both",
        "accuracy_difference",
    ]
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert (frame["low"] >= fidelity.frame()["low"]).all()
    assert (fidelity.source, fidelity.n_rows, mimic.fidelity_.source) == ("new rows", 150, "cross-fitted")
    assert mimic.fidelity(X).accuracy_model is None


def test_fidelity_cross_fitted_has_fewer_effective_rows():
    mimic, _, _ = iris()
    assert mimic.fidelity_.n_effective == pytest.approx(150 / 2.25)
    low, high = mimic.fidelity_.measures["label"].ends()
    assert low < mimic.fidelity_.label < high


def test_fidelity_of_many_rows_is_held_out():
    X = numbers(5000)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(X[:500], y[:500])
    mimic = MimicTree(model, max_leaf_nodes=6, random_state=0).fit(X)
    assert (mimic.fidelity_.source, mimic.fidelity_.n_rows, mimic.fidelity_.n_effective) == (
        "held out",
        1000,
        1000,
    )


@pytest.mark.slow
@pytest.mark.parametrize("selection", ["label", "r2"])
def test_fidelity_intervals_cover_new_rows(selection):
    n_covered = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 4))
        model = LogisticRegression().fit(X, (X @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=200) > 0))
        rows, fresh = rng.normal(size=(150, 4)), rng.normal(size=(5000, 4))
        mimic = MimicTree(model, selection=selection, max_queries=1200, random_state=seed).fit(rows)
        true = mimic.fidelity(fresh).label
        low, high = mimic.fidelity_.measures["label"].ends()
        n_covered += low <= true <= high
    assert n_covered >= 10


def test_synthetic_bootstrap_raises_fidelity_of_few_rows():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(178)
    rows, fresh = X[order[:90]], X[order[90:]]
    model = RandomForestClassifier(50, random_state=0).fit(rows, y[order[:90]])
    without, bootstrap = (
        MimicTree(model, targets="soft", synthetic=kind, random_state=0).fit(rows).fidelity(fresh)
        for kind in ("none", "bootstrap")
    )
    assert bootstrap.r2 > without.r2 + 0.03


@pytest.mark.parametrize(
    "synthetic", ["none", "bootstrap", "leaf", "auto", lambda n, rng: rng.normal(size=(n, 4))]
)
@pytest.mark.parametrize("max_queries", [None, 300, 60])
def test_max_queries_bounds_model_rows(synthetic, max_queries):
    X, model = numbers(40), CountingModel(ProbabilityModel())
    mimic = MimicTree(model, synthetic=synthetic, max_queries=max_queries, random_state=0)
    if max_queries == 60 or (max_queries == 300 and synthetic == "none"):
        warnings.simplefilter("ignore", UserWarning)
    mimic.fit(X)
    assert model.n_rows == mimic.n_model_rows_ <= (max_queries or 8080)


def test_max_queries_below_rows_warns_and_uses_a_sample():
    X = numbers(100)
    mimic = MimicTree(AdditiveModel(), max_queries=40, random_state=0)
    with pytest.warns(UserWarning, match=states("max_queries", "100 rows", "36 of them", "random")):
        mimic.fit(X)
    assert mimic.leaves_["n_observed"].sum() == 36
    assert mimic.synthetic_ == "none"


@pytest.mark.parametrize("make", [mixed, mixed_polars, lambda n: mixed(n).to_numpy()])
def test_tree_same_bits_for_any_row_order_and_n_jobs(make):
    X, order = make(60), np.random.default_rng(0).permutation(60)
    permuted = X.iloc[order] if isinstance(X, pd.DataFrame) else X[order]

    def model(X):
        age = X["age"] if not isinstance(X, np.ndarray) else X[:, 0]
        return np.asarray(age, dtype=float)

    mimics = [MimicTree(model, random_state=0, n_jobs=n).fit(table) for table, n in ((X, 1), (permuted, 2))]
    first, second = (mimic.rule_tree_ for mimic in mimics)
    for name in ("feature", "threshold", "values", "n_observed", "left"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert mimics[0].fidelity_.r2 == mimics[1].fidelity_.r2
    pd.testing.assert_frame_equal(mimics[0].leaves_, mimics[1].leaves_)


def test_equal_rows_are_evaluated_once():
    model = CountingModel(ProbabilityModel())
    MimicTree(model, synthetic="none", random_state=0).fit(np.tile(numbers(10), (5, 1)))
    assert model.n_rows == 10 + 2 * 20


def test_explain_values_follow_path_and_sum_to_tree_output():
    mimic, X, _ = iris()
    exp = mimic.explain(X.iloc[[0, 70, 140]])
    assert (exp.completeness, exp.method, exp.n_model_rows) == ("surrogate", "MimicTree", 3)
    np.testing.assert_allclose(exp.base_values[0], mimic.rule_tree_.values[0])
    np.testing.assert_allclose(
        exp.base_values + exp.values.sum(axis=1), mimic.predict_proba(X.iloc[[0, 70, 140]])
    )
    np.testing.assert_array_equal(
        exp.extras["surrogate_outputs"].array, mimic.predict_proba(X.iloc[[0, 70, 140]])
    )
    np.testing.assert_array_equal(exp.outputs, mimic.model.predict_proba(X.iloc[[0, 70, 140]]))
    assert list(exp.extras["rule"].array) == list(mimic.leaves_.loc[exp.extras["leaf"].array, "rule"])
    for rule, conditions, values in zip(
        exp.extras["rule"].array, exp.extras["conditions"].array, exp.values, strict=True
    ):
        assert sorted(rule.split(" and ")) == sorted(text for text in conditions if text)
        assert (values[conditions == ""] == 0).all()
    np.testing.assert_array_equal(exp.fidelity["r2"][0], mimic.fidelity_.r2_outputs)
    one = mimic.explain(X.head(2), outputs="virginica" if "virginica" in mimic.output_names_ else 2)
    np.testing.assert_array_equal(one.values[:, :, 0], mimic.explain(X.head(2)).values[:, :, 2])


def test_tree_splits_labels_and_accepts_unseen_ones():
    X = pd.DataFrame({"a 'col'": list("uvwx") * 20, "n": np.arange(80.0)})
    y = X["a 'col'"].isin(["u", "x"]).astype(int)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = make_pipeline(encoder, LogisticRegression()).fit(X[["a 'col'"]], y)
    mimic = MimicTree(model, max_leaf_nodes=2, random_state=0).fit(X)
    assert sorted(mimic.leaves_["rule"]) == ["a 'col' in {u, x}", "a 'col' in {v, w}"]
    unseen = pd.DataFrame({"a 'col'": ["z", None], "n": [0.0, 1.0]})
    assert len(set(mimic.apply(unseen))) == 1


def test_tree_same_rules_for_polars_and_pandas():
    X = mixed(80).drop(columns="since")

    def model(X):
        return np.asarray(X["age"], dtype=float) + (np.asarray(X["job"]) == "clerk") * 20.0

    frame = pl.from_pandas(X.assign(town=X["town"].astype(str)))
    one = MimicTree(model, random_state=0).fit(X)
    other = MimicTree(model, random_state=0).fit(frame)
    assert list(one.leaves_["rule"]) == list(other.leaves_["rule"])


def test_pickle_clone_and_stability():
    mimic, X, _ = iris()
    again = pickle.loads(pickle.dumps(mimic))
    np.testing.assert_array_equal(again.predict_proba(X), mimic.predict_proba(X))
    stability = mimic.stability(3)
    assert (stability.n_refits, list(stability.used.index)) == (3, list(X.columns))
    assert stability.agreement == again.stability(3).agreement > 0.8
    cloned = clone(mimic)
    assert cloned.model is mimic.model
    assert not hasattr(cloned, "rule_tree_")


def test_without_model_still_predicts():
    mimic, X, _ = iris()
    parted = pickle.loads(pickle.dumps(mimic.without_model()))
    np.testing.assert_array_equal(parted.predict(X), mimic.predict(X))
    assert is_classifier(parted)


def test_single_class_gives_one_leaf():
    X, y = load_iris(return_X_y=True)
    mimic = MimicTree(DummyClassifier(strategy="constant", constant=1).fit(X, y), random_state=0).fit(X)
    assert len(mimic.leaves_) == 1
    assert mimic.leaves_["rule"].iloc[0] == "any row"
    assert (mimic.fidelity_.label, mimic.fidelity_.measures["label"].ends()[1], mimic.fidelity_.r2) == (
        1.0,
        1.0,
        1.0,
    )
    assert set(mimic.predict(X)) == {1}


@pytest.mark.parametrize("n_rows", [2, 3, 7])
def test_leaves_never_exceed_rows(n_rows):
    mimic = MimicTree(AdditiveModel(), synthetic="none", random_state=0).fit(numbers(n_rows))
    assert 1 <= len(mimic.leaves_) <= n_rows


def test_one_leaf_predicts_mean():
    X = numbers(30)
    mimic = MimicTree(AdditiveModel(), max_leaf_nodes=1, synthetic="none", random_state=0).fit(X)
    assert list(mimic.leaves_["rule"]) == ["any row"]
    np.testing.assert_allclose(mimic.predict(X), AdditiveModel()(X).mean())
    assert mimic.tree_.node_count == 1
    assert (mimic.explain(X).values == 0).all()


def test_tree_ignores_identifier_column():
    X = pd.DataFrame({"id": [f"row {k}" for k in range(200)], "n": np.random.default_rng(0).normal(size=200)})
    mimic = MimicTree(lambda X: np.asarray(X["n"], dtype=float), max_leaf_nodes=8, random_state=0).fit(X)
    fresh = pd.DataFrame(
        {"id": [f"other {k}" for k in range(200)], "n": np.random.default_rng(1).normal(size=200)}
    )
    assert mimic.fidelity(fresh).r2 > 0.8


def test_tree_ignores_column_without_values():
    X = pd.DataFrame({"empty": [np.nan] * 50, "n": np.arange(50.0)})
    mimic = MimicTree(lambda X: np.asarray(X["n"], dtype=float), random_state=0).fit(X)
    assert not mimic.leaves_["rule"].str.contains("empty").any()


@pytest.mark.parametrize(
    ("model", "params", "facts"),
    [
        (AdditiveModel(), {"targets": "hard"}, ["'targets' of MimicTree is 'hard'", "'soft' or 'auto'"]),
        (
            as_predictor(AdditiveModel(), task="classification"),
            {},
            ["classifier", "one number per row", "predict_proba", "np.column_stack", "task='regression'"],
        ),
    ],
)
def test_fit_refuses_hard_targets_and_one_column_classifier(model, params, facts):
    with refuses(DataError, "model AdditiveModel", *facts):
        MimicTree(model, **params).fit(numbers())


def test_fit_refuses_single_row():
    with refuses(DataError, "X", "n_samples=1", "MimicTree", "at least two"):
        MimicTree(AdditiveModel()).fit(numbers(1))


def test_stability_refuses_one_refit():
    mimic = MimicTree(AdditiveModel(), random_state=0).fit(numbers())
    with refuses(DataError, "'n' of stability", "2 or more", "got 1"):
        mimic.stability(1)


def test_mimic_of_decision_function_approximates_scores():
    X, y = load_iris(return_X_y=True)
    model = as_predictor(LinearSVC(dual=False).fit(X, y), output="decision_function")
    mimic = MimicTree(model, random_state=0).fit(X)
    assert (mimic.targets_, mimic.fidelity_.kl) == ("soft", None)
    assert mimic.fidelity(X).label > 0.8
    assert not hasattr(mimic, "predict_proba")


def test_mimic_of_tree_is_exact():
    X, y = load_iris(return_X_y=True)
    model = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(X, y)
    mimic = MimicTree(model, random_state=0).fit(X)
    assert mimic.fidelity(X).label == 1.0


def test_mean_over_rows_of_one_leaf_is_as_sure_as_one_row():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    model = as_predictor(lambda X: X[:, 0] + X[:, 1] * X[:, 2], task="regression")
    mimic = MimicTree(model, max_leaf_nodes=5, random_state=0).fit(X)
    exp = mimic.explain(X)
    leaf = exp.extras["leaf"].array
    alike = exp[leaf == np.bincount(leaf).argmax()]
    assert len(alike) > 20
    np.testing.assert_allclose(alike.aggregate(how="mean").std_errors, alike.std_errors[0], rtol=1e-5)
    difference = alike.difference(0, 1, dim="row")
    assert (difference.std_errors <= 1e-3 * alike.std_errors[0]).all()  # components are in single precision
