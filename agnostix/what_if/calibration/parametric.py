"""Conditions that are linear in the weights given a few scalars, and the least divergence as their function.

Given the scalars theta, the closest weights are w_i = b_i F(alpha + xi' phi_i(theta)), with means t(theta)
where a condition binds. By the envelope theorem the least divergence V(theta) has the slope

    dV/dtheta = sum_j xi_j (dt_j/dtheta - E_w[dphi_j/dtheta])

and its curvature follows from the derivative of the optimality conditions. Where statistics and targets are
at most quadratic in a scalar, as in all means and rates, central differences are exact with wide steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.calibration.primal import Projection

_CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_WIDE = 1.0 / 16.0
"""Step of differences of what is quadratic, as a share of the scalar's range."""
_NARROW = 1e-4
"""Step of differences of what is not, and of costs, which have kinks."""
_EXACT = 1e-11


@dataclass(frozen=True)
class LinearConditions:
    """Conditions low <= E_w phi <= high on the weights, each hard or soft."""

    phi: Floats  # (n_rows, n_conditions), standardized statistics
    low: Floats  # (n_conditions,)
    high: Floats  # (n_conditions,)
    penalty: Floats  # (n_conditions,), infinite where the condition must hold


Solve = Callable[[LinearConditions, Floats | None], Projection]
"""The closest weights under linear conditions, from a start of the multipliers."""


@dataclass(frozen=True)
class ParametricProblem:
    """Closest weights under conditions that are linear given the scalars theta."""

    conditions: Callable[[Floats], LinearConditions]
    solve: Solve
    low: Floats  # (n_scalars,), ends of what is searched
    start: Floats  # (n_scalars,), the data's values
    high: Floats  # (n_scalars,)
    cost: Callable[[Floats], float] | None = None  # what the scalars themselves add to the divergence
    takes_boundary: bool = (
        False  # whether weights of 0, on the boundary of what rows reach, count as feasible
    )

    def at(self, theta: Floats, start: Floats | None = None) -> ParametricSolution:
        """The closest weights given the scalars, from multipliers (n_conditions,) to start with."""
        linear = self.conditions(theta)
        return ParametricSolution(self, theta, linear, self._project(linear, start))

    def _project(self, linear: LinearConditions, start: Floats | None) -> Projection:
        """The projection; infeasible where the solver does not converge, or a statistic has no values."""
        n_rows, k = linear.phi.shape
        if np.isfinite(linear.phi).all() and not np.isnan(linear.low + linear.high).any():
            for first in (start, None):
                with contextlib.suppress(ConvergenceError):
                    return self.solve(linear, first)
        nothing, none = np.zeros(n_rows), np.full(k, np.nan)
        return Projection("infeasible", nothing, np.zeros(k), none, nothing, np.inf, 0)

    def soften(self, penalty: float) -> ParametricProblem:
        """The same with conditions that may all be missed at a penalty."""

        def conditions(theta: Floats) -> LinearConditions:
            linear = self.conditions(theta)
            return replace(linear, penalty=np.minimum(linear.penalty, penalty))

        return replace(self, conditions=conditions)

    @property
    def width(self) -> Floats:
        """Lengths of the ranges (n_scalars,)."""
        return self.high - self.low

    @cached_property
    def is_quadratic(self) -> Bools:
        """Whether the conditions are at most quadratic in each scalar (n_scalars,)."""
        middle = 0.5 * (self.low + self.high)
        return np.array(
            [_is_quadratic(self.conditions, middle, step) for step in np.diag(_WIDE * self.width)]
        )

    def steps(self, theta: Floats) -> Floats:
        """Steps of differences at theta, each (n_scalars,); narrow ones stay within the range."""
        room = np.minimum(theta - self.low, self.high - theta)
        narrow = np.minimum(_NARROW * self.width, np.where(room > 0.0, 0.5 * room, np.inf))
        return np.where(self.is_quadratic, _WIDE * self.width, narrow)


