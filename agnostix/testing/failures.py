"""Checks that what goes wrong is named, and leaves nothing behind."""

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
from agnostix.testing.asking import (
    answers,
    assert_same,
    fitted,
    is_population,
    refused,
    rows_for,
    takes_tables,
    with_model,
)
from agnostix.testing.doubles import AdditiveModel, InteractionModel, NanModel, RaisingModel, WrongRowsModel
from agnostix.testing.tables import named, numbers

MARKER = -999.0
BAD_ROW = 3
PATIENCE = 10.0
"""Seconds after which a worker that is still there counts as left behind."""

BROKEN = {
    RaisingModel: ("ArithmeticError", "this row cannot be answered"),
    NanModel: ("NaN",),
    WrongRowsModel: ("rows", "shape"),
}
"""Models that break at a marked row, and what the message must say of the cause."""


def check_failing_model_is_named(explainer: Any) -> None:
    """A model that raises, answers NaN or loses rows: the error names the model, the batch and the cause.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    marked = X.copy()
    marked.reshape(len(X), -1)[BAD_ROW, 0] = MARKER
    for double, words in BROKEN.items():
        model = double(InteractionModel())
        where = f"a model of the kind {double.__name__}"
        if is_population(explainer):
            with refused(where, *_of_one_batch(double), kinds=(ValueError, RuntimeError, ArithmeticError)):
                fitted(explainer, model, marked)
            continue
        own = fitted(explainer, model, X)
        for n_jobs in (1, 2):
            own.set_params(**({"n_jobs": n_jobs} if "n_jobs" in own.get_params(deep=False) else {}))
            with parallel_config(backend="threading"), config_context(working_memory=0.001):
                _assert_batch_named(own, marked, where, (double.__name__, *words))


def _of_one_batch(double: type) -> tuple[str, ...]:
    """A population is asked about at once, so the error is the model's own where it raises one."""
    name = double.__name__
    return {
        "RaisingModel": ("this row cannot be answered",),
        "NanModel": (name, f"row {BAD_ROW}"),
        "WrongRowsModel": (name, "24 rows", "(23,)"),
    }[name]


def _assert_batch_named(own: Any, marked: Any, where: str, words: tuple[str, ...]) -> None:
    with refused(where, *words, kinds=(ValueError, RuntimeError)):
        try:
            own.explain(marked)
        except Exception as error:
            if not _names_the_row(str(error)):
                raise AssertionError(f"{where}: row {BAD_ROW} is not among those named: {error}") from error
            raise


def _names_the_row(message: str) -> bool:
    found = re.search(r"\brows? (\d+)(?: (?:to|and) (\d+))?", message)
    return found is not None and int(found[1]) <= BAD_ROW <= int(found[2] or found[1])


def check_no_worker_left(explainer: Any) -> None:
    """A run that breaks off leaves no worker behind, and the next one works; an interrupt is not swallowed.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    marked = X.copy()
    marked.reshape(len(X), -1)[BAD_ROW, 0] = MARKER
    expected = answers(fitted(explainer, InteractionModel(), X), X)
    model = RaisingModel(InteractionModel())
    before = set(threading.enumerate())
    for backend in ("threading", "loky"):
        with parallel_config(backend=backend, n_jobs=2), config_context(working_memory=0.001):
            with suppress(ValueError, RuntimeError, ArithmeticError):
                _ask_about_marked(explainer, model, X, marked, 2)
            if backend == "threading":
                _assert_gone(before)
            found = answers(fitted(explainer, model, X, n_jobs=2), X)
        assert_same(found, expected, f"the run after one that broke off ({backend})")
    _assert_interrupted(explainer, X, marked)


def _ask_about_marked(explainer: Any, model: Any, X: Any, marked: Any, n_jobs: int) -> None:
    """Rows are met in explain, a population in fit."""
    if is_population(explainer):
        fitted(explainer, model, marked, n_jobs=n_jobs)
    else:
        fitted(explainer, model, X, n_jobs=n_jobs).explain(marked)


def _assert_gone(before: set[threading.Thread]) -> None:
    deadline = time.monotonic() + PATIENCE
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"workers left behind: {sorted(thread.name for thread in left)}"


def _assert_interrupted(explainer: Any, X: Any, marked: Any) -> None:
    model = RaisingModel(InteractionModel(), error=KeyboardInterrupt)
    try:
        _ask_about_marked(explainer, model, X, marked, 1)
    except KeyboardInterrupt:
        return
    raise AssertionError("an interruption is swallowed")


class _Strange:
    """A value that no parameter takes."""

    def __repr__(self) -> str:
        return "something strange"


def check_parameter_messages(explainer: Any) -> None:
    """A wrong value of any parameter is refused, in scikit-learn's words where it is declared.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    owner = type(explainer).__name__
    declared = explainer._parameter_constraints
    stated = set(explainer.get_params(deep=False))
    assert set(declared) == stated, f"_parameter_constraints and parameters differ: {set(declared) ^ stated}"
    for name, constraints in declared.items():
        if name == "model":
            continue
        if isinstance(
            constraints, str
        ):  # "no_validation": in the explainer's own words, at the latest in explain
            with refused(f"{name}=something strange", kinds=(ValueError, TypeError)):
                X = rows_for(explainer)
                answers(fitted(explainer, AdditiveModel(), X, **{name: _Strange()}), X)
            continue
        for value in [_Strange(), *invalid_values(constraints)]:
            words = (f"The {name!r} parameter of {owner} must be", "Got", "instead.")
            with refused(f"{name}={value!r}", *words, kinds=InvalidParameterError):
                with_model(explainer, AdditiveModel(), **{name: value}).fit(rows_for(explainer))


