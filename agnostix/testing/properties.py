"""Random small cases, on which the invariants are checked together."""

from __future__ import annotations

import pickle
from typing import Any
from unittest import SkipTest

import numpy as np
from joblib import parallel_config
from sklearn import config_context

from agnostix.testing.asking import answers, assert_same, fitted, is_population, takes_tables, told
from agnostix.testing.case import Case, random_case
from agnostix.testing.doubles import (
    AdditiveModel,
    ConstantModel,
    CountingModel,
    IgnoringModel,
    InteractionModel,
    MixedFrameModel,
    ProbabilityModel,
)
from agnostix.testing.life import assert_counted
from agnostix.testing.random_tables import random_groups, random_table, random_weights
from agnostix.testing.tables import forms, take
from agnostix.testing.tables_seen import assert_unchanged, copied
from agnostix.testing.values import INTERVAL, assert_adds_up, assert_errors, assert_mirrors, assert_zero

_MODELS: dict[str, Any] = {
    "additive": AdditiveModel(),
    "interaction": InteractionModel(),
    "constant": ConstantModel(),
    "ignoring": IgnoringModel(0),
    "probabilities": ProbabilityModel(),
}


def check_random_case(explainer: Any, seed: int | np.random.Generator) -> None:
    """Draw a small case, and check the invariants on it together.

    Parameters
    ----------
    explainer : BaseExplainer
        An instance, with any model; not changed.
    seed : int or numpy.random.Generator
        What draws.

    Raises
    ------
    AssertionError
        If an invariant is broken; the message tells the case.
    unittest.SkipTest
        If the case needs a package that is not installed.

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.testing import check_random_case
    >>> for seed in range(3):
    ...     check_random_case(OcclusionExplainer(None), seed)
    """
    check_case(explainer, random_case(np.random.default_rng(seed)))


def check_case(explainer: Any, case: Case) -> None:
    """Check the invariants on a case.

    Parameters
    ----------
    explainer : BaseExplainer
        An instance, with any model; not changed.
    case : Case
        The case.

    Raises
    ------
    AssertionError
        If an invariant is broken; the message tells the case.
    unittest.SkipTest
        If the case needs a package that is not installed.

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.testing import Case, check_case
    >>> case = Case("numpy", "additive", 2, 5, 3, False, False, 1, 0.01, seed=0)
    >>> check_case(OcclusionExplainer(None), case)
    """
    if not takes_tables(explainer):
        raise SkipTest("random cases are tables")
    try:
        (_check_population if is_population(explainer) else _check_rows)(explainer, case)
    except (AssertionError, ValueError, TypeError, RuntimeError) as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error


def _check_rows(explainer: Any, case: Case) -> None:
    rng = np.random.default_rng(case.seed)
    table, weights = random_table(case, rng), random_weights(case, rng)
    params = {"feature_groups": random_groups(case, rng), "n_jobs": 1}
    X, rows = take(table, range(case.n_fitted)), take(table, range(case.n_fitted, len(table)))
    before = copied(X), copied(rows)
    model = CountingModel(_model(case, X))
    own = fitted(explainer, model, X, weights, **params)
    bound = own.cost(rows)
    model.sizes.clear()
    exp = own.explain(rows)
    assert_counted(exp, model.n_rows, bound)
    _assert_numbers(case, exp)
    _assert_cut_alike(case, own, rows, exp, rng)
    assert_unchanged(X, before[0])
    assert_unchanged(rows, before[1])
    if case.form == "numpy":
        for name, other in forms(table).items():
            again = fitted(explainer, model, take(other, range(case.n_fitted)), weights, **params)
            found = again.explain(take(other, range(case.n_fitted, len(table))))
            assert_same(told(found), told(exp), f"the table in {name}")


def _model(case: Case, X: Any) -> Any:
    return MixedFrameModel.of(X) if case.is_mixed else _MODELS[case.model]


def _assert_numbers(case: Case, exp: Any) -> None:
    assert_errors(exp)
    if exp.completeness == "outputs - base_values":
        assert_adds_up(exp.values, exp.outputs, exp.base_values)
    if case.is_mixed:
        return
    if case.model == "constant":
        assert_zero(exp, 1e-13 if exp.completeness == "surrogate" else 0.0, "under a constant model")
    if case.model == "probabilities":
        assert_mirrors(exp)
    if case.model == "ignoring" and "x0" in exp.feature_names:
        errors = 0.0 if exp.std_errors is None else exp.std_errors
        assert (np.abs(exp.values) <= INTERVAL * errors + 1e-12)[:, exp.feature_names.index("x0")].all(), (
            "an ignored feature has a value"
        )


def _assert_cut_alike(case: Case, own: Any, rows: Any, exp: Any, rng: np.random.Generator) -> None:
    """The same bits however the work is cut up, for some rows by themselves, and after pickling."""
    some = rng.permutation(case.n_explained)[: rng.integers(1, case.n_explained + 1)]
    own.set_params(**({"n_jobs": case.n_jobs} if "n_jobs" in own.get_params(deep=False) else {}))
    with parallel_config(backend="threading"), config_context(working_memory=case.working_memory):
        assert_same(told(own.explain(rows)), told(exp), "another cut of the work")
        assert_same(told(own.explain(take(rows, some))), told(exp[some]), f"rows {some.tolist()} alone")
    assert_same(told(pickle.loads(pickle.dumps(own)).explain(rows)), told(exp), "a round trip through pickle")


def _check_population(explainer: Any, case: Case) -> None:
    rng = np.random.default_rng(case.seed)
    table, order = random_table(case, rng), rng.permutation(case.n_fitted + case.n_explained)
    weights = rng.uniform(0.1, 3.0, len(table)) if case.weighted else None
    before = copied(table)
    model = CountingModel(_model(case, table))

    def said(X: Any, weights: Any) -> Any:
        return answers(fitted(explainer, model, X, weights, missing="omit"), X)

    expected = said(table, weights)
    assert model.n_rows == len(table), f"the model saw {model.n_rows} rows of {len(table)}"
    turned = expected | ({"weights": expected["weights"][order]} if "weights" in expected else {})
    found = said(take(table, order), None if weights is None else weights[order])
    assert_same(found, turned, "the rows in another order")
    with config_context(working_memory=case.working_memory):
        assert_same(said(table, weights), expected, "another working memory")
    own = fitted(explainer, model, table, weights, missing="omit")
    assert_same(answers(pickle.loads(pickle.dumps(own)), table), expected, "a round trip through pickle")
    assert_unchanged(table, before)
    if case.form == "numpy":
        for name, other in forms(table).items():
            assert_same(said(other, weights), expected, f"the table in {name}")
