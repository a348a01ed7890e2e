"""Confidence intervals of estimates, by their kind: from values, errors and degrees of freedom to ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import expit, ndtri, stdtr, stdtrit

from agnostix.core.typing import Floats

Ends = tuple[Floats, Floats]
Interval = Callable[[Floats, Floats, Floats, float], Ends]


def check_level(level: float, name: str = "level") -> None:
    """Raise ValueError unless a confidence level is a number between 0 and 1."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"{name} must be between 0 and 1, got {level!r}.")


def student_quantile(probability: Any, degrees_of_freedom: Any) -> Floats:
    """Quantile of Student's distribution at a probability, one-sided; normal for infinite dof."""
    dof = np.asarray(degrees_of_freedom, dtype=float)
    is_normal = np.isposinf(dof)
    student = stdtrit(np.where(is_normal, 1.0, dof), probability)
    return np.asarray(np.where(is_normal, ndtri(probability), student))


def half_widths(std_errors: Any, level: float, degrees_of_freedom: Any = np.inf) -> Floats:
    """Half widths of Student's intervals, normal where the degrees of freedom are infinite; 0 for error 0."""
    check_level(level)
    errors, dof = np.asarray(std_errors, dtype=float), np.asarray(degrees_of_freedom, dtype=float)
    quantile = student_quantile(0.5 + 0.5 * level, dof)
    # Degrees of freedom of an exact value may be 0, for which Student's quantile is not defined.
    return np.multiply(errors, quantile, where=errors != 0, out=np.zeros(np.broadcast(errors, dof).shape))


def normal_scores(t: Any, degrees_of_freedom: Any) -> Floats:
    """Normal numbers that are as far in the tail as Student's t (at least 0), to compare unlike degrees."""
    return np.asarray(-ndtri(stdtr(degrees_of_freedom, np.negative(t))), dtype=np.float64)