@dataclass(frozen=True)
class ParametricSolution:
    """The closest weights at some values of the scalars."""

    problem: ParametricProblem
    theta: Floats  # (n_scalars,)
    linear: LinearConditions
    projection: Projection

    @property
    def is_feasible(self) -> bool:
        """Whether any weights meet the conditions given these scalars."""
        return self.projection.status == "ok" or (self.problem.takes_boundary and self.is_on_boundary)

    @property
    def is_on_boundary(self) -> bool:
        """Whether only weights of 0 for some rows meet them, as where a group loses all its weight."""
        return self.projection.status == "boundary"

    @property
    def multipliers(self) -> Floats | None:
        """Multipliers of all conditions (n_conditions,), None if infeasible."""
        return self.projection.xi if self.is_feasible else None

    @cached_property
    def value(self) -> float:
        """Divergence plus penalties of soft conditions and scalars; infinite if infeasible."""
        if not self.is_feasible:
            return np.inf
        soft = np.isfinite(self.linear.penalty)
        penalties = 0.5 * (self.projection.xi[soft] ** 2 / self.linear.penalty[soft]).sum()
        return float(self.projection.divergence_value + penalties + self._costs[0])

    @property
    def margin(self) -> float:
        """Of an infeasible solution: how far the nearest row stays from the separating plane, below 0."""
        if self.is_on_boundary:
            return 0.0
        return float(self._heights(self.theta).max()) if self.has_certificate else -np.inf

    @property
    def has_certificate(self) -> bool:
        """Whether there is a plane that separates rows and targets."""
        return bool((self.projection.status == "infeasible") and self.projection.xi.any())

    @property
    def ruled_out(self) -> tuple[float, float]:
        """How far below and above theta, a single scalar, the same plane separates rows and targets."""
        if not self.has_certificate:
            return 0.0, 0.0
        step = float(self._steps[0])
        here, below, above = (self._heights(self.theta + shift) for shift in (0.0, -step, step))
        linear = (above - below) / (2.0 * step)
        quadratic = (above - 2.0 * here + below) / (2.0 * step * step)
        return _first_root(here, -linear, quadratic), _first_root(here, linear, quadratic)

    def _heights(self, theta: Floats) -> Floats:
        """Each row's height (n_rows,) over the plane that separated rows and targets at this solution."""
        linear, normal = self.problem.conditions(theta), self.projection.xi
        used = normal != 0.0
        ends = np.where(normal > 0.0, linear.low, linear.high)[used]
        return (linear.phi[:, used] - ends) @ normal[used]

    @cached_property
    def slope(self) -> Floats:
        """Derivative of the value by each scalar (n_scalars,)."""
        return self._first @ self.xi + self._costs[1]

    @cached_property
    def curvature(self) -> Floats:
        """Second derivatives of the value (n_scalars, n_scalars), while the same conditions bind."""
        tangent, k = self.projection.tangent, self.xi.size
        along, own = tangent @ self.directions, tangent @ self.estimating  # the sum of weights is kept
        jacobian = self.jacobian - np.outer(own, along) / (tangent.sum() or 1.0)
        inner = np.linalg.lstsq(jacobian[:k, :k], jacobian[:k, k:], rcond=1e-13)[0] if k else jacobian[:0, k:]
        return jacobian[k:, k:] - jacobian[k:, :k] @ inner

    @cached_property
    def active(self) -> Bools:
        """Conditions (n_conditions,) that bind, or soft ones that are missed."""
        return np.isfinite(self.projection.held) | (self.projection.xi != 0.0)

    @property
    def xi(self) -> Floats:
        """Multipliers of the active conditions (n_active,)."""
        return self.projection.xi[self.active]

    @cached_property
    def directions(self) -> Floats:
        """Derivatives of the exponent u_i by multipliers and scalars (n_rows, n_active + n_scalars)."""
        moved = [
            (above.exponent - below.exponent) / (2.0 * step)
            for (below, above), step in zip(self._nearby, self._steps, strict=True)
        ]
        return np.column_stack([self.linear.phi[:, self.active], *moved])

    @cached_property
    def estimating(self) -> Floats:
        """Estimating functions (n_rows, n_active + n_scalars); their weighted sums are 0 at the solution."""
        here, k = self._look(self.theta), self.xi.size
        missed = self.xi / self.linear.penalty[self.active]  # how far a soft condition stays from its target
        conditions = self.linear.phi[:, self.active] - here.target + missed
        targets = [
            (above.target - below.target) @ self.xi / (2.0 * step)
            for (below, above), step in zip(self._nearby, self._steps, strict=True)
        ]
        return np.column_stack([conditions, np.array(targets) + self._costs[1] - self.directions[:, k:]])

    @cached_property
    def jacobian(self) -> Floats:
        """Derivative of the estimating functions' weighted sums by multipliers and scalars."""
        tangent, k = self.projection.tangent, self.xi.size
        jacobian = (self.estimating * tangent[:, None]).T @ self.directions
        jacobian[:k, :k] += np.diag(1.0 / self.linear.penalty[self.active])
        jacobian[:k, k:] -= self._first.T
        jacobian[k:, :k] += self._first
        jacobian[k:, k:] += self._second + self._costs[2]
        return jacobian

    @cached_property
    def _costs(self) -> tuple[float, Floats, Floats]:
        """The scalars' own cost, its slope (n_scalars,) and its curvature (n_scalars, n_scalars)."""
        cost, n = self.problem.cost, self.theta.size
        if cost is None or n == 0:
            return 0.0 if cost is None else cost(self.theta), np.zeros(n), np.zeros((n, n))
        # Quadratic but for kinks at the ends of ranges: narrow steps, that seldom reach over one.
        steps = np.diag(_NARROW * self.problem.width)
        size = steps.diagonal()
        here = cost(self.theta)
        ends = np.array([[cost(self.theta + sign * step) for sign in (-1, 1)] for step in steps])
        curvature = np.diag((ends.sum(1) - 2.0 * here) / size**2)
        for a, b in combinations(range(n), 2):
            corners = [cost(self.theta + i * steps[a] + j * steps[b]) * i * j for i, j in _CORNERS]
            curvature[a, b] = curvature[b, a] = sum(corners) / (4.0 * size[a] * size[b])
        return here, (ends[:, 1] - ends[:, 0]) / (2.0 * size), curvature

    @cached_property
    def _steps(self) -> Floats:
        return self.problem.steps(self.theta)

    @cached_property
    def _nearby(self) -> list[tuple[_Nearby, _Nearby]]:
        """The active conditions a step below and above in each scalar."""
        return [(self._look(self.theta - s), self._look(self.theta + s)) for s in np.diag(self._steps)]

    @cached_property
    def _first(self) -> Floats:
        """Derivatives of targets less means (n_scalars, n_active) by each scalar, the weights fixed."""
        gaps = [above.gap - below.gap for below, above in self._nearby]
        return np.array(gaps).reshape(-1, self.xi.size) / (2.0 * self._steps[:, None])

    @cached_property
    def _second(self) -> Floats:
        """Second derivatives (n_scalars, n_scalars) of xi' (targets less means), the weights fixed."""
        steps, here = self._steps, self._look(self.theta).gap @ self.xi
        ends = [(below.gap @ self.xi, above.gap @ self.xi) for below, above in self._nearby]
        second = np.diag([(one - 2.0 * here + two) / s**2 for (one, two), s in zip(ends, steps, strict=True)])
        for a, b in combinations(range(steps.size), 2):
            one, two = np.diag(steps)[[a, b]]
            corners = [self._look(self.theta + i * one + j * two).gap @ self.xi * i * j for i, j in _CORNERS]
            second[a, b] = second[b, a] = sum(corners) / (4.0 * steps[a] * steps[b])
        return second.reshape(steps.size, steps.size)

    def _look(self, theta: Floats) -> _Nearby:
        """The active conditions at other scalars, under the same weights and multipliers."""
        linear, active = self.problem.conditions(theta), self.active
        phi = linear.phi[:, active]
        # A positive multiplier raises a mean to the low end of its range.
        target = np.where(self.xi >= 0.0, linear.low[active], linear.high[active])
        return _Nearby(phi @ self.xi, target, target - self.projection.weights @ phi)


