"""Exponential tilting along one statistic: many targets at once.

Among the weights with a stated mean of the statistic z, those closest to the
base weights in Kullback-Leibler divergence are ``base * exp(xi z) / Z(xi)``.
The mean grows with xi; the equation is solved on the log-odds of its place
between the extremes, where it is a straight line for a statistic of two values
and close to one for zero-inflated columns and for targets near the hull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.solvers.atoms import Atoms

EDGE = 1e-9
"""Distance from an extreme, in standard deviations, below which a target is on it."""
_MAX_ITER = 200
_MAX_CELLS = 1_000_000
_NEAR = 1e-8
"""Relative gap from which one more step of Newton's reaches rounding error."""


@dataclass(frozen=True)
class Tilts:
    """Solved targets of one statistic.

    Attributes
    ----------
    targets : ndarray of shape (n_targets,)
        Means that are reached, in standard deviations from the base mean.
    xi : ndarray of shape (n_targets,)
        Multipliers; infinite on an extreme, NaN beyond it.
    kl : ndarray of shape (n_targets,) or None
        Divergences, where these were stated and the means follow from them.
    """

    targets: Floats
    xi: Floats
    kl: Floats | None = None

    @property
    def infeasible(self) -> Bools:
        """Targets that no reweighting reaches."""
        return np.isnan(self.xi)

    @property
    def boundary(self) -> Bools:
        """Targets that put all weight on the rows at an extreme."""
        return np.isinf(self.xi)


def solve_targets(atoms: Atoms, targets: Floats) -> Tilts:
    """Find the multiplier of each target.

    Parameters
    ----------
    atoms : Atoms
        The standardised statistic, of base mean 0.
    targets : ndarray of shape (n_targets,)
        Wanted means, in standard deviations from the base mean.

    Returns
    -------
    Tilts
    """
    targets = np.asarray(targets, dtype=float)
    low, high = atoms.extremes
    above = targets > atoms.mean
    room = np.where(above, high - targets, targets - low)
    xi = np.where(room < -EDGE, np.nan, np.inf)
    inside = np.flatnonzero(room > EDGE)
    sides = _Sides.of(atoms)
    block = max(1, _MAX_CELLS // atoms.points.size)
    for start in range(0, inside.size, block):
        part = inside[start : start + block]
        xi[part] = _solve_room(sides, above[part].astype(np.intp), room[part])
    return Tilts(targets, np.where(above, xi, -xi))


def solve_kl(atoms: Atoms, kl: Floats, sign: int | Codes) -> Tilts:
    """Go stated divergences from the base weights.

    Parameters
    ----------
    atoms : Atoms
        The standardised statistic, of base mean 0.
    kl : ndarray of shape (n_targets,)
        Divergences from the base weights, in nats.
    sign : {-1, 1} or ndarray of these
        Directions in which the mean moves.

    Returns
    -------
    Tilts
        Infinite multipliers where the divergence is larger than that of
        putting all weight on the extreme, or beyond what nodes can tell.
    """
    kl = np.atleast_1d(np.asarray(kl, dtype=float))
    sides = _Sides.of(atoms)
    up = np.broadcast_to(sign, kl.shape) > 0
    side = up.astype(np.intp)
    limit = np.where(up, largest_kl(atoms, 1), largest_kl(atoms, -1)) * (1.0 - 1e-9)
    xi = np.where(kl >= limit, np.inf, 0.0)
    moving = np.flatnonzero((kl > 0.0) & (kl < limit))
    xi[moving] = _solve_kl(sides, side[moving], kl[moving])
    finite = np.isfinite(xi)
    room = np.where(finite, sides.moments(side, np.where(finite, xi, 0.0))[1], 0.0)
    low, high = atoms.extremes
    return Tilts(np.where(up, high - room, low + room), np.where(up, xi, -xi), kl)


def largest_kl(atoms: Atoms, sign: int) -> float:
    """The divergence of putting all weight on the rows at an extreme.

    Parameters
    ----------
    atoms : Atoms
        The standardised statistic.
    sign : {-1, 1}
        Which extreme.

    Returns
    -------
    float
        In nats; infinite where the atoms are nodes of bins.
    """
    on_edge = atoms.mass[np.abs(atoms.points - atoms.extremes[int(sign > 0)]) <= EDGE].sum()
    return float(-np.log(on_edge)) if on_edge > 0 else np.inf


@dataclass(frozen=True)
class _Sides:
    """Distances q >= 0 of the points to the lower and to the upper extreme, with their sums.

    Seen from the extreme it is tilted to, every problem is the same: weights
    ``mass * exp(-xi q)`` with xi >= 0, which never overflow.
    """

    q: Floats
    nearest: Floats
    sums: Floats
    span: float
    are_nodes: bool

    @classmethod
    def of(cls, atoms: Atoms) -> _Sides:
        low, high = atoms.extremes
        q = np.stack([atoms.points - low, high - atoms.points])
        sums = np.stack([np.ones_like(q[0]), q[0], q[0] ** 2, q[1], q[1] ** 2], axis=1) * atoms.mass[:, None]
        return cls(q, q.min(1), sums, high - low, atoms.bin_widths is not None)

    def moments(self, side: Codes, xi: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-normaliser, mean and variance of q for each multiplier."""
        e = self.q[side]
        e -= self.nearest[side][:, None]  # above 0 for nodes, none of which is at the extreme
        e *= -xi[:, None]
        sums = np.exp(e, out=e) @ self.sums
        at = np.arange(xi.size)
        mean = sums[at, 1 + 2 * side] / sums[:, 0]
        variance = sums[at, 2 + 2 * side] / sums[:, 0] - mean * mean
        return np.log(np.abs(sums[:, 0])) - xi * self.nearest[side], mean, variance


class _Bracket:
    """Roots of increasing functions: Newton's steps while they settle, halving where they do not."""

    def __init__(self, start: Floats) -> None:
        self.x = start
        self._low, self._high = np.zeros(start.size), np.full(start.size, np.inf)
        self._stride = np.full(start.size, np.inf)
        self.open = np.arange(start.size)

    def advance(self, too_far: Bools, step: Floats, done: Bools) -> None:
        """Take one step of every open root, the last one of those done: it squares what is left."""
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

    def given_up(self, are_nodes: bool, what: str) -> Floats:
        """The roots after the last step; an open one is beyond the nodes, and left to the rows."""
        if self.open.size and not are_nodes:
            raise ConvergenceError(f"{self.open.size} {what} were not reached in {_MAX_ITER} steps.")
        self.x[self.open] = np.inf
        return self.x


def _solve_room(sides: _Sides, side: Codes, room: Floats) -> Floats:
    """Multipliers at which the mean distance to the extreme is `room`, on the log-odds of its place."""
    span = sides.span
    wanted = np.log(span - room) - np.log(room)
    enough = _NEAR * np.minimum(1.0, np.minimum(room, span - room))
    roots = _Bracket(np.zeros(room.size))
    for _ in range(_MAX_ITER):
        if roots.open.size == 0:
            break
        o = roots.open
        _, mean, variance = sides.moments(side[o], roots.x[o])
        gap = room[o] - mean
        rest = span - mean
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = (wanted[o] - np.log(rest / mean)) * mean * rest / (span * variance)
        roots.advance(gap > 0, step, np.abs(gap) <= enough[o])
    return roots.given_up(sides.are_nodes, "targets")


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
    return roots.given_up(sides.are_nodes, "divergences")
