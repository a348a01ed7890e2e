import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from agnostix import EntropicProjection, as_predictor
from agnostix.what_if.metrics import default_metrics
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, select_rows, truth

X = people()
N = len(X)
Y = truth(X)
P = np.round(chance(X), 2)  # with ties
NUMBERS = P + 0.3 * np.random.default_rng(0).normal(size=N)

BINARY = {
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p > 0.5, sample_weight=w),
    "error_rate": lambda y, p, w: sk.zero_one_loss(y, p > 0.5, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
    "brier_score": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "neg_log_loss": lambda y, p, w: -sk.log_loss(y, p, sample_weight=w),
    "neg_brier_score": lambda y, p, w: -sk.brier_score_loss(y, p, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p > 0.5, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p > 0.5, sample_weight=w),
}
REGRESSION = {
    "mean_absolute_error": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "mean_squared_error": lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w),
    "root_mean_squared_error": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "neg_mean_absolute_error": lambda y, p, w: -sk.mean_absolute_error(y, p, sample_weight=w),
    "neg_root_mean_squared_error": lambda y, p, w: -sk.root_mean_squared_error(y, p, sample_weight=w),
    "explained_variance": lambda y, p, w: sk.explained_variance_score(y, p, sample_weight=w),
}


@pytest.mark.parametrize(
    ("name", "expected", "y"),
    [(name, function, Y) for name, function in BINARY.items()]
    + [(name, function, NUMBERS) for name, function in REGRESSION.items()],
    ids=[*BINARY, *(name for name in REGRESSION)],
)
def test_metrics_match_sklearn_with_weights(name, expected, y):
    projection = EntropicProjection().fit(X, y, predictions=P)
    scenario = projection.what_if({"age": 46, "sex": {"Female": 0.5}}, metric=name)
    outcome = select_rows(scenario.outcomes, quantity=name).iloc[0]
    assert outcome["value"] == pytest.approx(expected(y, P, scenario.weights), rel=1e-10)
    assert outcome["base"] == pytest.approx(expected(y, P, None), rel=1e-10)
    assert outcome["std_error"] > 0.0
    curve = projection.explain(targets={"age": [46]}, metric=name).frame.iloc[0]
    alone = projection.what_if({"age": 46}).weights
    assert curve["value"] == pytest.approx(expected(y, P, alone), rel=1e-9)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    return X, y, model, EntropicProjection(model).fit(X, y)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w)),
        ("log_loss", lambda y, p, w: sk.log_loss(y, p, sample_weight=w)),
        ("f1_macro", lambda y, p, w: sk.f1_score(y, p.argmax(1), sample_weight=w, average="macro")),
        (
            "roc_auc_ovr",
            lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w, multi_class="ovr"),
        ),
        ("brier_score", lambda y, p, w: np.average(((p - np.eye(3)[y]) ** 2).sum(1), weights=w)),
    ],
)
def test_metrics_of_many_classes_match_sklearn(iris, name, expected):
    X, y, model, projection = iris
    scenario = projection.what_if({"petal width (cm)": 1.1}, metric=name)
    outcome = select_rows(scenario.outcomes, quantity=name).iloc[0]
    assert outcome["value"] == pytest.approx(expected(y, model.predict_proba(X), scenario.weights), rel=1e-9)


def test_metrics_compare_text_labels(iris):
    X, y, _, _ = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=1000).fit(X, names)
    projection = EntropicProjection(model).fit(X, names)
    scenario = projection.what_if({"petal width (cm)": 1.1}, metric=["accuracy", "f1_macro"])
    values = scenario.outcomes.set_index("quantity")["value"]
    weights = scenario.weights
    assert values["accuracy"] == pytest.approx(
        sk.accuracy_score(names, model.predict(X), sample_weight=weights)
    )
    assert values["f1_macro"] == pytest.approx(
        sk.f1_score(names, model.predict(X), sample_weight=weights, average="macro")
    )


