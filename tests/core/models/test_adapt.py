import functools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from agnostix.core.models import Predictor, as_predictor, is_fitted
from tests.messages import refuses

RNG = np.random.default_rng(0)
N = 80
FRAME = pd.DataFrame(
    {
        "age": np.where(np.arange(N) % 9 == 0, np.nan, RNG.normal(40, 10, N)),
        "city": pd.Series(RNG.choice(["Lyon", "Nice", "Paris"], N)).mask(np.arange(N) % 11 == 0),
        "gain": RNG.lognormal(size=N),
        "size": pd.Categorical(RNG.choice(["S", "M", "L"], N), categories=["S", "M", "L"], ordered=True),
    }
)
ANSWER = np.where(FRAME.gain > 1.0, "rich", "poor")
NUMERIC = FRAME[["age", "gain"]].fillna(40.0)


def mixed():
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "gain"]),
            (OneHotEncoder(handle_unknown="ignore"), ["city", "size"]),
        ),
        LogisticRegression(),
    )


@pytest.fixture(scope="module")
def pipeline():
    return mixed().fit(FRAME, ANSWER)


@pytest.mark.parametrize(
    ("kept", "columns"),
    [
        ({"feature_names_": ["x 1", "zip"]}, ("x 1", "zip")),  # as CatBoost has them
        ({"feature_names_": ["0", "1"]}, None),
        ({"feature_names_": ["0", "1"], "feature_names_in_": ["a", "b"]}, ("a", "b")),
        ({}, None),
    ],
)
def test_columns_that_a_model_was_fitted_on(kept: dict, columns: tuple | None) -> None:
    model = SimpleNamespace(predict=lambda X: np.zeros(len(X)), n_features_in_=2, **kept)
    predictor = as_predictor(model, task="regression")
    assert predictor.columns == columns
    assert predictor.wants_array == (columns is None)


def test_as_predictor_pipeline_name_columns_classes(pipeline):
    predictor = as_predictor(pipeline)
    assert predictor.name == "ColumnTransformer > LogisticRegression"
    assert predictor.columns == tuple(FRAME.columns)
    assert predictor.classes == ("poor", "rich")
    assert (predictor.task, predictor.response, predictor.wants_array) == (
        "classification",
        "predict_proba",
        False,
    )
    assert predictor.names(2) == ("poor", "rich")


@pytest.mark.parametrize(
    "table",
    [FRAME, FRAME.iloc[:, ::-1], FRAME.assign(extra=1), FRAME.to_numpy()],
    ids=["frame", "reordered", "extra column", "object array"],
)
def test_as_predictor_pipeline_accepts_any_table(pipeline, table):
    np.testing.assert_array_equal(as_predictor(pipeline).predict(table), pipeline.predict_proba(FRAME))


def test_as_predictor_pipeline_accepts_polars(pipeline):
    table = pl.from_pandas(FRAME.assign(size=FRAME["size"].astype(str)))
    found = as_predictor(pipeline).predict(table.select(table.columns[::-1]))
    np.testing.assert_array_equal(found, pipeline.predict_proba(table))


def test_present_object_array_infers_dtypes(pipeline):
    shown = as_predictor(pipeline).present(FRAME.to_numpy())
    assert list(shown.columns) == list(FRAME.columns)
    assert [shown[name].dtype.kind for name in ("age", "gain")] == ["f", "f"]


def test_as_predictor_boosted_tree_with_categories():
    frame = FRAME.assign(city=FRAME.city.astype("category"))
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype").fit(frame, ANSWER)
    np.testing.assert_array_equal(as_predictor(model).predict(frame), model.predict_proba(frame))


def test_as_predictor_regressor_uses_predict():
    model = LinearRegression().fit(NUMERIC, FRAME.gain)
    predictor = as_predictor(model)
    assert (predictor.task, predictor.response, predictor.classes) == ("regression", "predict", None)
    assert predictor.names(1) == ("prediction",)
    np.testing.assert_array_equal(predictor.predict(NUMERIC)[:, 0], model.predict(NUMERIC))


