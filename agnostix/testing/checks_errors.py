"""Checks of errors: failing models, interrupted runs, invalid parameters and inputs."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn import config_context
from sklearn.exceptions import NotFittedError

from agnostix.core.sklearn_compat import InvalidParameterError, invalid_values
from agnostix.testing.doubles import AdditiveModel, InteractionModel
from agnostix.testing.faulty_doubles import MARKER, NanModel, RaisingModel, WrongRowsModel
from agnostix.testing.harness import (
    assert_identical,
    assert_raises,
    clone_with_model,
    explains_population,
    fit_clone,
    make_rows,
    results,
    set_n_jobs,
    takes_tables,
)
from agnostix.testing.tables import named, numbers

MARKED_ROW = 3
TIMEOUT = 10.0
"""Seconds after which a worker that still runs counts as left behind."""

FAILURES = {
    RaisingModel: ("ArithmeticError", "this row cannot be predicted"),
    NanModel: ("NaN",),
    WrongRowsModel: ("rows", "shape"),
}
"""Models that fail at a marked row, and what the message states of the cause."""
POPULATION_FAILURES = {
    RaisingModel: ("this row cannot be predicted",),
    NanModel: ("NanModel", f"row {MARKED_ROW}"),
    WrongRowsModel: ("WrongRowsModel", "24 rows", "(23,)"),
}
"""The same for a population, which is predicted in one batch: the model's own error is raised as it is."""


def check_model_failure_reported(explainer: Any) -> None:
    """A model raises, returns NaN or too few rows: the error states the model, the rows and the cause."""
    X, marked = _rows_and_marked_rows(explainer)
    for double, words in FAILURES.items():
        model, case = double(InteractionModel()), f"a {double.__name__}"
        if explains_population(explainer):
            errors = (ValueError, RuntimeError, ArithmeticError)
            with assert_raises(case, *POPULATION_FAILURES[double], kinds=errors):
                fit_clone(explainer, model, marked)
            continue
        fitted = fit_clone(explainer, model, X)
        for n_jobs in (1, 2):
            set_n_jobs(fitted, n_jobs)
            with parallel_config(backend="threading"), config_context(working_memory=0.001):
                _assert_rows_stated(fitted, marked, case, (double.__name__, *words))


def _rows_and_marked_rows(explainer: Any) -> tuple[Any, Any]:
    """Rows, and a copy of them in which the faulty doubles fail at `MARKED_ROW`."""
    X = make_rows(explainer)
    marked = X.copy()
    marked.reshape(len(X), -1)[MARKED_ROW, 0] = MARKER
    return X, marked


def _assert_rows_stated(fitted: Any, marked: Any, case: str, words: tuple[str, ...]) -> None:
    with assert_raises(case, *words, kinds=(ValueError, RuntimeError)):
        try:
            fitted.explain(marked)
        except Exception as error:
            if not _states_marked_row(str(error)):
                raise AssertionError(
                    f"{case}: row {MARKED_ROW} is not among the rows in the error message: {error}"
                ) from error
            raise


def _states_marked_row(message: str) -> bool:
    rows = re.search(r"\brows? (\d+)(?: (?:to|and) (\d+))?", message)
    return rows is not None and int(rows[1]) <= MARKED_ROW <= int(rows[2] or rows[1])


def check_no_worker_left(explainer: Any) -> None:
    """A failed run leaves no worker behind and the next run works; KeyboardInterrupt is raised."""
    X, marked = _rows_and_marked_rows(explainer)
    expected = results(fit_clone(explainer, InteractionModel(), X), X)
    model = RaisingModel(InteractionModel())
    before = set(threading.enumerate())
    for backend in ("threading", "loky"):
        with parallel_config(backend=backend, n_jobs=2), config_context(working_memory=0.001):
            with suppress(ValueError, RuntimeError, ArithmeticError):
                _explain_marked(explainer, model, X, marked, 2)
            if backend == "threading":
                _assert_ended(before)
            actual = results(fit_clone(explainer, model, X, n_jobs=2), X)
        assert_identical(actual, expected, f"the run after a failed one ({backend})")
    _assert_interruptible(explainer, X, marked)


def _explain_marked(explainer: Any, model: Any, X: Any, marked: Any, n_jobs: int) -> None:
    """Meet the marked row: in explain, or in fit for a population."""
    if explains_population(explainer):
        fit_clone(explainer, model, marked, n_jobs=n_jobs)
    else:
        fit_clone(explainer, model, X, n_jobs=n_jobs).explain(marked)


def _assert_ended(before: set[threading.Thread]) -> None:
    """Fail unless all threads that were started since have ended within the timeout."""
    deadline = time.monotonic() + TIMEOUT
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"workers left behind: {sorted(thread.name for thread in left)}"


