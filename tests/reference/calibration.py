"""Optimality of calibrated weights, judged from the weights alone, and the same problems by other solvers.

Nothing here imports the package. A divergence goes by name; ranges are pairs of arrays, soft where their
penalty is finite; caps and floors are ratios of a weight to its base weight.
"""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog, lsq_linear, minimize

NEAR = 1e-8
"""Distance from an end within which a mean or a weight is taken to be there."""


def cost(name, weights, base):
    """The divergence of weights from base weights."""
    ratio = weights / base
    if name == "kullback_leibler":
        positive = weights > 0.0
        return float(np.sum(weights[positive] * np.log(ratio[positive])))
    if name == "chi_square":
        return float(np.sum((weights - base) ** 2 / base) / 2.0)
    return float(-np.sum(base * np.log(ratio)))


def marginal_cost(name, ratio):
    """Derivative of the divergence by a weight."""
    with np.errstate(divide="ignore"):
        return {"kullback_leibler": np.log(ratio), "chi_square": ratio - 1.0}.get(name, 1.0 - 1.0 / ratio)


def objective(name, weights, phi, low, high, penalty, base):
    """Divergence and price of the gaps of soft means."""
    soft = np.isfinite(penalty)
    means = weights @ phi
    gap = np.maximum(np.maximum(low - means, means - high), 0.0)
    return cost(name, weights, base) + 0.5 * float(np.sum(penalty[soft] * gap[soft] ** 2))


def optimality(name, weights, phi, low, high, penalty, base, bounds=(0.0, np.inf)):
    """Residual of the optimality conditions, and the duality gap, from the weights alone.

    Multipliers are those of a constrained regression: the marginal costs of the weights that are free must
    be linear in the statistics, with the sign that each bound end allows and the soft ones known from their
    gap; a weight at its floor may cost more than that line, one at its cap less. With these multipliers, the
    duality gap is the objective less the dual function.
    """
    phi = np.asarray(phi, dtype=float).reshape(len(base), -1)
    means, ratio = weights @ phi, weights / base
    soft = np.isfinite(penalty)
    outside = np.maximum(np.maximum(low - means, means - high), 0.0)
    primal = max(outside[~soft].max(initial=0.0), abs(weights.sum() - 1.0))
    primal = max(primal, (bounds[0] - ratio).max(), (ratio - bounds[1]).max(), -ratio.min())
    xi = np.zeros(len(means))
    gap = np.where(means < low, low - means, np.where(means > high, high - means, 0.0))
    xi[soft] = penalty[soft] * gap[soft]
    held = ~soft & ((np.abs(means - low) <= NEAR) | (np.abs(means - high) <= NEAR))
    at_low = np.abs(means - low) <= NEAR
    at_high = np.abs(means - high) <= NEAR
    floor, cap = ratio <= bounds[0] + NEAR, ratio >= bounds[1] - NEAR
    free = ~(floor | cap)
    costs = marginal_cost(name, ratio)
    if name == "kullback_leibler":
        costs = np.maximum(costs, -700.0)  # weights of 0 are rounded
    design = np.c_[np.ones(len(base)), phi[:, held]]
    sides = np.r_[
        [[-np.inf, np.inf]],
        [
            [0.0 if not h else -np.inf, 0.0 if not one else np.inf]
            for one, h in zip(at_low[held], at_high[held], strict=True)
        ]
        or np.empty((0, 2)),
    ]
    fixed = phi @ np.where(soft, xi, 0.0)
    multipliers = _multipliers(design, costs - fixed, sides, free, floor, cap)
    xi[held] = multipliers[1:]
    line = multipliers[0] + phi @ xi
    stationarity = np.where(free, np.abs(line - costs), 0.0)
    stationarity = np.where(floor & ~free, np.maximum(line - costs, 0.0), stationarity)
    stationarity = np.where(cap & ~free, np.maximum(costs - line, 0.0), stationarity)
    # A violation counts by the weight it would move: the mean of violations under the weights' spread.
    residual = max(primal, float((np.maximum(weights, base) * stationarity).sum()))
    dual = dual_function(name, multipliers[0], xi, phi, low, high, penalty, base, bounds)
    return residual, objective(name, weights, phi, low, high, penalty, base) - dual