def test_as_predictor_frozen_estimator(pipeline):
    frozen, bare = as_predictor(FrozenEstimator(pipeline)), as_predictor(pipeline)
    for name in ("name", "columns", "classes", "task", "response", "wants_array"):
        assert getattr(frozen, name) == getattr(bare, name)
    np.testing.assert_array_equal(frozen.predict(FRAME), bare.predict(FRAME))


def test_as_predictor_grid_search():
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(NUMERIC, ANSWER)
    predictor = as_predictor(search)
    assert (predictor.name, predictor.columns, predictor.classes) == (
        "GridSearchCV",
        ("age", "gain"),
        ("poor", "rich"),
    )


def test_name_leaves_out_passthrough_steps():
    model = Pipeline([("skip", "passthrough"), ("none", None), ("model", LogisticRegression())])
    assert as_predictor(model.fit(NUMERIC, ANSWER)).name == "LogisticRegression"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (LogisticRegression(), "LogisticRegression"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "StandardScaler > LogisticRegression"),
        (FrozenEstimator(LinearRegression()), "LinearRegression"),
        (LogisticRegression().predict_proba, "LogisticRegression"),
    ],
    ids=["estimator", "pipeline", "frozen", "bound method"],
)
def test_as_predictor_refuses_unfitted(model, name):
    with refuses(NotFittedError, f"model {name} is not fitted", "Call its fit", "(X, y)"):
        as_predictor(model)


def test_is_fitted():
    assert not is_fitted(LogisticRegression())
    assert not is_fitted(mixed())
    assert is_fitted(LogisticRegression().fit(NUMERIC, ANSWER))
    assert is_fitted(np.sum)


def test_predict_proba_missing_names_decision_function():
    model = LinearSVC().fit(NUMERIC, ANSWER)
    with refuses(
        ValueError, "LinearSVC", "no predict_proba", "as_predictor(model, output='decision_function')"
    ):
        as_predictor(model)
    found = as_predictor(model, output="decision_function").predict(NUMERIC)
    np.testing.assert_array_equal(found[:, 0], model.decision_function(NUMERIC))


def test_decision_function_missing_names_predict_proba():
    model = RandomForestClassifier(2, random_state=0).fit(NUMERIC, ANSWER)
    facts = ("RandomForestClassifier", "no decision_function", "as_predictor(model, output='predict_proba')")
    with refuses(ValueError, *facts):
        as_predictor(model, output="decision_function")


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", LogisticRegression())], voting="hard"),
        LinearRegression(),
    ],
    ids=["hard voting", "regressor"],
)
def test_predict_proba_missing_remedy_works(model):
    model.fit(NUMERIC, (ANSWER == "rich").astype(int))
    with refuses(ValueError, "as_predictor(model, output='predict')"):
        as_predictor(model, output="predict_proba")
    n_outputs = 2 if isinstance(model, VotingClassifier) else 1
    assert as_predictor(model, output="predict").predict(NUMERIC).shape == (N, n_outputs)


def test_output_predict_of_classifier_is_an_indicator_of_each_label():
    model = LogisticRegression().fit(NUMERIC, (ANSWER == "rich").astype(int))
    predictor = as_predictor(model, output="predict")
    assert predictor.names(2) == ("0", "1")
    np.testing.assert_array_equal(predictor.predict(NUMERIC)[:, 1], model.predict(NUMERIC))
    np.testing.assert_array_equal(predictor.predict(NUMERIC).sum(axis=1), 1.0)
    codes = as_predictor(model, output="predict", task="regression").predict(NUMERIC)
    np.testing.assert_array_equal(codes[:, 0], model.predict(NUMERIC))


def test_classes_are_python_values():
    model = LogisticRegression().fit(NUMERIC, (ANSWER == "rich").astype(int))
    assert [type(label) for label in as_predictor(model).classes] == [int, int]