def _assert_interruptible(explainer: Any, X: Any, marked: Any) -> None:
    model = RaisingModel(InteractionModel(), error=KeyboardInterrupt)
    try:
        _explain_marked(explainer, model, X, marked, 1)
    except KeyboardInterrupt:
        return
    raise AssertionError("KeyboardInterrupt was swallowed")


class _Invalid:
    """A value that no parameter accepts."""

    def __repr__(self) -> str:
        return "an invalid object"


def check_parameter_validation(explainer: Any) -> None:
    """Invalid parameters are refused, with scikit-learn's message where a constraint is declared."""
    owner = type(explainer).__name__
    constraints = explainer._parameter_constraints
    params = set(explainer.get_params(deep=False))
    assert set(constraints) == params, f"parameters and their constraints differ: {set(constraints) ^ params}"
    for name, allowed in constraints.items():
        if name == "model":
            continue
        if isinstance(allowed, str):  # "no_validation": validated by the explainer, at the latest in explain
            with assert_raises(f"{name}=an invalid object", kinds=(ValueError, TypeError)):
                X = make_rows(explainer)
                results(fit_clone(explainer, AdditiveModel(), X, **{name: _Invalid()}), X)
            continue
        for value in [_Invalid(), *invalid_values(allowed)]:
            words = (f"The {name!r} parameter of {owner} must be", "Got", "instead.")
            with assert_raises(f"{name}={value!r}", *words, kinds=InvalidParameterError):
                clone_with_model(explainer, AdditiveModel(), **{name: value}).fit(make_rows(explainer))


def check_input_validation(explainer: Any) -> None:
    """Invalid tables or images, and explain before fit, are refused with what is wrong in the message."""
    if takes_tables(explainer):
        _check_tables(explainer)
    else:
        _check_images(explainer)


def _check_tables(explainer: Any) -> None:
    X, model = named(numbers()), AdditiveModel()
    invalid = _invalid_tables(X)
    for case, table, word in (("a table without columns", X[[]], "(24, 0)"), *invalid):
        with assert_raises(f"fit on {case}", word):
            fit_clone(explainer, model, table)
    unfitted, fitted = clone_with_model(explainer, model), fit_clone(explainer, model, X)
    if explains_population(explainer):
        with assert_raises("explain before fit", kinds=NotFittedError):
            unfitted.explain()
        with assert_raises("what_if before fit", kinds=NotFittedError):
            unfitted.what_if({"x0": 0.0})
        with assert_raises("what_if on an unknown column", "unknown"):
            fitted.what_if({"unknown": 0.0})
        return
    with assert_raises("explain before fit", kinds=NotFittedError):
        unfitted.explain(X)
    for case, table, word in (
        ("a missing column", X.drop(columns="x1"), "x1"),
        ("a column of another dtype", X.assign(x1=X["x1"].astype(str)), "x1"),
        ("an array of another width", X.to_numpy()[:, :3], ""),
        *invalid,
    ):
        with assert_raises(f"explain {case}", word):
            fitted.explain(table)
    expected = results(fitted, X)
    for case, table in (
        ("an additional column", X.assign(more=1.0)),
        ("columns in another order", X[list(X.columns[::-1])]),
    ):
        with suppress(ValueError):  # refused, or found by name
            assert_identical(results(fitted, table), expected, f"explain {case}")


def _invalid_tables(X: Any) -> tuple[tuple[str, Any, str], ...]:
    """Tables that neither fit nor explain accepts, and a word of the message."""
    return (
        ("a table without rows", X.head(0), "(0, 4)"),
        ("a duplicated column name", X.set_axis(["x0", "x1", "x1", "x3"], axis=1), "x1"),
        ("an array of one dimension", X["x0"].to_numpy(), "dimension"),
    )


def _check_images(explainer: Any) -> None:
    X, model = make_rows(explainer), AdditiveModel()
    with_missing = np.where(np.arange(X.size).reshape(X.shape) == X.size - 1, np.nan, X)
    invalid = (
        ("an array without images", X[:0], "(0, 2, 2)"),
        ("a missing pixel", with_missing, f"row {len(X) - 1}"),
    )
    for case, images, word in invalid:
        with assert_raises(f"fit on {case}", word):
            fit_clone(explainer, model, images)
    if explains_population(explainer):
        with assert_raises("explain before fit", kinds=NotFittedError):
            clone_with_model(explainer, model).explain()
        with assert_raises("what_if before fit", kinds=NotFittedError):
            clone_with_model(explainer, model).what_if(prediction=0.0)
        with assert_raises("what_if on an unknown output", "unknown"):
            fit_clone(explainer, model, X).what_if(prediction={"unknown": 0.0})
        return
    with assert_raises("explain before fit", kinds=NotFittedError):
        clone_with_model(explainer, model).explain(X)
    fitted = fit_clone(explainer, model, X)
    for case, images, word in (
        *invalid,
        ("images of another size", X[:, :, :1], "(2, 1)"),
        ("a table", X[0], "height"),
    ):
        with assert_raises(f"explain {case}", word):
            fitted.explain(images)
