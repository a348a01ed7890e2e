"""Checks on random cases: the invariants together, on a small table."""

from __future__ import annotations

import pickle
from typing import Any
from unittest import SkipTest

import numpy as np
from joblib import parallel_config
from sklearn import config_context

from agnostix.testing.checks_execution import assert_model_rows
from agnostix.testing.checks_inputs import assert_unchanged, copy_table
from agnostix.testing.checks_values import (
    assert_complete,
    assert_interval_holds_zero,
    assert_valid_std_errors,
    assert_zero,
    assert_zero_sum_over_outputs,
)
from agnostix.testing.doubles import (
    AdditiveModel,
    ConstantModel,
    CountingModel,
    IgnoringModel,
    InteractionModel,
    MixedFrameModel,
    ProbabilityModel,
)
from agnostix.testing.harness import (
    assert_identical,
    explains_population,
    explanation_arrays,
    fit_clone,
    results,
    set_n_jobs,
    takes_tables,
)
from agnostix.testing.random_cases import Case, random_case, random_groups, random_table, random_weights
from agnostix.testing.tables import forms, take

_MODELS: dict[str, Any] = {
    "additive": AdditiveModel(),
    "interaction": InteractionModel(),
    "constant": ConstantModel(),
    "ignoring": IgnoringModel(0),
    "probabilities": ProbabilityModel(),
}


def check_random_case(explainer: Any, seed: int | np.random.Generator) -> None:
    """Sample a small case and check the invariants on it.

    Parameters
    ----------
    explainer : BaseExplainer
        An instance, with any model; not changed.
    seed : int or numpy.random.Generator
        Seed of the case.

    Raises
    ------
    AssertionError
        If an invariant does not hold; the message states the case.
    unittest.SkipTest
        If the case needs a package that is not installed, or the explainer takes images.

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
        If an invariant does not hold; the message states the case.
    unittest.SkipTest
        If the case needs a package that is not installed, or the explainer takes images.

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
        (_check_population if explains_population(explainer) else _check_rows)(explainer, case)
    except (AssertionError, ValueError, TypeError, RuntimeError) as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error


def _check_rows(explainer: Any, case: Case) -> None:
    rng = np.random.default_rng(case.seed)
    table, weights = random_table(case, rng), random_weights(case, rng)
    params = {"feature_groups": random_groups(case, rng), "n_jobs": 1}
    X, rows = take(table, range(case.n_fitted)), take(table, range(case.n_fitted, len(table)))
    before = copy_table(X), copy_table(rows)
    model = CountingModel(_make_model(case, X))
    fitted = fit_clone(explainer, model, X, weights, **params)
    bound = fitted.cost(rows)
    model.sizes.clear()
    exp = fitted.explain(rows)
    assert_model_rows(exp, model.n_rows, bound)
    _assert_values(case, exp)
    _assert_execution_invariance(case, fitted, rows, exp, rng)
    assert_unchanged(X, before[0])
    assert_unchanged(rows, before[1])
    if case.form == "numpy":
        for name, other in forms(table).items():
            again = fit_clone(explainer, model, take(other, range(case.n_fitted)), weights, **params)
            actual = again.explain(take(other, range(case.n_fitted, len(table))))
            assert_identical(explanation_arrays(actual), explanation_arrays(exp), f"the table in {name}")


def _make_model(case: Case, X: Any) -> Any:
    return MixedFrameModel.from_table(X) if case.is_mixed else _MODELS[case.model]


def _assert_values(case: Case, exp: Any) -> None:
    """What the model double implies for values and errors."""
    assert_valid_std_errors(exp)
    if exp.completeness == "outputs - base_values":
        assert_complete(exp.values, exp.outputs, exp.base_values)
    if case.is_mixed:
        return
    if case.model == "constant":
        assert_zero(exp, 1e-13 if exp.completeness == "surrogate" else 0.0, "a constant model")
    if case.model == "probabilities" and exp.quantity not in ("sensitivity", "relevance", "mask"):
        assert_zero_sum_over_outputs(exp)
    if case.model == "ignoring" and "x0" in exp.feature_names:
        assert_interval_holds_zero(exp.sel(features="x0"))


def _assert_execution_invariance(
    case: Case, fitted: Any, rows: Any, exp: Any, rng: np.random.Generator
) -> None:
    """Equal to the bit with other workers and memory, for some rows alone, and after pickling."""
    some = rng.permutation(case.n_explained)[: rng.integers(1, case.n_explained + 1)]
    set_n_jobs(fitted, case.n_jobs)
    expected = explanation_arrays(exp)
    with parallel_config(backend="threading"), config_context(working_memory=case.working_memory):
        divided = explanation_arrays(fitted.explain(rows))
        assert_identical(divided, expected, "other n_jobs and working_memory")
        alone = explanation_arrays(fitted.explain(take(rows, some)))
        assert_identical(alone, explanation_arrays(exp[some]), f"rows {some.tolist()} explained alone")
    unpickled = pickle.loads(pickle.dumps(fitted))
    assert_identical(explanation_arrays(unpickled.explain(rows)), expected, "a round trip through pickle")


def _check_population(explainer: Any, case: Case) -> None:
    rng = np.random.default_rng(case.seed)
    table, order = random_table(case, rng), rng.permutation(case.n_fitted + case.n_explained)
    weights = rng.uniform(0.1, 3.0, len(table)) if case.weighted else None
    before = copy_table(table)
    model = CountingModel(_make_model(case, table))

    def explain(X: Any, weights: Any) -> Any:
        return results(fit_clone(explainer, model, X, weights, missing="omit"), X)

    fitted = fit_clone(explainer, model, table, weights, missing="omit")
    n_fit = model.n_rows
    stated = fitted.explain().n_model_rows
    assert n_fit == stated, f"the model evaluated {n_fit} rows, n_model_rows is {stated}"
    assert n_fit <= 3 * len(table), f"the model evaluated {n_fit} rows of {len(table)}"  # a trial included
    expected = results(fitted, table)
    assert model.n_rows == n_fit, f"explaining evaluated the model on {model.n_rows - n_fit} rows"
    permuted = expected | ({"weights": expected["weights"][order]} if "weights" in expected else {})
    actual = explain(take(table, order), None if weights is None else weights[order])
    assert_identical(actual, permuted, "rows in another order")
    with config_context(working_memory=case.working_memory):
        assert_identical(explain(table, weights), expected, "another working_memory")
    unpickled = pickle.loads(pickle.dumps(fitted))
    assert_identical(results(unpickled, table), expected, "a round trip through pickle")
    assert_unchanged(table, before)
    if case.form == "numpy":
        for name, other in forms(table).items():
            assert_identical(explain(other, weights), expected, f"the table in {name}")
