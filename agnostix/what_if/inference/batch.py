"""A calibration problem solved again for many base weights: Newton's method on the dual, batched over draws.

Every draw starts at the multipliers of the sample, with the conditions that bind there. What does not settle
in a few steps, and what would bind other conditions, is left to the solver of a single problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.calibration import Projection, project
from agnostix.what_if.calibration.divergences import KULLBACK_LEIBLER, BoundedRatio, Divergence

_MAX_ITER = 12
_REACHED = 1e-12
_SLACK = 1e-9
_LARGEST = 1e12
"""Ratio of a weight to its base weight that no solution has."""


@dataclass(frozen=True)
class DrawSolver:
    """Solves one problem for many base weights."""

    phi: Floats  # (n_rows, n_conditions), standardized statistics
    low: Floats  # (n_conditions,), ranges of their means
    high: Floats
    base: Floats  # (n_rows,), base weights of the sample
    projection: Projection  # of the sample
    penalty: Floats | None = None  # (n_conditions,), infinite where a range must be met
    divergence: Divergence = KULLBACK_LEIBLER
    weight_bounds: tuple[float, float] | None = None
    follows: Floats | None = None  # (n_conditions,), how far each target follows the mean of the rows

    @classmethod
    def unchanged(cls, base: Floats) -> DrawSolver:
        """Without conditions: the weights of every draw are its base weights."""
        none = np.empty(0)
        projection = Projection("ok", base, none, none, base, 0.0, 0)
        return cls(np.empty((base.size, 0)), none, none, base, projection)

    def solve(self, counts: Floats) -> tuple[Floats, Floats, Bools]:
        """Weights and base weights (n_draws, n_rows) of draws, and which reach the targets.

        counts (n_draws, n_rows) say how often each row is drawn.
        """
        bases = counts * self.base
        bases /= bases.sum(1, keepdims=True)
        moved = np.zeros((counts.shape[0], self.low.size))
        if self.follows is not None:
            moved = self.follows * (bases @ self.phi - self.base @ self.phi)
        softness = self._softness(bases)
        weights, xi, solved = self._solve_bound(bases, moved, softness)
        solved &= self._is_optimal(weights, xi, moved, softness)
        reached = solved.copy()
        for d in np.flatnonzero(~solved):
            again = self._solve_one(bases[d], moved[d], softness[d])
            if again is not None:
                weights[d], reached[d] = again, True
        return weights, bases, reached

    @cached_property
    def _soft(self) -> Floats:
        return np.zeros(self.low.size) if self.penalty is None else 1.0 / self.penalty

    def _softness(self, bases: Floats) -> Floats:
        """One over the penalties (n_draws, n_conditions), which are stated in the rows' deviations."""
        if not self._soft.any():
            return np.tile(self._soft, (bases.shape[0], 1))
        variance = bases @ self.phi**2 - (bases @ self.phi) ** 2
        return self._soft * variance

    def _solve_bound(self, bases: Floats, moved: Floats, softness: Floats) -> tuple[Floats, Floats, Bools]:
        binding = np.isfinite(self.projection.held)
        xi = np.zeros_like(moved)
        centered = self.phi[:, binding] - self.projection.held[binding]
        ratios = BoundedRatio(self.divergence, *(self.weight_bounds or (0.0, np.inf)))
        parts = (bases, self.projection.xi[binding], moved[:, binding], softness[:, binding])
        if self.projection.status == "boundary":
            return bases.copy(), xi, np.zeros(bases.shape[0], dtype=bool)
        if ratios.is_exponential:
            weights, xi[:, binding], solved = tilt_draws(centered, *parts)
        else:
            level = self._level(ratios, centered, self.projection.xi[binding])
            weights, xi[:, binding], solved = calibrate_draws(ratios, level, centered, *parts)
        return weights, xi, solved

    def _level(self, ratios: BoundedRatio, centered: Floats, xi: Floats) -> float:
        """The intercept, from the rows that are at no bound."""
        ratio = self.projection.weights / self.base
        inside = np.flatnonzero(self.projection.tangent > 0.0)
        if inside.size == 0:
            return 0.0
        u = ratios.divergence.marginal_cost(ratio[inside]) - centered[inside] @ xi
        return float(np.median(u))

    def _is_optimal(self, weights: Floats, xi: Floats, moved: Floats, softness: Floats) -> Bools:
        """Which draws (n_draws,) bind the conditions of the sample, and no others."""
        free = np.isnan(self.projection.held)
        ranged = self.low < self.high
        optimal = np.ones(weights.shape[0], dtype=bool)
        if free.any():
            means = weights @ self.phi[:, free] - moved[:, free]
            inside = (means >= self.low[free] - _SLACK) & (means <= self.high[free] + _SLACK)
            optimal &= inside.all(1)
        at_low = ranged & (self.projection.held == self.low)
        at_high = ranged & (self.projection.held == self.high)
        return optimal & (xi[:, at_low] >= 0.0).all(1) & (xi[:, at_high] <= 0.0).all(1)

    def _solve_one(self, base: Floats, moved: Floats, softness: Floats) -> Floats | None:
        """Weights (n_rows,) by the solver of a single problem, None if the targets are out of reach."""
        here = base > 0.0
        with np.errstate(divide="ignore"):
            penalty = None if self.penalty is None else np.where(self._soft > 0.0, 1.0 / softness, np.inf)
        try:
            projection = project(
                self.phi[here],
                self.low + moved,
                self.high + moved,
                base[here],
                penalty=penalty,
                divergence=self.divergence,
                weight_bounds=self.weight_bounds,
                start=self.projection.xi,
            )
        except ConvergenceError:
            return None
        if projection.status == "infeasible":
            return None
        weights = np.zeros(base.size)
        weights[here] = projection.weights
        return weights


