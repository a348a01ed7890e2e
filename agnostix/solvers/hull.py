"""Where a target lies to the convex hull of the rows: linear programs solved by HiGHS."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from agnostix.core.typing import Floats

_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def separate(centred: Floats) -> Floats | None:
    """Find a direction in which no row lies beyond the target.

    Parameters
    ----------
    centred : ndarray of shape (n_rows, n_constraints)
        Rows minus target.

    Returns
    -------
    ndarray of shape (n_constraints,) or None
        A unit direction d with ``centred @ d <= 0`` for every row and below 0
        for some; None where the target is in the hull's relative interior.
    """
    corners = np.unique(centred, axis=0)
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
    """How far one can go from a reachable mean towards a target.

    Parameters
    ----------
    phi : ndarray of shape (n_rows, n_constraints)
        Standardised statistics.
    start, target : ndarray of shape (n_constraints,)
        Where the way begins and where it should end.

    Returns
    -------
    float
        Between 0 and 1.
    """
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