def test_metrics_of_decision_function_threshold_at_0(iris):
    X, y, _, _ = iris
    model = LogisticRegression().fit(X, y > 0)
    projection = EntropicProjection(as_predictor(model, output="decision_function")).fit(X, y > 0)
    outcomes = projection.what_if({"petal width (cm)": 1.1}).outcomes.set_index("quantity")["base"]
    assert outcomes["accuracy"] == model.score(X, y > 0)
    area = sk.roc_auc_score(y > 0, model.decision_function(X))
    assert outcomes["roc_auc"] == pytest.approx(area)
    assert "log_loss" not in outcomes


def test_metric_function_receives_labels_or_numbers():
    seen = {}

    def metric(y_true, y_pred, sample_weight):
        seen.update(y_true=set(y_true), y_pred=set(y_pred), mean=sample_weight.mean(), n=len(y_true))
        return 0.0

    names = np.where(Y == 1, "yes", "no")
    EntropicProjection().fit(X, names, predictions=P).what_if({"age": 46}, metric=metric)
    assert seen == {"y_true": {"no", "yes"}, "y_pred": {"no", "yes"}, "mean": pytest.approx(1.0), "n": 290}
    EntropicProjection().fit(X, NUMBERS, predictions=P).what_if({"age": 46}, metric=metric)
    assert seen["y_pred"] <= set(P)


def test_default_metrics_by_task():
    def names(projection):
        return projection.what_if({"age": 45}).outcomes["quantity"].tolist()

    assert names(fit_projection(X, Y)) == [
        *("prediction", "accuracy", "error_rate", "log_loss", "brier_score", "roc_auc")
    ]
    assert names(fit_projection(X, NUMBERS)) == [
        *("prediction", "mean_absolute_error", "root_mean_squared_error", "r2")
    ]
    assert names(fit_projection(X)) == ["prediction"]
    assert names(EntropicProjection().fit(X, Y)) == ["outcome"]


def test_default_metrics_of_multioutput_regression_are_empty():
    model = as_predictor(lambda X: np.column_stack([chance(X), 2 * chance(X)]), task="regression")
    projection = EntropicProjection(model).fit(X, NUMBERS)
    assert default_metrics(projection.predictions_) == []
    assert projection.what_if({"age": 45}).outcomes["output"].tolist() == ["output_0", "output_1"]


def test_metric_prediction_is_reported_once():
    for metric in ("prediction", ["prediction", "accuracy"], [None], []):
        outcomes = fit_projection(X, Y).what_if({"age": 45}, metric=metric).outcomes
        assert (outcomes["quantity"] == "prediction").sum() == 1


def test_metric_roc_auc_is_nan_for_single_class():
    y = (X["age"] > X["age"].mean()).astype(int)
    scenario = fit_projection(X, y).what_if({"age": X["age"].max()})
    assert np.isnan(scenario.outcomes.set_index("quantity")["value"]["roc_auc"])


def _function(X):
    return chance(X)


@pytest.mark.parametrize(
    ("fitted", "metric", "facts"),
    [
        (
            lambda: fit_projection(X),
            "accuracy",
            [
                "'accuracy'",
                "pass y to fit",
                "as_predictor(function, task='classification')",
                "column for each label",
            ],
        ),
        (
            lambda: EntropicProjection(as_predictor(_function, task="classification")).fit(X),
            "accuracy",
            ["'accuracy'", "pass y to fit"],
        ),
        (
            lambda: EntropicProjection().fit(X, Y),
            "accuracy",
            ["'accuracy'", "pass a model, or predictions to fit"],
        ),
        (
            lambda: fit_projection(X, Y),
            "r2",
            ["'r2'", "classification", "accuracy, error_rate, log_loss, brier_score, roc_auc"],
        ),
        (
            lambda: fit_projection(X, NUMBERS),
            "log_loss",
            [
                "'log_loss'",
                "regression",
                "mean_absolute_error, mean_squared_error, root_mean_squared_error, r2",
            ],
        ),
        (
            lambda: EntropicProjection(
                as_predictor(lambda X: X["age"].to_numpy(), task="classification")
            ).fit(X, Y),
            "log_loss",
            ["'log_loss'", "needs probabilities", "gives scores"],
        ),
        (
            lambda: EntropicProjection(
                as_predictor(lambda X: X[["age", "hours"]].to_numpy(), task="regression")
            ).fit(X, NUMBERS),
            "r2",
            ["'r2'", "needs one output", "gives several"],
        ),
        (
            lambda: fit_projection(X, Y),
            "acuracy",
            [
                "no metric 'acuracy'",
                "accuracy, error_rate, log_loss, brier_score, roc_auc, "
                "mean_absolute_error, mean_squared_error, root_mean_squared_error, r2",
                "sklearn.metrics.get_scorer_names()",
                "f(y_true, y_pred, sample_weight)",
            ],
        ),
        (
            lambda: fit_projection(X, Y),
            5,
            ["'metric'", "str", "callable", "list", "None", "got 5"],
        ),
        (
            lambda: fit_projection(X, Y),
            [],
            ["'metric'", "empty list", "at least one", "None"],
        ),
    ],
    ids=lambda value: "" if callable(value) else str(value)[:40],
)
def test_metric_refused_with_reason(fitted, metric, facts):
    with refuses(ValueError, *facts) as error:
        fitted().explain(metric=metric)
    assert ("as_predictor" in str(error.value)) == any("as_predictor" in fact for fact in facts)


