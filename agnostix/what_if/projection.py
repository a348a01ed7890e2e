"""Entropic projection: the weights closest to the base weights that meet several moment constraints.

The primal problem (weights w >= 0 closest to the base weights b in Kullback-Leibler divergence with
``w @ phi == target``) has the dual ``min_xi log(sum_i b_i exp(xi @ (phi_i - target)))``: convex, with as
many variables as there are constraints, its gradient the gap between reached and target moments. It is
solved by Newton's method (`project`). Where moments may lie in ranges, an active-set method finds which
ends bind, and a conic solver where that cycles (`project_ranges`). Linear programs decide whether a target
is in the convex hull of the rows.
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
"""Range of log-weights from which the target may be on the boundary of the hull."""
_MAX_ROUNDS = 25
_SLACK = 1e-9
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Projection:
    """Weights that meet the constraints, or the proof that none do."""

    status: Literal["ok", "boundary", "infeasible"]
    weights: Floats  # (n_rows,), summing to 1; zeros where the target is infeasible
    xi: Floats  # (n_constraints,), multipliers; if infeasible, a direction that separates target and rows
    gap: float  # largest difference between reached and target moment, in standard deviations
    n_iter: int  # Newton steps


def project(phi: Floats, target: Floats, base: Floats, start: Floats | None = None) -> Projection:
    """Weights (n_rows,) under which the means of phi (n_rows, n_constraints) are the targets."""
    centered = phi - target
    low, high = centered.min(0), centered.max(0)
    side = np.where(high < -EDGE, 1.0, np.where(low > EDGE, -1.0, 0.0))
    if side.any():
        return _infeasible(centered, side * (np.maximum(low, -high) == np.maximum(low, -high).max()))
    constant = np.maximum(high, -low) <= EDGE
    if constant.any():
        return _project_without_constant(centered, base, ~constant)
    touching = (high <= EDGE) | (low >= -EDGE)
    if touching.any():
        face = np.all(np.abs(centered[:, touching]) <= EDGE, axis=1)
        return _project_on_face(centered, base, face)
    basis = _basis(centered, base)
    if basis is None:  # the statistics depend on each other, and the targets contradict that
        return _infeasible(centered, _direction_of_contradiction(centered, base))
    return _newton(centered, base, basis, start)


def _newton(centered: Floats, base: Floats, basis: Floats, start: Floats | None) -> Projection:
    reduced = centered if basis.shape[0] == basis.shape[1] else centered @ basis
    eta = np.zeros(reduced.shape[1]) if start is None or reduced is not centered else start.copy()
    state = _DualState.at(reduced, base, eta)
    n_iter = 0
    for n_iter in range(1, _MAX_ITER + 1):
        if state.exponent.max() < -EDGE * np.linalg.norm(eta):
            return _infeasible(centered, basis @ eta if reduced is not centered else eta, n_iter)
        step = _solve(state.hessian, -state.gradient)
        ahead = _line_search(reduced, base, eta, step, state) or _damped(reduced, base, eta, state)
        if ahead is None:
            break
        eta, state = ahead
        if np.abs(state.gradient).max() <= 1e-13:
            break
    xi = eta if reduced is centered else basis @ eta
    gap = float(np.abs(state.weights @ centered).max())
    reached = Projection("ok", state.weights, xi, gap, n_iter)
    if gap <= EDGE and np.ptp(state.exponent) <= _WIDE:
        return reached
    direction = separating_direction(centered)
    settled = reached if direction is None else _boundary_or_infeasible(centered, base, direction, n_iter)
    if settled.status == "infeasible" and gap <= EDGE:  # closer to the hull than a linear program can see
        return reached
    if settled.status != "infeasible" and settled.gap > EDGE:
        raise ConvergenceError(
            f"The weights reach the targets only to {settled.gap:.1e} standard deviations, after {n_iter} "
            "steps. Move the targets a little towards the data's averages."
        )
    return settled


@dataclass(frozen=True)
class _DualState:
    exponent: Floats
    value: float
    weights: Floats
    gradient: Floats
    hessian: Floats

    @classmethod
    def at(cls, centered: Floats, base: Floats, xi: Floats) -> _DualState:
        exponent = centered @ xi
        top = exponent.max()
        weights = base * np.exp(exponent - top)
        total = weights.sum()
        weights /= total
        gradient = weights @ centered
        hessian = (centered * weights[:, None]).T @ centered - np.outer(gradient, gradient)
        return cls(exponent, float(top + np.log(total)), weights, gradient, hessian)


def _line_search(
    centered: Floats, base: Floats, xi: Floats, step: Floats, state: _DualState
) -> tuple[Floats, _DualState] | None:
    """The first halving that lowers the dual enough, or the gap where the dual is flat to rounding."""
    slope = float(state.gradient @ step)
    size = 1.0
    for _ in range(40):
        ahead = _DualState.at(centered, base, xi + size * step)
        if ahead.value <= state.value + 1e-4 * size * slope and slope < -1e-14:
            return xi + size * step, ahead
        if np.abs(ahead.gradient).max() < 0.9 * np.abs(state.gradient).max() and slope >= -1e-8:
            return xi + size * step, ahead
        size *= 0.5
    return None


def _damped(
    centered: Floats, base: Floats, xi: Floats, state: _DualState
) -> tuple[Floats, _DualState] | None:
    """A Levenberg-Marquardt step, for when one row has all the weight and the dual no curvature."""
    if np.abs(state.gradient).max() <= 1e-12:
        return None
    damping = np.linalg.norm(state.gradient) / (1.0 + np.linalg.norm(xi))
    for _ in range(30):
        step = -np.linalg.lstsq(state.hessian + damping * np.eye(xi.size), state.gradient, rcond=None)[0]
        ahead = _DualState.at(centered, base, xi + step)
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
    """Basis of linearly independent statistics, or None if the dependent ones contradict the targets."""
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
    """A combination of the statistics that is constant over the rows but not equal to that of the targets."""
    mean = base @ centered
    scatter = (centered - mean) * np.sqrt(base)[:, None]
    _, values, vectors = np.linalg.svd(scatter, full_matrices=False)
    null = vectors[values <= 1e-9 * values[0]]
    return -null.T @ (null @ mean)


def _project_without_constant(centered: Floats, base: Floats, open_: Bools) -> Projection:
    """Projection without the statistics that equal their target in every row."""
    xi = np.zeros(open_.size)
    if not open_.any():
        return Projection("ok", base, xi, float(np.abs(base @ centered).max()), 0)
    rest = project(centered[:, open_], np.zeros(int(open_.sum())), base)
    xi[open_] = rest.xi
    return replace(rest, xi=xi)


def _boundary_or_infeasible(centered: Floats, base: Floats, direction: Floats, n_iter: int) -> Projection:
    """Decide between boundary and infeasible, given a direction in which no row exceeds the target."""
    height = centered @ direction
    if height.max() < -EDGE:
        return _infeasible(centered, direction, n_iter)
    return _project_on_face(centered, base, height >= -1e-8, direction)


def _project_on_face(
    centered: Floats, base: Floats, face: Bools, direction: Floats | None = None
) -> Projection:
    """Projection on the rows of a face of the hull; infeasible if there are none."""
    inner = None
    if face.any() and not face.all():
        inner = project(centered[face], np.zeros(centered.shape[1]), base[face] / base[face].sum())
    if inner is None or inner.status == "infeasible":
        normal = separating_direction(centered) if direction is None else direction
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
    """Projection with moments in [low, high], and the targets (n_constraints,) that bind (else NaN)."""
    # Active set: hold what is violated, release what has the wrong sign, until the optimality conditions
    # hold, which proves it for a convex problem. Where that cycles, a conic solver finds the active set.
    targets = np.where(low == high, low, np.nan)
    seen: set[bytes] = set()
    for _ in range(max_rounds):
        projection = _project_some(phi, targets, base)
        if projection.status == "infeasible":
            if (np.isnan(targets) | (low == high)).all():  # no end of a range is to blame
                return projection, targets
            break
        ahead = _next_active_set(projection, phi, low, high, targets)
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


def _next_active_set(
    projection: Projection, phi: Floats, low: Floats, high: Floats, targets: Floats
) -> Floats | None:
    """The next active set, or None if the optimality conditions hold."""
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
    """Projection (n_rows,) by a conic solver, to its tolerance; None if infeasible."""
    import cvxpy as cp

    n = base.size
    ratio = cp.Variable(n, nonneg=True)  # weights over 1/n: numbers near 1 suit the solver
    averages = (phi.T / n) @ ratio
    fixed = low == high
    constraints = [cp.sum(ratio) == n]
    if fixed.any():
        constraints.append(averages[fixed] == low[fixed])
    if not fixed.all():
        constraints += [averages[~fixed] >= low[~fixed], averages[~fixed] <= high[~fixed]]
    problem = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(ratio, base * n))), constraints)
    problem.solve(solver=cp.CLARABEL)
    if ratio.value is None or problem.status not in ("optimal", "optimal_inaccurate"):
        return None
    return np.maximum(ratio.value, 0.0) / np.maximum(ratio.value, 0.0).sum()


def separating_direction(centered: Floats) -> Floats | None:
    """Unit direction in which no row exceeds the target; None if it is in the relative interior."""
    corners = np.unique(centered, axis=0)
    program = linprog(
        corners.mean(0),
        A_ub=corners,
        b_ub=np.zeros(len(corners)),
        bounds=(-1.0, 1.0),
        method="highs",
        options=_OPTIONS,
    )
    if program.status != 0 or program.fun >= -1e-9:
        return None
    return program.x / np.linalg.norm(program.x)


def reachable_share(phi: Floats, start: Floats, target: Floats) -> float:
    """Share of the way from a feasible mean to a target that is feasible, from 0 to 1."""
    corners = np.unique(phi, axis=0)
    n, k = corners.shape
    equations = np.zeros((k + 1, n + 1))
    equations[:k, :n] = corners.T
    equations[:k, n] = start - target
    equations[k, :n] = 1.0
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    bounds = [(0.0, None)] * n + [(0.0, 1.0)]
    program = linprog(cost, A_eq=equations, b_eq=np.r_[start, 1.0], bounds=bounds, method="highs")
    return float(np.clip(-program.fun, 0.0, 1.0)) if program.status == 0 else 0.0


def nearest_reachable(phi: Floats, target: Floats, costs: Floats) -> Floats:
    """The mean (n_constraints,) of some weights closest to a target, in the sum of distances by costs."""
    corners = np.unique(phi, axis=0)
    n, k = corners.shape
    equations = np.zeros((k + 1, n + 2 * k))
    equations[:k, :n], equations[k, :n] = corners.T, 1.0
    equations[:k, n : n + k], equations[:k, n + k :] = np.eye(k), -np.eye(k)
    cost = np.r_[np.zeros(n), costs, costs]
    program = linprog(cost, A_eq=equations, b_eq=np.r_[target, 1.0], method="highs", options=_OPTIONS)
    if program.status != 0:
        return np.zeros(k)
    weights = np.maximum(program.x[:n], 0.0)
    return np.asarray(weights @ corners / weights.sum(), dtype=np.float64)


def sparsest_relation(phi: Floats, target: Floats, direction: Floats) -> Floats:
    """A combination of few statistics, constant over the rows and not met by a target; or direction."""
    center = phi.mean(0)
    _, values, vectors = np.linalg.svd(phi - center, full_matrices=phi.shape[0] < phi.shape[1])
    spread = np.r_[values, np.zeros(len(vectors) - values.size)]
    null = vectors[spread <= 1e-9 * max(spread[0], 1e-300)]
    m, k = null.shape
    # The least sum of absolute factors u >= |null' a| with the target 1 off: it has few that are not 0.
    bounds = np.block([[null.T, -np.eye(k)], [-null.T, -np.eye(k)]])
    program = linprog(
        np.r_[np.zeros(m), np.ones(k)],
        A_ub=bounds,
        b_ub=np.zeros(2 * k),
        A_eq=np.r_[null @ (target - center), np.zeros(k)][None],
        b_eq=[1.0],
        bounds=[(None, None)] * m + [(0.0, None)] * k,
        method="highs",
    )
    return np.asarray(null.T @ program.x[:m], dtype=np.float64) if program.status == 0 else direction
