"""Entropic projection: the weights closest to the base weights that meet several moment constraints.

The primal problem (weights w >= 0 closest to the base weights b in Kullback-Leibler divergence with ``w
@ phi == target``) has the dual ``min_xi log(sum_i b_i exp(xi @ (phi_i - target)))``: convex, with as
many variables as there are constraints, its gradient the gap between reached and target moments. It is
solved by Newton's method (`project`). Where moments may lie in ranges, an active-set method finds which
ends bind, and a conic solver where that cycles (`project_ranges`). Linear programs tell whether a target
lies in the convex hull of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.linalg import qr
from scipy.optimize import linprog

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.tilting import EDGE

_MAX_ITER = 200
_WIDE = 15.0
"""Spread of log-weights over the rows from which the target may lie on the hull's boundary."""
_MAX_ROUNDS = 25
_SLACK = 1e-9
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Projection:
    """The weights that reach the target."""

    status: Literal["ok", "boundary", "infeasible"]
    weights: Floats  # (n_rows,), summing to 1; zeros where the target is infeasible
    xi: Floats  # (n_constraints,), multipliers of the standardized statistics
    gap: float  # largest difference between reached and stated average, in standard deviations
    n_iter: int  # newton steps


def project(phi: Floats, target: Floats, base: Floats, start: Floats | None = None) -> Projection:
    """Reweight the rows so that every statistic has its target as mean."""
    centered = phi - target
    low, high = centered.min(0), centered.max(0)
    side = np.where(high < -EDGE, 1.0, np.where(low > EDGE, -1.0, 0.0))
    if side.any():
        return _infeasible(centered, side * (np.maximum(low, -high) == np.maximum(low, -high).max()))
    settled = np.maximum(high, -low) <= EDGE
    if settled.any():
        return _project_unsettled(centered, base, ~settled)
    touching = (high <= EDGE) | (low >= -EDGE)
    if touching.any():
        face = np.all(np.abs(centered[:, touching]) <= EDGE, axis=1)
        return _on_face(centered, base, face)
    basis = _basis(centered, base)
    if basis is None:  # the statistics depend on each other, and the targets contradict that
        return _infeasible(centered, _direction_of_contradiction(centered, base))
    return _newton(centered, base, basis, start)


def _newton(centered: Floats, base: Floats, basis: Floats, start: Floats | None) -> Projection:
    reduced = centered if basis.shape[0] == basis.shape[1] else centered @ basis
    eta = np.zeros(reduced.shape[1]) if start is None or reduced is not centered else start.copy()
    state = _State.at(reduced, base, eta)
    n_iter = 0
    for n_iter in range(1, _MAX_ITER + 1):
        if state.exponent.max() < -EDGE * np.linalg.norm(eta):
            return _infeasible(centered, basis @ eta if reduced is not centered else eta, n_iter)
        step = _solve(state.hessian, -state.gradient)
        moved = _line_search(reduced, base, eta, step, state) or _damped(reduced, base, eta, state)
        if moved is None:
            break
        eta, state = moved
        if np.abs(state.gradient).max() <= 1e-13:
            break
    xi = eta if reduced is centered else basis @ eta
    gap = float(np.abs(state.weights @ centered).max())
    reached = Projection("ok", state.weights, xi, gap, n_iter)
    if gap <= EDGE and np.ptp(state.exponent) <= _WIDE:
        return reached
    direction = separate(centered)
    settled = reached if direction is None else _settle(centered, base, direction, n_iter)
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
    def at(cls, centered: Floats, base: Floats, xi: Floats) -> _State:
        exponent = centered @ xi
        top = exponent.max()
        weights = base * np.exp(exponent - top)
        total = weights.sum()
        weights /= total
        gradient = weights @ centered
        hessian = (centered * weights[:, None]).T @ centered - np.outer(gradient, gradient)
        return cls(exponent, float(top + np.log(total)), weights, gradient, hessian)


def _line_search(
    centered: Floats, base: Floats, xi: Floats, step: Floats, state: _State
) -> tuple[Floats, _State] | None:
    """The first halving that lowers the dual enough, or the gap where the dual is flat to rounding."""
    slope = float(state.gradient @ step)
    size = 1.0
    for _ in range(40):
        ahead = _State.at(centered, base, xi + size * step)
        if ahead.value <= state.value + 1e-4 * size * slope and slope < -1e-14:
            return xi + size * step, ahead
        if np.abs(ahead.gradient).max() < 0.9 * np.abs(state.gradient).max() and slope >= -1e-8:
            return xi + size * step, ahead
        size *= 0.5
    return None


def _damped(centered: Floats, base: Floats, xi: Floats, state: _State) -> tuple[Floats, _State] | None:
    """A step of Levenberg and Marquardt, for where one row has all weight and the dual no curvature."""
    if np.abs(state.gradient).max() <= 1e-12:
        return None
    damping = np.linalg.norm(state.gradient) / (1.0 + np.linalg.norm(xi))
    for _ in range(30):
        step = -np.linalg.lstsq(state.hessian + damping * np.eye(xi.size), state.gradient, rcond=None)[0]
        ahead = _State.at(centered, base, xi + step)
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


