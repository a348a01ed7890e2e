"""A kernel of a game's own for more pairs than are factorized: the first teach it, the others correct it.

The game that kriging expects has known Shapley values. What it misses in the other pairs is a game as well,
whose Shapley values are estimated by least squares and added. There all pairs of the first part have a
residual of 0, since kriging interpolates them; they count as themselves, and the others stand for all that
are not among the first, size by size (stratified sampling [1]_). With few other pairs the correction is
noise, so that it is taken by the share

    V / (V + W (1 + d / n)),

of the error variances V of kriging and W of the correction, by n pairs and d players: the combination of two
independent estimates that has the least variance. So errors fall with more pairs.

References
----------
.. [1] W. G. Cochran, "Sampling Techniques", Wiley, 1977, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from agnostix.core.intervals import satterthwaite
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions, count_pairs_of_size
from agnostix.shapley.jackknife import OwnKernelOperator
from agnostix.shapley.pair_regression import zero_sum_basis
from agnostix.shapley.residual_noise import HEAVY_TAILS, effective_number

MAX_FACTORIZED = 4096
"""Pairs whose covariances are factorized."""

_MISFIT = 1.3
"""What both parts' dependence adds to the variance of their combination."""
_MOST_DOF = 10.0
"""Degrees of freedom of the correction's variance, at most."""


@dataclass(frozen=True)
class ContinuedOperator:
    """Kriging of the first pairs, and the Shapley values of what it misses in the others."""

    first: OwnKernelOperator
    correction: Correction
    share: float  # of the correction that is taken

    @classmethod
    @one_blas_thread
    def learn(cls, coalitions: Coalitions, values: CoalitionValues) -> ContinuedOperator:
        """Learn the kernel of these games by the first pairs, and how far to trust the others."""
        start = _first(values, MAX_FACTORIZED)
        first = OwnKernelOperator.learn(coalitions.prefix(MAX_FACTORIZED), start)
        whole = cls(first, Correction.from_coalitions(coalitions, MAX_FACTORIZED), 1.0)
        _, of_kriging, _ = first.solve(start)
        size = of_kriging.sum()
        terms = np.square(whole.correction.matrix) @ np.square(whole._missed(values))
        of_correction = terms.sum() * (1.0 + coalitions.n_players / (coalitions.n_pairs - MAX_FACTORIZED))
        return cls(first, whole.correction, float(size / (size + of_correction)) if size > 0.0 else 0.0)

    @one_blas_thread
    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Shapley values (n_players, ...), their variances and degrees of freedom."""
        found, of_kriging, dof = self.first.solve(_first(values, self.first.coalitions.n_pairs))
        missed = self._missed(values)
        weights, squares = np.square(self.correction.matrix) * self.correction.unsampled, np.square(missed)
        of_correction, fourth = weights @ squares, np.square(weights) @ np.square(squares)
        its_dof = np.clip(HEAVY_TAILS * effective_number(of_correction, fourth), 1.0, _MOST_DOF)
        parts = (
            (1.0 - self.share) ** 2 * of_kriging,
            self.share**2 * of_correction.reshape(found.shape),
        )
        dofs = satterthwaite(parts, (dof, its_dof.reshape(found.shape)))
        return found + self._corrected(missed, found.shape), _MISFIT * (parts[0] + parts[1]), dofs

    @one_blas_thread
    def apply(self, values: CoalitionValues) -> Floats:
        """Shapley values (n_players, ...) of games (...)."""
        found = self.first.apply(_first(values, self.first.coalitions.n_pairs))
        return found + self._corrected(self._missed(values), found.shape)

    def _corrected(self, missed: Floats, shape: tuple[int, ...]) -> Floats:
        return self.share * (self.correction.matrix @ missed).reshape(shape)

    def _missed(self, values: CoalitionValues) -> Floats:
        """What kriging misses in the other pairs (n_others, n_games)."""
        differences, delta = values.differences()
        n = self.first.coalitions.n_pairs
        data = np.vstack([differences[:n], delta])
        return differences[n:] - self.first.predict(data, self.correction.signs)


@dataclass(frozen=True)
class Correction:
    """Least squares of a game that is 0 in the first pairs, from its values in the others."""

    signs: Floats  # (n_others, n_players)
    matrix: Floats  # (n_players, n_others), of columns that sum to 0
    unsampled: Floats  # (n_others,), share of the pairs that they stand for that were not evaluated

    @classmethod
    def from_coalitions(cls, coalitions: Coalitions, n_first: int) -> Correction:
        """By weights of all pairs, which for each size sum to that of the Shapley kernel."""
        weights, unsampled = _weights(coalitions, n_first)
        signs = np.where(coalitions.masks, 1.0, -1.0)
        root = np.sqrt(weights)[:, None]
        basis = zero_sum_basis(coalitions.n_players)
        trend, factor = np.linalg.qr(root * (signs @ basis))
        matrix = basis @ solve_triangular(factor, (root * trend)[n_first:].T)
        return cls(signs[n_first:], matrix, unsampled)


def _weights(coalitions: Coalitions, n_first: int) -> tuple[Floats, Floats]:
    """Weights (n_pairs,), and of the others the share (n_others,) that is not evaluated."""
    d, sizes = coalitions.n_players, coalitions.sizes
    n_sizes = d // 2 + 1
    every = np.array([max(1, count_pairs_of_size(d, size)) for size in range(n_sizes)], dtype=float)
    known = np.bincount(sizes[:n_first], minlength=n_sizes).astype(float)
    others = np.bincount(sizes[n_first:], minlength=n_sizes).astype(float)
    size = np.arange(n_sizes)
    of_size = 1.0 / np.maximum(1, size * (d - size)) / np.where(2 * size == d, 2.0, 1.0)
    stands_for = np.divide(every - known, others, out=np.ones(n_sizes), where=others > 0.0)
    lone = np.divide(every, known, out=np.ones(n_sizes), where=(others == 0.0) & (known > 0.0))
    weights = (of_size / every)[sizes]
    weights[:n_first] *= lone[sizes[:n_first]]
    weights[n_first:] *= stands_for[sizes[n_first:]]
    return weights, (1.0 - 1.0 / stands_for)[sizes[n_first:]]


def _first(values: CoalitionValues, n_pairs: int) -> CoalitionValues:
    return CoalitionValues(values.full, values.empty, values.rest[: 2 * n_pairs])
