"""Entropic projection where some averages may lie anywhere in a range.

Which ends of the ranges bind is found by trying: bind what is violated, free
what pulls the wrong way, until the conditions of optimality hold, which for a
convex problem is proof. Where trying goes in circles, a conic solver decides.
"""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Floats
from agnostix.solvers.dual import Projection, project

_MAX_ROUNDS = 25
_SLACK = 1e-9


def project_ranges(
    phi: Floats, low: Floats, high: Floats, base: Floats, *, max_rounds: int = _MAX_ROUNDS
) -> tuple[Projection, Floats]:
    """Reweight the rows so that every average lies in its range.

    Parameters
    ----------
    phi : ndarray of shape (n_rows, n_constraints)
        Standardised statistics.
    low, high : ndarray of shape (n_constraints,)
        Ends of the ranges, equal for a stated average.
    base : ndarray of shape (n_rows,)
        Base weights, summing to 1.
    max_rounds : int, default=25
        Tries before the conic solver is asked.

    Returns
    -------
    projection : Projection
        Multipliers are 0 for ranges that do not bind.
    targets : ndarray of shape (n_constraints,)
        Where the binding averages are held; NaN for those that are free.
    """
    targets = np.where(low == high, low, np.nan)
    seen: set[bytes] = set()
    for _ in range(max_rounds):
        projection = _project_some(phi, targets, base)
        if projection.status == "infeasible":
            if (np.isnan(targets) | (low == high)).all():  # no end of a range is to blame
                return projection, targets
            break
        ahead = _next(projection, phi, low, high, targets)
        if ahead is None:
            return projection, targets
        if ahead.tobytes() in seen:
            break
        seen.add(ahead.tobytes())
        targets = ahead
    return _by_conic_solver(phi, low, high, base)


def _project_some(phi: Floats, targets: Floats, base: Floats) -> Projection:
    held = np.isfinite(targets)
    if not held.any():
        return Projection("ok", base, np.zeros(targets.size), 0.0, 0)
    projection = project(phi[:, held], targets[held], base)
    xi = np.zeros(targets.size)
    xi[held] = projection.xi
    return Projection(projection.status, projection.weights, xi, projection.gap, projection.n_iter)


def _next(projection: Projection, phi: Floats, low: Floats, high: Floats, targets: Floats) -> Floats | None:
    """The ends to hold next, or None where the conditions of optimality hold."""
    reached = projection.weights @ phi
    free = np.isnan(targets)
    ranged = low < high
    below, above = free & (reached < low - _SLACK), free & (reached > high + _SLACK)
    wrong = ranged & ~free & np.where(targets == low, projection.xi < 0.0, projection.xi > 0.0)
    if not (below | above | wrong).any():
        return None
    ahead = np.where(below, low, np.where(above, high, targets))
    ahead[wrong] = np.nan
    return ahead


def _by_conic_solver(phi: Floats, low: Floats, high: Floats, base: Floats) -> tuple[Projection, Floats]:
    from agnostix.solvers.conic import nearest_in_ranges

    weights = nearest_in_ranges(phi, low, high, base)
    if weights is None:
        nearest = np.clip(base @ phi, low, high)
        return _project_some(phi, nearest, base), nearest
    reached = weights @ phi
    at_low, at_high = reached <= low + 1e-5, reached >= high - 1e-5
    targets = np.where(at_low, low, np.where(at_high, high, np.nan))
    return _project_some(phi, targets, base), targets