def tilt_draws(
    centered: Floats, bases: Floats, start: Floats, moved: Floats, softness: Floats
) -> tuple[Floats, Floats, Bools]:
    """Exponentially tilted weights (n_draws, n_rows), multipliers, and which draws were solved.

    centered (n_rows, n_conditions) are statistics minus targets, which draws move by `moved` (n_draws,
    n_conditions) and miss by minus multiplier times `softness`; bases (n_draws, n_rows) sum to 1.
    """
    n_draws, k = bases.shape[0], centered.shape[1]
    xi, weights = np.tile(start, (n_draws, 1)), bases.copy()
    solved = np.full(n_draws, k == 0)
    upper = np.triu_indices(k)
    moments = np.hstack([centered, centered[:, upper[0]] * centered[:, upper[1]]])
    active = np.flatnonzero(~solved)
    with np.errstate(divide="ignore"):
        logs = np.log(bases)
    for _ in range(_MAX_ITER):
        if active.size == 0:
            break
        exponent = xi[active] @ centered.T
        exponent += logs[active]
        exponent -= exponent.max(1, keepdims=True)
        own = np.exp(exponent, out=exponent)
        own /= own.sum(1, keepdims=True)
        weights[active] = own
        sums = own @ moments
        mean = sums[:, :k]
        gradient = mean - moved[active] + xi[active] * softness[active]
        done = np.abs(gradient).max(axis=1) <= _REACHED
        solved[active[done]] = True
        hessian = _symmetric(sums[:, k:], upper, k) - mean[:, :, None] * mean[:, None, :]
        hessian[:, np.arange(k), np.arange(k)] += softness[active]
        step, is_good = _steps(hessian, gradient)
        left = ~done & is_good
        active, step = active[left], step[left]
        xi[active] -= step
    return weights, xi, solved


def calibrate_draws(
    ratios: BoundedRatio,
    level: float,
    centered: Floats,
    bases: Floats,
    start: Floats,
    moved: Floats,
    softness: Floats,
) -> tuple[Floats, Floats, Bools]:
    """As `tilt_draws` for another divergence, or bounds on ratios, whose intercept is an unknown more."""
    n_draws, k = bases.shape[0], centered.shape[1]
    x = np.hstack([np.ones((centered.shape[0], 1)), centered])
    upper = np.triu_indices(k + 1)
    squares = x[:, upper[0]] * x[:, upper[1]]
    p, weights = np.tile(np.r_[level, start], (n_draws, 1)), bases.copy()
    soft = np.hstack([np.zeros((n_draws, 1)), softness])
    goal = np.hstack([np.ones((n_draws, 1)), moved])
    solved = np.zeros(n_draws, dtype=bool)
    active, step = np.arange(n_draws), np.zeros_like(p)
    for _ in range(2 * _MAX_ITER):
        if active.size == 0:
            break
        drawn = bases[active] > 0.0
        ratio, slope = ratios.at(p[active] @ x.T)
        is_real = np.where(drawn, ratio, 0.0).max(axis=1) < _LARGEST
        step[active[~is_real]] *= 0.5
        p[active[~is_real]] += step[active[~is_real]]  # half of the last step back
        real, drawn = active[is_real], drawn[is_real]
        own, tangent = (bases[real] * np.where(drawn, part[is_real], 0.0) for part in (ratio, slope))
        weights[real] = own
        gradient = own @ x - goal[real] + p[real] * soft[real]
        done = np.abs(gradient).max(axis=1) <= _REACHED
        solved[real[done]] = True
        hessian = _symmetric(tangent @ squares, upper, k + 1)
        hessian[:, np.arange(k + 1), np.arange(k + 1)] += soft[real]
        newton, is_good = _steps(hessian, gradient)
        left = ~done & is_good
        step[real[left]] = newton[left]
        p[real[left]] -= newton[left]
        active = np.sort(np.concatenate([real[left], active[~is_real]]))
    return weights, p[:, 1:], solved


def _symmetric(sums: Floats, upper: tuple[np.ndarray, ...], k: int) -> Floats:
    """Matrices (n_draws, k, k) from their upper triangles (n_draws, k (k + 1) / 2)."""
    out = np.empty((sums.shape[0], k, k))
    out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]] = sums
    return out


def _steps(hessian: Floats, gradient: Floats) -> tuple[Floats, Bools]:
    """Newton steps (n_draws, k), and where they are numbers."""
    k = gradient.shape[1]
    scale = np.maximum(np.trace(hessian, axis1=1, axis2=2), 1e-300)
    try:
        ridge = 1e-15 * scale[:, None, None] * np.eye(k)
        step = np.linalg.solve(hessian + ridge, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        step = np.full(gradient.shape, np.nan)
    is_good: Bools = np.isfinite(np.abs(step) @ np.ones(k))
    return np.where(is_good[:, None], step, 0.0), is_good
