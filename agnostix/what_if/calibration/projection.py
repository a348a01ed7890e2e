"""Calibration of weights to ranges of means: the one entry to the solver.

Targets beyond the rows, constant and linearly dependent statistics, and targets on the hull of the rows are
told first; the rest is solved in the dual.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import qr

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.calibration.cells import Cells, merge_rows
from agnostix.what_if.calibration.divergences import KULLBACK_LEIBLER, BoundedRatio, Divergence
from agnostix.what_if.calibration.dual import DualState, minimize_dual, minimize_smoothed
from agnostix.what_if.calibration.extremes import extreme_weights
from agnostix.what_if.calibration.hull import separating_direction
from agnostix.what_if.calibration.primal import Calibration, Projection, with_all_conditions
from agnostix.what_if.tilting import EDGE

_WIDE = 15.0
"""Range of log-weights from which the target may be on the boundary of the hull."""
_ON_FACE = 1e-8
_FEW_ROWS = 1_000
"""Rows below which merging equal ones saves nothing."""


def project(
    phi: Floats,
    low: Floats,
    high: Floats,
    base: Floats,
    *,
    penalty: Floats | None = None,
    divergence: Divergence = KULLBACK_LEIBLER,
    weight_bounds: tuple[float, float] | None = None,
    start: Floats | None = None,
) -> Projection:
    """Weights (n_rows,) that bring the means of phi (n_rows, n_conditions) into [low, high] each.

    They diverge least from `base`. Means with a finite `penalty` (n_conditions,) may miss their range by a
    gap, at ``penalty / 2 * gap^2``. `weight_bounds` are the least and largest ratio of a weight to its base
    weight; `start` are multipliers (n_conditions,) to start from.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    price = np.full(low.size, np.inf) if penalty is None else np.asarray(penalty, dtype=np.float64)
    ratios = BoundedRatio(divergence, *(weight_bounds or (0.0, np.inf)))
    cells = merge_rows(phi.T, base) if base.size > _FEW_ROWS else None
    if cells is None:
        return _solve(Calibration.from_targets(phi, low, high, price, base, ratios), low, high, start)
    problem = Calibration.from_targets(phi[cells.first], low, high, price, cells.base, ratios)
    return spread(_solve(problem, low, high, start), cells, base)


def spread(projection: Projection, cells: Cells, base: Floats) -> Projection:
    """The projection of the rows, given that of their cells."""
    weights, tangent = (cells.spread(part, base) for part in (projection.weights, projection.tangent))
    return replace(projection, weights=weights, tangent=tangent)


def _solve(problem: Calibration, low: Floats, high: Floats, start: Floats | None) -> Projection:
    """The projection, its ends as they were stated."""
    projection = _without_vacuous(problem, start)
    ends = projection.held
    held = np.where(ends == problem.low, low, np.where(ends == problem.high, high, np.nan))
    return replace(projection, held=held)


def _without_vacuous(problem: Calibration, start: Floats | None) -> Projection:
    """Projection without conditions that hold whatever the weights."""
    phi = problem.phi
    least, most = phi.min(0), phi.max(0)
    unbounded = np.isinf(problem.low) & np.isinf(problem.high) | (problem.penalty <= 0.0)
    constant = most - least <= 2.0 * EDGE
    beyond = np.maximum(problem.low - most, least - problem.high)
    outside = problem.is_hard & (beyond > EDGE)
    if outside.any():
        worst = outside & (beyond == beyond[outside].max())
        return problem.infeasible(np.where(worst, np.where(most < problem.low, 1.0, -1.0), 0.0))
    idle = unbounded | (constant & problem.is_hard)
    if not idle.any():
        return _on_touched_face(problem, least, most, start)
    held = np.where(problem.is_equality & constant, problem.low, np.nan)
    if idle.all():
        value = problem.divergence_of(problem.base)
        gap = problem.gap(problem.base @ phi)
        tangent = DualState.at(problem, np.zeros(idle.size)).tangent
        return Projection("ok", problem.base, np.zeros(idle.size), held, tangent, gap, 0, "", value, gap)
    rest = _on_touched_face(
        problem.keep(~idle), least[~idle], most[~idle], None if start is None else start[~idle]
    )
    return with_all_conditions(rest, ~idle, held)


