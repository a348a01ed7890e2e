"""The least cap on weights, or the largest floor, under which conditions can be met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.conflicts.least_gaps import least_gaps, least_over_ranges
from agnostix.what_if.conflicts.nearest import ElasticConditions
from agnostix.what_if.conflicts.reachable_means import ReachableMeans

_MET = 1e-8
_CLOSE = 1e-3
_MAX_STEPS = 60
_MOST = 1e9
"""Cap, or one over the floor, beyond which none is proposed."""

Bounds = tuple[float, float]


def bounds_that_do(linear: ElasticConditions) -> Bounds | None:
    """The bounds with the least cap at the same floor, else with the largest floor; None if none would do."""
    assert linear.weight_bounds is not None
    low, high = linear.weight_bounds
    if _shortfall(linear, (low, np.inf)) is None:
        cap = _least_size(linear, high, lambda size: (low, size))
        return None if cap is None else (low, _three_digits(cap, np.ceil))
    if low > 0.0 and _shortfall(linear, (0.0, high)) is None:
        size = _least_size(linear, 1.0 / low, lambda size: (1.0 / size, high))
        return None if size is None else (_three_digits(1.0 / size, np.floor), high)
    return None


def _least_size(
    linear: ElasticConditions, start: float, bounds_at: Callable[[float], Bounds]
) -> float | None:
    """The least size at whose bounds some weights meet the conditions, up to a thousandth; None if none."""
    # Every direction in which weights fall short proves a size too small: the one at which they no longer
    # do. From one to the next sizes rise to the least (Newton's method).
    size = start
    for _ in range(_MAX_STEPS):
        direction = _shortfall(linear, bounds_at(size))
        if direction is None:
            return size
        least = _size_reaching(linear, direction, size, bounds_at)
        if least is None:
            return None
        size = least if least > size * (1.0 + _CLOSE) else _three_digits(size * (1.0 + _CLOSE), np.ceil)
    return None


def _shortfall(linear: ElasticConditions, bounds: Bounds) -> Floats | None:
    """Multipliers (n_conditions,) that prove that no weights within bounds meet the conditions, if so."""
    reach = ReachableMeans(linear.phi, linear.base, bounds)
    costs = np.where(np.isinf(linear.costs), np.inf, 1.0)
    every = np.arange(linear.low.size)
    gaps = least_gaps(reach, linear.low, linear.high, costs, every, together=True, decide=_MET)
    return gaps.multipliers if gaps.bound > _MET else None


def _size_reaching(
    linear: ElasticConditions, direction: Floats, size: float, bounds_at: Callable[[float], Bounds]
) -> float | None:
    """The size at whose bounds weights go as far in a direction as the ranges ask for."""
    heights = linear.phi @ direction
    asked = least_over_ranges(direction, linear.low, linear.high)

    def falls_short(at: float) -> bool:
        return float(extreme_weights(heights, linear.base, bounds_at(at)) @ heights) < asked

    above = 2.0 * size
    while falls_short(above):
        if above > _MOST:
            return None
        size, above = above, 2.0 * above
    while above > size * (1.0 + 1e-6):
        middle = float(np.sqrt(size * above))
        size, above = (middle, above) if falls_short(middle) else (size, middle)
    return above


def _three_digits(number: float, rounded: Callable[[float], float]) -> float:
    """A number > 0 rounded to three digits, up or down."""
    step = 10.0 ** (np.floor(np.log10(number)) - 2)
    return float(f"{rounded(number / step) * step:.3g}")
