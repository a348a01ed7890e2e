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

from agnostix.solvers.atoms import Atoms
from agnostix.typing import Bools, Floats

EDGE = 1e-9
"""Distance from an extreme, in standard deviations, below which a target is on it."""
_MAX_ITER = 200
_MAX_CELLS = 1_000_000


@dataclass(frozen=True)
class Tilts:
    """Solved targets of one statistic.

    Attributes
    ----------
    targets : ndarray of shape (n_targets,)
        Means that are reached, in standard deviations from the base mean.
    xi : ndarray of shape (n_targets,)
        Multipliers; infinite on an extreme, NaN beyond it.
    """

    targets: Floats
    xi: Floats

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
    xi = np.zeros(targets.size)
    low, high = atoms.extremes
    above = targets > atoms.mean
    for side, sign, extreme in ((above, 1.0, high), (~above, -1.0, -low)):
        if not side.any():
            continue
        room = extreme - sign * targets[side]
        found = np.where(room < -EDGE, np.nan, np.inf)
        inside = room > EDGE
        facing = atoms if sign > 0 else atoms.reflect()
        found[inside] = _solve_side(facing, room[inside])
        xi[side] = sign * found
    return Tilts(targets, xi)


def solve_kl(atoms: Atoms, kl: Floats, sign: int) -> Tilts:
    """Go a stated divergence in one direction.

    Parameters
    ----------
    atoms : Atoms
        The standardised statistic, of base mean 0.
    kl : ndarray of shape (n_targets,)
        Divergences from the base weights, in nats.
    sign : {-1, 1}
        Direction in which the mean moves.

    Returns
    -------
    Tilts
        Infinite multipliers where the divergence is larger than that of
        putting all weight on the extreme.
    """
    facing = atoms if sign > 0 else atoms.reflect()
    q = facing.extremes[1] - facing.points
    xi = _roots_of_kl(q, facing.mass, np.atleast_1d(np.asarray(kl, dtype=float)))
    moving = np.isfinite(xi)
    distance = np.where(moving, _moments(q, facing.mass, np.where(moving, xi, 0.0))[1], 0.0)
    return Tilts(sign * (facing.extremes[1] - distance), sign * xi)


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
    facing = atoms if sign > 0 else atoms.reflect()
    on_edge = facing.mass[facing.extremes[1] - facing.points <= EDGE].sum()
    return float(-np.log(on_edge)) if on_edge > 0 else np.inf


def _solve_side(atoms: Atoms, room: Floats) -> Floats:
    """Multipliers >= 0 at which the mean distance to the upper extreme is `room`."""
    q = atoms.extremes[1] - atoms.points
    span = atoms.extremes[1] - atoms.extremes[0]
    block = max(1, _MAX_CELLS // q.size)
    parts = [
        _safeguarded_newton(q, atoms.mass, span, room[start : start + block])
        for start in range(0, room.size, block)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _safeguarded_newton(q: Floats, mass: Floats, span: float, room: Floats) -> Floats:
    """Newton on the log-odds of the mean's place, inside a bracket that only shrinks."""
    wanted = np.log(span - room) - np.log(room)
    xi = np.zeros(room.size)
    low, high = np.zeros(room.size), np.full(room.size, np.inf)
    stride = np.full(room.size, np.inf)
    open_ = np.arange(room.size)
    for _ in range(_MAX_ITER):
        x = xi[open_]
        _, mean, variance = _moments(q, mass, x)
        gap = room[open_] - mean  # > 0: tilted too far
        low[open_] = np.where(gap < 0, x, low[open_])
        high[open_] = np.where(gap > 0, x, high[open_])
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(span - mean) - np.log(mean)
            step = (wanted[open_] - odds) * mean * (span - mean) / (span * variance)
            step[~(np.abs(step) <= 0.5 * stride[open_])] = np.nan  # does not settle: bisect
        ahead = _inside(x + step, low[open_], high[open_], x)
        stride[open_] = np.where(np.isfinite(high[open_]), np.abs(ahead - x), np.inf)
        xi[open_] = ahead
        done = (np.abs(gap) <= 1e-14 * (1.0 + span)) & (np.abs(gap) <= 1e-10 * room[open_])
        done |= np.abs(ahead - x) <= 4e-16 * np.abs(x)
        open_ = open_[~done]
        if open_.size == 0:
            break
    return xi


def _inside(guess: Floats, low: Floats, high: Floats, x: Floats) -> Floats:
    bounded = np.isfinite(high)
    middle = np.where(bounded, 0.5 * (low + np.where(bounded, high, low)), 2.0 * x + 1.0)
    good = np.isfinite(guess) & (guess >= low) & (guess <= high) & (bounded | (guess <= 8.0 * x + 64.0))
    return np.where(good, guess, middle)


def _moments(q: Floats, mass: Floats, xi: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-normaliser, mean and variance of q >= 0 under ``mass * exp(-xi q)``, for each xi >= 0."""
    nearest = q.min()  # above 0 for nodes, none of which is at the extreme
    e = np.exp(-np.outer(xi, q - nearest)) * mass
    total = e.sum(1)
    mean = e @ q / total
    variance = e @ (q * q) / total - mean * mean
    return np.log(np.abs(total)) - xi * nearest, mean, variance


def _roots_of_kl(q: Floats, mass: Floats, kl: Floats) -> Floats:
    """The multipliers at which the divergence, which grows with them, is `kl`."""
    on_edge = mass[q <= EDGE].sum()
    limit = -np.log(on_edge) * (1.0 - 1e-9) if on_edge > 0.0 else np.inf
    xi = np.where(kl >= limit, np.inf, np.sqrt(2.0 * np.maximum(kl, 0.0)))
    open_ = np.flatnonzero((kl > 0.0) & (kl < limit))
    low, high = np.zeros(kl.size), np.full(kl.size, np.inf)
    for _ in range(_MAX_ITER):
        if open_.size == 0:
            break
        x = xi[open_]
        log_total, mean, variance = _moments(q, mass, x)
        gap = -x * mean - log_total - kl[open_]
        low[open_] = np.where(gap < 0, x, low[open_])
        high[open_] = np.where(gap > 0, x, high[open_])
        with np.errstate(divide="ignore", invalid="ignore"):
            guess = x - gap / (x * variance)
        xi[open_] = _inside(guess, low[open_], high[open_], x)
        done = (np.abs(gap) <= 1e-12 * kl[open_]) | (np.abs(xi[open_] - x) <= 4e-16 * x)
        open_ = open_[~done]
    return xi
