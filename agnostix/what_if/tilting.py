"""Exponential tilting along one statistic, for many targets at once.

Among the weights with a given mean of the statistic z, those closest to the base weights in
Kullback-Leibler divergence are ``base * exp(xi z) / Z(xi)``. The mean grows with xi; the equation is
solved on the log-odds of its position between the extremes, where it is a straight line for a binary
statistic and close to one for zero-inflated columns and for targets near the hull.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.distinct_values import N_NODES, DistinctValues

EDGE = 1e-9
"""Distance from an extreme, in standard deviations, below which a target is at the boundary."""
_MAX_ITER = 200
_MAX_CELLS = 1_000_000
_NEAR = 1e-8
"""Relative gap from which one more Newton step reaches rounding error."""


@dataclass(frozen=True)
class ExponentialTilts:
    """Multipliers of one statistic, ``weights = base * exp(xi z) / Z(xi)``, one per target."""

    targets: Floats  # (n_targets,), means, in standard deviations from the base mean
    xi: Floats  # (n_targets,), multipliers; infinite at an extreme, NaN beyond
    kl: Floats | None = None  # (n_targets,), divergences, if these are fixed and the means follow

    @property
    def infeasible(self) -> Bools:
        """Whether no weights reach the target, shape (n_targets,)."""
        return np.isnan(self.xi)

    @property
    def boundary(self) -> Bools:
        """Whether all weight is on the rows at an extreme, shape (n_targets,)."""
        return np.isinf(self.xi)


def solve_targets(distinct: DistinctValues, targets: Floats) -> ExponentialTilts:
    """Multipliers for targets (n_targets,), in standard deviations from the base mean."""
    targets = np.asarray(targets, dtype=float)
    low, high = distinct.extremes
    above = targets > distinct.mean
    mean_q = np.where(above, high - targets, targets - low)
    xi = np.where(mean_q < -EDGE, np.nan, np.inf)
    inside = np.flatnonzero(mean_q > EDGE)
    sides = _Sides.from_distinct(distinct)
    block = max(1, _MAX_CELLS // distinct.points.size)
    for start in range(0, inside.size, block):
        part = inside[start : start + block]
        xi[part] = _solve_mean(sides, above[part].astype(np.intp), mean_q[part])
    return ExponentialTilts(targets, np.where(above, xi, -xi))


def solve_kl(distinct: DistinctValues, kl: Floats, sign: int | Codes) -> ExponentialTilts:
    """Multipliers for divergences kl (n_targets,) from the base weights, down (-1) or up (1)."""
    # Infinite if even all weight on the extreme is closer, or if nodes cannot resolve it.
    kl = np.atleast_1d(np.asarray(kl, dtype=float))
    sides = _Sides.from_distinct(distinct)
    up = np.broadcast_to(sign, kl.shape) > 0
    side = up.astype(np.intp)
    limit = np.where(up, largest_kl(distinct, 1), largest_kl(distinct, -1)) * (1.0 - 1e-9)
    xi = np.where(kl >= limit, np.inf, 0.0)
    moving = np.flatnonzero((kl > 0.0) & (kl < limit))
    xi[moving] = _solve_kl(sides, side[moving], kl[moving])
    finite = np.isfinite(xi)
    mean_q = np.where(finite, sides.moments(side, np.where(finite, xi, 0.0))[1], 0.0)
    low, high = distinct.extremes
    return ExponentialTilts(np.where(up, high - mean_q, low + mean_q), np.where(up, xi, -xi), kl)


def largest_kl(distinct: DistinctValues, sign: int) -> float:
    """Divergence of all weight on the rows at an extreme, in nats; infinite for nodes."""
    on_edge = distinct.mass[np.abs(distinct.points - distinct.extremes[int(sign > 0)]) <= EDGE].sum()
    return float(-np.log(on_edge)) if on_edge > 0 else np.inf


@dataclass(frozen=True)
class _Sides:
    """Distances q >= 0 of the points to the lower and to the upper extreme, with their sums."""

    # Seen from the extreme it is tilted to, every problem is the same: weights ``mass * exp(-xi q)`` with
    # xi >= 0, which never overflow.

    q: Floats
    nearest: Floats
    sums: Floats
    span: float
    are_nodes: bool

    @classmethod
    def from_distinct(cls, distinct: DistinctValues) -> _Sides:
        low, high = distinct.extremes
        q = np.stack([distinct.points - low, high - distinct.points])
        sums = (
            np.stack([np.ones_like(q[0]), q[0], q[0] ** 2, q[1], q[1] ** 2], axis=1) * distinct.mass[:, None]
        )
        return cls(q, q.min(1), sums, high - low, distinct.bin_widths is not None)

    def moments(self, side: Codes, xi: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-normalizer, mean and variance of q for each multiplier."""
        e = self.q[side]
        e -= self.nearest[side][:, None]  # above 0 for nodes, none of which is at the extreme
        e *= -xi[:, None]
        sums = np.exp(e, out=e) @ self.sums
        at = np.arange(xi.size)
        mean = sums[at, 1 + 2 * side] / sums[:, 0]
        variance = sums[at, 2 + 2 * side] / sums[:, 0] - mean * mean
        return np.log(np.abs(sums[:, 0])) - xi * self.nearest[side], mean, variance


