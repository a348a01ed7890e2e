"""The dual of calibration, minimized by a proximal Newton method in as many variables as conditions.

Weights are ``w_i = b_i F(alpha + xi' phi_i)``: multipliers xi of the statistics phi, and alpha of the sum.
The dual ``sum_i b_i f*(alpha + xi' phi_i) - alpha + psi(xi)`` is convex; psi, the cost of the multipliers by
ranges and penalties, has kinks at 0. For every xi the alpha at which weights sum to 1 is found first. A step
minimizes the quadratic model of the smooth part, plus psi as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.calibration.divergences import BoundedRatio
from agnostix.what_if.calibration.elastic_net import solve_quadratic
from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.calibration.primal import Calibration

_MAX_ITER = 100
_MAX_SEARCH = 60
_N_ROUNDED = 5
"""Steps with one rounding of the corners."""
_SHARP = 1e-7
_CONVERGED = 1e-13
_PROXIMAL = 1e-11
"""Weight of the proximal term, of the largest curvature: it leaves the solution as it is."""
_EXACT = 1e-15
_ROUNDING = 2e-16
_FAR = 1e3
_NARROW = 1e-3
_RUNAWAY = 1e8
"""Length of multipliers at which the dual has no minimum: the target is on the boundary, or beyond."""
_STALLED = 1e-6
_FLAT = 0.5
"""Share of its slope at the start of a step at which the dual is near its minimum along the step."""


@dataclass(frozen=True)
class DualState:
    """Weights and derivatives of the dual at given multipliers."""

    problem: Calibration
    xi: Floats  # (n_conditions,)
    alpha: float
    exponent: Floats  # (n_rows,), xi' phi_i
    weights: Floats  # (n_rows,)
    tangent: Floats  # (n_rows,), derivative of each weight by its u

    @classmethod
    def at(cls, problem: Calibration, xi: Floats, guess: float = 0.0) -> DualState:
        """The state at multipliers xi (n_conditions,), given a guess of alpha."""
        exponent = problem.phi @ xi
        if problem.ratios.is_exponential:
            top = float(exponent.max())
            weights = problem.base * np.exp(exponent - top)
            total = float(weights.sum())
            weights /= total
            return cls(problem, xi, -top - float(np.log(total)), exponent, weights, weights)
        alpha = solve_intercept(problem.ratios, problem.base, exponent, guess)
        ratio, slope = problem.ratios.at(alpha + exponent)
        return cls(problem, xi, alpha, exponent, problem.base * ratio, problem.base * slope)

    @cached_property
    def means(self) -> Floats:
        """Means of the statistics (n_conditions,), which are the gradient of the smooth part."""
        return self.weights @ self.problem.phi

    @cached_property
    def residual(self) -> float:
        """Largest residual of the optimality conditions, in standard deviations."""
        return float(self.problem.residuals(self.means, self.xi).max(initial=0.0))

    @cached_property
    def hessian(self) -> Floats:
        """Second derivatives of the smooth part (n_conditions, n_conditions), alpha following."""
        phi, tangent = self.problem.phi, self.tangent
        total = tangent.sum()
        if total <= 0.0:
            return np.zeros((self.xi.size, self.xi.size))
        rooted = phi * np.sqrt(tangent)[:, None]
        mean = self.tangent_sums
        return np.asarray(rooted.T @ rooted - np.outer(mean, mean / total), dtype=np.float64)

    @cached_property
    def tangent_sums(self) -> Floats:
        """Sums of the statistics (n_conditions,) by the tangents."""
        return self.tangent @ self.problem.phi

    def ahead(self, direction: Floats, size: float) -> DualState:
        """The state at some multiples of a direction (n_conditions,) from here."""
        xi, guess = self.xi + size * direction, self.alpha
        if not self.problem.ratios.is_exponential:
            guess -= size * float(self.tangent_sums @ direction) / max(float(self.tangent.sum()), 1e-300)
        return DualState.at(self.problem, xi, guess)

    def slope(self, direction: Floats, *, arriving: bool = False) -> float:
        """Derivative of the dual along a direction (n_conditions,), from here on or up to here."""
        moving = direction != 0.0
        is_up = np.where(self.xi == 0.0, -direction if arriving else direction, self.xi) > 0.0
        end = np.where(is_up, self.problem.low, self.problem.high)
        gradient = self.means + self.xi / self.problem.penalty - end
        return float(gradient[moving] @ direction[moving])


def solve_intercept(ratios: BoundedRatio, base: Floats, exponent: Floats, guess: float) -> float:
    """The alpha at which ``base @ F(alpha + exponent)`` is 1, by safeguarded Newton steps."""
    # On the scale of f' the sum is a straight line where all exponents are equal, and close to one else.
    top = int(exponent.argmax())
    low, high = -float(exponent[top]), -float(exponent.min())
    divergence = ratios.divergence
    if ratios.high == np.inf:
        high = min(high, float(divergence.marginal_cost(1.0 / base[top : top + 1])[0]) - float(exponent[top]))
    if ratios.smoothing > 0.0:  # which raises the least ratios, and lowers the largest
        low, high = low - 10.0, high + (10.0 if ratios.high < np.inf else 0.0)
    alpha = min(max(guess, low), high)
    widest = np.inf
    for n_iter in range(_MAX_ITER):
        ratio, slopes = ratios.at(alpha + exponent)
        total, slope = float(base @ ratio), float(base @ slopes)
        if abs(total - 1.0) <= _EXACT or not low < high:
            break
        if total < 1.0:
            low = alpha
        else:
            high = alpha
        step = np.nan
        if slope > 0.0 and 0.0 < total < np.inf:
            ends = np.array([total])
            step = -float(divergence.marginal_cost(ends)[0] * divergence.slope(ends)[0]) / slope
        ahead = alpha + step if low < alpha + step < high else 0.5 * (low + high)
        if n_iter % 3 == 2:  # beside a pole Newton's steps are tiny, and the bracket stays wide
            ahead, widest = 0.5 * (low + high) if high - low > 0.5 * widest else ahead, high - low
        moved, alpha = abs(ahead - alpha), ahead
        if moved <= _ROUNDING * (abs(ahead) + abs(exponent[top])):
            break
    return float(alpha)


def minimize_dual(state: DualState, max_iter: int = _MAX_ITER) -> tuple[DualState, int, bool]:
    """The state at the minimum, the number of steps there, and whether multipliers prove infeasibility."""
    floor = 1e-15 * max(float(np.diag(state.hessian).max(initial=0.0)), 1e-12)
    n_iter, proximal, size, n_stalled = 0, 0.0, 1.0, 0
    for n_iter in range(1, max_iter + 1):
        if is_separated(state, search=n_iter % 4 == 0 or size >= 10.0):
            return state, n_iter, True
        if state.residual <= _CONVERGED or n_stalled >= 3 or np.linalg.norm(state.xi) >= _RUNAWAY:
            break
        least = max(_PROXIMAL * float(np.diag(state.hessian).max()), floor)
        ahead, size = _line_search(state, _direction(state, max(least, proximal)))
        if size == 0.0:
            break
        if size < 0.1:  # one row has all the weight, or all are at floor or cap: there is no curvature
            proximal = max(10.0 * proximal, state.residual / (1.0 + float(np.linalg.norm(state.xi))))
        else:
            proximal *= 0.01
        is_stalled = state.residual <= _STALLED and ahead.residual > 0.5 * state.residual
        n_stalled = n_stalled + 1 if is_stalled else 0
        state = ahead
    return state, n_iter, False


def minimize_smoothed(problem: Calibration) -> tuple[DualState, int]:
    """The state at the minimum by way of floors and caps with ever less rounded corners."""
    # Near what weights reach at most, few rows are neither at floor nor at cap, and steps that see these
    # alone lead from one corner to the next and back.
    smoothing, n_iter = 1.0, 0
    state = DualState.at(problem, np.zeros(problem.low.size))
    while smoothing > _SHARP:
        rounded = replace(problem, ratios=replace(problem.ratios, smoothing=smoothing))
        state, more, _ = minimize_dual(DualState.at(rounded, state.xi, state.alpha), _N_ROUNDED)
        n_iter += more
        smoothing *= 0.3
    state, more, _ = minimize_dual(DualState.at(problem, state.xi, state.alpha))
    return state, n_iter + more


def is_separated(state: DualState, *, search: bool) -> bool:
    """Whether all that weights reach is beyond the ranges, in the direction of the multipliers."""
    problem = state.problem
    hard = problem.is_hard
    xi = np.where(hard, state.xi, 0.0)
    norm = float(np.linalg.norm(xi))
    if norm == 0.0:
        return False
    exponent = state.exponent if hard.all() else problem.phi @ xi
    least = problem.support(xi) - 1e-9 * norm
    if exponent.max() < least:
        return True
    # With floors or caps the rows are sorted, which is not worth while in every step.
    is_simplex = problem.ratios.is_unbounded
    return (
        search
        and not is_simplex
        and float(extreme_weights(exponent, problem.base, problem.ratios.ends) @ exponent) < least
    )


def _direction(state: DualState, proximal: float) -> Floats:
    """To the minimizer of the quadratic model with a proximal term, shape (n_conditions,)."""
    problem, xi = state.problem, state.xi
    model = state.hessian + np.eye(xi.size) * proximal
    linear = state.means - model @ xi
    model[np.diag_indices(xi.size)] += 1.0 / problem.penalty
    return solve_quadratic(model, linear, problem.low, problem.high, xi) - xi


def _line_search(state: DualState, direction: Floats) -> tuple[DualState, float]:
    """The state near the minimum along a direction, and how far there: 0 where the dual does not fall."""
    # The dual is convex, so its slope tells on which side its minimum is, to the last digit.
    first = state.slope(direction)
    if not first < 0.0:
        return state, 0.0
    best, best_size, low, high = state, 0.0, 0.0, np.inf
    size, slope_low, slope_high = 1.0, first, np.nan
    for _ in range(_MAX_SEARCH):
        ahead = state.ahead(direction, size)
        slope = ahead.slope(direction, arriving=True)
        is_lower = slope <= 0.0 or ahead.residual < 0.9 * state.residual
        if is_lower and abs(slope) <= _FLAT * -first:
            return ahead, size
        if slope <= 0.0:
            best, best_size, low, slope_low = ahead, size, size, slope
        else:
            high, slope_high = size, slope
        if high == np.inf:
            if size >= _FAR:  # the dual may fall forever, which the next step finds out
                break
            size *= min(max(first / (first - slope), 2.0), 10.0) if slope > first else 10.0
            continue
        if high - low <= _NARROW * high and best_size > 0.0:
            break
        secant = low - slope_low * (high - low) / (slope_high - slope_low)
        size = min(max(secant, low + 0.1 * (high - low)), high - 0.1 * (high - low))
    return best, best_size