@dataclass(frozen=True)
class _Nearby:
    """Active conditions at some scalars."""

    exponent: Floats  # (n_rows,), phi @ xi
    target: Floats  # (n_active,), the ends that bind
    gap: Floats  # (n_active,), target less mean


def _is_quadratic(conditions: Callable[[Floats], LinearConditions], middle: Floats, step: Floats) -> bool:
    """Whether statistics and targets on the line through `middle` along `step` are on a parabola."""
    with np.errstate(all="ignore"):
        looks = [conditions(middle + t * step) for t in (-1.0, 0.0, 1.0, 0.5)]
    for parts in ([look.phi for look in looks], [look.low for look in looks], [look.high for look in looks]):
        finite = np.isfinite(parts[1])
        below, here, above, half = (part[finite] for part in parts)
        size = max(np.abs(part).max(initial=1.0) for part in (below, here, above))
        missed = np.abs(half - (0.375 * above + 0.75 * here - 0.125 * below)).max(initial=0.0)
        if not missed <= _EXACT * size:
            return False
    return True


def _first_root(constant: Floats, linear: Floats, quadratic: Floats) -> float:
    """Least x > 0 at which one of constant + linear x + quadratic x^2 is 0, each negative at 0."""
    inside = linear * linear - 4.0 * quadratic * constant
    below = linear + np.sqrt(np.maximum(inside, 0.0))
    crosses = (inside >= 0.0) & (below > 0.0)
    return float((-2.0 * constant[crosses] / below[crosses]).min(initial=np.inf))
