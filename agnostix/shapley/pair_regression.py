"""Weighted least squares on pairs of complements, with the sum of the values known.

A pair j of a coalition and its complement has the difference y_j of their worths and the signs
x_j = 2 mask_j - 1. The values phi minimise ``sum_j w_j (y_j - x_j phi)**2`` among those that add up to
Delta, the worth of all minus that of none. The sum is met exactly: what is free is phi's part across the
vector of ones, and that is solved for by an orthogonal factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import qr, solve_triangular

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Floats


class PairDesign(Protocol):
    """What is asked of a design; `agnostix.shapley.coalitions.Coalitions` is one."""

    @property
    def masks(self) -> Bools:
        """One side of each pair, of shape (n_pairs, n_players)."""

    def weights(self) -> Floats:
        """Regression weight of each pair."""

    def prefix(self, n_pairs: int) -> PairDesign:
        """The first pairs."""


@dataclass(frozen=True)
class PairRegression:
    """The regression as an operator, and what it leaves over.

    Data are differences of the pairs with Delta as the last entry, z = [y; Delta].

    Attributes
    ----------
    signs : ndarray of shape (n_pairs + 1, n_players)
        x of each pair, and ones for Delta.
    noise : ndarray of shape (n_pairs + 1,)
        Relative variances 1 / w of mean 1 over the pairs; 0 for Delta.
    matrix : ndarray of shape (n_players, n_pairs + 1)
        ``phi = matrix @ z``.
    contrasts : ndarray of shape (n_pairs + 1, n_pairs + 1 - n_players)
        Combinations ``contrasts.T @ z`` that no additive game moves, orthonormal for the noise.
    """

    signs: Floats
    noise: Floats
    matrix: Floats
    contrasts: Floats

    @classmethod
    @one_blas_thread
    def of(cls, design: PairDesign) -> PairRegression:
        """Factorise a design.

        Parameters
        ----------
        design : PairDesign
            With at least n_players - 1 pairs.

        Returns
        -------
        PairRegression

        Raises
        ------
        ValueError
            If the pairs do not determine the values.
        """
        signs = 2.0 * design.masks - 1.0
        n, d = signs.shape
        noise = 1.0 / design.weights()
        noise /= noise.mean() if n else 1.0
        across = _across_ones(d)
        root = 1.0 / np.sqrt(noise)
        q, r = _factorised(root[:, None] * (signs @ across))
        means = signs.mean(1)
        inner = solve_triangular(r, q[:, : d - 1].T) * root
        matrix = np.c_[across @ inner, np.full(d, 1.0 / d)]
        matrix[:, -1] -= matrix[:, :-1] @ means
        left = root[:, None] * q[:, d - 1 :]
        return cls(
            np.vstack([signs, np.ones(d)]), np.r_[noise, 0.0], matrix, np.vstack([left, -means @ left])
        )

    @property
    def n_pairs(self) -> int:
        """Pairs."""
        return self.signs.shape[0] - 1

    @property
    def n_players(self) -> int:
        """Players."""
        return self.signs.shape[1]

    @property
    def dof(self) -> int:
        """Degrees of freedom that the values leave over."""
        return self.contrasts.shape[1]


def _across_ones(d: int) -> Floats:
    """An orthonormal basis of the vectors that add up to 0, by columns (Helmert's)."""
    k = np.arange(1, d)
    basis = np.triu(np.ones((d, d - 1)))
    basis[k, k - 1] = -k
    return basis / np.sqrt(k * (k + 1.0))


def _factorised(rows: Floats) -> tuple[Floats, Floats]:
    """A complete orthogonal factorisation, checked for rank."""
    n, k = rows.shape
    if n < k:
        raise ValueError(f"{k} pairs at least are needed for {k + 1} players, got {n}.")
    q, r = qr(rows, mode="full")
    diagonal = np.abs(np.diag(r))
    if k and diagonal.min() <= 1e-10 * diagonal.max():
        raise ValueError("The pairs do not determine the values; begin with those of a permutation.")
    return q, r[:k]
