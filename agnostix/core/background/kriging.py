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
COLUMN_NUGGET = 0.01
"""The same of what depends on one column alone."""
ALONE = 0.95
"""How far errors of values that depend on one column rest on how well the rows match that column."""
MOST_COMPONENTS = 50
"""Components that are kept; those of more rows are added up with random signs."""


def kriging_map(
    table: TableKernel, rows: Codes, weights: Floats, n_columns: int, rng: np.random.Generator
) -> ErrorMap:
    """Error map of chosen rows (n,) of a table with weights (n,)."""
    n = rows.size
    size = table.size or 1.0  # where nothing tells rows apart, each has its own
    if n == table.weights.size:
        return ErrorMap.none(n)
    if n == 1:
        return ErrorMap(np.full((1, 1), np.nan), 0.0)
    own_left = np.square(weights - table.weights[rows]).sum()
    own_left += np.square(np.delete(table.weights, rows)).sum()
    kernel = table.of_rows(rows) + table.of_means(rows)
    left = weights @ kernel @ weights + table.unknown + NUGGET * size * own_left
    inverse = np.linalg.inv(kernel + NUGGET * size * np.eye(n) + size)
    total = inverse.sum(axis=1)
    inner = inverse - np.outer(total, total) / total.sum()
    residual = inner / np.diag(inner)[:, None]  # from contributions to the errors of leaving rows out
    factor = max(float(left / np.sum(np.square(weights) / np.diag(inner))), 0.0)
    functionals = residual.T * weights * np.sqrt(factor)
    of_columns = np.ones(n_columns)
    for column in {one.column for one in table.coordinates}:
        of_columns[column] = _alone(table, column, rows, weights, own_left, functionals.T)
    relative = max(float(left / (size + table.size_of_means + NUGGET * size)), 0.0)
    kept = _compressed(functionals, rng)
    return ErrorMap(kept, n - 1.0, is_chosen=True, relative=relative, of_columns=of_columns)


def _alone(
    table: TableKernel, column: int, rows: Codes, weights: Floats, own_left: float, stated: Floats
) -> float:
    """Variance of a value that depends on one column alone, relative to the stated one; at most 1."""
    size = table.size_of_column(column)
    own = table.of_column(column, rows) / size + COLUMN_NUGGET * np.eye(rows.size)
    left = weights @ table.of_column(column, rows) @ weights / size + COLUMN_NUGGET * own_left
    mean_stated = np.einsum("ij,jk,ik->", stated, own, stated)
    if not mean_stated > 0.0:
        return 1.0
    return float(np.clip(ALONE * left / mean_stated + 1.0 - ALONE, 0.0, 1.0))


def _compressed(functionals: Floats, rng: np.random.Generator) -> Floats:
    """At most 50 columns whose sums of squares have the same mean."""
    n = functionals.shape[1]
    if n <= MOST_COMPONENTS:
        return functionals
    groups = np.argsort(rng.permutation(n)) % MOST_COMPONENTS
    signs = rng.choice([-1.0, 1.0], n)
    return functionals @ (signs[:, None] * (groups[:, None] == np.arange(MOST_COMPONENTS)))
