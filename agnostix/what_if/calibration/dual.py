"""The dual of calibration, minimized by a proximal Newton method in as many variables as conditions.

Weights are ``w_i = b_i F(alpha + xi' phi_i)``: multipliers xi of the statistics phi, and alpha of the sum.
The dual ``sum_i b_i f*(alpha + xi' phi_i) - alpha + psi(xi)`` is convex; psi, the cost of the multipliers by
ranges and penalties, has kinks at 0. For every xi the alpha at which weights sum to 1 is found first. A step
minimizes the quadratic model of the smooth part, plus psi as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.calibration.divergences import BoundedRatio
from agnostix.what_if.calibration.elastic_net import solve_quadratic
from agnostix.what_if.calibration.primal import Calibration

_MAX_ITER = 200
_MAX_HALVINGS = 40
_CONVERGED = 1e-13
_PROXIMAL = 1e-11
"""Weight of the proximal term, of the largest curvature: it leaves the solution as it is."""
_MAX_DOUBLINGS = 20
_STEEP = 0.5
"""Share of the slope at the start of a step above which it ends too early."""
_EXACT = 1e-15


@dataclass(frozen=True)
class DualState:
    """Weights and derivatives of the dual at given multipliers."""

    problem: Calibration
    xi: Floats  # (n_conditions,)
    alpha: float
    exponent: Floats  # (n_rows,), xi' phi_i
    weights: Floats  # (n_rows,)
    smooth: float  # the dual without ranges and penalties

    @classmethod
    def at(cls, problem: Calibration, xi: Floats, guess: float = 0.0) -> DualState:
        """The state at multipliers xi (n_conditions,), given a guess of alpha."""
        exponent = problem.phi @ xi
        if problem.ratios.is_exponential:
            top = float(exponent.max())
            weights = problem.base * np.exp(exponent - top)
            total = float(weights.sum())
            log_total = top + float(np.log(total))
            return cls(problem, xi, -log_total, exponent, weights / total, log_total)
        alpha = solve_intercept(problem.ratios, problem.base, exponent, guess)
        u = alpha + exponent
        ratio = problem.ratios.at(u)
        smooth = float(problem.base @ problem.ratios.conjugate(u, ratio)) - alpha
        return cls(problem, xi, alpha, exponent, problem.base * ratio, smooth)

    @cached_property
    def value(self) -> float:
        """The dual."""
        return self.smooth + self.problem.cost_of_multipliers(self.xi)

    @cached_property
    def means(self) -> Floats:
        """Means of the statistics (n_conditions,), which are the gradient of the smooth part."""
        return self.weights @ self.problem.phi

    @cached_property
    def residual(self) -> float:
        """Largest residual of the optimality conditions, in standard deviations."""
        return float(self.problem.residuals(self.means, self.xi).max(initial=0.0))

    @cached_property
    def tangent(self) -> Floats:
        """Derivative of each weight by its u, shape (n_rows,)."""
        if self.problem.ratios.is_exponential:
            return self.weights
        return self.problem.base * self.problem.ratios.slope(self.weights / self.problem.base)

    @cached_property
    def hessian(self) -> Floats:
        """Second derivatives of the smooth part (n_conditions, n_conditions), alpha following."""
        phi, tangent = self.problem.phi, self.tangent
        total = tangent.sum()
        if total <= 0.0:
            return np.zeros((self.xi.size, self.xi.size))
        rooted = phi * np.sqrt(tangent)[:, None]
        mean = tangent @ phi
        return rooted.T @ rooted - np.outer(mean, mean / total)


def solve_intercept(ratios: BoundedRatio, base: Floats, exponent: Floats, guess: float) -> float:
    """The alpha at which ``base @ F(alpha + exponent)`` is 1, by safeguarded Newton steps."""
    # On the scale of f' the sum is a straight line where all exponents are equal, and close to one else.
    top = int(exponent.argmax())
    low, high = -float(exponent[top]), -float(exponent.min())
    marginal_cost = ratios.divergence.marginal_cost
    if ratios.high == np.inf:
        high = min(high, float(marginal_cost(1.0 / base[top : top + 1])[0]) - float(exponent[top]))
    alpha = min(max(guess, low), high)
    for _ in range(_MAX_ITER):
        ratio = ratios.at(alpha + exponent)
        weights = base * ratio
        total = float(weights.sum())
        if abs(total - 1.0) <= _EXACT or not low < high:
            break
        if total < 1.0:
            low = alpha
        else:
            high = alpha
        slope = float(base @ ratios.slope(ratio))
        step = np.nan
        if slope > 0.0 and 0.0 < total < np.inf:
            ends = np.array([total])
            step = -float(marginal_cost(ends)[0] * ratios.divergence.slope(ends)[0]) / slope
        ahead = alpha + step
        if not low < ahead < high:
            ahead = 0.5 * (low + high)
        if ahead == alpha or abs(ahead - alpha) <= 1e-17 * abs(alpha):
            break
        alpha = ahead
    return float(alpha)


def minimize_dual(problem: Calibration, start: Floats | None) -> tuple[DualState, int, bool]:
    """The state at the minimum, the number of steps, and whether its multipliers prove infeasibility."""
    state = DualState.at(problem, np.zeros(problem.low.size) if start is None else start.copy())
    if not np.isfinite(state.value):  # multipliers of the wrong sign
        state = DualState.at(problem, np.zeros(problem.low.size))
    floor = _PROXIMAL * max(float(np.diag(state.hessian).max(initial=0.0)), 1e-12)
    n_iter = 0
    for n_iter in range(1, _MAX_ITER + 1):
        if is_separated(state):
            return state, n_iter, True
        if state.residual <= _CONVERGED:
            break
        ahead = _step(state, max(_PROXIMAL * float(np.diag(state.hessian).max()), 1e-4 * floor))
        if ahead is None:
            break
        state = ahead
    return state, n_iter, False


def is_separated(state: DualState) -> bool:
    """Whether all that rows reach is beyond what the ranges allow, in the direction of the multipliers."""
    problem = state.problem
    hard = problem.is_hard
    xi = np.where(hard, state.xi, 0.0)
    norm = float(np.linalg.norm(xi))
    if norm == 0.0:
        return False
    exponent = state.exponent if hard.all() else problem.phi @ xi
    least = problem.support(xi)
    if problem.ratios.is_unbounded:
        return bool(exponent.max() < least - 1e-9 * norm)
    if exponent.max() < least - 1e-9 * norm:
        return True
    # Sorting is saved while weights of this direction may still come closer than the present ones.
    return state.smooth < 0.0 and farthest(problem, exponent) < least - 1e-9 * norm


def farthest(problem: Calibration, height: Floats) -> float:
    """Largest mean of a height (n_rows,) under weights between floor and cap."""
    return float(extreme_weights(problem, height) @ height)


def extreme_weights(problem: Calibration, height: Floats) -> Floats:
    """Weights (n_rows,) between floor and cap with the largest mean of a height (n_rows,)."""
    base, ratios = problem.base, problem.ratios
    if ratios.high == np.inf:
        weights = ratios.low * base
        weights[int(height.argmax())] += 1.0 - ratios.low
        return weights
    order = np.argsort(-height, kind="stable")
    room = (ratios.high - ratios.low) * base[order]
    filled = np.minimum(np.maximum((1.0 - ratios.low) - (np.cumsum(room) - room), 0.0), room)
    weights = ratios.low * base
    weights[order] += filled
    return weights


def _step(state: DualState, proximal: float) -> DualState | None:
    """The next state, or None where no step lowers the dual."""
    ahead = _line_search(state, _direction(state, proximal))
    if ahead is not None or state.residual <= 1e-12:
        return ahead
    # One row has all the weight, or all are at floor or cap, and the dual has no curvature.
    damping = state.residual / (1.0 + float(np.linalg.norm(state.xi)))
    for _ in range(30):
        direction = _direction(state, damping)
        ahead = DualState.at(state.problem, state.xi + direction, state.alpha)
        if ahead.value < state.value + 1e-4 * _decrease(state, direction):
            return ahead
        damping *= 4.0
    return None


def _direction(state: DualState, proximal: float) -> Floats:
    """To the minimizer of the quadratic model with a proximal term, shape (n_conditions,)."""
    problem, xi = state.problem, state.xi
    diagonal = np.eye(xi.size) * proximal
    model = state.hessian + diagonal
    linear = state.means - model @ xi
    model[np.diag_indices(xi.size)] += 1.0 / problem.penalty
    return solve_quadratic(model, linear, problem.low, problem.high, xi) - xi


def _decrease(state: DualState, direction: Floats) -> float:
    """What the linear part of the model changes over a direction: at most 0."""
    cost = state.problem.cost_of_multipliers
    return float(state.means @ direction) + cost(state.xi + direction) - cost(state.xi)


def _line_search(state: DualState, direction: Floats) -> DualState | None:
    """The first halving that lowers the dual enough, or the residual where the dual is flat to rounding."""
    decrease = _decrease(state, direction)
    size = 1.0
    for _ in range(_MAX_HALVINGS):
        ahead = DualState.at(state.problem, state.xi + size * direction, state.alpha)
        if ahead.value <= state.value + 1e-4 * size * decrease and decrease < -1e-14:
            return _extended(state, direction, ahead) if size == 1.0 else ahead
        if decrease >= -1e-8 and ahead.residual < 0.9 * state.residual:
            return ahead
        size *= 0.5
    return None


def _extended(state: DualState, direction: Floats, ahead: DualState) -> DualState:
    """A longer step where the dual still falls at its end, as it does where rows reach floor or cap."""
    first, size, slope = _slope(state, direction), 1.0, _slope(ahead, direction)
    for _ in range(_MAX_DOUBLINGS):
        if slope >= _STEEP * first:
            break
        longer = size * min(max(first / (first - slope), 2.0), 10.0)
        further = DualState.at(state.problem, state.xi + longer * direction, ahead.alpha)
        if not further.value < ahead.value:
            break
        ahead, size, slope = further, longer, _slope(further, direction)
    return ahead


def _slope(state: DualState, direction: Floats) -> float:
    """Derivative of the dual along a direction."""
    problem, xi = state.problem, state.xi
    is_up = np.where(xi == 0.0, direction, xi) > 0.0
    end = np.where(is_up, problem.low, problem.high)
    moving = direction != 0.0
    gradient = state.means + xi / problem.penalty
    return float((gradient - end)[moving] @ direction[moving])
