"""Scalars at which conditions come closest to being met, where these are linear only given them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from agnostix.core.typing import Floats
from agnostix.what_if.constraints.base import Compiled

_N_GRID = 13
_MAX_STEPS = 40
_MAX_STEPS_EACH = 60
"""Evaluations for each of several scalars."""


def closest_values(compiled: Compiled, values: Floats, cost_of: Callable[[Floats], float]) -> Floats:
    """Values of all scalars (n_scalars,) at which `cost_of` is least, from those where a search ended."""
    free = np.array([not one.choices and one.low < one.high for one in compiled.scalars], dtype=bool)
    if not free.any():
        return values
    low, high = (np.array([getattr(one, end) for one in compiled.scalars])[free] for end in ("low", "high"))
    start = np.array([one.start for one in compiled.scalars])[free]

    def fill(theta: Floats) -> Floats:
        filled = values.copy()
        filled[free] = np.clip(theta, low, high)
        return filled

    def cost(theta: Floats) -> float:
        return cost_of(fill(np.atleast_1d(theta)))

    if free.sum() == 1:
        grid = np.unique(np.r_[np.linspace(low[0], high[0], _N_GRID), values[free], start])
        return fill(_on_line(lambda theta: cost(np.array([theta])), grid))
    first = min((values[free], start), key=cost)
    steps = {"maxfev": _MAX_STEPS_EACH * low.size, "xatol": 1e-6, "fatol": 1e-8}
    found = minimize(
        cost, first, method="Nelder-Mead", bounds=list(zip(low, high, strict=True)), options=steps
    )
    return fill(found.x)


def _on_line(cost: Callable[[float], float], grid: Floats) -> Floats:
    """The best point (1,) between the neighbors of the best of a grid."""
    costs = [cost(float(theta)) for theta in grid]
    best = int(np.argmin(costs))
    ends = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
    found = minimize_scalar(
        cost, bounds=ends, method="bounded", options={"maxiter": _MAX_STEPS, "xatol": 1e-9}
    )
    return np.array([found.x if found.fun < costs[best] else grid[best]])
