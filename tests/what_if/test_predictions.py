import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from agnostix import EntropicProjection, as_predictor
from agnostix.exceptions import DataError
from agnostix.what_if.predictions import from_model, from_outcome, from_predictions
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people(60)
N = len(X)
Y = truth(X)
SHARES = np.column_stack([0.2 * chance(X), 0.8 * chance(X), 1.0 - chance(X)])


def test_from_outcome_numbers_keep_name():
    for y, name in (
        (chance(X), "y"),
        (pd.Series(chance(X), name="score"), "score"),
        (pl.Series("score", chance(X)), "score"),
        (pl.Series(chance(X)), "y"),
        (pd.Series(chance(X), dtype="Float64"), "y"),
        (np.array(chance(X).tolist(), dtype=object), "y"),
        (chance(X)[:, None], "y"),
    ):
        result = from_outcome(y, N)
        assert result.output_names == (name,)
        assert result.values[:, 0].tolist() == chance(X).tolist()
        assert not result.predicted


def test_from_outcome_labels_are_indicators():
    result = from_outcome(X["job"], N)
    assert result.output_names == ("clerk", "farmer", "teacher")
    assert (result.values.sum(1) == 1.0).all()
    shares = EntropicProjection().fit(X, X["job"]).what_if({"age": 45}).outcomes
    np.testing.assert_allclose(shares["base"], [(X["job"] == job).mean() for job in result.output_names])
    assert shares["value"].sum() == pytest.approx(1.0)
    assert from_outcome(Y == 1, N).output_names == ("False", "True")


@pytest.mark.parametrize(
    ("predictions", "y", "names", "task", "probabilities"),
    [
        (chance(X), None, ("prediction",), None, False),
        (chance(X), Y, ("1",), "classification", True),
        (chance(X), np.where(Y, "yes", "no"), ("yes",), "classification", True),
        (SHARES, X["job"], ("clerk", "farmer", "teacher"), "classification", True),
        (2.0 * SHARES / 3.0, X["job"], ("clerk", "farmer", "teacher"), "classification", False),
        (chance(X), chance(X), ("prediction",), "regression", False),
        (9.0 * chance(X), Y, ("prediction",), "regression", False),
        (SHARES, None, ("output_0", "output_1", "output_2"), None, False),
        (pd.DataFrame(SHARES, columns=list("abc")), None, ("a", "b", "c"), None, False),
        (pl.DataFrame(SHARES, schema=["a", "b", "c"]), X["job"], ("a", "b", "c"), "classification", True),
    ],
)
def test_from_predictions_infers_task_and_names(predictions, y, names, task, probabilities):
    result = from_predictions(predictions, y, N)
    assert (result.output_names, result.task, result.probabilities) == (names, task, probabilities)
    assert (result.truth is not None) == (task is not None)


@pytest.mark.parametrize(
    ("predictions", "facts"),
    [
        (chance(X)[:50], ["predictions", "(60,) or (60, n_outputs)", "got shape (50,)", "0 values"]),
        (
            np.where(Y, np.nan, 0.5),
            ["predictions", "finite", "got shape (60,)", f"{Y.sum()} values that are not finite"],
        ),
        (np.ones((60, 2, 2)), ["predictions", "(60,) or (60, n_outputs)", "got shape (60, 2, 2)"]),
        (["yes"] * 60, ["predictions", "must be numbers", "probabilities", "labels"]),
    ],
    ids=["length", "NaN", "dimensions", "labels"],
)
def test_fit_refuses_bad_predictions(predictions, facts):
    with refuses(DataError, *facts):
        EntropicProjection().fit(X, predictions=predictions)


@pytest.mark.parametrize(
    ("y", "facts"),
    [
        (Y[:50], ["y", "60 rows", "got shape (50,)"]),
        (np.ones((60, 2)), ["y", "60 rows", "2 targets", "shape (60, 2)", "y[:, 0]"]),
        (
            np.where(np.arange(60) < 3, np.nan, 1.0),
            ["y has no value in 3 of 60 rows", "Leave those rows out"],
        ),
        (
            pd.Series(np.where(np.arange(60) < 3, None, "a")),
            ["y has no value in 3 of 60 rows", "Leave those rows out"],
        ),
    ],
    ids=["length", "columns", "NaN", "None"],
)
def test_fit_refuses_bad_y(y, facts):
    for call in (
        lambda: EntropicProjection().fit(X, y),
        lambda: fit_projection(X, y),
        lambda: EntropicProjection(as_predictor(chance, task="regression")).fit(X, y),
    ):
        with refuses(DataError, *facts):
            call()


def test_fit_refuses_labels_for_regression():
    with refuses(DataError, "y must hold numbers", "regression", "'clerk'"):
        EntropicProjection(as_predictor(chance, task="regression")).fit(X, np.full(N, "clerk"))


def test_fit_refuses_label_unknown_to_model():
    numbers = X[["age", "hours"]]
    model = LogisticRegression().fit(numbers, np.where(Y, "yes", "no"))
    strange = np.where(np.arange(N) == 7, "maybe", np.where(Y, "yes", "no"))
    with refuses(DataError, "label 'maybe'", "classes: 'no', 'yes'"):
        EntropicProjection(model).fit(numbers, strange)


def test_fit_refuses_more_labels_than_outputs():
    with refuses(DataError, "y has 3 different labels", "2 classes", "clerk, farmer, teacher"):
        EntropicProjection(as_predictor(chance, task="classification")).fit(X, X["job"])


def test_fit_compares_predicted_labels_of_any_kind():
    numbers = X[["age", "hours"]]
    for labels in ((0, 1), (-1, 1), (1, 2), ("no", "yes")):
        y = np.where(Y, labels[1], labels[0])
        model = LogisticRegression().fit(numbers, y)
        projection = EntropicProjection(as_predictor(model, output="predict"))
        outcomes = projection.fit(numbers, y).what_if({"age": 45}).outcomes.set_index("quantity")
        assert outcomes["base"]["accuracy"] == pytest.approx(model.score(numbers, y))


def test_from_model_single_output_takes_name_of_y():
    predictor = as_predictor(chance)
    values = chance(X)[:, None]
    assert from_model(predictor, values, pd.Series(Y, name="rich")).output_names == ("rich",)
    assert from_model(predictor, values, pl.Series(Y)).output_names == ("prediction",)
    assert from_model(predictor, values, None).output_names == ("prediction",)


def test_fit_matches_labels_across_dtypes():
    numbers = X[["age", "hours"]]
    model = LogisticRegression().fit(numbers, Y)
    for y in (Y.astype(float), Y.astype(str), Y.astype(bool)):
        accuracy = EntropicProjection(model).fit(numbers, y).baseline(metric="accuracy")["value"][0]
        assert accuracy == pytest.approx(model.score(numbers, Y))