def _basis(centered: Floats, base: Floats) -> Floats | None:
    """Columns spanning the statistics that move freely, or None where the others contradict the target."""
    k = centered.shape[1]
    mean = base @ centered
    scatter = (centered - mean) * np.sqrt(base)[:, None]
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


def _direction_of_contradiction(centered: Floats, base: Floats) -> Floats:
    """A combination of the statistics that is the same in all rows, and not what the targets make it."""
    mean = base @ centered
    scatter = (centered - mean) * np.sqrt(base)[:, None]
    _, values, vectors = np.linalg.svd(scatter, full_matrices=False)
    null = vectors[values <= 1e-9 * values[0]]
    return -null.T @ (null @ mean)


def _project_unsettled(centered: Floats, base: Floats, open_: Bools) -> Projection:
    """Leave out the statistics that have their target in every row."""
    xi = np.zeros(open_.size)
    if not open_.any():
        return Projection("ok", base, xi, float(np.abs(base @ centered).max()), 0)
    rest = project(centered[:, open_], np.zeros(int(open_.sum())), base)
    xi[open_] = rest.xi
    return replace(rest, xi=xi)


def _settle(centered: Floats, base: Floats, direction: Floats, n_iter: int) -> Projection:
    """Tell a target on the boundary from one outside, given a direction no row goes beyond it."""
    height = centered @ direction
    if height.max() < -EDGE:
        return _infeasible(centered, direction, n_iter)
    return _on_face(centered, base, height >= -1e-8, direction)


def _on_face(centered: Floats, base: Floats, face: Bools, direction: Floats | None = None) -> Projection:
    """Project on the rows of a face; without any, the target is outside."""
    inner = None
    if face.any() and not face.all():
        inner = project(centered[face], np.zeros(centered.shape[1]), base[face] / base[face].sum())
    if inner is None or inner.status == "infeasible":
        normal = separate(centered) if direction is None else direction
        if normal is None:
            normal = -(base @ centered) if inner is None else inner.xi
        return _infeasible(centered, normal)
    weights = np.zeros(base.size)
    weights[face] = inner.weights
    gap = float(np.abs(weights @ centered).max())
    return Projection("boundary", weights, inner.xi, gap, inner.n_iter)


def _infeasible(centered: Floats, direction: Floats, n_iter: int = 0) -> Projection:
    norm = np.linalg.norm(direction)
    unit = direction / norm if norm > 0 else direction
    return Projection("infeasible", np.zeros(centered.shape[0]), unit, np.inf, n_iter)


def project_ranges(
    phi: Floats, low: Floats, high: Floats, base: Floats, *, max_rounds: int = _MAX_ROUNDS
) -> tuple[Projection, Floats]:
    """Reweight the rows so that every average lies in its range."""
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
    """The ends to hold next, or None where the constraints of optimality hold."""
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
    weights = nearest_in_ranges(phi, low, high, base)
    if weights is None:
        nearest = np.clip(base @ phi, low, high)
        return _project_some(phi, nearest, base), nearest
    reached = weights @ phi
    at_low, at_high = reached <= low + 1e-5, reached >= high - 1e-5
    targets = np.where(at_low, low, np.where(at_high, high, np.nan))
    return _project_some(phi, targets, base), targets


def nearest_in_ranges(phi: Floats, low: Floats, high: Floats, base: Floats) -> Floats | None:
    """Find the weights closest to the base weights with averages in ranges, shape (n_rows,)."""
    import cvxpy as cp

    n = base.size
    ratio = cp.Variable(n, nonneg=True)  # weights over 1/n: numbers near 1 suit the solver
    averages = (phi.T / n) @ ratio
    stated = low == high
    constraints = [cp.sum(ratio) == n]
    if stated.any():
        constraints.append(averages[stated] == low[stated])
    if not stated.all():
        constraints += [averages[~stated] >= low[~stated], averages[~stated] <= high[~stated]]
    problem = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(ratio, base * n))), constraints)
    problem.solve(solver=cp.CLARABEL)
    if ratio.value is None or problem.status not in ("optimal", "optimal_inaccurate"):
        return None
    return np.maximum(ratio.value, 0.0) / np.maximum(ratio.value, 0.0).sum()


def separate(centered: Floats) -> Floats | None:
    """Find a direction in which no row lies beyond the target."""
    corners = np.unique(centered, axis=0)
    found = linprog(
        corners.mean(0),
        A_ub=corners,
        b_ub=np.zeros(len(corners)),
        bounds=(-1.0, 1.0),
        method="highs",
        options=_OPTIONS,
    )
    if found.status != 0 or found.fun >= -1e-9:
        return None
    return found.x / np.linalg.norm(found.x)


def reachable_share(phi: Floats, start: Floats, target: Floats) -> float:
    """How far one can go from a reachable mean towards a target."""
    corners = np.unique(phi, axis=0)
    n, k = corners.shape
    equations = np.zeros((k + 1, n + 1))
    equations[:k, :n] = corners.T
    equations[:k, n] = start - target
    equations[k, :n] = 1.0
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    bounds = [(0.0, None)] * n + [(0.0, 1.0)]
    found = linprog(cost, A_eq=equations, b_eq=np.r_[start, 1.0], bounds=bounds, method="highs")
    return float(np.clip(-found.fun, 0.0, 1.0)) if found.status == 0 else 0.0
