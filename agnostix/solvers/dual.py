"""Entropic projection on several averages at once: Newton's method on the dual.

The primal problem (weights w >= 0 closest to the base weights b in
Kullback-Leibler divergence with ``w @ phi == target``) has the dual
``min_xi log(sum_i b_i exp(xi @ (phi_i - target)))``: convex, as many variables
as there are constraints, its gradient the gap between reached and stated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.linalg import qr

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.solvers.hull import separate
from agnostix.solvers.tilt import EDGE

_MAX_ITER = 200
_WIDE = 15.0
"""Spread of log-weights over the rows from which the target may lie on the hull's boundary."""


@dataclass(frozen=True)
class Projection:
    """The weights that reach the target.

    Attributes
    ----------
    status : {"ok", "boundary", "infeasible"}
        Whether the target is inside, on, or outside the convex hull of the rows.
    weights : ndarray of shape (n_rows,)
        Summing to 1; zeros where the target is infeasible.
    xi : ndarray of shape (n_constraints,)
        Multipliers of the standardised statistics; where infeasible, the
        direction in which no row lies as far as the target.
    gap : float
        Largest difference between reached and stated average, in standard deviations.
    n_iter : int
        Newton steps.
    """

    status: Literal["ok", "boundary", "infeasible"]
    weights: Floats
    xi: Floats
    gap: float
    n_iter: int


def project(phi: Floats, target: Floats, base: Floats, start: Floats | None = None) -> Projection:
    """Reweight the rows so that every statistic has its target as mean.

    Parameters
    ----------
    phi : ndarray of shape (n_rows, n_constraints)
        Standardised statistics.
    target : ndarray of shape (n_constraints,)
        Wanted means, in standard deviations.
    base : ndarray of shape (n_rows,)
        Base weights, summing to 1.
    start : ndarray of shape (n_constraints,), default=None
        Multipliers to start from.

    Returns
    -------
    Projection
    """
    centred = phi - target
    low, high = centred.min(0), centred.max(0)
    side = np.where(high < -EDGE, 1.0, np.where(low > EDGE, -1.0, 0.0))
    if side.any():
        return _infeasible(centred, side * (np.maximum(low, -high) == np.maximum(low, -high).max()))
    settled = np.maximum(high, -low) <= EDGE
    if settled.any():
        return _project_unsettled(centred, base, ~settled)
    touching = (high <= EDGE) | (low >= -EDGE)
    if touching.any():
        face = np.all(np.abs(centred[:, touching]) <= EDGE, axis=1)
        return _on_face(centred, base, face)
    basis = _basis(centred, base)
    if basis is None:  # the statistics depend on each other, and the targets contradict that
        return _infeasible(centred, _direction_of_contradiction(centred, base))
    return _newton(centred, base, basis, start)


def _newton(centred: Floats, base: Floats, basis: Floats, start: Floats | None) -> Projection:
    reduced = centred if basis.shape[0] == basis.shape[1] else centred @ basis
    eta = np.zeros(reduced.shape[1]) if start is None or reduced is not centred else start.copy()
    state = _State.at(reduced, base, eta)
    n_iter = 0
    for n_iter in range(1, _MAX_ITER + 1):
        if state.exponent.max() < -EDGE * np.linalg.norm(eta):
            return _infeasible(centred, basis @ eta if reduced is not centred else eta, n_iter)
        step = _solve(state.hessian, -state.gradient)
        moved = _line_search(reduced, base, eta, step, state) or _damped(reduced, base, eta, state)
        if moved is None:
            break
        eta, state = moved
        if np.abs(state.gradient).max() <= 1e-13:
            break
    xi = eta if reduced is centred else basis @ eta
    gap = float(np.abs(state.weights @ centred).max())
    reached = Projection("ok", state.weights, xi, gap, n_iter)
    if gap <= EDGE and np.ptp(state.exponent) <= _WIDE:
        return reached
    direction = separate(centred)
    settled = reached if direction is None else _settle(centred, base, direction, n_iter)
    if settled.status == "infeasible" and gap <= EDGE:  # closer to the hull than a linear program can see
        return reached
    if settled.status != "infeasible" and settled.gap > EDGE:
        raise ConvergenceError(
            f"The weights reach the targets only to {settled.gap:.1e} standard deviations, after {n_iter} "
            "steps. Move the targets a little towards the data's averages."
        )
    return settled


@dataclass(frozen=True)
class _State:
    exponent: Floats
    value: float
    weights: Floats
    gradient: Floats
    hessian: Floats

    @classmethod
    def at(cls, centred: Floats, base: Floats, xi: Floats) -> _State:
        exponent = centred @ xi
        top = exponent.max()
        weights = base * np.exp(exponent - top)
        total = weights.sum()
        weights /= total
        gradient = weights @ centred
        hessian = (centred * weights[:, None]).T @ centred - np.outer(gradient, gradient)
        return cls(exponent, float(top + np.log(total)), weights, gradient, hessian)


