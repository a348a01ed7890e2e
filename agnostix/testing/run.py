"""The battery outside pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from unittest import SkipTest

from agnostix.testing.checks import CHECKS, checks_for


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
        An instance, with any model: each check clones it and sets a model of its own. Its other parameters
        are kept, so they must suit tables of any columns.
    expected_failed_checks : mapping of str to str, default=None
        Names of checks that may fail, and why. One that passes all the same is a failure.
    on_fail : {"raise"} or None, default="raise"
        None goes on after a failure, and only tells of it.

    Returns
    -------
    list of dict
        For each check: ``check_name``, ``status`` ("passed", "failed", "xfail" or "skipped"), ``exception``
        and the ``reason`` for an expected failure (both None where there is none).

    Raises
    ------
    AssertionError
        If a check fails, unless `on_fail` is None.
    TypeError
        If a class is passed.
    ValueError
        If `expected_failed_checks` names a check that there is not.

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.testing import check_explainer
    >>> told = check_explainer(OcclusionExplainer(None, background_size=10))
    >>> sorted({entry["status"] for entry in told} - {"skipped"})
    ['passed']
    """
    expected = known_checks(expected_failed_checks)
    if on_fail not in ("raise", None):
        raise ValueError(
            f"The 'on_fail' parameter of check_explainer must be 'raise' or None, got {on_fail!r}."
        )
    told = []
    for check in checks_for(explainer):
        entry = _run(check, explainer, expected.get(check.__name__))
        if entry["status"] == "failed" and on_fail == "raise":
            raise entry["exception"]
        told.append(entry)
    return told


def known_checks(expected: Mapping[str, str] | None) -> dict[str, str]:
    """Expected failures, all of which must be checks that there are.

    Parameters
    ----------
    expected : mapping of str to str, or None
        Reasons by name.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ValueError
        If there is no check of a name.
    """
    names = [check.__name__ for check in CHECKS]
    unknown = sorted(set(expected or {}) - set(names))
    if unknown:
        raise ValueError(
            f"expected_failed_checks names {', '.join(unknown)}, which is no check. "
            f"The checks: {', '.join(names)}."
        )
    return dict(expected or {})


def _run(check: Callable[[Any], None], explainer: Any, reason: str | None) -> dict[str, Any]:
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
        exception = AssertionError(f"{check.__name__} passes, and was expected to fail: {reason}")
    return {"check_name": check.__name__, "status": status, "exception": exception, "reason": reason}
