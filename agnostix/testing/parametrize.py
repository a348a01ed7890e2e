"""The battery in pytest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sklearn import config_context

from agnostix.testing.checks import checks_for
from agnostix.testing.run import known_checks

Expected = Callable[[Any], Mapping[str, str]]


def parametrize_with_explainer_checks(
    explainers: Iterable[Any], *, expected_failed_checks: Expected | None = None
) -> Any:
    """Make a test of every check of every explainer, as scikit-learn's ``parametrize_with_checks`` does.

    Parameters
    ----------
    explainers : iterable of BaseExplainer
        Instances, with any model: each check clones them and sets a model of its own. Their other
        parameters are kept, so they must suit tables of any columns.
    expected_failed_checks : callable, default=None
        From an explainer to a mapping from the names of checks that fail to the reason. They are marked
        ``xfail``, strictly: where one passes, the test fails.

    Returns
    -------
    pytest.MarkDecorator
        For a test function of two arguments, ``explainer`` and ``check``.

    Raises
    ------
    TypeError
        If a class is passed.
    ValueError
        If there is no check of a name that is expected to fail.

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
            expected = known_checks(expected_failed_checks(explainer) if expected_failed_checks else None)
            for check in checks_for(explainer):
                name = check.__name__
                marks = [pytest.mark.xfail(reason=expected[name], strict=True)] if name in expected else []
                yield pytest.param(explainer, check, id=f"{_shown(explainer)}-{name}", marks=marks)

    return pytest.mark.parametrize(("explainer", "check"), list(params()))


def _shown(explainer: Any) -> str:
    """The explainer with the parameters that are not the default, without spaces."""
    with config_context(print_changed_only=True):
        return re.sub(r"\s", "", str(explainer))