def satterthwaite(variances: Sequence[Any], degrees_of_freedom: Sequence[Any]) -> Floats:
    """Degrees of freedom of a sum of independent estimates of variance; infinite where none limits them.

    Welch, B. L. (1947). The generalization of "Student's" problem when several different population variances
    are involved. Biometrika, 34. https://doi.org/10.1093/biomet/34.1-2.28
    Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance components. Biometrics
    Bulletin, 2. https://doi.org/10.2307/3002019
    """
    parts = [np.asarray(variance, dtype=float) for variance in variances]
    # Shares of the whole, which neither overflow nor vanish when they are squared.
    total = np.sum(np.broadcast_arrays(*parts), axis=0)
    whole = np.where(total > 0, total, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [
            np.where(part > 0, (part / whole) ** 2 / np.asarray(dof, dtype=float), 0.0)
            for part, dof in zip(parts, degrees_of_freedom, strict=True)
        ]
        joint = 1.0 / np.sum(np.broadcast_arrays(*terms), axis=0)
    return np.where(np.isnan(total), np.nan, joint)


def skewed_half_widths(
    std_errors: Any, level: float, degrees_of_freedom: Any, skewness: Any
) -> tuple[Floats, Floats]:
    """How far intervals of means with this skewness reach below and above.

    Student's interval of few skewed numbers misses the mean too often, on the side of the long tail. Each end
    is the outer one of Student's and of Hall's, which corrects for skewness.

    Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal Statistical Society B,
    54. https://doi.org/10.1111/j.2517-6161.1992.tb01876.x
    """
    half = half_widths(std_errors, level, degrees_of_freedom)
    error = np.where(np.asarray(std_errors) > 0, std_errors, 1.0)
    below, above = (error * without_skewness(sign * half / error, skewness) for sign in (1, -1))
    return np.maximum(half, below), np.maximum(half, -above)


def skewness_of_mean(centered: Floats, n: Any) -> Floats:
    """Skewness (n_outputs,) of means of n rows, from deviations (n_rows, n_outputs), 0 where left out."""
    two, three = (centered**2).sum(axis=0), (centered**3).sum(axis=0)
    known = (two > 0) & (n > 2)
    n = np.where(known, n, 3.0)
    own = np.sqrt(n * (n - 1.0)) / (n - 2.0) * np.sqrt(n) * three / np.where(known, two, 1.0) ** 1.5
    return np.asarray(np.where(known, own, 0.0) / np.sqrt(n))


def with_skewness(t: Any, skewness: Any) -> Floats:
    """Hall's transformation of t statistics of means: what is nearer to Student's distribution."""
    return np.asarray(t + skewness * t**2 / 3.0 + skewness**2 * t**3 / 27.0 + skewness / 6.0)


def without_skewness(z: Any, skewness: Any) -> Floats:
    """The t statistics whose transformation is z."""
    known = np.abs(skewness) > 1e-6
    own = np.where(known, skewness, 1.0)
    return np.asarray(np.where(known, 3.0 / own * (np.cbrt(1.0 + own * (z - own / 6.0)) - 1.0), z))


def _normal(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    half = half_widths(errors, level)
    return values - half, values + half


def _student(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    half = half_widths(errors, level, dof)
    return values - half, values + half


def _nonnegative(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    low, high = _student(values, errors, dof, level)
    return np.maximum(low, 0.0), high


def _rule_of_three(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    """Where n draws met none of what would change the value: errors are the largest change over n.

    Hanley, J. A. and Lippman-Hand, A. (1983). If nothing goes wrong, is everything all right? JAMA, 249.
    https://doi.org/10.1001/jama.1983.03330370053031
    """
    half = errors * -np.log1p(-level)
    return values - half, values + half


def _on_a_scale(
    there: Callable[[Floats], Floats],
    back: Callable[[Floats], Floats],
    slope: Callable[[Floats], Floats],
    bounds: tuple[float, float],
) -> Interval:
    """Student's intervals on another scale, brought back: they stay within the bounds of the values."""

    def ends(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
        inside = (bounds[0] < values) & (values < bounds[1])
        with np.errstate(all="ignore"):
            middle, half = there(values), half_widths(errors * slope(values), level, dof)
            low, high = back(middle - half), back(middle + half)
        # At a bound itself the other scale is infinite; Student's interval is cut there.
        plain_low, plain_high = _student(values, errors, dof, level)
        low = np.where(inside, low, np.clip(plain_low, *bounds))
        high = np.where(inside, high, np.clip(plain_high, *bounds))
        # Rounding on the way there and back must not move an end past the value itself.
        exact = errors == 0
        return (
            np.where(exact, values, np.minimum(low, values)),
            np.where(exact, values, np.maximum(high, values)),
        )

    return ends


def _wilson(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    return wilson_ends(values, dof, level)


def wilson_ends(proportion: Any, n: Any, level: float) -> Ends:
    """Ends of Wilson's interval of proportions of n rows.

    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA, 22.
    https://doi.org/10.1080/01621459.1927.10502953
    """
    check_level(level)
    z = ndtri(0.5 + 0.5 * level)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (proportion + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
        half = z / (1.0 + z**2 / n) * np.sqrt(proportion * (1.0 - proportion) / n + z**2 / (4.0 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)  # beyond by rounding


def _undetermined(values: Floats, errors: Floats, dof: Floats, level: float) -> Ends:
    return np.full_like(values, -np.inf), np.full_like(values, np.inf)


UNDETERMINED = "undetermined"
INTERVALS: dict[str, Interval] = {
    "normal": _normal,
    "student": _student,
    "nonnegative": _nonnegative,
    "rule_of_three": _rule_of_three,
    "log_complement": _on_a_scale(
        lambda v: -np.log1p(-v), lambda z: -np.expm1(-z), lambda v: 1.0 / (1.0 - v), (-np.inf, 1.0)
    ),
    "fisher": _on_a_scale(np.arctanh, np.tanh, lambda v: 1.0 / (1.0 - v**2), (-1.0, 1.0)),
    "logit": _on_a_scale(
        lambda v: np.log(v) - np.log1p(-v), expit, lambda v: 1.0 / (v * (1.0 - v)), (0.0, 1.0)
    ),
    "wilson": _wilson,
    "log": _on_a_scale(np.log, np.exp, lambda v: 1.0 / v, (0.0, np.inf)),
    UNDETERMINED: _undetermined,
}
"""From values, standard errors, degrees of freedom and level to the ends, by the kind of interval.

- "normal", "student": symmetric; Student's quantile of the degrees of freedom.
- "nonnegative": the same for numbers that cannot be negative, such as means of sizes; cut at 0.
- "rule_of_three": nothing was seen that would change the value; the error is the largest change over n.
- "log_complement": values of at most 1, such as R2, by the logarithm of what is missing to 1.
- "fisher": correlations, by the inverse hyperbolic tangent.
- "logit": probabilities and shares; "log": positive numbers, such as variances and losses.
- "wilson": proportions of n rows, where the degrees of freedom are n and errors are not used.
- "undetermined": what was drawn cannot tell; from minus to plus infinity, whatever the error.
"""


def interval_ends(
    values: Any, std_errors: Any, level: float, degrees_of_freedom: Any = np.inf, kinds: Any = None
) -> Ends:
    """Ends of intervals of any kinds, each value by itself; without kinds Student's, normal for infinite dof.

    The ends are the value where the error is 0, and NaN where it is NaN, but for kinds that do not use it.
    """
    check_level(level)
    own = [np.asarray(part, dtype=float) for part in (values, std_errors, degrees_of_freedom)]
    if kinds is None:
        value, error, dof = np.broadcast_arrays(*own)
        return _student(value, error, dof, level)
    value, error, dof, kinds = np.broadcast_arrays(*own, np.asarray(kinds))
    low, high = np.empty(kinds.shape), np.empty(kinds.shape)
    for kind in np.unique(kinds):
        if kind not in INTERVALS:
            known = ", ".join(map(repr, INTERVALS))
            raise ValueError(f"The kind of an interval must be one of {known}; got {str(kind)!r}.")
        those = kinds == kind
        low[those], high[those] = INTERVALS[kind](value[those], error[those], dof[those], level)
    return low, high
