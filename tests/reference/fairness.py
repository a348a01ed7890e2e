"""Rates by group, and the closest weights at a ratio or difference of them, from the formulas.

Nothing here imports the package. Where the package searches over the reference group's rate with linear
problems in the dual, these go over a grid of it with closed forms or cone programmes, or hand the weights
themselves to a general solver of nonlinear programmes.
"""

from __future__ import annotations

import math

import cvxpy as cp
import numpy as np
from scipy.optimize import minimize


def rate(decisions, members, weights):
    """Weighted share of favorable decisions among members, row by row."""
    total = math.fsum(w for w, inside in zip(weights, members, strict=True) if inside)
    chosen = math.fsum(w for w, d, inside in zip(weights, decisions, members, strict=True) if inside and d)
    return chosen / total


def group_rates(decisions, truth, members, weights):
    """Selection, true positive, false positive and error rate of a group, row by row."""
    yes = [inside and t == 1 for inside, t in zip(members, truth, strict=True)]
    no = [inside and t != 1 for inside, t in zip(members, truth, strict=True)]
    wrong = [d != t for d, t in zip(decisions, truth, strict=True)]
    return {
        "selection rate": rate(decisions, members, weights),
        "true positive rate": rate(decisions, yes, weights),
        "false positive rate": rate(decisions, no, weights),
        "error rate": rate(wrong, members, weights),
    }


def group_comparisons(own, reference):
    """Ratio and differences of two groups' rates."""
    gaps = {name: own[name] - reference[name] for name in own}
    return {
        "disparate impact": own["selection rate"] / reference["selection rate"],
        "statistical parity": gaps["selection rate"],
        "equal opportunity": gaps["true positive rate"],
        "false positive parity": gaps["false positive rate"],
        "error parity": gaps["error rate"],
        "equalized odds": max(abs(gaps["true positive rate"]), abs(gaps["false positive rate"])),
    }


def bernoulli_divergence(p, q):
    """Kullback-Leibler divergence of a share p from a share q."""
    return p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q))


def divergence_at_ratio(c, ratio, masses, rates):
    """Least divergence at reference rates c and the group's rate ratio * c, shares of the groups free.

    `masses` are base weights of the group and of the reference group, `rates` their rates in the data. Given
    rates and shares the divergence is that of the shares plus the shares' average of the groups' Bernoulli
    divergences, which the shares in proportion to mass * exp(-divergence) make least.
    """
    own, reference = (bernoulli_divergence(p, q) for p, q in zip((ratio * c, c), rates, strict=True))
    rest = 1.0 - sum(masses)
    return -np.log(rest + masses[0] * np.exp(-own) + masses[1] * np.exp(-reference))


def ratio_grid(ratio, n=20_001):
    """Reference rates at which the group's rate is below 1: even, and even in their logarithms."""
    top = min(1.0, 1.0 / ratio) * (1.0 - 1e-9)
    return np.unique(np.r_[np.geomspace(1e-8, top, n), np.linspace(1e-6, top, n)])


def closest_by_nlp(base, conditions, starts=4, seed=0):
    """Least divergence of weights that meet `conditions`, by sequential quadratic programming.

    `conditions` are functions of the weights (n_rows,): pairs of "eq" or "ineq" (>= 0) and a function.
    """
    rng, n, best = np.random.default_rng(seed), len(base), (np.inf, None)
    for start in range(starts):
        first = base if start == 0 else base * rng.uniform(0.3, 1.7, n)
        found = minimize(
            lambda v: float(np.sum(v * np.log(v / base))),
            first / first.sum(),
            jac=lambda v: np.log(v / base) + 1.0,
            bounds=[(1e-12, 1.0)] * n,
            constraints=[{"type": "eq", "fun": lambda v: v.sum() - 1.0}]
            + [{"type": kind, "fun": function} for kind, function in conditions],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-14},
        )
        if found.success and found.fun < best[0]:
            best = (float(found.fun), found.x)
    return best


def closest_with_variance(x, base, least):
    """Weights whose variance of x is at least a number, with their mean free: a convex programme."""
    z = (x - x.mean()) / x.std()
    ratio = cp.Variable(len(base))
    weights = cp.multiply(base, ratio)
    condition = (z * z) @ weights >= least / x.var() + cp.square(z @ weights)
    problem = cp.Problem(cp.Minimize(base @ cp.rel_entr(ratio, 1.0)), [base @ ratio == 1.0, condition])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11, max_iter=500)
    return base * ratio.value


def variance_of_pairs(x, weights):
    """Half the weighted mean of the squared differences of all pairs of rows."""
    return 0.5 * math.fsum(
        v * w * (a - b) ** 2 for a, v in zip(x, weights, strict=True) for b, w in zip(x, weights, strict=True)
    )