ENTRIES = {
    "baseline": lambda projection, metric: projection.baseline(metric=metric),
    "explain": lambda projection, metric: projection.explain(features="age", metric=metric),
    "rank": lambda projection, metric: projection.rank(features="age", metric=metric),
    "what_if": lambda projection, metric: projection.what_if({"age": 45}, metric=metric),
}


@pytest.fixture(scope="module")
def projections():
    return [fit_projection(X, y, n_targets=3) for y in (Y, NUMBERS)]


@pytest.mark.filterwarnings("ignore")  # scorers warn of what is undefined
@pytest.mark.parametrize("name", sk.get_scorer_names())
def test_every_scorer_gives_number_or_refusal_with_remedy(projections, name):
    for projection in projections:
        value, message = baseline_or_message(projection, name)
        assert value is not None or name.removeprefix("neg_") in message
        if "takes no sample_weight" in message:
            suited = message.split("one of ")[1].rstrip(".").split(", ")
            assert len(projection.baseline(metric=suited)) == len(suited)


def baseline_or_message(projection, name):
    try:
        return float(projection.baseline(metric=name)["value"][0]), ""
    except ValueError as error:
        return None, str(error)


def without_weight(y_true, y_pred):
    return 1.0


def nothing(y_true, y_pred, sample_weight):
    np.average(y_true, weights=sample_weight)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("metric", "facts"),
    [
        ("rand_score", ["'rand_score'", "no sample_weight", "f(y_true, y_pred, sample_weight)", "one of"]),
        (sk.max_error, ["'max_error'", "no sample_weight"]),
        (without_weight, ["'without_weight'", "no sample_weight"]),
        (nothing, ["'nothing'", "returned NoneType None", "one number", "float"]),
        (lambda y_true, y_pred, sample_weight: "good", ["returned str 'good'", "one number"]),
        (lambda y_true, y_pred, sample_weight: y_pred, ["returned ndarray", "one number"]),
        (lambda y_true, y_pred, sample_weight: {}["key"], ["failed on y", "KeyError: 'key'"]),
        ("f1_samples", ["'f1_samples'", "failed on y", "Samplewise"]),
    ],
    ids=["rand_score", "max_error", "without weight", "None", "text", "array", "KeyError", "f1_samples"],
)
def test_metrics_without_weights_or_number_are_refused_by_name(projections, entry, metric, facts):
    with refuses(ValueError, "metric", *facts):
        ENTRIES[entry](projections[0], metric)


def test_functions_with_weights_are_measured(projections):
    def share(y_true, y_pred, sample_weight):
        return np.average(y_true == y_pred, weights=sample_weight)

    for entry in ENTRIES.values():
        entry(projections[0], share)
    values = projections[0].baseline(metric=[share, "accuracy"])["value"]
    assert values[0] == pytest.approx(values[1])
