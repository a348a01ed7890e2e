"""The error of a weighted mean over chosen rows, by how well each is predicted from the others.

If what rows contribute to a value had the covariance s**2 K, the variance of their weighted mean about the
table's would be s**2 D, D = w' K w. The size of the contributions is taken from the errors of kriging each
row from all others (leave-one-out; Dubrule, 1983, https://doi.org/10.1007/BF01036232),

    e = P M / diag(M),   M = K^-1 - K^-1 1 1' K^-1 / 1' K^-1 1,

each where it counts: contributions differ more in a tail or under a rare level than elsewhere. The components
are w_b e_b sqrt(r), with r such that their squares sum to s**2 D where the covariance holds.
"""

from __future__ import annotations

import numpy as np

from agnostix.core.background.error_map import ErrorMap
from agnostix.core.background.kernel import TableKernel
from agnostix.core.typing import Codes, Floats

NUGGET = 0.05
"""Part of the variance that is each row's own, as where a model has steps."""
MOST_COMPONENTS = 50
"""Components that are kept; those of more rows are added up with random signs."""


def kriging_map(table: TableKernel, rows: Codes, weights: Floats, rng: np.random.Generator) -> ErrorMap:
    """Error map of chosen rows (n,) of a table with weights (n,)."""
    n = rows.size
    size = table.size or 1.0  # where nothing tells rows apart, each has its own
    if n == table.weights.size:
        return ErrorMap.none(n)
    if n == 1:
        return ErrorMap(np.full((1, 1), np.nan), 0.0)
    kernel = table.of_rows(rows) + table.of_means(rows)
    of_table = table.weights
    own_left = np.square(weights).sum() - 2.0 * weights @ of_table[rows] + np.square(of_table).sum()
    left = weights @ kernel @ weights + table.unknown + NUGGET * size * own_left
    inverse = np.linalg.inv(kernel + NUGGET * size * np.eye(n) + size)
    total = inverse.sum(axis=1)
    residual = inverse - np.outer(total, total) / total.sum()
    diagonal = np.diag(residual)
    factor = left / np.sum(np.square(weights) / diagonal)
    functionals = residual / diagonal * weights * np.sqrt(max(factor, 0.0))
    relative = left / (table.size + table.size_of_means + NUGGET * size)
    return ErrorMap(
        _compressed(functionals, rng), n - 1.0, is_chosen=True, relative=float(max(relative, 0.0))
    )


def _compressed(functionals: Floats, rng: np.random.Generator) -> Floats:
    """At most 50 columns whose sums of squares have the same mean."""
    n = functionals.shape[1]
    if n <= MOST_COMPONENTS:
        return functionals
    groups = np.argsort(rng.permutation(n)) % MOST_COMPONENTS
    signs = rng.choice([-1.0, 1.0], n)
    return functionals @ (signs[:, None] * (groups[:, None] == np.arange(MOST_COMPONENTS)))
