"""Exponential tilting along one statistic, for many targets at once.

Among the weights with a given mean of the statistic z, those closest to the base weights in
Kullback-Leibler divergence are ``base * exp(xi z) / Z(xi)``. The mean grows with xi; the equation is
solved on the log-odds of its position between the extremes, where it is a straight line for a binary
statistic and close to one for zero-inflated columns and for targets near the hull. Stacked columns are solved
together: targets and multipliers then have a first axis of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.distinct_values import N_NODES, DistinctValues, weigh, weigh_columns

EDGE = 1e-9
"""Distance from an extreme, in standard deviations, below which a target is at the boundary."""
_MAX_ITER = 200
_MAX_CELLS = 1_000_000
_NEAR = 1e-8
"""Relative gap from which one more Newton step reaches rounding error."""


@dataclass(frozen=True)
class ExponentialTilts:
    """Multipliers of one statistic, ``weights = base * exp(xi z) / Z(xi)``, one per target."""

    targets: Floats  # ([n_columns,] n_targets), means, in standard deviations from the base mean
    xi: Floats  # of the same shape, multipliers; infinite at an extreme, NaN beyond
    kl: Floats | None = None  # of the same shape, divergences, if these are fixed and the means follow

    @property
    def infeasible(self) -> Bools:
        """Whether no weights reach the target, in the shape of the targets."""
        return np.isnan(self.xi)

    @property
    def boundary(self) -> Bools:
        """Whether all weight is on the rows at an extreme, in the shape of the targets."""
        return np.isinf(self.xi)


def solve_targets(distinct: DistinctValues, targets: Floats) -> ExponentialTilts:
    """Multipliers for targets ([n_columns,] n_targets), in standard deviations from the base mean."""
    targets = np.asarray(targets, dtype=float)
    low, high = each_target(distinct.extremes)
    above = targets > each_target(distinct.mean)
    mean_q = np.where(above, high - targets, targets - low)
    xi = np.where(mean_q < -EDGE, np.nan, np.inf)
    sides = _Sides.from_distinct(distinct)
    inside = np.flatnonzero(mean_q > EDGE)
    column, side = inside // targets.shape[-1], above.ravel()[inside].astype(np.intp)
    for part in _blocks(inside.size, distinct):
        problems = _Problems(sides, side[part], column[part])
        xi.ravel()[inside[part]] = _solve_mean(problems, mean_q.ravel()[inside[part]])
    return ExponentialTilts(targets, np.where(above, xi, -xi))


def solve_kl(distinct: DistinctValues, kl: Floats, sign: int | Codes) -> ExponentialTilts:
    """Multipliers for divergences kl ([n_columns,] n_targets) from the base weights, down (-1) or up (1)."""
    # Infinite if even all weight on the extreme is closer, or if nodes cannot resolve it.
    kl = np.atleast_1d(np.asarray(kl, dtype=float))
    up = np.broadcast_to(sign, kl.shape) > 0
    limit = np.where(up, each_target(largest_kl(distinct, 1)), each_target(largest_kl(distinct, -1)))
    limit *= 1.0 - 1e-9
    xi = np.where(kl >= limit, np.inf, 0.0)
    mean_q = np.where(np.isfinite(xi), np.nan, 0.0)
    sides = _Sides.from_distinct(distinct)
    inside = np.flatnonzero(np.isfinite(xi))
    column, side = inside // kl.shape[-1], up.ravel()[inside].astype(np.intp)
    for part in _blocks(inside.size, distinct):
        problems, places = _Problems(sides, side[part], column[part]), inside[part]
        size = kl.ravel()[places]
        moving = size > 0.0
        roots = xi.ravel()[places]
        roots[moving] = _solve_kl(problems.take(moving), size[moving])
        finite = np.isfinite(roots)
        all_ = np.arange(places.size)
        at_roots = problems.moments(all_, np.where(finite, roots, 0.0))[1]
        xi.ravel()[places], mean_q.ravel()[places] = roots, np.where(finite, at_roots, 0.0)
    low, high = each_target(distinct.extremes)
    return ExponentialTilts(np.where(up, high - mean_q, low + mean_q), np.where(up, xi, -xi), kl)


def each_target(values: Any) -> Any:
    """One value, or one for each column, to be broadcast over targets; several in turn."""
    if isinstance(values, tuple):
        return tuple(each_target(one) for one in values)
    return values[:, None] if np.ndim(values) else values


def largest_kl(distinct: DistinctValues, sign: int) -> Any:
    """Divergence of all weight on the rows at an extreme, in nats ([n_columns,]); infinite for nodes."""
    extreme = each_target(distinct.extremes[int(sign > 0)])
    at_edge = np.abs(distinct.points - extreme) <= EDGE
    if distinct.points.ndim == 1:
        on_edge = distinct.mass[at_edge].sum()
        return float(-np.log(on_edge)) if on_edge > 0 else np.inf
    return -np.log(weigh_columns(at_edge, distinct.mass))


def _blocks(n_problems: int, distinct: DistinctValues) -> list[slice]:
    """Problems that are solved together."""
    size = max(1, _MAX_CELLS // distinct.points.shape[-1])
    return [slice(start, start + size) for start in range(0, n_problems, size)]


@dataclass(frozen=True)
class _Sides:
    """Distances q >= 0 of the points to the lower and to the upper extreme, with their sums."""

    # Seen from the extreme it is tilted to, every problem is the same: weights ``mass * exp(-xi q)`` with
    # xi >= 0, which never overflow.

    q: Floats  # (2, [n_columns,] n_points)
    nearest: Floats  # (2,), 0 for stacked columns
    sums: Floats  # (n_points, 5) of one column, else ([n_columns,] n_points), the mass alone
    span: Floats  # (n_columns,), 1 of one column
    are_nodes: bool

    @classmethod
    def from_distinct(cls, distinct: DistinctValues) -> _Sides:
        low, high = each_target(distinct.extremes)
        q = np.stack([distinct.points - low, high - distinct.points])
        if distinct.points.ndim > 1:
            return cls(q, np.zeros(2), distinct.mass, (high - low).ravel(), False)
        sums = (
            np.stack([np.ones_like(q[0]), q[0], q[0] ** 2, q[1], q[1] ** 2], axis=1) * distinct.mass[:, None]
        )
        return cls(q, q.min(1), sums, np.array([high - low]), distinct.bin_widths is not None)


@dataclass(frozen=True)
class _Problems:
    """Targets, each of a column and seen from one of its extremes."""

    sides: _Sides
    side: Codes  # (n_problems,)
    column: Codes  # (n_problems,), all 0 of one column

    @property
    def span(self) -> Floats:
        """Distance between the extremes, (n_problems,)."""
        return self.sides.span[self.column]

    def take(self, which: Bools) -> _Problems:
        """Some of the problems."""
        return _Problems(self.sides, self.side[which], self.column[which])

    def moments(self, which: Codes, xi: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-normalizer, mean and variance of q of some problems, for a multiplier of each."""
        side, column = self.side[which], self.column[which]
        if self.sides.q.ndim > 2:
            return self._column_moments(side, column, xi)
        nearest = self.sides.nearest[side]  # above 0 for nodes, none of which is at the extreme
        e = self.sides.q[side]
        e -= nearest[:, None]
        e *= -xi[:, None]
        sums = np.exp(e, out=e) @ self.sides.sums
        at = np.arange(xi.size)
        mean = sums[at, 1 + 2 * side] / sums[:, 0]
        variance = sums[at, 2 + 2 * side] / sums[:, 0] - mean * mean
        return np.log(np.abs(sums[:, 0])) - xi * nearest, mean, variance

    def _column_moments(self, side: Codes, column: Codes, xi: Floats) -> tuple[Floats, Floats, Floats]:
        q = self.sides.q[side, column]
        mass = self.sides.sums if self.sides.sums.ndim == 1 else self.sides.sums[column]
        e = q * -xi[:, None]
        np.exp(e, out=e)
        e *= mass
        total = e.sum(1)
        e *= q
        mean = e.sum(1) / total
        e *= q
        return np.log(total), mean, e.sum(1) / total - mean * mean


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


