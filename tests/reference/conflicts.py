"""Targets in conflict, by linear programs that have every row: a second formulation without the package."""

from __future__ import annotations

from itertools import combinations

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog

from tests.reference.what_if import solve_by_cone


def least_sum_of_gaps(phi, low, high, base, costs=None, bounds=(0.0, np.inf)):
    """The least sum of costs times distances of the means from their ranges, over all weights within bounds.

    The variables are the weights, the means, and how far each is below and above its range.
    """
    n, k = phi.shape
    costs = np.ones(k) if costs is None else np.asarray(costs, dtype=float)
    eye = np.eye(k)
    program = linprog(
        np.r_[np.zeros(n + k), costs, costs],
        A_eq=np.vstack(
            [
                np.r_[np.ones(n), np.zeros(3 * k)],
                np.hstack([phi.T, -eye, eye, -eye]),
            ]
        ),
        b_eq=np.r_[1.0, np.zeros(k)],
        bounds=[
            *((bounds[0] * b, None if np.isinf(bounds[1]) else bounds[1] * b) for b in base),
            *(
                (None if np.isinf(a) else a, None if np.isinf(z) else z)
                for a, z in zip(low, high, strict=True)
            ),
            *[(0.0, None)] * (2 * k),
        ],
        method="highs-ipm",
    )
    assert program.status == 0, program.message
    return float(program.fun)


def is_feasible(phi, low, high, base, bounds=(0.0, np.inf), tolerance=1e-8):
    """Whether some weights within bounds have all means in their ranges."""
    if phi.shape[1] == 0:
        return True
    return least_sum_of_gaps(phi, low, high, base, None, bounds) <= tolerance


def is_irreducible(phi, low, high, base, places, bounds=(0.0, np.inf)):
    """Whether the conditions in places are infeasible, and feasible without any one of them."""
    places = list(places)

    def feasible(some):
        return is_feasible(phi[:, some], low[some], high[some], base, bounds)

    return not feasible(places) and all(
        feasible([other for other in places if other != one]) for one in places
    )


def irreducible_sets(phi, low, high, base):
    """All irreducible sets of conditions in conflict, by trying every subset."""
    k = phi.shape[1]
    found = []
    for size in range(1, k + 1):
        for some in combinations(range(k), size):
            if any(set(one) <= set(some) for one in found):
                continue
            if not is_feasible(phi[:, some], low[list(some)], high[list(some)], base):
                found.append(some)
    return found


def reachable_part(phi, target):
    """The largest t in [0, 1] for which t * target is the mean of some rows, weighted."""
    n, k = phi.shape
    program = linprog(
        np.r_[np.zeros(n), -1.0],
        A_eq=np.block([[phi.T, -np.asarray(target)[:, None]], [np.ones((1, n)), np.zeros((1, 1))]]),
        b_eq=np.r_[np.zeros(k), 1.0],
        bounds=[*[(0.0, None)] * n, (0.0, 1.0)],
    )
    assert program.status == 0
    return -float(program.fun)


def least_cap(phi, low, high, base, floor):
    """The least ratio of weights to base weights, from a floor, with which some weights meet the ranges."""
    weights, cap = cp.Variable(base.size), cp.Variable()
    means = phi.T @ weights
    finite_low, finite_high = np.isfinite(low), np.isfinite(high)
    conditions = [cp.sum(weights) == 1.0, weights >= floor * base, weights <= cap * base]
    conditions += [means[finite_low] >= low[finite_low], means[finite_high] <= high[finite_high]]
    problem = cp.Problem(cp.Minimize(cap), conditions)
    problem.solve(solver=cp.HIGHS)
    return float(problem.value)


def closest_with_gaps(phi, low, high, base, costs, limit):
    """Least divergence over weights whose gaps cost no more than a limit, and those weights."""
    ratio = cp.Variable(base.size)
    means = (phi * base[:, None]).T @ ratio
    gaps = cp.maximum(low - means, means - high, 0.0)
    conditions = [base @ ratio == 1.0, costs @ gaps <= limit]
    problem = cp.Problem(cp.Minimize(base @ cp.rel_entr(ratio, 1.0)), conditions)
    value = solve_by_cone(problem, ratio)
    return float(problem.value), base * value


def total_gap(phi, low, high, costs, weights):
    """Sum of costs times distances of the means under weights from their ranges."""
    total = 0.0
    for column, a, z, cost in zip(phi.T, low, high, costs, strict=True):
        mean = sum(w * value for w, value in zip(weights, column, strict=True))
        total += cost * max(a - mean, mean - z, 0.0)
    return total