def test_as_predictor_bound_method(pipeline):
    bound, bare = as_predictor(pipeline.predict_proba), as_predictor(pipeline)
    for name in ("name", "columns", "classes", "task", "response"):
        assert getattr(bound, name) == getattr(bare, name)
    np.testing.assert_array_equal(bound.predict(FRAME.iloc[:, ::-1]), bare.predict(FRAME))
    assert as_predictor(LinearSVC().fit(NUMERIC, ANSWER).decision_function).response == "decision_function"


def test_name_of_functions():
    def scorer(X):
        return X[:, 0]

    assert as_predictor(scorer).name == "scorer"
    assert as_predictor(lambda X: X[:, 0]).name == "function"
    assert as_predictor(functools.partial(scorer)).name == "partial"
    assert as_predictor(scorer).task is None
    assert as_predictor(scorer, task="regression").task == "regression"


def test_as_predictor_function(pipeline):
    predictor = as_predictor(lambda X: pipeline.predict_proba(X)[:, 1], output_names=["rich"])
    np.testing.assert_array_equal(predictor.predict(FRAME)[:, 0], pipeline.predict_proba(FRAME)[:, 1])
    assert predictor.names(1) == ("rich",)


def test_as_predictor_object_with_predict():
    class Booster:
        def predict(self, X):
            return np.asarray(X)[:, 0]

    predictor = as_predictor(Booster())
    assert (predictor.name, predictor.task, predictor.response) == ("Booster", None, "predict")
    np.testing.assert_array_equal(predictor.predict(np.eye(2))[:, 0], [1.0, 0.0])


def test_as_predictor_object_with_predict_proba():
    class Foreign:
        classes_ = np.array(["a", "b"])

        def predict(self, X):
            return np.repeat("a", len(X))

        def predict_proba(self, X):
            return np.tile([0.9, 0.1], (len(X), 1))

    predictor = as_predictor(Foreign())
    assert (predictor.task, predictor.classes) == ("classification", ("a", "b"))
    np.testing.assert_array_equal(predictor.predict(np.eye(2)), [[0.9, 0.1]] * 2)


def test_predict_refuses_multioutput_classifier():
    model = RandomForestClassifier(2, random_state=0).fit(NUMERIC, np.c_[ANSWER, ANSWER[::-1]])
    with refuses(ValueError, "one for each target"):
        as_predictor(model).predict(NUMERIC)


def test_as_predictor_of_predictor_is_itself(pipeline):
    predictor = as_predictor(pipeline)
    assert as_predictor(predictor) is predictor


def test_as_predictor_of_predictor_takes_names_and_task():
    predictor = as_predictor(as_predictor(lambda X: X), task="classification", output_names=["p", "q"])
    assert isinstance(predictor, Predictor)
    assert (predictor.task, predictor.names(2)) == ("classification", ("p", "q"))


def test_output_names_become_text():
    assert as_predictor(np.sum, output_names=[1, 2]).output_names == ("1", "2")


@pytest.mark.parametrize("model", [3, "model", None, np.zeros(3)])
def test_as_predictor_refuses_non_model(model):
    with refuses(TypeError, "'model'", "fitted estimator", "Pipeline", "callable", f"got {model!r}"):
        as_predictor(model)


def test_as_predictor_refuses_unknown_task():
    facts = ("'task' parameter of as_predictor", "'classification', 'regression' or None", "got 'ranking'")
    with refuses(ValueError, *facts):
        as_predictor(np.sum, task="ranking")


def test_as_predictor_refuses_unknown_output():
    allowed = "predict_proba, decision_function, score_samples, predict or None"
    with refuses(ValueError, "'output' parameter of as_predictor", allowed, "got 'logits'"):
        as_predictor(np.sum, output="logits")


@pytest.mark.parametrize("names", ["ab", ["a", "a"], [1, "1"]])
def test_as_predictor_refuses_repeated_output_names(names):
    with refuses(ValueError, "'output_names' parameter of as_predictor", "none twice", f"got {names!r}"):
        as_predictor(len, output_names=names)
