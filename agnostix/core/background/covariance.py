"""Covariances of what background rows contribute, and the error of a weighted mean that follows of each.

Under a covariance s**2 (K + u I) of the contributions P of all rows of a table, the best guess of their mean
from those of some rows has weights w* (kriging). A mean with weights w is off that guess by d = (w - w*)' P,
which is known, and the guess off the truth by an error of variance

    s**2 D,   D = w*' K w* + u |w* - p|**2,

with the table's weights p. The size s of the contributions is taken from the errors of kriging each row from
all others (leave-one-out; Dubrule, 1983, https://doi.org/10.1007/BF01036232),

    e = P M / diag(M),   M = K^-1 - K^-1 1 1' K^-1 / 1' K^-1 1,

each where it counts: contributions differ more in a tail or under a rare level than elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from agnostix.core.background.error_map import sum_of_squares
from agnostix.core.reproducibility import multiply
from agnostix.core.typing import Floats

LEAST = 1e-10
"""Of the kernel's mean diagonal, added to it so that rounding does not make it indefinite."""


@dataclass(frozen=True)
class Covariance:
    """One covariance of what rows contribute, and the error that follows, from what is kept (n_kept,)."""

    off: Floats  # (n_kept,): to how far the weighted mean is off the best guess
    components: Floats  # (n, n_kept): to the components of the error of that guess
    whitened: Floats  # (n_kept, n_kept): to independent numbers of one variance
    log_determinant: float  # of the covariance of what is kept
    relative: float  # variance of the weighted mean, relative to that of what single rows contribute
    open: float  # the same of the best guess

    @classmethod
    def build(
        cls, kernel: Floats, own: float | Floats, size: float, rows: RowWeights, unknown: float, others: float
    ) -> Covariance:
        """Of a centered kernel (n, n) and a part `own` (n,) of each row's own, for all other rows `others`.

        `size` is the mean of both over the table, `unknown` what is not known of the discrepancy.
        """
        n, contrasts = len(kernel), rows.contrasts
        own = np.broadcast_to(own, n)
        matrix = kernel + np.diag(own + LEAST * size)
        root = np.linalg.cholesky(contrasts.T @ matrix @ contrasts)
        whitened = np.ascontiguousarray(solve_triangular(root, np.eye(n - 1), lower=True))
        half = contrasts @ whitened.T
        inner = half @ half.T
        best = _best_weights(matrix, own * rows.of_table)

        def left_by(weights: Floats) -> float:
            squares = float(own @ np.square(weights - rows.of_table)) + others * rows.others
            return max(float(weights @ kernel @ weights) + squares + unknown, 0.0)

        diagonal = np.diag(inner)
        factor = left_by(best) / np.sum(np.square(rows.weights) / diagonal)
        components = inner / diagonal * rows.weights * np.sqrt(factor)
        return cls(
            off=np.ascontiguousarray(contrasts.T @ (rows.weights - best)),
            components=np.ascontiguousarray((contrasts.T @ components).T),
            whitened=whitened,
            log_determinant=2.0 * float(np.log(np.diag(root)).sum()),
            relative=left_by(rows.weights) / size,
            open=left_by(best) / size,
        )

    def likelihood(self, kept: Floats) -> Floats:
        """Logarithm (n_values,) of the restricted likelihood of what is kept (n_kept, n_values)."""
        squares = np.maximum(sum_of_squares(multiply(self.whitened, kept), 0), np.finfo(float).tiny)
        return np.asarray(-0.5 * (self.log_determinant + len(kept) * np.log(squares)))


@dataclass(frozen=True)
class RowWeights:
    """Weights of some rows of a table, and the contrasts of what they contribute."""

    weights: Floats  # (n,), of the mean
    of_table: Floats  # (n,), of these rows in the table
    others: float  # sum of squares of those of all other rows
    contrasts: Floats  # (n, n - 1), orthonormal, with columns that sum to 0


def _best_weights(matrix: Floats, target: Floats) -> Floats:
    """Weights (n,) of the best guess of the table's mean, which sum to 1."""
    # A constant in the kernel does not matter for weights that sum to 1, and makes it definite.
    lifted = matrix + np.trace(matrix) / len(matrix)
    factor = cho_factor(lifted)
    one, own = cho_solve(factor, np.ones(len(matrix))), cho_solve(factor, target)
    return np.asarray(own + one * (1.0 - own.sum()) / one.sum())