class _Bracket:
    """Vectorized root finding for increasing functions: Newton steps, else bisection."""

    # scipy.optimize.elementwise.find_root uses no derivative: for six columns at 41 targets it took six
    # times as long, and reached the targets to 2e-9 standard deviations instead of 1e-13.

    def __init__(self, start: Floats) -> None:
        self.x = start
        self._low, self._high = np.zeros(start.size), np.full(start.size, np.inf)
        self._stride = np.full(start.size, np.inf)
        self.open = np.arange(start.size)

    def advance(self, too_far: Bools, step: Floats, done: Bools) -> None:
        """One step of every open root; the last one for those that are done, as it squares the error."""
        o = self.open
        x = self.x[o]
        low = self._low[o] = np.where(too_far, self._low[o], x)
        high = self._high[o] = np.where(too_far, x, self._high[o])
        bounded = high < np.inf
        middle = np.minimum(0.5 * (low + high), 2.0 * x + 1.0)
        guess = x + step
        settling = np.abs(step) <= np.where(bounded, 0.5 * self._stride[o], 7.0 * x + 64.0)
        good = settling & (guess >= low) & (guess <= high)
        ahead = np.where(good, guess, middle)
        if done.any():
            last = np.where(np.isfinite(step), np.minimum(np.maximum(guess, low), high), x)
            ahead = np.where(done, last, ahead)
        stride = np.abs(ahead - x)
        self._stride[o] = np.where(bounded, stride, np.inf)
        self.x[o] = ahead
        self.open = o[~(done | (stride <= 4e-16 * x))]

    def result(self, are_nodes: bool, what: str) -> Floats:
        """The roots; on nodes, those still open become infinite and are solved on the rows later."""
        if self.open.size and not are_nodes:
            raise ConvergenceError(f"{self.open.size} {what} were not reached in {_MAX_ITER} steps.")
        self.x[self.open] = np.inf
        return self.x


def _solve_mean(sides: _Sides, side: Codes, mean_q: Floats) -> Floats:
    """Multipliers with mean distance mean_q to the extreme, solved on the log-odds of the position."""
    span = sides.span
    with np.errstate(divide="ignore"):  # 0 where one row has all the weight
        log_odds = np.log(span - mean_q) - np.log(mean_q)
    enough = _NEAR * np.minimum(1.0, np.minimum(mean_q, span - mean_q))
    roots = _Bracket(np.zeros(mean_q.size))
    for _ in range(_MAX_ITER):
        if roots.open.size == 0:
            break
        o = roots.open
        _, mean, variance = sides.moments(side[o], roots.x[o])
        gap = mean_q[o] - mean
        rest = span - mean
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = (log_odds[o] - np.log(rest / mean)) * mean * rest / (span * variance)
        roots.advance(gap > 0, step, np.abs(gap) <= enough[o])
    return roots.result(sides.are_nodes, "targets")


def _solve_kl(sides: _Sides, side: Codes, kl: Floats) -> Floats:
    """Multipliers at which the divergence, which grows with them, is `kl`."""
    roots = _Bracket(np.sqrt(2.0 * kl))
    for _ in range(_MAX_ITER):
        if roots.open.size == 0:
            break
        o = roots.open
        log_total, mean, variance = sides.moments(side[o], roots.x[o])
        gap = -roots.x[o] * mean - log_total - kl[o]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -gap / (roots.x[o] * variance)
        roots.advance(gap > 0, step, np.abs(gap) <= _NEAR * kl[o])
    return roots.result(sides.are_nodes, "divergences")


def interpolation_error(distinct: DistinctValues, tilts: ExponentialTilts) -> Floats:
    """Bound on the relative error of sums over nodes instead of rows, shape (n_targets,)."""
    if distinct.bin_widths is None:
        return np.zeros(tilts.xi.size)
    mass = np.abs(distinct.mass)
    finite = np.isfinite(tilts.xi)
    xi = np.where(finite, tilts.xi, 0.0)
    ratio = density_ratio(distinct.points, xi, distinct.span, mass)
    reach = np.minimum(np.abs(xi)[:, None] * distinct.bin_widths / 4.0, 700.0)
    remainder = 2.0 * np.minimum(reach, 1.0) ** N_NODES / factorial(N_NODES) * np.exp(reach)
    return np.where(finite, (ratio * remainder) @ mass, np.inf)


def density_ratio(z: Floats, xi: Floats, extremes: tuple[float, float], mass: Floats) -> Floats:
    """Tilted over base weight, shape (n_targets, n_points)."""
    # The exponent is relative to the extreme, so that it never overflows.
    low, high = extremes
    finite = np.where(np.isfinite(xi), xi, 0.0)
    exponent = np.where(finite > 0, high, low)[:, None] - z
    exponent *= -finite[:, None]
    ratio = np.exp(exponent, out=exponent)
    for j in np.flatnonzero(np.isinf(xi)):
        ratio[j] = np.abs(z - (high if xi[j] > 0 else low)) <= EDGE
    ratio /= (ratio @ mass)[:, None]
    return ratio
