"""Confidence intervals from standard errors, degrees of freedom and the kind of interval."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from agnostix.core.explanation.detail import Detail, expand
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

DEGREES_OF_FREEDOM = "degrees_of_freedom"
"""Key of the Detail with the degrees of freedom of the standard errors, infinite for normal intervals."""
INTERVAL_KIND = "interval_kind"
"""Key of the Detail with the kind of each interval, a key of `INTERVALS`."""


def half_widths(std_errors: Any, level: float, degrees_of_freedom: Any = np.inf) -> Floats:
    """Half widths of Student's intervals, normal where the degrees of freedom are infinite; 0 for error 0."""
    check_level(level)
    errors, dof = np.asarray(std_errors, dtype=float), np.asarray(degrees_of_freedom, dtype=float)
    tail = 0.5 + 0.5 * level
    is_normal = np.isposinf(dof)
    quantile = np.where(is_normal, ndtri(tail), stdtrit(np.where(is_normal, 1.0, dof), tail))
    # Degrees of freedom of an exact value may be 0, for which Student's quantile is not defined.
    return np.multiply(errors, quantile, where=errors != 0, out=np.zeros(np.broadcast(errors, dof).shape))


def check_level(level: float, name: str = "level") -> None:
    """Raise ValueError unless a confidence level is a number between 0 and 1."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"{name} must be between 0 and 1, got {level!r}.")


def _normal(values: Floats, errors: Floats, dof: Floats, level: float) -> tuple[Floats, Floats]:
    half = half_widths(errors, level)
    return values - half, values + half


def _student(values: Floats, errors: Floats, dof: Floats, level: float) -> tuple[Floats, Floats]:
    half = half_widths(errors, level, dof)
    return values - half, values + half


Interval = Callable[[Floats, Floats, Floats, float], tuple[Floats, Floats]]
INTERVALS: dict[str, Interval] = {"normal": _normal, "student": _student}
"""From values, standard errors, degrees of freedom and level to the ends, by the kind of interval."""


def interval_of(explanation: Explanation, level: float) -> tuple[Floats, Floats]:
    """Lower and upper ends, shaped as values."""
    check_level(level)
    values, errors = explanation.values, explanation.std_errors
    if errors is None:
        return values.copy(), values.copy()
    dof = _by_value(explanation, DEGREES_OF_FREEDOM, np.inf)
    kinds = _by_value(explanation, INTERVAL_KIND, np.where(np.isposinf(dof), "normal", "student"))
    low, high = values.copy(), values.copy()
    for kind in np.unique(kinds):
        if kind not in INTERVALS:
            known = ", ".join(map(repr, INTERVALS))
            raise ValueError(f"extras[{INTERVAL_KIND!r}] must be one of {known}; got {str(kind)!r}.")
        those = kinds == kind
        low[those], high[those] = INTERVALS[kind](values[those], errors[those], dof[those], level)
    return low, high


def _by_value(explanation: Explanation, key: str, default: Any) -> np.ndarray:
    detail = explanation.extras.get(key)
    if detail is None:
        return np.broadcast_to(default, explanation.values.shape)
    return np.broadcast_to(expand(detail, explanation.dims), explanation.values.shape)


def check_interval_details(extras: dict[str, Any], dims: tuple[str, ...]) -> None:
    """Refuse details of intervals that cannot be matched with the values."""
    for key in (DEGREES_OF_FREEDOM, INTERVAL_KIND):
        detail = extras.get(key)
        if detail is None:
            continue
        if not isinstance(detail, Detail) or any(detail.dims.count(d) > dims.count(d) for d in detail.dims):
            got = detail.dims if isinstance(detail, Detail) else type(detail).__name__
            raise ValueError(
                f"extras[{key!r}] must be a Detail with dims among those of values, {dims}; got {got}."
            )
        if key == DEGREES_OF_FREEDOM and detail.array.dtype.kind not in "biuf":
            raise ValueError(f"extras[{key!r}] must hold numbers; got {detail.array.dtype}.")