def _on_touched_face(problem: Calibration, least: Floats, most: Floats, start: Floats | None) -> Projection:
    """Projection, after the rows that ranges at an extreme of their statistic leave out are dropped."""
    up = problem.is_hard & (most - problem.low <= EDGE)
    down = problem.is_hard & (problem.high - least <= EDGE)
    if not (up.any() or down.any()) or not problem.ratios.is_unbounded:
        return _without_dependent(problem, start)
    face = np.all(problem.phi[:, up] >= problem.low[up] - EDGE, axis=1)
    face &= np.all(problem.phi[:, down] <= problem.high[down] + EDGE, axis=1)
    return _on_face(problem, face, np.zeros(face.size, dtype=bool), None)


def _without_dependent(problem: Calibration, start: Floats | None) -> Projection:
    """Projection without equalities that follow from others; infeasible where they contradict them."""
    equal = problem.is_equality & problem.is_hard
    at_base = DualState.at(problem, np.zeros(equal.size))
    if equal.sum() < 2 or _are_independent(at_base, equal):
        return _newton(problem, start, at_base)
    kept = _independent(problem.phi[:, equal], problem.base)
    if kept is None:  # the statistics depend on each other, and the targets contradict that
        direction = np.zeros(equal.size)
        direction[equal] = _contradiction(problem.phi[:, equal], problem.base)
        return problem.infeasible(direction)
    if kept.all():
        return _newton(problem, start, at_base)
    chosen = ~equal
    chosen[np.flatnonzero(equal)[kept]] = True
    fewer = problem.keep(chosen)
    inner = _newton(fewer, None, DualState.at(fewer, np.zeros(int(chosen.sum()))))
    whole = with_all_conditions(inner, chosen, np.where(equal, problem.low, np.nan))
    xi = whole.xi.copy()
    xi[equal] = _shortest(problem.phi[:, equal], problem.base, xi[equal])
    return replace(whole, xi=xi)


def _shortest(phi: Floats, base: Floats, xi: Floats) -> Floats:
    """The shortest multipliers (n_conditions,) of the same weights: none depends on what was left out."""
    scatter = (phi - base @ phi) * np.sqrt(base)[:, None]
    values, vectors = np.linalg.eigh(scatter.T @ scatter)
    null = vectors[:, values <= 1e-10 * values[-1]]
    return np.asarray(xi - null @ (null.T @ xi), dtype=np.float64)


def _newton(problem: Calibration, start: Floats | None, at_base: DualState) -> Projection:
    if start is not None and np.isfinite(problem.support(start)):  # else of the wrong sign for a range
        state, n_iter, separated = minimize_dual(DualState.at(problem, start))
    else:
        state, n_iter, separated = minimize_dual(at_base)
    if separated:
        return problem.infeasible(np.where(problem.is_hard, state.xi, 0.0), n_iter)
    reached = _as_projection(state, n_iter)
    if reached.residual <= EDGE and not _may_be_on_face(state):
        return reached
    direction = separating_direction(problem)
    if direction is not None:
        settled = _boundary_or_infeasible(problem, direction, n_iter)
    elif reached.residual <= EDGE or problem.ratios.is_exponential:
        settled = reached
    else:
        state, more = minimize_smoothed(problem)
        settled = _as_projection(state, n_iter + more)
    if settled.status == "infeasible" and reached.residual <= EDGE:
        return reached  # closer to the hull than a linear program can see
    if settled.status != "infeasible" and settled.residual > EDGE:
        raise ConvergenceError(
            f"The weights reach the targets only to {settled.residual:.1e} standard deviations, after "
            f"{n_iter} steps. Move the targets a little towards the data's averages."
        )
    return settled


def _as_projection(state: DualState, n_iter: int) -> Projection:
    problem = state.problem
    return Projection(
        "ok",
        state.weights,
        state.xi,
        problem.active_end(state.xi),
        state.tangent,
        problem.gap(state.means),
        n_iter,
        divergence_value=problem.divergence_of(state.weights),
        residual=state.residual,
    )


def _may_be_on_face(state: DualState) -> bool:
    """Whether weights are so unequal that the targets may be on the boundary of what rows reach."""
    if state.problem.ratios.is_exponential:
        return bool(np.ptp(state.exponent) > _WIDE)
    if not state.problem.is_hard.any():
        return False
    curvature = np.linalg.eigvalsh(state.hessian)
    return bool(curvature[0] <= 1e-6 * max(curvature[-1], 1e-300)) or bool(np.ptp(state.exponent) > 1e3)


def _are_independent(at_base: DualState, equal: Bools) -> bool:
    """Whether the covariance of the statistics under the base weights is far from singular."""
    rounding = 1e-12 * float(at_base.means @ at_base.means)
    return bool(np.linalg.eigvalsh(at_base.hessian[np.ix_(equal, equal)])[0] > 1e-6 + rounding)


