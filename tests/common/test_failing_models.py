"""Models that fail, or change how many outputs they give, on rows of `fit`: named, with rows and cause."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

from agnostix import MimicTree, WhatIfReport
from agnostix.core.files import describe_error
from agnostix.exceptions import DataError, EngineError, ModelOutputError
from agnostix.testing import all_explainers
from agnostix.testing.harness import fit_clone, make_rows, results, takes_tables
from tests.common.test_explainers import SMALL
from tests.messages import refuses

EXPLAINERS = [explainer(None, **SMALL.get(name, {})) for name, explainer in all_explainers()]
OF_TABLES = [one for one in EXPLAINERS if takes_tables(one)]


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


ERRORS = [
    KeyError("price"),
    IndexError("list index out of range"),
    AttributeError("no 'price'"),
    StopIteration(),
    AssertionError(),
    MemoryError(),
    RecursionError("too deep"),
    ValueError("x" * 100_000),
    ValueError("a\nb"),
    UnprintableError(),
]
FORMS = {
    "array": lambda X: X,
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "polars": lambda X: pl.DataFrame(X, schema=list("abcd")),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}{len(error.args)}")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_failure_in_fit_names_model_rows_and_cause(explainer, form, error):
    def pricing(X):
        raise error

    with refuses(
        EngineError, "model pricing failed on", "rows", type(error).__name__, "Check that X"
    ) as caught:
        fit_clone(explainer, pricing, FORMS[form](make_rows(explainer)))
    assert caught.value.__cause__ is error
    assert len(str(caught.value)) < 3_000
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_function_that_takes_no_table_is_named(explainer):
    with refuses(EngineError, "model function failed on", "TypeError", "positional"):
        fit_clone(explainer, lambda: 1.0, make_rows(explainer))


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_models_own_refusal_of_rows_is_named(explainer):
    X = make_rows(explainer)
    X[0, 0] = np.nan
    with refuses(EngineError, "model LinearRegression failed on", "ValueError", "NaN"):
        fit_clone(explainer, LinearRegression().fit(np.nan_to_num(X), X[:, 1]), X)


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_class_in_place_of_a_model(explainer):
    with refuses(TypeError, "class LinearRegression", "Pass an instance"):
        fit_clone(explainer, LinearRegression, make_rows(explainer))


@pytest.mark.parametrize("most", [15, 30], ids=["of trial rows", "of all rows"])
@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_number_of_outputs_that_depends_on_the_rows(explainer, most):
    def model(X):
        y = np.asarray(X)[:, 0]
        return np.column_stack([y, y]) if len(y) > most else y

    X = make_rows(explainer, 24 if most == 15 else 44)
    with pytest.raises((ModelOutputError, EngineError), match=r"outputs .*[12]"):
        results(fit_clone(explainer, model, X), X)


def test_report_names_rows_that_the_model_cannot_predict():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])

    def model(Z):
        if (np.asarray(Z["a"]) > 50).any():
            raise KeyError("rate")
        return np.asarray(Z["b"])

    report = WhatIfReport(model, X, rows=pd.DataFrame({"a": [99.0], "b": [0.0]}))
    with refuses(EngineError, "model model failed on 1 row", "KeyError", "rate"):
        report.json()


@pytest.mark.parametrize("model", [DecisionTreeClassifier(), DummyClassifier()], ids=str)
def test_tree_of_a_classifier_with_one_class_says_so(model):
    X = np.arange(40.0).reshape(20, 2)
    with refuses(DataError, "single class, 'no'", "at least two classes"):
        MimicTree(model.fit(X, ["no"] * 20)).fit(X)
    MimicTree(model.fit(X, ["no", "yes"] * 10), random_state=0).fit(X)


def test_description_of_an_error_is_one_short_line():
    assert describe_error(UnprintableError()) == "UnprintableError without a message"
    assert describe_error(ValueError("a\r\nb\x1b")) == r"ValueError: a b\x1b"
    assert len(describe_error(ValueError("x" * 10_000))) < 2_100
