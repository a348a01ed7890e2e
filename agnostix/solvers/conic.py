"""The same projection as a conic program, for cvxpy and Clarabel."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Floats


def nearest_in_ranges(phi: Floats, low: Floats, high: Floats, base: Floats) -> Floats | None:
    """Find the weights closest to the base weights with averages in ranges.

    Parameters
    ----------
    phi : ndarray of shape (n_rows, n_constraints)
        Standardised statistics.
    low, high : ndarray of shape (n_constraints,)
        Ends of the ranges.
    base : ndarray of shape (n_rows,)
        Base weights, summing to 1.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        Accurate to the solver's tolerance; None where there are none.
    """
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