def _multipliers(design, right, sides, free, floor, cap):
    """Multipliers that leave the least violation: by least squares over the free rows, else all rows."""
    low = np.where(sides[:, 0] == sides[:, 1], -1e-300, sides[:, 0])
    if free.sum() > design.shape[1]:
        out = lsq_linear(design[free], right[free], (low, sides[:, 1]), method="bvls", tol=1e-15).x
        line = design @ out
        if not ((floor & (line > right + 1e-10)) | (cap & (line < right - 1e-10))).any():
            return out
    # Few rows are free, so that those at their bounds have a say: least largest violation.
    above, below = free | floor, free | cap
    matrix = np.r_[np.c_[design[above], -np.ones(above.sum())], np.c_[-design[below], -np.ones(below.sum())]]
    program = linprog(
        np.r_[np.zeros(design.shape[1]), 1.0],
        A_ub=matrix,
        b_ub=np.r_[right[above], -right[below]],
        bounds=[*map(tuple, sides), (0.0, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return program.x[:-1]


def dual_function(name, alpha, xi, phi, low, high, penalty, base, bounds):
    """Lower bound on the objective of any weights, at given multipliers; -inf for signs not allowed."""
    u = alpha + phi @ xi
    with np.errstate(divide="ignore", over="ignore"):
        if name == "kullback_leibler":
            ratio = np.exp(u)
        elif name == "chi_square":
            ratio = 1.0 + u
        else:
            ratio = np.where(u < 1.0, 1.0 / (1.0 - u), np.inf)
    ratio = np.clip(ratio, max(bounds[0], 0.0), bounds[1])
    if name == "kullback_leibler":
        own = np.where(ratio > 0, ratio * np.log(np.maximum(ratio, 1e-300)) - ratio + 1.0, 1.0)
    elif name == "chi_square":
        own = 0.5 * (ratio - 1.0) ** 2
    else:
        own = ratio - 1.0 - np.log(ratio)
    conjugate = u * ratio - own
    ends = sum(x * (a if x > 0 else b) for x, a, b in zip(xi, low, high, strict=True) if x != 0.0)
    soft = np.isfinite(penalty) & (penalty > 0)
    return float(alpha + ends - base @ conjugate - 0.5 * np.sum(xi[soft] ** 2 / penalty[soft]))


def by_cone(name, phi, low, high, penalty, base, bounds=(0.0, np.inf), tol=1e-12):
    """Weights by cvxpy with Clarabel at given tolerances; None where it fails."""
    ratio = cp.Variable(len(base))
    means = (phi * base[:, None]).T @ ratio
    hard = np.isinf(penalty)
    equal = hard & (low == high)
    constraints = [base @ ratio == 1.0]
    if equal.any():
        constraints.append(means[equal] == low[equal])
    for chosen, end, sign in (
        (hard & ~equal & np.isfinite(low), low, 1.0),
        (hard & ~equal & np.isfinite(high), high, -1.0),
    ):
        if chosen.any():
            constraints.append(sign * means[chosen] >= sign * end[chosen])
    if bounds[0] > 0.0:
        constraints.append(ratio >= bounds[0])
    elif name == "chi_square":
        constraints.append(ratio >= 0.0)
    if bounds[1] < np.inf:
        constraints.append(ratio <= bounds[1])
    total = {
        "kullback_leibler": lambda: base @ cp.rel_entr(ratio, 1.0),
        "chi_square": lambda: cp.sum_squares(cp.multiply(np.sqrt(base / 2.0), ratio - 1.0)),
        "empirical_likelihood": lambda: -(base @ cp.log(ratio)),
    }[name]()
    for j in np.flatnonzero(~hard):
        gap = cp.maximum(low[j] - means[j], means[j] - high[j], 0.0)
        total = total + 0.5 * penalty[j] * cp.square(gap)
    problem = cp.Problem(cp.Minimize(total), constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=cp.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol, max_iter=500)
        except cp.error.SolverError:
            return None
    return None if ratio.value is None else base * ratio.value


def reaches(phi, low, high, base, bounds=(0.0, np.inf)):
    """Whether weights within their bounds bring all means into their ranges, by a linear program."""
    n = len(base)
    finite_low, finite_high = np.isfinite(low), np.isfinite(high)
    rows = np.r_[-phi.T[finite_low], phi.T[finite_high]]
    ends = np.r_[-low[finite_low], high[finite_high]]
    tops = [None if bounds[1] == np.inf else bounds[1] * b for b in base]
    sides = [(bounds[0] * b, top) for b, top in zip(base, tops, strict=True)]
    program = linprog(
        np.zeros(n),
        A_ub=rows,
        b_ub=ends,
        A_eq=np.ones((1, n)),
        b_eq=[1.0],
        bounds=sides,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return program.status == 0


def by_quasi_newton(name, phi, low, high, penalty, base, bounds=(0.0, np.inf)):
    """Largest lower bound on the objective over multipliers, by L-BFGS-B on those of either sign."""
    k = phi.shape[1]

    def negative(z):
        alpha, xi = z[0], z[1 : k + 1] - z[k + 1 :]
        if name == "empirical_likelihood" and np.isinf(bounds[1]) and (alpha + phi @ xi).max() >= 1.0:
            return 1e10
        return -dual_function(name, alpha, xi, phi, low, high, penalty, base, bounds)

    def gradient(z):
        alpha, up, down = z[0], z[1 : k + 1], z[k + 1 :]
        u = alpha + phi @ (up - down)
        with np.errstate(divide="ignore", over="ignore"):
            ratio = {"kullback_leibler": np.exp(u), "chi_square": 1.0 + u}.get(
                name, np.where(u < 1.0, 1.0 / (1.0 - u), np.inf)
            )
        weights = base * np.clip(ratio, max(bounds[0], 0.0), min(bounds[1], 1e10))
        pull = weights @ phi + np.where(np.isfinite(penalty), (up - down) / penalty, 0.0)
        above, below = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
        return np.r_[weights.sum() - 1.0, pull - above, below - pull]

    ups = [(0.0, 0.0 if np.isinf(end) else None) for end in low]
    downs = [(0.0, 0.0 if np.isinf(end) else None) for end in high]
    found = minimize(
        negative,
        np.zeros(2 * k + 1),
        jac=gradient,
        method="L-BFGS-B",
        bounds=[(None, None), *ups, *downs],
        options={"maxiter": 20_000, "maxfun": 10**5, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30},
    )
    return -found.fun


def rake(codes, margins, base, rounds=10_000, tol=1e-14):
    """Iterative proportional fitting: each margin met in turn until none moves."""
    weights = base.copy()
    for _ in range(rounds):
        worst = 0.0
        for code, margin in zip(codes, margins, strict=True):
            factor = margin / np.bincount(code, weights, len(margin))
            worst = max(worst, np.abs(factor - 1.0).max())
            weights = weights * factor[code]
        if worst <= tol:
            break
    return weights


def tilt(z, base, xi):
    """Weights in proportion to ``base * exp(xi z)``."""
    raw = base * np.exp(xi * (z - z.max()))
    return raw / raw.sum()


def filled(order, base, bounds):
    """Weights of all rows at their floor, then raised to their cap one by one until they sum to 1."""
    weights = bounds[0] * base
    left = 1.0 - weights.sum()
    for i in order:
        more = min(left, (bounds[1] - bounds[0]) * base[i])
        weights[i] += more
        left -= more
    return weights


def farthest(height, base, bounds):
    """Largest mean of a height under weights between floor and cap."""
    return filled(np.argsort(-height), base, bounds) @ height


def reach(phi, target):
    """How far inside of the rows' hull a target is: below 0 outside, in units of the statistics.

    The largest s such that target + s v is a mean of the rows for both signs of every unit vector v along
    an axis, or, outside, minus the least sum of gaps to a mean of the rows.
    """
    n, k = phi.shape
    equations = np.zeros((k + 1, n + 2 * k))
    equations[:k, :n], equations[k, :n] = phi.T, 1.0
    equations[:k, n : n + k], equations[:k, n + k :] = np.eye(k), -np.eye(k)
    cost = np.r_[np.zeros(n), np.ones(2 * k)]
    program = linprog(cost, A_eq=equations, b_eq=np.r_[target, 1.0], method="highs")
    if program.fun > 1e-9:
        return -program.fun
    # Inside: the least margin over directions of length 1 in the largest component is a dual quantity too.
    rooms = []
    for axis in np.r_[np.eye(k), -np.eye(k)]:
        matrix = np.zeros((k + 1, n + 1))
        matrix[:k, :n], matrix[k, :n], matrix[:k, n] = phi.T, 1.0, -axis
        step = linprog(np.r_[np.zeros(n), -1.0], A_eq=matrix, b_eq=np.r_[target, 1.0], method="highs")
        rooms.append(-step.fun)
    return min(rooms)