def check_bad_input(explainer: Any) -> None:
    """Tables that do not fit, and explainers that are not fitted, are refused in words that help.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    if not takes_tables(explainer):
        _refuse_bad_images(explainer)
        return
    X, model = named(numbers()), AdditiveModel()
    twice = X.set_axis(["x0", "x1", "x1", "x3"], axis=1)
    for where, table, word in (
        ("a table without rows", X.head(0), "(0, 4)"),
        ("a table without columns", X[[]], "(24, 0)"),
        ("a name that two columns have", twice, "x1"),
        ("one dimension", X["x0"].to_numpy(), "dimension"),
    ):
        with refused(f"fit on {where}", word):
            fitted(explainer, model, table)
    raw = with_model(explainer, model)
    own = fitted(explainer, model, X)
    if is_population(explainer):
        with refused("explain before fit", kinds=NotFittedError):
            raw.explain()
        with refused("what_if before fit", kinds=NotFittedError):
            raw.what_if({"x0": 0.0})
        with refused("a column that is not there", "nowhere"):
            own.what_if({"nowhere": 0.0})
        return
    with refused("explain before fit", kinds=NotFittedError):
        raw.explain(X)
    _refuse_other_tables(own, X, twice)


def _refuse_bad_images(explainer: Any) -> None:
    X, model = rows_for(explainer), AdditiveModel()
    gap = np.where(np.arange(X.size).reshape(X.shape) == X.size - 1, np.nan, X)
    bad = (("no images", X[:0], "(0, 2, 2)"), ("a missing pixel", gap, f"row {len(X) - 1}"))
    for where, images, word in bad:
        with refused(f"fit on {where}", word):
            fitted(explainer, model, images)
    with refused("explain before fit", kinds=NotFittedError):
        with_model(explainer, model).explain(X)
    own = fitted(explainer, model, X)
    for where, images, word in (*bad, ("another size", X[:, :, :1], "(2, 1)"), ("a table", X[0], "height")):
        with refused(f"explain {where}", word):
            own.explain(images)


def _refuse_other_tables(own: Any, X: Any, twice: Any) -> None:
    for where, table, word in (
        ("a missing column", X.drop(columns="x1"), "x1"),
        ("one column more", X.assign(more=1.0), "more"),
        ("columns in another order", X[list(X.columns[::-1])], "order"),
        ("a column of another dtype", X.assign(x1=X["x1"].astype(str)), "x1"),
        ("a table without rows", X.head(0), "(0, 4)"),
        ("a name that two columns have", twice, "x1"),
        ("one dimension", X["x0"].to_numpy(), "dimension"),
        ("an array of another width", X.to_numpy()[:, :3], ""),
    ):
        with refused(f"explain {where}", word):
            own.explain(table)
