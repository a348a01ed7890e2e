"""Rows chosen one by one so that together they are as the table is, and their weights.

Herding (Chen, Welling and Smola, 2010, https://doi.org/10.48550/arXiv.1203.3472) adds the row that brings the
chosen ones nearest to the table. One row of each rare part is in from the start, with the weight of the part.
The weights are those of least discrepancy that are not negative (Lawson and Hanson, 1995, Solving Least
Squares Problems, ch. 23, https://doi.org/10.1137/1.9781611971217).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from agnostix.core.background.rare import RarePart
from agnostix.core.typing import Codes, Floats

MOST_FORCED = 0.5
"""Share of the chosen rows that may stand for rare parts."""
MOST_EACH = 3
"""Rows that stand for one rare part, if all parts can have so many in half of that share."""
NEAREST = 3
"""Rows of a tail nearest to its mean, among which the one for it is chosen."""
RIDGE = 1e-4
"""Of the kernel's mean diagonal, added to it for the weights: none of them goes beyond what is known."""
_SUM = 30.0
"""How much more than the discrepancy the sum of the weights counts."""


def herd(kernel: Floats, parts: Sequence[RarePart], candidates: Codes, n_chosen: int) -> Codes:
    """Places (n_chosen,) among candidates (rows of the table) with a centered kernel (n, n)."""
    forced, mass = _stand_for_parts(kernel, parts, candidates, n_chosen)
    base = 2.0 * kernel[:, forced] @ mass
    diagonal, among = np.diag(kernel), np.zeros(candidates.size)
    taken = np.zeros(candidates.size, dtype=bool)
    taken[forced] = True
    chosen = list(forced)
    for n_before in range(n_chosen - len(forced)):
        weight = (1.0 - mass.sum()) / (n_before + 1)
        score = weight * (2.0 * among + diagonal) + base
        place = int(np.where(taken, np.inf, score).argmin())
        taken[place] = True
        chosen.append(place)
        among += kernel[place]
    return np.array(chosen, dtype=np.intp)


def _stand_for_parts(
    kernel: Floats, parts: Sequence[RarePart], candidates: Codes, n_chosen: int
) -> tuple[Codes, Floats]:
    """Places of a few rows for each rare part that no row before is in, and their weights.

    Each row is taken so that all of these rows are nearest to what their parts are on average: one row
    cannot be all that a part is, but what it lacks, others make up for.
    """
    most = int(MOST_FORCED * n_chosen)
    n_each = int(np.clip(0.5 * most // max(len(parts), 1), 1, MOST_EACH))
    forced: list[int] = []
    mass: list[float] = []
    apart = np.zeros(candidates.size)  # inner products with the rows so far, less those with their parts
    for part in parts:
        inside = part.members[candidates]
        if len(forced) >= most or inside[forced].any() or not inside.any():
            continue
        own = np.flatnonzero(inside)
        mean = kernel[:, own].mean(axis=1)
        if part.apart is not None:
            own = own[np.argsort(part.apart[candidates[own]], kind="stable")[: NEAREST * n_each]]
        n_own = min(n_each, own.size, most - len(forced))
        for _ in range(n_own):
            score = 2.0 * (apart[own] - mean[own]) + np.diag(kernel)[own]
            score[np.isin(own, forced)] = np.inf
            forced.append(int(own[score.argmin()]))
            mass.append(part.proportion / n_own)
            apart += kernel[forced[-1]] - mean
    return np.array(forced, dtype=np.intp), np.array(mass)


def kernel_weights(kernel: Floats) -> Floats:
    """Weights (n,) of least discrepancy from the table, 0 or more, that sum to 1, by a centered kernel."""
    n = len(kernel)
    size = np.trace(kernel) / n
    if not size > 0.0:
        return np.full(n, 1.0 / n)
    # A constant does not matter where weights sum to 1, and makes up for rounding in the kernel's center.
    root = np.linalg.cholesky(kernel / size + RIDGE * np.eye(n) + 1.0)
    most = _SUM * np.sqrt(n)
    weights, _ = nnls(np.vstack([root.T, np.full(n, most)]), np.append(np.zeros(n), most))
    return np.asarray(weights / weights.sum())
