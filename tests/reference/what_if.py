"""Entropic projection, its standard errors and metrics, written a second time from the formulas.

Nothing here imports the package. Where the package sums over distinct values, these loop over rows;
where it runs Newton on a dual, these hand the primal problem to a general solver.
"""

from __future__ import annotations

import math
import warnings

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog

TOLERANCES = (1e-11, 1e-10, 1e-9)


def standardize(x, base=None):
    """Columns of base mean 0 and base variance 1, with the base weights that sum to 1."""
    x = np.asarray(x, dtype=float)
    base = np.full(len(x), 1.0 / len(x)) if base is None else np.asarray(base) / np.sum(base)
    mean = sum(b * row for b, row in zip(base, x, strict=True))
    variance = sum(b * (row - mean) ** 2 for b, row in zip(base, x, strict=True))
    return (x - mean) / np.sqrt(variance), base


def project_by_cone(phi, base, equal=None, low=None, high=None):
    """Weights closest to `base` in Kullback-Leibler divergence, by an exponential-cone program.

    `equal`, `low` and `high` give each statistic's mean, or bounds of it (None: not bound).
    """
    phi = np.asarray(phi, dtype=float).reshape(len(base), -1)
    base = np.asarray(base)
    ratio = cp.Variable(len(base))
    means = (phi * base[:, None]).T @ ratio
    constraints = [base @ ratio == 1.0]
    constraints += [] if equal is None else [means == np.atleast_1d(equal)]
    constraints += [] if low is None else [means >= np.atleast_1d(low)]
    constraints += [] if high is None else [means <= np.atleast_1d(high)]
    problem = cp.Problem(cp.Minimize(base @ cp.rel_entr(ratio, 1.0)), constraints)
    return base * solve_by_cone(problem, ratio)


def solve_by_cone(problem, variable):
    """Value of a variable in the solution of a problem, to the finest tolerance at which there is one."""
    for tol in TOLERANCES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                problem.solve(
                    solver=cp.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol, max_iter=500
                )
            except cp.error.SolverError:
                continue
        if problem.status in ("optimal", "optimal_inaccurate"):
            return variable.value
    raise RuntimeError(f"no reference: {problem.status}")


def distance_from_tilt(weights, base, phi):
    """Largest deviation of ``log(w / b)`` from a linear function of the statistics.

    Weights > 0 that meet the constraints are the closest ones if and only if this is 0 (the
    conditions of Karush, Kuhn and Tucker).
    """
    log_ratio = np.log(np.asarray(weights) / base)
    design = np.c_[np.ones(len(base)), np.asarray(phi).reshape(len(base), -1)]
    return np.abs(log_ratio - design @ np.linalg.lstsq(design, log_ratio, rcond=None)[0]).max()


def tilted(z, base, xi):
    """Weights in proportion to ``base * exp(xi z)``, row by row."""
    top = max(xi * value for value in z)
    raw = [b * math.exp(xi * value - top) for b, value in zip(base, z, strict=True)]
    return np.array(raw) / math.fsum(raw)


def divergence(weights, base):
    """Kullback-Leibler divergence in nats, 0 log 0 = 0."""
    return math.fsum(w * math.log(w / b) for w, b in zip(weights, base, strict=True) if w > 0.0)


def effective_rows(weights):
    """Kish's number: (sum w)^2 / sum w^2."""
    return math.fsum(weights) ** 2 / math.fsum(w * w for w in weights)


def effective_gainers(weights, base):
    """Kish's number of what each row gains over its base weight."""
    return effective_rows([max(w - b, 0.0) for w, b in zip(weights, base, strict=True)])


def delta_method(y, z, target, weights, base):
    """Mean outcome, slope, error of the mean and error of its change, one row at a time.

    SE^2 = sum_i (w_i r_i / (1 - h_i))^2 with r_i = (y_i - theta) - slope (z_i - t) and
    h_i = w_i (1 + (z_i - t)^2 / Var_w z). For the change, row i also moves the base mean of y,
    by b_i (y_i - mean).
    """
    rows = list(zip(y, z, weights, base, strict=True))
    theta = math.fsum(w * v for v, _, w, _ in rows)
    mean = math.fsum(b * v for v, _, _, b in rows)
    variance = math.fsum(w * (x - target) ** 2 for _, x, w, _ in rows)
    slope = math.fsum(w * (v - theta) * (x - target) for v, x, w, _ in rows) / variance
    own, change = [], []
    for v, x, w, b in rows:
        residual = (v - theta) - slope * (x - target)
        leverage = w * (1.0 + (x - target) ** 2 / variance)
        moved = w * residual / (1.0 - leverage)
        own.append(moved**2)
        change.append((moved - b * (v - mean)) ** 2)
    return theta, slope, math.sqrt(math.fsum(own)), math.sqrt(math.fsum(change))


