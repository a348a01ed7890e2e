"""Checks of parameters that many metrics have: explainers, whole numbers, and one of some words."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.utils.validation import check_is_fitted

from agnostix.core.base import AttributionExplainer
from agnostix.exceptions import DataError


def check_whole(by: str, name: str, value: Any, lowest: int) -> None:
    """Raise DataError unless a parameter is a whole number that is large enough."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < lowest:
        raise DataError(f"The {name!r} of {by} must be a whole number of at least {lowest}, got {value!r}.")


def check_one_of(by: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise DataError unless a parameter is one of some words."""
    if not isinstance(value, str) or value not in allowed:
        raise DataError(
            f"The {name!r} of {by} must be one of {', '.join(map(repr, allowed))}; got {value!r}."
        )


def check_explainer(explainer: Any, by: str) -> None:
    """Raise unless there is a fitted explainer of rows."""
    if not isinstance(explainer, AttributionExplainer):
        raise TypeError(
            f"The 'explainer' of {by} must be a fitted explainer of rows, such as LimeExplainer, which "
            f"explains anew; got {type(explainer).__name__}. Pass the explainer itself, not its explanation."
        )
    check_is_fitted(explainer)
