"""No model writes into the user's tables, whatever it does to the memory that it is given."""

import threading
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from agnostix import KernelShapExplainer, WhatIfReport
from agnostix.core.frames import copy_table
from agnostix.core.models import as_predictor
from agnostix.testing import InteractionModel, all_explainers
from agnostix.testing.harness import explains_population, fit_clone, make_rows, results, takes_tables
from agnostix.testing.tables import numbers
from tests.common.test_explainers import NEEDS_OPERATIONS, SMALL

EXPLAINERS = [
    explainer(None, **SMALL.get(name, {}))
    for name, explainer in all_explainers()
    if name not in NEEDS_OPERATIONS
]
ROWS = numbers(24, 3)
NAMES = ["x0", "x1", "x2"]
FORMS = {
    "array": lambda: ROWS.copy(),
    "array by column": lambda: np.asfortranarray(ROWS),
    "float32 array": lambda: ROWS.astype(np.float32),
    "read-only array": lambda: np.frombuffer(ROWS.tobytes()).reshape(ROWS.shape),
    "pandas": lambda: pd.DataFrame(ROWS, columns=NAMES),
    "pandas Float64": lambda: pd.DataFrame(ROWS, columns=NAMES).astype("Float64"),
    "pandas arrow": lambda: pd.DataFrame(ROWS, columns=NAMES).astype("float64[pyarrow]"),
    "polars": lambda: pl.DataFrame(ROWS, schema=NAMES),
}


class _Memory:
    """The memory of an array, writable as it is for a tensor that is made from it."""

    def __init__(self, array):
        place, _ = array.__array_interface__["data"]
        self.__array_interface__ = array.__array_interface__ | {"data": (place, False)}


class Trespasser:
    """A model that subtracts 1 in place from all numbers it is given, read-only or not."""

    model = InteractionModel()

    def __call__(self, X):
        outputs = np.array(self.model(X))
        for part in (X,) if isinstance(X, np.ndarray) else (X[name].to_numpy() for name in X.columns):
            writable = np.asarray(_Memory(part))
            writable -= 1.0
        return outputs


def digest(X):
    """The numbers of a table, copied."""
    return np.array(X, dtype=float)


class InPlaceRegression(LinearRegression):
    """Writes into the table and the target that it is fitted on."""

    def fit(self, X, y):
        super().fit(digest(X), y)
        for part in (X,) if isinstance(X, np.ndarray) else (X[name].to_numpy() for name in X.columns):
            writable = np.asarray(_Memory(part))
            writable -= 1.0
        y -= 1.0
        return self

    def predict(self, X):
        return super().predict(digest(X))


def inputs(explainer):
    """What an explainer takes, by name: makers of tables, or of images."""
    return FORMS if takes_tables(explainer) else {"images": lambda: make_rows(explainer, 6).copy()}


CASES = [
    pytest.param(one, make, id=f"{type(one).__name__}, {name}")
    for one in EXPLAINERS
    for name, make in inputs(one).items()
]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(changes the table|not deterministic)", UserWarning)
        # The double is a step function, whose integrated gradients cannot add up.
        warnings.filterwarnings("ignore", ".*not reached the tolerance", ConvergenceWarning)
        yield


@pytest.mark.parametrize(("explainer", "make"), CASES)
def test_explainers_protect_tables_of_fit_and_explain(explainer, make):
    X, rows = make(), make()
    before, expected = digest(X), results(fit_clone(explainer, InteractionModel(), make()), make())
    fitted = fit_clone(explainer, Trespasser(), X)
    actual = results(fitted, rows)
    np.testing.assert_array_equal(digest(X), before)
    np.testing.assert_array_equal(digest(rows), before)
    name = next(name for name in ("values", "curves.value", "effects.values") if name in actual)
    np.testing.assert_array_equal(actual[name], expected[name])


@pytest.mark.parametrize("form", ["array", "pandas", "pandas arrow", "polars"])
def test_predictor_report_and_attach_protect_tables(form):
    X = FORMS[form]()
    before = digest(X)
    as_predictor(Trespasser()).predict(X)
    np.testing.assert_array_equal(digest(X), before)
    WhatIfReport(Trespasser(), X).json()
    np.testing.assert_array_equal(digest(X), before)
    stored = KernelShapExplainer(Trespasser(), random_state=0).fit(X).without_model()
    stored.attach(Trespasser()).explain(X)
    np.testing.assert_array_equal(digest(X), before)


@pytest.mark.parametrize("explainer", [one for one in EXPLAINERS if takes_tables(one)], ids=str)
@pytest.mark.parametrize("form", ["array", "pandas arrow", "polars"])
def test_fitting_of_model_protects_tables(explainer, form):
    X, y = FORMS[form](), np.arange(24.0)
    before = digest(X)
    fitted = type(explainer)(InPlaceRegression()).fit(X, y)
    np.testing.assert_array_equal(digest(X), before)
    np.testing.assert_array_equal(y, np.arange(24.0))
    assert fitted.model_.coef_.shape == (3,)


def counts_calls(X):
    """The number of entries of each row's dict, after one that counts calls is added in place."""
    cells = X[:, 1] if isinstance(X, np.ndarray) else X["tags"]
    for cell in cells:
        cell["calls"] = cell.get("calls", 0) + 1
    return np.array([len(cell) + 10.0 * cell["calls"] for cell in cells])


def tagged(shared):
    """Rows with a dict of 0, 1 or 2 entries in a cell, one for several rows where it is shared."""
    kinds = [{}, {"a": [1]}, {"a": [1], "b": [2]}]
    cells = [kinds[j % 3] if shared else dict(kinds[j % 3]) for j in range(24)]
    return pd.DataFrame({"x": ROWS[:, 0], "tags": pd.Series(cells, dtype=object)})


OBJECTS = {"pandas": lambda X: X, "array of objects": lambda X: X.to_numpy(dtype=object)}


@pytest.mark.parametrize("explainer", [one for one in EXPLAINERS if takes_tables(one)], ids=str)
@pytest.mark.parametrize("form", OBJECTS)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_objects_in_cells_are_protected(explainer, form, shared):
    X, rows = (OBJECTS[form](tagged(shared)) for _ in range(2))
    fitted = fit_clone(explainer, counts_calls, X)
    if explains_population(fitted):
        np.testing.assert_allclose(fitted.baseline()["value"], 12.0)
    else:
        np.testing.assert_array_equal(fitted.explain(rows).outputs[:, 0], 11.0 + np.arange(24) % 3)
    for table in (X, rows):
        assert not any("calls" in cell for cell in np.asarray(table, dtype=object)[:, 1])


@pytest.mark.parametrize("form", OBJECTS)
def test_predictor_and_fitting_protect_objects_in_cells(form):
    X = OBJECTS[form](tagged(True))
    np.testing.assert_array_equal(as_predictor(counts_calls).predict(X)[:, 0], 11.0 + np.arange(24) % 3)
    KernelShapExplainer(CountingRegression(), random_state=0).fit(X, np.arange(24.0))
    assert not any("calls" in cell for cell in np.asarray(X, dtype=object)[:, 1])


class CountingRegression(RegressorMixin, BaseEstimator):
    """Writes into the cells of the table that it is fitted on."""

    def fit(self, X, y):
        self.mean_ = counts_calls(X).mean()
        return self

    def predict(self, X):
        return counts_calls(X)


def test_cells_that_cannot_be_copied_are_shared():
    table = pd.DataFrame({"c": pd.Series([threading.Lock(), [1]], dtype=object)})
    copied = copy_table(table)
    assert copied["c"][0] is table["c"][0]
    assert copied["c"][1] is not table["c"][1]
