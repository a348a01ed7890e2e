"""KernelSHAP on pairs: least squares with Shapley kernel weights, subject to efficiency.

Pair j of a coalition and its complement has the difference y_j of their values and the signs
x_j = 2 mask_j - 1. The Shapley values phi minimize ``sum_j w_j (y_j - x_j phi)**2`` subject to
``sum(phi) == Delta``, the value of the full coalition minus that of the empty one. The constraint holds
exactly: phi is Delta / d plus a vector that sums to 0, which is found by a QR factorization.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, solve_triangular

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats
from agnostix.shapley.coalitions import Coalitions


@dataclass(frozen=True)
class PairDesign:
    """Pairs: how their differences depend on the Shapley values of an additive game, and their noise."""

    signs: Floats  # (n_pairs, n_players), x of each pair
    noise: Floats  # (n_pairs,), relative variances 1 / w, of mean 1

    @classmethod
    def from_coalitions(cls, coalitions: Coalitions) -> PairDesign:
        """Signs and noise of pairs."""
        noise = 1.0 / coalitions.kernel_weights()
        noise /= noise.mean() if noise.size else 1.0
        return cls(np.where(coalitions.masks, 1.0, -1.0), noise)

    def __getitem__(self, pairs: Codes | slice) -> PairDesign:
        """Some of the pairs."""
        return PairDesign(self.signs[pairs], self.noise[pairs])


@dataclass(frozen=True)
class PairRegression:
    """The regression as a linear operator on z = [y; Delta], and its residual contrasts."""

    signs: Floats  # (n_pairs + 1, n_players), x of each pair, and ones for Delta
    noise: Floats  # (n_pairs + 1,), relative variances 1 / w, of mean 1 over the pairs; 0 for Delta
    matrix: Floats  # (n_players, n_pairs + 1), phi = matrix @ z
    contrasts: Floats  # (n_pairs + 1, dof), contrasts.T @ z is 0 for additive games, and white for the noise

    @classmethod
    @one_blas_thread
    def from_coalitions(cls, coalitions: Coalitions) -> PairRegression:
        """Factorize a design of at least n_players - 1 pairs; ValueError if it is singular."""
        design = PairDesign.from_coalitions(coalitions)
        signs, d = design.signs, coalitions.n_players
        basis = zero_sum_basis(d)
        root = 1.0 / np.sqrt(design.noise)
        q, r = _factorize(root[:, None] * (signs @ basis))
        means = signs.mean(1)
        matrix = np.c_[basis @ (solve_triangular(r, q[:, : d - 1].T) * root), np.full(d, 1.0 / d)]
        matrix[:, -1] -= matrix[:, :-1] @ means
        residual = root[:, None] * q[:, d - 1 :]
        contrasts = np.vstack([residual, -means @ residual])
        return cls(np.vstack([signs, np.ones(d)]), np.r_[design.noise, 0.0], matrix, contrasts)

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return self.signs.shape[0] - 1

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self.signs.shape[1]

    @property
    def dof(self) -> int:
        """Residual degrees of freedom."""
        return self.contrasts.shape[1]


def zero_sum_basis(d: int) -> Floats:
    """Orthonormal basis (d, d - 1) of the vectors that sum to 0 (Helmert's)."""
    k = np.arange(1, d)
    basis = np.triu(np.ones((d, d - 1)))
    basis[k, k - 1] = -k
    return basis / np.sqrt(k * (k + 1.0))


def _factorize(rows: Floats) -> tuple[Floats, Floats]:
    """Full QR factorization, with a check of the rank."""
    n, k = rows.shape
    if n < k:
        raise ValueError(f"At least {k} pairs are needed for {k + 1} players, got {n}.")
    q, r = qr(rows, mode="full")
    diagonal = np.abs(np.diag(r))
    if k and diagonal.min() <= 1e-10 * diagonal.max():
        raise ValueError(
            "The pairs do not determine the Shapley values. Start with the prefixes of a permutation."
        )
    return q, r[:k]
