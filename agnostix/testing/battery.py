"""The battery: which explainers there are, which checks apply to each, and how they are run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from unittest import SkipTest

from sklearn import config_context

from agnostix.core.base import BaseExplainer
from agnostix.testing import (
    checks_errors,
    checks_estimator,
    checks_execution,
    checks_inputs,
    checks_intervals,
    checks_values,
)
from agnostix.testing.harness import explains_population, takes_tables

Check = Callable[[Any], None]

CHECKS: tuple[Check, ...] = (
    checks_execution.check_n_jobs_and_backend_invariance,
    checks_execution.check_batch_size_invariance,
    checks_execution.check_row_subset_and_order_invariance,
    checks_execution.check_seed_reproducibility,
    checks_execution.check_global_random_state_untouched,
    checks_execution.check_random_state_none_draws_seed_once,
    checks_execution.check_peak_memory,
    checks_execution.check_cost_bounds_model_rows,
    checks_inputs.check_frame_dtypes_preserved,
    checks_inputs.check_numpy_pandas_polars_invariance,
    checks_inputs.check_index_invariance,
    checks_inputs.check_no_feature_name_warning,
    checks_inputs.check_input_unchanged,
    checks_inputs.check_mutating_model,
    checks_estimator.check_pickle_round_trip,
    checks_estimator.check_without_model_and_attach,
    checks_estimator.check_clone_shares_fitted_model,
    checks_estimator.check_save_and_load,
    checks_estimator.check_transform,
    checks_values.check_completeness,
    checks_values.check_constant_feature_is_zero,
    checks_values.check_ignored_feature,
    checks_values.check_constant_model_is_zero,
    checks_values.check_values_sum_to_zero_over_outputs,
    checks_values.check_outputs_parameter,
    checks_values.check_std_errors,
    checks_intervals.check_intervals,
    checks_intervals.check_exact_values,
    checks_values.check_feature_groups,
    checks_errors.check_model_failure_reported,
    checks_errors.check_no_worker_left,
    checks_errors.check_parameter_validation,
    checks_errors.check_input_validation,
)
"""In the order of docs/testing.md."""


def _explains_rows(explainer: Any) -> bool:
    return not explains_population(explainer)


_APPLIES: dict[Check, Callable[[Any], bool]] = {
    checks_inputs.check_frame_dtypes_preserved: takes_tables,
    checks_inputs.check_numpy_pandas_polars_invariance: takes_tables,
    checks_inputs.check_index_invariance: takes_tables,
    checks_inputs.check_no_feature_name_warning: takes_tables,
    checks_estimator.check_save_and_load: _explains_rows,
    checks_estimator.check_transform: lambda one: hasattr(one, "transform") and takes_tables(one),
    checks_values.check_completeness: _explains_rows,
    checks_values.check_ignored_feature: _explains_rows,
    checks_intervals.check_intervals: _explains_rows,
    checks_intervals.check_exact_values: _explains_rows,
    checks_values.check_outputs_parameter: lambda one: "outputs" in one.get_params(deep=False),
    checks_values.check_feature_groups: lambda one: (
        "feature_groups" in one.get_params(deep=False) and takes_tables(one)
    ),
}
"""Which explainers a check applies to; those that are not listed apply to all."""

_NO_SLICES = {"cli", "core", "plotting", "report", "testing"}


def all_explainers() -> list[tuple[str, type[BaseExplainer]]]:
    """Find all explainers of the package.

    Returns
    -------
    list of tuple of (str, type)
        Name and class, sorted by name.

    Examples
    --------
    >>> from agnostix.testing import all_explainers
    >>> "OcclusionExplainer" in dict(all_explainers())
    True
    """
    package = __name__.partition(".")[0]
    names = [module.name for module in iter_modules([str(Path(__file__).parents[1])]) if module.ispkg]
    slices = [import_module(f"{package}.{name}") for name in names if name not in _NO_SLICES]
    explainers = {
        name: member
        for one in slices
        for name, member in inspect.getmembers(one, inspect.isclass)
        if issubclass(member, BaseExplainer) and name[0] != "_"
    }
    return sorted(explainers.items())


def checks_for(explainer: Any) -> list[Check]:
    """Checks that apply to an explainer; each takes it and raises an AssertionError."""
    if isinstance(explainer, type):
        raise TypeError(f"Pass an instance, {explainer.__name__}(None), not the class.")
    return [check for check in CHECKS if check not in _APPLIES or _APPLIES[check](explainer)]


def check_explainer(
    explainer: Any,
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: str | None = "raise",
) -> list[dict[str, Any]]:
    """Run every check that applies to an explainer.

    Parameters
    ----------
    explainer : BaseExplainer
        An instance, with any model: each check clones it and sets a model of
        its own. Other parameters are kept, so they must suit any table.
    expected_failed_checks : mapping of str to str, default=None
        Names of checks that are known to fail, and why. One that passes is a
        failure.
    on_fail : {"raise"} or None, default="raise"
        None reports a failure and goes on.

    Returns
    -------
    list of dict
        For each check ``check_name``, ``status`` ("passed", "failed", "xfail" or
        "skipped"), ``exception`` (None if it passed) and ``reason`` (why it was
        expected to fail, or None).

    Raises
    ------
    AssertionError
        If a check fails, unless `on_fail` is None.
    TypeError
        If a class is passed.
    ValueError
        If `expected_failed_checks` has an unknown name.

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.testing import check_explainer
    >>> entries = check_explainer(OcclusionExplainer(None, background_size=10))
    >>> sorted({entry["status"] for entry in entries} - {"skipped"})
    ['passed']
    """
    expected = _validate_names(expected_failed_checks)
    if on_fail not in ("raise", None):
        raise ValueError(
            f"The 'on_fail' parameter of check_explainer must be 'raise' or None, got {on_fail!r}."
        )
    entries = []
    for check in checks_for(explainer):
        entry = _run(check, explainer, expected.get(check.__name__))
        if entry["status"] == "failed" and on_fail == "raise":
            raise entry["exception"]
        entries.append(entry)
    return entries


def _validate_names(expected: Mapping[str, str] | None) -> dict[str, str]:
    """Expected failures by name; ValueError if a name is unknown."""
    names = [check.__name__ for check in CHECKS]
    unknown = sorted(set(expected or {}) - set(names))
    if unknown:
        raise ValueError(
            f"expected_failed_checks names unknown checks: {', '.join(unknown)}. "
            f"The checks are: {', '.join(names)}."
        )
    return dict(expected or {})


def _run(check: Check, explainer: Any, reason: str | None) -> dict[str, Any]:
    """One entry of `check_explainer`."""
    status = "passed"
    exception: BaseException | None = None
    try:
        check(explainer)
    except SkipTest as skip:
        status, exception = "skipped", skip
    except Exception as error:
        status, exception = ("xfail" if reason else "failed"), error
    if status == "passed" and reason:
        status = "failed"
        exception = AssertionError(f"{check.__name__} passes, but was expected to fail: {reason}")
    return {"check_name": check.__name__, "status": status, "exception": exception, "reason": reason}


def parametrize_with_explainer_checks(
    explainers: Iterable[Any],
    *,
    expected_failed_checks: Callable[[Any], Mapping[str, str]] | None = None,
) -> Any:
    """Parametrize a pytest test by checks, as scikit-learn's ``parametrize_with_checks``.

    Parameters
    ----------
    explainers : iterable of BaseExplainer
        Instances, with any model: each check clones them and sets a model of
        its own. Other parameters are kept, so they must suit any table.
    expected_failed_checks : callable, default=None
        From an explainer to a mapping of names of checks that are known to fail
        to the reason. They are marked ``xfail``, strictly: a check that passes
        fails the test.

    Returns
    -------
    pytest.MarkDecorator
        For a test function with two arguments, ``explainer`` and ``check``.

    Raises
    ------
    TypeError
        If a class is passed.
    ValueError
        If a check that is expected to fail has an unknown name.

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.testing import parametrize_with_explainer_checks
    >>> @parametrize_with_explainer_checks([OcclusionExplainer(None)])
    ... def test_explainers(explainer, check):
    ...     check(explainer)
    """
    import pytest

    def params() -> Iterator[Any]:
        for explainer in explainers:
            expected = _validate_names(expected_failed_checks(explainer) if expected_failed_checks else None)
            for check in checks_for(explainer):
                name = check.__name__
                marks = [pytest.mark.xfail(reason=expected[name], strict=True)] if name in expected else []
                yield pytest.param(explainer, check, id=f"{_short_repr(explainer)}-{name}", marks=marks)

    return pytest.mark.parametrize(("explainer", "check"), list(params()))


def _short_repr(explainer: Any) -> str:
    """The explainer with its non-default parameters, without spaces."""
    with config_context(print_changed_only=True):
        return re.sub(r"\s", "", str(explainer))