def _solve_mean(problems: _Problems, mean_q: Floats) -> Floats:
    """Multipliers with mean distance mean_q to the extreme, solved on the log-odds of the position."""
    span = problems.span
    with np.errstate(divide="ignore"):  # 0 where one row has all the weight
        log_odds = np.log(span - mean_q) - np.log(mean_q)
    enough = _NEAR * np.minimum(1.0, np.minimum(mean_q, span - mean_q))
    roots = _Bracket(np.zeros(mean_q.size))
    for _ in range(_MAX_ITER):
        if roots.open.size == 0:
            break
        o = roots.open
        _, mean, variance = problems.moments(o, roots.x[o])
        gap = mean_q[o] - mean
        rest = span[o] - mean
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = (log_odds[o] - np.log(rest / mean)) * mean * rest / (span[o] * variance)
        roots.advance(gap > 0, step, np.abs(gap) <= enough[o])
    return roots.result(problems.sides.are_nodes, "targets")


def _solve_kl(problems: _Problems, kl: Floats) -> Floats:
    """Multipliers at which the divergence, which grows with them, is `kl`."""
    roots = _Bracket(np.sqrt(2.0 * kl))
    for _ in range(_MAX_ITER):
        if roots.open.size == 0:
            break
        o = roots.open
        log_total, mean, variance = problems.moments(o, roots.x[o])
        gap = -roots.x[o] * mean - log_total - kl[o]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -gap / (roots.x[o] * variance)
        roots.advance(gap > 0, step, np.abs(gap) <= _NEAR * kl[o])
    return roots.result(problems.sides.are_nodes, "divergences")


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


def density_ratio(z: Floats, xi: Floats, extremes: tuple[Any, Any], mass: Floats) -> Floats:
    """Tilted over base weight, shape ([n_columns,] n_targets, n_points)."""
    # The exponent is relative to the extreme, so that it never overflows.
    low, high = each_target(extremes)
    finite = np.where(np.isfinite(xi), xi, 0.0)
    exponent = np.where(finite > 0, high, low)[..., None] - z[..., None, :]
    exponent *= -finite[..., None]
    ratio = np.exp(exponent, out=exponent)
    at_edge = np.isinf(xi)
    if at_edge.any():
        edge = np.where(xi > 0, high, low)[..., None]
        ratio[at_edge] = (np.abs(z[..., None, :] - edge) <= EDGE)[at_edge]
    ratio /= weigh(ratio, mass)[..., None]
    return ratio
