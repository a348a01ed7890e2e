"""Quadratic models of the dual with the kinks that ranges make, solved exactly.

``min_x x' H x / 2 + q' x + sum_j max(-low_j x_j, -high_j x_j)`` is an elastic net with its kinks at 0. It is
solved by searching over the signs of x (Lee, Battle, Raina and Ng, 2006): each sign pattern is a linear
system, each step lowers the value, and no pattern comes twice.
"""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools, Floats

_MAX_ROUNDS = 1000
_ROUNDING = 1e-14


def solve_quadratic(hessian: Floats, linear: Floats, low: Floats, high: Floats, start: Floats) -> Floats:
    """The minimizer (k,) of the quadratic with kinks; hessian (k, k) is positive definite."""
    equality = low == high
    if equality.all():
        return _solve(hessian, low - linear)
    x = np.where((start > 0.0) & np.isinf(low) | (start < 0.0) & np.isinf(high), 0.0, start)
    sign = np.sign(x)
    for _ in range(_MAX_ROUNDS):
        active = equality | (sign != 0.0)
        x, sign, is_settled = _minimize_on(hessian, linear, low, high, x, sign, active, equality)
        if not is_settled:
            continue
        slope = hessian @ x + linear
        # An unbounded side has an infinite end, which is never violated.
        below, above = low - slope, slope - high
        violation = np.where(equality | (sign != 0.0), 0.0, np.maximum(below, above))
        worst = int(violation.argmax())
        if violation[worst] <= _ROUNDING * max(1.0, float(np.abs(slope[worst]))):
            return x
        sign[worst] = 1.0 if below[worst] > above[worst] else -1.0
    return x


def _minimize_on(
    hessian: Floats,
    linear: Floats,
    low: Floats,
    high: Floats,
    x: Floats,
    sign: Floats,
    active: Bools,
    equality: Bools,
) -> tuple[Floats, Floats, bool]:
    """One step within a sign pattern, up to where a multiplier becomes 0; whether none did."""
    end = np.where(equality | (sign > 0.0), low, high)
    ahead = np.zeros_like(x)
    if active.any():
        ahead[active] = _solve(hessian[np.ix_(active, active)], (end - linear)[active])
    turned = active & ~equality & (np.sign(ahead) != sign)
    if not turned.any():
        return ahead, sign, True
    # The value is convex along the way, and quadratic up to the first kink, which is as far as is safe.
    shares = np.full(x.size, np.inf)
    moved = turned & (x != ahead)
    shares[moved] = x[moved] / (x[moved] - ahead[moved])
    shares[turned & (x == 0.0)] = 0.0
    first = float(shares.min())
    x = x + first * (ahead - x)
    stopped = turned & (shares <= first)
    x[stopped] = 0.0
    return x, np.where(stopped, 0.0, sign), False


def _solve(matrix: Floats, right: Floats) -> Floats:
    try:
        x = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
        if np.isfinite(x).all():
            return x
    except np.linalg.LinAlgError:
        pass
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-12)[0], dtype=np.float64)
