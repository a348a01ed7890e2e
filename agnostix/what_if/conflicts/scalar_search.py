"""The least cost over one scalar or several, found with few evaluations: each is a linear program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from agnostix.core.typing import Floats

_N_GRID = 13
_GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))
_NARROW = 1e-6
"""Share of the range from which on the lines through neighbors show where they meet: their least step."""
_DECIDED = 3.0
"""A cost is decided if it stays above this many times what the slopes nearby could take off."""
_MAX_STEPS_EACH = 60
"""Evaluations for each of several scalars."""


class _FoundError(Exception):
    """A cost that is low enough."""


@dataclass
class _Tried:
    """Costs by scalars, and the best; stops at a cost that is low enough."""

    cost: Callable[[Floats], float]
    enough: float | None
    best: tuple[Floats, float] = field(default=(np.empty(0), np.inf))

    def __call__(self, theta: Floats) -> float:
        value = self.cost(theta)
        if value < self.best[1]:
            self.best = theta.copy(), value
        if self.enough is not None and value <= self.enough:
            raise _FoundError
        return value


def least_over(
    cost: Callable[[Floats], float],
    low: Floats,
    high: Floats,
    starts: Sequence[Floats],
    enough: float | None = None,
) -> tuple[Floats, float]:
    """Scalars (n_scalars,) in a box and their cost, the least that is found.

    With `enough` all that matters is whether the cost gets as low: the search ends at the first such cost,
    and where costs stay clear of it.
    """
    tried = _Tried(cost, enough)
    try:
        if low.size == 1:
            _on_line(tried, float(low[0]), float(high[0]), np.ravel(starts))
        else:
            _in_box(tried, low, high, starts)
    except _FoundError:
        pass
    return tried.best


def _on_line(tried: _Tried, low: float, high: float, starts: Floats) -> None:
    """The best of a grid, then between its neighbors."""
    starts = np.unique(np.clip(starts, low, high))
    costs = {theta: tried(np.array([theta])) for theta in starts.tolist()}
    grid = [theta for theta in np.linspace(low, high, _N_GRID).tolist() if theta not in costs]
    costs |= {theta: tried(np.array([theta])) for theta in grid}
    points = sorted(costs)
    best = min(range(len(points)), key=lambda j: costs[points[j]])
    around = [points[max(best - 1, 0)], points[best], points[min(best + 1, len(points) - 1)]]
    if _golden_section(tried, around, [costs[one] for one in around], _NARROW * (high - low)):
        _to_the_kink(tried, high - low)


def _golden_section(tried: _Tried, points: list[float], costs: list[float], narrow: float) -> bool:
    """Whether a bracket got narrow, rather than certain not to reach a cost that is low enough."""
    (left, middle, right), (a, b, c) = points, costs
    while right - left > narrow:
        if tried.enough is not None and _is_decided((left, middle, right), (a, b, c), tried.enough):
            return False
        if right - middle > middle - left:
            ahead = middle + _GOLDEN * (right - middle)
            at = tried(np.array([ahead]))
            (left, a, middle, b, right, c) = (
                (middle, b, ahead, at, right, c) if at < b else (left, a, middle, b, ahead, at)
            )
        else:
            ahead = middle - _GOLDEN * (middle - left)
            at = tried(np.array([ahead]))
            (left, a, middle, b, right, c) = (
                (left, a, ahead, at, middle, b) if at < b else (ahead, at, middle, b, right, c)
            )
    return True


def _is_decided(points: tuple[float, ...], costs: tuple[float, ...], enough: float) -> bool:
    """Whether slopes several times those between the points leave all of a bracket above a cost."""
    steps, drops = np.diff(points), np.abs(np.diff(costs))
    slope = float((drops / np.where(steps > 0.0, steps, np.inf)).max())
    return min(costs) - _DECIDED * slope * (points[-1] - points[0]) > enough


def _to_the_kink(tried: _Tried, width: float) -> None:
    """On to where the lines on both sides of a minimum meet; sums of gaps are linear nearby."""
    for step in (_NARROW * width, 0.01 * _NARROW * width):
        theta, least = tried.best
        a, b, c, d = (tried(theta + side * step) for side in (-2.0, -1.0, 1.0, 2.0))
        left, right = b - a, d - c  # slopes, times the step
        if not (left < 0.0 < right and least > 0.0):
            break
        if tried(theta + step * ((c - b - left - right) / (left - right))) >= least:
            break


def _in_box(tried: _Tried, low: Floats, high: Floats, starts: Sequence[Floats]) -> None:
    """The simplex method of Nelder and Mead, from the better start."""
    first = min((np.clip(one, low, high) for one in starts), key=tried)
    steps = {"maxfev": _MAX_STEPS_EACH * low.size, "xatol": 1e-8, "fatol": 1e-9}
    minimize(tried, first, method="Nelder-Mead", bounds=list(zip(low, high, strict=True)), options=steps)