def _line_search(
    centred: Floats, base: Floats, xi: Floats, step: Floats, state: _State
) -> tuple[Floats, _State] | None:
    """The first halving that lowers the dual enough, or the gap where the dual is flat to rounding."""
    slope = float(state.gradient @ step)
    size = 1.0
    for _ in range(40):
        ahead = _State.at(centred, base, xi + size * step)
        if ahead.value <= state.value + 1e-4 * size * slope and slope < -1e-14:
            return xi + size * step, ahead
        if np.abs(ahead.gradient).max() < 0.9 * np.abs(state.gradient).max() and slope >= -1e-8:
            return xi + size * step, ahead
        size *= 0.5
    return None


def _damped(centred: Floats, base: Floats, xi: Floats, state: _State) -> tuple[Floats, _State] | None:
    """A step of Levenberg and Marquardt, for where one row has all weight and the dual no curvature."""
    if np.abs(state.gradient).max() <= 1e-12:
        return None
    damping = np.linalg.norm(state.gradient) / (1.0 + np.linalg.norm(xi))
    for _ in range(30):
        step = -np.linalg.lstsq(state.hessian + damping * np.eye(xi.size), state.gradient, rcond=None)[0]
        ahead = _State.at(centred, base, xi + step)
        if ahead.value < state.value + 1e-4 * (state.gradient @ step):
            return xi + step, ahead
        damping *= 4.0
    return None


def _solve(hessian: Floats, right: Floats) -> Floats:
    try:
        step = np.asarray(np.linalg.solve(hessian, right), dtype=np.float64)
        if np.isfinite(step).all() and step @ right > 0:
            return step
    except np.linalg.LinAlgError:
        pass
    return np.asarray(np.linalg.lstsq(hessian, right, rcond=1e-12)[0], dtype=np.float64)


def _basis(centred: Floats, base: Floats) -> Floats | None:
    """Columns spanning the statistics that move freely, or None where the others contradict the target."""
    k = centred.shape[1]
    mean = base @ centred
    scatter = (centred - mean) * np.sqrt(base)[:, None]
    if np.linalg.eigvalsh(scatter.T @ scatter)[0] > 1e-6:
        return np.eye(k)
    r, pivot = qr(scatter, mode="r", pivoting=True)[:2]
    rank = int((np.abs(np.diag(r)) > 1e-10 * max(1.0, abs(r[0, 0]))).sum())
    if rank == k:
        return np.eye(k)
    kept, dropped = pivot[:rank], pivot[rank:]
    mixing = np.linalg.lstsq(r[:rank, :rank], r[:rank, rank:], rcond=None)[0]
    if np.abs(mean[dropped] - mean[kept] @ mixing).max() > EDGE:
        return None
    return np.eye(k)[:, kept]


def _direction_of_contradiction(centred: Floats, base: Floats) -> Floats:
    """A combination of the statistics that is the same in all rows, and not what the targets make it."""
    mean = base @ centred
    scatter = (centred - mean) * np.sqrt(base)[:, None]
    _, values, vectors = np.linalg.svd(scatter, full_matrices=False)
    null = vectors[values <= 1e-9 * values[0]]
    return -null.T @ (null @ mean)


def _project_unsettled(centred: Floats, base: Floats, open_: Bools) -> Projection:
    """Leave out the statistics that have their target in every row."""
    xi = np.zeros(open_.size)
    if not open_.any():
        return Projection("ok", base, xi, float(np.abs(base @ centred).max()), 0)
    rest = project(centred[:, open_], np.zeros(int(open_.sum())), base)
    xi[open_] = rest.xi
    return replace(rest, xi=xi)


def _settle(centred: Floats, base: Floats, direction: Floats, n_iter: int) -> Projection:
    """Tell a target on the boundary from one outside, given a direction no row goes beyond it."""
    height = centred @ direction
    if height.max() < -EDGE:
        return _infeasible(centred, direction, n_iter)
    return _on_face(centred, base, height >= -1e-8, direction)


def _on_face(centred: Floats, base: Floats, face: Bools, direction: Floats | None = None) -> Projection:
    """Project on the rows of a face; without any, the target is outside."""
    inner = None
    if face.any() and not face.all():
        inner = project(centred[face], np.zeros(centred.shape[1]), base[face] / base[face].sum())
    if inner is None or inner.status == "infeasible":
        normal = separate(centred) if direction is None else direction
        if normal is None:
            normal = -(base @ centred) if inner is None else inner.xi
        return _infeasible(centred, normal)
    weights = np.zeros(base.size)
    weights[face] = inner.weights
    gap = float(np.abs(weights @ centred).max())
    return Projection("boundary", weights, inner.xi, gap, inner.n_iter)


def _infeasible(centred: Floats, direction: Floats, n_iter: int = 0) -> Projection:
    norm = np.linalg.norm(direction)
    unit = direction / norm if norm > 0 else direction
    return Projection("infeasible", np.zeros(centred.shape[0]), unit, np.inf, n_iter)
