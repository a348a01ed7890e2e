"""Linear programs on what rows can reach: whether targets are within, and how far on the way to them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from agnostix.core.typing import Floats
from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.calibration.primal import Calibration

_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_SEPARATED = -1e-9
_FEW_ROWS = 2_000
"""Rows up to which a program has them all."""
_MAX_CUTS = 500
_N_ADDED = 32


def separating_direction(problem: Calibration, *, strictly: bool = False) -> Floats | None:
    """Unit direction (n_conditions,) in which no weights are beyond the ranges; None if there is none.

    All weights stay short of the ranges if `strictly`; else some may touch them.
    """
    program = _Separation.of_problem(problem, strictly=strictly)
    for _ in range(_MAX_CUTS):
        direction = program.solve()
        if direction is None or not program.cut(direction):
            break
    return direction


class _Separation:
    """A linear program over directions up - down, rows added as they turn out to matter."""

    def __init__(self, problem: Calibration, mean: Floats, *, strictly: bool) -> None:
        self._problem = problem
        self._hard = problem.is_hard
        self._has_up, self._has_down = np.isfinite(problem.low), np.isfinite(problem.high)
        # Infinite ends hold nothing: their side of the direction is 0.
        self._low = np.where(self._has_up, problem.low, 0.0)
        self._high = np.where(self._has_down, problem.high, 0.0)
        self._cost = np.r_[self._row(mean[None])[0], 0.0] if not strictly else np.eye(2 * mean.size + 1)[-1]
        self._strictly = strictly
        self._points = self._first_points()

    @classmethod
    def of_problem(cls, problem: Calibration, *, strictly: bool) -> _Separation:
        """The program, with a point inside of what weights reach."""
        inside = problem.phi.mean(0) if problem.ratios.is_unbounded else problem.base @ problem.phi
        return cls(problem, inside, strictly=strictly)

    def _row(self, points: Floats) -> Floats:
        """How far points (n, n_conditions) are beyond the ranges, by up and down, (n, 2 n_conditions)."""
        return np.c_[points - self._low, self._high - points]

    def _first_points(self) -> Floats:
        phi = self._problem.phi
        if not self._problem.ratios.is_unbounded:
            base, bounds = self._problem.base, self._problem.ratios.ends
            ends = [extreme_weights(side * column, base, bounds) for column in phi.T for side in (-1.0, 1.0)]
            return np.stack(ends) @ phi
        if len(phi) <= _FEW_ROWS:
            return np.unique(phi, axis=0)
        return phi[np.unique(np.r_[phi.argmin(0), phi.argmax(0)])]

    def solve(self) -> Floats | None:
        """The best direction by the points so far."""
        k = self._low.size
        sides = np.r_[self._hard & self._has_up, self._hard & self._has_down].astype(np.float64)
        program = linprog(
            self._cost,
            A_ub=np.c_[self._row(self._points), np.full(len(self._points), -1.0)],
            b_ub=np.zeros(len(self._points)),
            bounds=[*((0.0, side) for side in sides), (-1.0 if self._strictly else 0.0, 0.0)],
            method="highs",
            options=_OPTIONS,
        )
        if program.status != 0 or program.fun >= _SEPARATED:
            return None
        direction = program.x[:k] - program.x[k : 2 * k]
        return np.asarray(direction / np.linalg.norm(direction), dtype=np.float64)

    def cut(self, direction: Floats) -> bool:
        """Add the points that are beyond the ranges in a direction; whether there were any."""
        problem = self._problem
        height, least = problem.phi @ direction, problem.support(direction)
        if not problem.ratios.is_unbounded:
            point = extreme_weights(height, problem.base, problem.ratios.ends) @ problem.phi
            if point @ direction <= least + 1e-10:
                return False
            self._points = np.r_[self._points, point[None]]
            return True
        if len(self._points) >= len(problem.phi) or height.max() <= least + 1e-10:
            return False
        if len(problem.phi) <= _FEW_ROWS:
            return False
        top = np.argpartition(-height, _N_ADDED)[:_N_ADDED]
        self._points = np.r_[self._points, problem.phi[top[height[top] > least + 1e-10]]]
        return True


def reachable_share(phi: Floats, start: Floats, target: Floats) -> float:
    """Share of the way from a feasible mean to a target that is feasible, from 0 to 1."""
    corners = np.unique(phi, axis=0)
    n, k = corners.shape
    equations = np.zeros((k + 1, n + 1))
    equations[:k, :n] = corners.T
    equations[:k, n] = start - target
    equations[k, :n] = 1.0
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    bounds = [(0.0, None)] * n + [(0.0, 1.0)]
    program = linprog(cost, A_eq=equations, b_eq=np.r_[start, 1.0], bounds=bounds, method="highs")
    return float(np.clip(-program.fun, 0.0, 1.0)) if program.status == 0 else 0.0