def _independent(centered: Floats, base: Floats) -> Bools | None:
    """Which statistics are linearly independent, or None if the dependent ones contradict the targets."""
    k = centered.shape[1]
    mean = base @ centered
    scatter = (centered - mean) * np.sqrt(base)[:, None]
    r, pivot = qr(scatter, mode="r", pivoting=True)[:2]
    rank = int((np.abs(np.diag(r)) > 1e-10 * max(1.0, abs(r[0, 0]))).sum())
    chosen = np.ones(k, dtype=bool)
    if rank == k:
        return chosen
    kept, dropped = pivot[:rank], pivot[rank:]
    mixing = np.linalg.lstsq(r[:rank, :rank], r[:rank, rank:], rcond=None)[0]
    if np.abs(mean[dropped] - mean[kept] @ mixing).max() > EDGE:
        return None
    chosen[dropped] = False
    return chosen


def _contradiction(centered: Floats, base: Floats) -> Floats:
    """A combination of the statistics that is constant over the rows but not equal to that of the targets."""
    mean = base @ centered
    scatter = (centered - mean) * np.sqrt(base)[:, None]
    _, values, vectors = np.linalg.svd(scatter, full_matrices=False)
    null = vectors[values <= 1e-9 * values[0]]
    return np.asarray(-null.T @ (null @ mean), dtype=np.float64)


def _boundary_or_infeasible(problem: Calibration, direction: Floats, n_iter: int) -> Projection:
    """Decide between boundary and infeasible, given a direction in which weights reach the ranges at most."""
    height = problem.phi @ direction
    extreme = extreme_weights(height, problem.base, problem.ratios.ends)
    if extreme @ height < problem.support(direction) - EDGE:
        return problem.infeasible(direction, n_iter)
    if problem.ratios.high == np.inf:
        above = np.zeros(height.size, dtype=bool)
        return _on_face(problem, height >= height.max() - _ON_FACE, above, direction)
    ratio = extreme / problem.base
    filled = (ratio - problem.ratios.low) / (problem.ratios.high - problem.ratios.low)
    partial = (filled > EDGE) & (filled < 1.0 - EDGE)
    at = height[partial].mean() if partial.any() else height[filled > 0.5].min()
    return _on_face(problem, np.abs(height - at) <= _ON_FACE, height > at + _ON_FACE, direction)


def _on_face(problem: Calibration, face: Bools, capped: Bools, direction: Floats | None) -> Projection:
    """Projection on the rows of a face; those beyond it have the largest weight, the others the least."""
    ratios, base = problem.ratios, problem.base
    fixed = np.where(capped, ratios.high if capped.any() else 0.0, ratios.low) * base
    fixed[face] = 0.0
    mass, own = 1.0 - float(fixed.sum()), float(base[face].sum())
    inner = None
    if face.any() and not face.all() and mass > 0.0:
        on_face = _face_problem(problem, face, fixed, mass, own)
        inner = _without_vacuous(on_face, None)
    if inner is None or inner.status == "infeasible":
        normal = separating_direction(problem, strictly=True)
        if normal is None:
            normal = direction if direction is not None else separating_direction(problem)
        return problem.infeasible(-(base @ problem.phi) if normal is None else normal)
    weights, tangent = fixed, np.zeros(base.size)
    weights[face] = mass * inner.weights
    scale = ratios.divergence.scale(mass, own)
    tangent[face] = mass**2 / scale * inner.tangent
    at_low, at_none = inner.held == on_face.low, np.isnan(inner.held)
    return replace(
        inner,
        status="boundary",
        weights=weights,
        tangent=tangent,
        xi=scale / mass * inner.xi,
        held=np.where(at_low, problem.low, np.where(at_none, np.nan, problem.high)),
        gap=problem.gap(weights @ problem.phi),
        divergence_value=problem.divergence_of(weights),
    )


def _face_problem(problem: Calibration, face: Bools, fixed: Floats, mass: float, own: float) -> Calibration:
    """The problem for the rows of a face, whose weights sum to `mass` and base weights to `own`."""
    ratios, moved = problem.ratios, fixed @ problem.phi
    per = own / mass
    return Calibration.from_targets(
        problem.phi[face],
        (problem.low - moved) / mass,
        (problem.high - moved) / mass,
        problem.penalty * mass**2 / ratios.divergence.scale(mass, own),
        problem.base[face] / own,
        BoundedRatio(ratios.divergence, ratios.low * per, ratios.high * per),
    )
