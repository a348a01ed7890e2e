"""What outputs mean, for every explainer of tables: labels, independent labels, rows that others change."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.cluster import Birch, KMeans, MeanShift
from sklearn.ensemble import IsolationForest, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, OneClassSVM

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    as_predictor,
)
from agnostix.exceptions import ModelOutputError
from tests.messages import refuses, states

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(120, 2)), columns=["a", "b"]).assign(k=RNG.integers(0, 3, 120) * 1.0)
SIDES = np.select([X.a > 0.4, X.b > 0], [2, 1], 0)
EXPLAINERS = {
    "KernelShap": lambda model, **params: KernelShapExplainer(model, random_state=0, **params),
    "KernelShap of one row": lambda model: KernelShapExplainer(model, background_size=1, random_state=0),
    "Occlusion": lambda model: OcclusionExplainer(model, random_state=0),
    "Occlusion with a fill": lambda model: OcclusionExplainer(model, fill={"a": 0.0, "b": 0.0, "k": 1.0}),
    "LIME": lambda model: LimeExplainer(model, n_samples=256, random_state=0),
    "MimicTree": lambda model: MimicTree(model, max_leaf_nodes=4, synthetic="none", random_state=0),
    "EntropicProjection": EntropicProjection,
}
OTHERS = [make for name, make in EXPLAINERS.items() if name not in ("EntropicProjection",)]
parametrize = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)


def predictions_of(explainer, table=X):
    """All predictions (n, n_outputs) of the explained rows, and the names of the outputs."""
    if isinstance(explainer, EntropicProjection):
        fitted = explainer.fit(table)
        in_order = np.argsort(fitted.table_.order)
        return fitted.predictions_.values[in_order], fitted.predictions_.output_names
    explained = explainer.fit(table).explain(table[:9])
    return explained.outputs, explained.output_names


def clusterers():
    kmeans = KMeans(3, n_init=2, random_state=0)
    return {
        "KMeans": kmeans.fit(X),
        "Pipeline": make_pipeline(StandardScaler(), KMeans(3, n_init=2, random_state=0)).fit(X),
        "Birch": Birch(n_clusters=3).fit(X),
        "MeanShift": MeanShift(bandwidth=1.2).fit(X),
        "method": KMeans(3, n_init=2, random_state=0).fit(X).predict,
    }


@parametrize
@pytest.mark.parametrize("model", clusterers().values(), ids=clusterers())
def test_clusters_are_an_indicator_each(explainer, model):
    outputs, names = predictions_of(explainer(model))
    labels = getattr(model, "predict", model)(X)[: len(outputs)]
    assert names == tuple(map(str, range(len(names))))
    np.testing.assert_array_equal(outputs, labels[:, None] == np.arange(len(names)))


@parametrize
@pytest.mark.parametrize("labels", [("low", "mid", "top"), (10, 20, 40), (2.0, 0.0, 1.0)])
def test_predicted_labels_are_an_indicator_each_by_the_advice(explainer, labels):
    voters = [("a", LogisticRegression()), ("b", LinearSVC())]
    model = VotingClassifier(voters).fit(X, np.array(labels)[SIDES])
    with refuses(ValueError, "VotingClassifier", "as_predictor(model, output='predict')"):
        explainer(model).fit(X)
    outputs, names = predictions_of(explainer(as_predictor(model, output="predict")))
    assert names == tuple(str(label) for label in model.classes_)
    np.testing.assert_array_equal(outputs, model.predict(X)[: len(outputs), None] == model.classes_)


@parametrize
def test_predicted_text_labels_of_a_function_are_refused_with_advice(explainer):
    def model(X):
        return np.array(["low", "mid", "top"])[np.select([X["a"] > 0.4, X["b"] > 0], [2, 1], 0)]

    labels = ("low", "mid", "top")
    advice = "lambda X: np.stack([model(X) == label for label in labels], axis=1)"
    with pytest.raises(ValueError, match=states(advice)):
        explainer(model).fit(X)
    outputs, _ = predictions_of(explainer(eval(advice, {"model": model, "labels": labels, "np": np})))
    np.testing.assert_array_equal(outputs.argmax(axis=1), SIDES[: len(outputs)])


@parametrize
def test_whole_numbers_of_a_function_are_named(explainer):
    def model(X):
        return np.select([X["a"] > 0.4, X["b"] > 0], [2, 1], 0)

    labels = range(3)
    advice = "lambda X: np.stack([model(X) == label for label in labels], axis=1)"
    if explainer is not EXPLAINERS["KernelShap of one row"] and explainer is not OTHERS[3]:
        with pytest.warns(UserWarning, match=states("0, 1, 2", advice, "task='regression'")):
            explainer(model).fit(X)
        with refuses(ModelOutputError, "0, 1, 2", advice):
            explainer(as_predictor(model, task="classification")).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer(as_predictor(model, task="regression")).fit(X)
        explainer(eval(advice, {"model": model, "labels": labels, "np": np})).fit(X)
        explainer(lambda X: np.asarray(X["a"] > 0.4)).fit(X)


@parametrize
@pytest.mark.parametrize(
    "detector", [IsolationForest(n_estimators=20, random_state=0), OneClassSVM()], ids=str
)
def test_outlier_detectors_explain_their_score(explainer, detector):
    detector.fit(X)
    outputs, _ = predictions_of(explainer(detector))
    np.testing.assert_allclose(outputs[:, 0], detector.decision_function(X)[: len(outputs)])
    outputs, _ = predictions_of(explainer(as_predictor(detector, output="score_samples")))
    np.testing.assert_allclose(outputs[:, 0], detector.score_samples(X)[: len(outputs)])
    outputs, names = predictions_of(explainer(as_predictor(detector, output="predict")))
    assert names == ("-1", "1")
    np.testing.assert_array_equal(outputs[:, 1] == 1, detector.predict(X)[: len(outputs)] == 1)


TWO_LABELS = np.column_stack([X.a > -1, X.b > -1]).astype(int)
INDEPENDENT = {
    "OneVsRest": OneVsRestClassifier(LogisticRegression()).fit(X, TWO_LABELS),
    "scores": as_predictor(
        OneVsRestClassifier(LogisticRegression()).fit(X, TWO_LABELS), output="decision_function"
    ),
    "network": MLPClassifier((4,), solver="lbfgs", alpha=0.1, max_iter=2000, random_state=0).fit(
        X, TWO_LABELS
    ),
    "function": as_predictor(lambda X: 1.0 / (1.0 + np.exp(-np.asarray(X)[:, :2])), task="classification"),
    "single precision": as_predictor(
        lambda X: np.float32(1.0) / (1.0 + np.exp(-np.asarray(X, np.float32)[:, :2])), task="classification"
    ),
}


@pytest.mark.parametrize("model", INDEPENDENT.values(), ids=INDEPENDENT)
@pytest.mark.parametrize("explainer", OTHERS[:-1], ids=list(EXPLAINERS)[:-2])
def test_independent_labels_do_not_mirror_each_other(explainer, model):
    fitted = explainer(model).fit(X)
    assert not fitted.is_binary_
    assert fitted.transform(X[:3]).shape == (3, 2 * 3)
    assert len(fitted.get_feature_names_out()) == 6


@pytest.mark.parametrize("model", INDEPENDENT.values(), ids=INDEPENDENT)
def test_tree_of_independent_labels_predicts_each(model):
    tree = MimicTree(model, random_state=0).fit(X)
    assert not tree.is_binary_
    found, known = tree.predict(X), as_predictor(model).predict(X)
    assert found.shape == (120, 2)
    assert tree.fidelity(X).r2 > 0.5
    np.testing.assert_allclose(found.mean(axis=0), known.mean(axis=0), rtol=0.2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("explainer", OTHERS, ids=list(EXPLAINERS)[:-1])
def test_classes_that_exclude_each_other_stay_binary_in_any_precision(explainer, dtype):
    def model(X):
        p = (1.0 / (1.0 + np.exp(-np.asarray(X)[:, 0]))).astype(dtype)
        return np.stack([dtype(1) - p, p], axis=1) * dtype(1 if dtype is np.float64 else 0.9998)

    fitted = explainer(as_predictor(model, task="classification")).fit(X)
    assert fitted.is_binary_ == (dtype is not np.float32)
    if dtype is not np.float32:
        assert fitted.transform(X[:3]).shape == (3, 3)


PRICES = pd.DataFrame({"k": [2.0, 0.0, 1.0], "v": [5.0, 1.0, 3.0]})


def merged(X):
    return PRICES.merge(pd.DataFrame({name: np.asarray(X[name]) for name in ("a", "k")}), on="k").eval(
        "v + a"
    )


def sorted_by_a(X):
    return np.sort(np.asarray(X["a"])) * 2.0


def merged_left(X):
    table = pd.DataFrame({name: np.asarray(X[name]) for name in ("a", "k")}).merge(PRICES, how="left")
    return table.eval("v + a").to_numpy()


def scaled(X):
    return (np.asarray(X["a"]) - np.mean(np.asarray(X["a"]))) / max(np.std(np.asarray(X["a"])), 1e-9)


def ranked(X):
    return np.argsort(np.argsort(np.asarray(X["a"]))) / len(X)


FRAMES = pytest.mark.parametrize("table", [X, pl.from_pandas(X)], ids=["pandas", "polars"])


@FRAMES
@parametrize
@pytest.mark.parametrize("model", [merged, sorted_by_a])
def test_predictions_in_another_order_are_refused(explainer, model, table):
    with refuses(ModelOutputError, f"model {model.__name__}", "order of the rows", "trial row", "how='left'"):
        explainer(model).fit(table)


@FRAMES
@parametrize
@pytest.mark.parametrize("model", [scaled, ranked])
def test_predictions_that_depend_on_other_rows_are_warned_of(explainer, model, table):
    facts = f"model {model.__name__}", "depends on the rows beside it", "trial row", "training data"
    with pytest.warns(UserWarning, match=states(*facts)):
        explainer(model).fit(table)


@FRAMES
@parametrize
def test_advice_on_rows_beside_works(explainer, table):
    mean, sd = X.a.mean(), X.a.std()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer(merged_left).fit(table)
        explainer(lambda X: (np.asarray(X["a"]) - mean) / sd).fit(table)


def test_several_targets_of_predicted_labels_are_refused_with_advice():
    y = np.column_stack([SIDES, 2 - SIDES])
    model = RandomForestClassifier(3, random_state=0).fit(X, y)
    with refuses(ModelOutputError, "labels of several targets", "model.predict(X)[:, 0] == label"):
        KernelShapExplainer(as_predictor(model, output="predict")).fit(X)
    one = KernelShapExplainer(
        lambda X: np.stack([model.predict(X)[:, 0] == label for label in range(3)], axis=1)
    )
    np.testing.assert_array_equal(predictions_of(one)[0].argmax(axis=1), model.predict(X)[:9, 0])