def slope_by_difference(function, at, step=1e-4):
    """Derivative by a central difference of fourth order."""
    near = function(at + step) - function(at - step)
    far = function(at + 2.0 * step) - function(at - 2.0 * step)
    return (8.0 * near - far) / (12.0 * step)


def hull_slack(phi, target):
    """How deep a target lies in the convex hull of the rows, from the primal side.

    The largest s with ``target = w @ phi``, ``sum w = 1`` and every w_i >= s, times n: above 0
    inside, 0 on the boundary, below 0 outside its affine hull's polytope; None where no weights
    of either sign reach the target.
    """
    corners = np.unique(np.asarray(phi, dtype=float), axis=0)
    n = len(corners)
    equations = np.c_[np.r_[corners.T, np.ones((1, n))], np.zeros(corners.shape[1] + 1)]
    program = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.c_[-np.eye(n), np.ones(n)],
        b_ub=np.zeros(n),
        A_eq=equations,
        b_eq=np.r_[target, 1.0],
        bounds=(None, None),
        method="highs",
    )
    return None if program.status == 2 else -program.fun * n


def reachable_share(phi, start, target, steps=40):
    """Share of the way from `start` to `target` inside the hull, by bisection on membership."""
    inside, outside = 0.0, 1.0
    if is_member(phi, target):
        return 1.0
    for _ in range(steps):
        middle = 0.5 * (inside + outside)
        if is_member(phi, start + middle * (target - start)):
            inside = middle
        else:
            outside = middle
    return inside


def is_member(phi, target):
    """Whether weights >= 0 that sum to 1 reach the target."""
    corners = np.unique(np.asarray(phi, dtype=float), axis=0)
    equations = np.r_[corners.T, np.ones((1, len(corners)))]
    program = linprog(
        np.zeros(len(corners)), A_eq=equations, b_eq=np.r_[target, 1.0], bounds=(0.0, None), method="highs"
    )
    return program.status == 0


def auc(y, score, weights):
    """Weighted share of (positive, negative) pairs in the right order, ties counted half."""
    pairs = right = 0.0
    for yi, si, wi in zip(y, score, weights, strict=True):
        for yj, sj, wj in zip(y, score, weights, strict=True):
            if yi == 1 and yj == 0:
                pairs += wi * wj
                right += wi * wj * (1.0 if si > sj else 0.5 if si == sj else 0.0)
    return right / pairs


def r2(y, predicted, weights):
    """One minus weighted squared error over weighted squared distance to the weighted mean."""
    mean = math.fsum(w * v for v, w in zip(y, weights, strict=True)) / math.fsum(weights)
    error = math.fsum(w * (v - p) ** 2 for v, p, w in zip(y, predicted, weights, strict=True))
    spread = math.fsum(w * (v - mean) ** 2 for v, w in zip(y, weights, strict=True))
    return 1.0 - error / spread


def means(x, weights):
    """Weighted means of columns, summed exactly."""
    x = np.asarray(x, dtype=float).reshape(len(weights), -1)
    total = math.fsum(weights)
    return np.array(
        [math.fsum(w * v for w, v in zip(weights, column, strict=True)) / total for column in x.T]
    )


def errors_by_rows(y, phi, target, weights, base):
    """Standard errors of the weighted mean of y, and of its change, for several stated averages.

    Row i contributes ``w_i r_i / (1 - h_i)``: r its residual from the weighted regression of y on
    phi through (target, theta), h its leverage ``w_i (1 + d_i' M^-1 d_i)``, d = phi_i - target.
    """
    phi = np.asarray(phi, dtype=float).reshape(len(weights), -1)
    theta, center = math.fsum(weights * y), math.fsum(base * y)
    moment, cross = np.zeros((phi.shape[1],) * 2), np.zeros(phi.shape[1])
    for value, row, w in zip(y, phi, weights, strict=True):
        distance = row - target
        moment += w * np.outer(distance, distance)
        cross += w * (value - theta) * distance
    slopes = np.linalg.solve(moment, cross)
    own, change = [], []
    for value, row, w, b in zip(y, phi, weights, base, strict=True):
        distance = row - target
        leverage = w * (1.0 + distance @ np.linalg.solve(moment, distance))
        moved = w * (value - theta - slopes @ distance) / (1.0 - leverage)
        own.append(moved**2)
        change.append((moved - b * (value - center)) ** 2)
    return math.sqrt(math.fsum(own)), math.sqrt(math.fsum(change))


def influence_by_difference(measure, weights, rows, step=1e-5):
    """Derivative of a function of the weights by some rows' weights, by central differences."""
    out = []
    for i in rows:
        ahead, behind = weights.copy(), weights.copy()
        change = step * weights.mean()
        ahead[i] += change
        behind[i] -= change
        out.append((measure(ahead) - measure(behind)) / (2.0 * change))
    return np.array(out)
