"""The even or the odd part of a game as a Gaussian process: interactions given values, with their errors.

With the covariances K of the values that are known and C of interactions with them, interactions are expected
to be C K^-1 y, with the variances prior - C K^-1 C' in units of the game's own variance. Even games are known
up to a constant, which no interaction has: their values are differences from that of everybody. What is each
pair of coalitions' own is part of the game: it interpolates.

A game's variance is the mean square of pairs less their prediction by all others, in units of what the kernel
expects; where the likelihood says more, the geometric mean of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from agnostix.core.reproducibility import multiply, sums_of_squares
from agnostix.core.typing import Floats
from agnostix.shapley.interactions.game_kernel import EVEN, GameKernel, Targets
from agnostix.shapley.interactions.likelihood import most_likely_kernel, without_end

_FLOOR = 1e-13
"""Posterior variance, relative to the prior's, below which it is rounding."""
_MISFIT = 1.25
"""What the kernel's form, and that it was learned, add to the variance."""
_UNTOLD = 1.0, 1e-2, 1e-3
"""Variances of the kernel's terms where a part of a game is 0, so that nothing tells them."""


@dataclass(frozen=True)
class GameProcess:
    """One part of games, conditioned on pairs: a linear operator on their values."""

    kernel: GameKernel
    root: Floats  # lower triangular root of the covariance of values
    loadings: Floats  # root^-1 C', (n_values, n_targets)
    unscaled_variances: Floats  # (n_targets,), in units of a game's variance
    n_learned: int = 0  # parameters that were learned from these values

    @classmethod
    def learn(cls, parity: int, signs: Floats, data: Floats, targets: Targets) -> GameProcess:
        """By pairs with signs (n, n_players) and values (n, n_games), everybody last."""
        size = np.abs(data).max(axis=0)
        known = data[:, size > 0.0] / size[size > 0.0]
        if known.shape[1]:
            kernel = most_likely_kernel(parity, signs, known)
            return cls.from_kernel(kernel, signs, targets, signs.shape[1] + 2)
        slopes = np.full(signs.shape[1], 1.0 / np.sqrt(signs.shape[1]))
        return cls.from_kernel(GameKernel(parity, slopes, *_UNTOLD), signs, targets)

    @classmethod
    def from_kernel(
        cls, kernel: GameKernel, signs: Floats, targets: Targets, n_learned: int = 0
    ) -> GameProcess:
        """Condition on pairs with signs (n, n_players), everybody last."""
        whole = kernel.covariances(signs, signs)
        cross = kernel.target_covariances(signs, targets)
        own = kernel.own_covariances(signs[:-1], targets)
        if kernel.parity == EVEN:
            whole, cross = without_end(whole), cross[:-1] - cross[-1]
        cross[: len(own)] += own
        places = np.arange(len(own))
        whole[places, places] += kernel.own
        root = _factorize(whole)
        loadings = solve_triangular(root, cross, lower=True)
        prior = kernel.target_variances(targets)
        posterior = np.maximum(prior - np.square(loadings).sum(axis=0), _FLOOR * prior)
        return cls(kernel, root, loadings, posterior, n_learned)

    @cached_property
    def matrix(self) -> Floats:
        """From values to interactions, (n_targets, n_values)."""
        return np.ascontiguousarray(solve_triangular(self.root, self.loadings, lower=True, trans="T").T)

    def values(self, data: Floats) -> Floats:
        """Interactions (n_targets, n_games) of values (n_values, n_games)."""
        return multiply(self.matrix, data)

    def scales(self, data: Floats) -> Floats:
        """Variances (n_games,) in which those of a game are units."""
        inverse = solve_triangular(self.root, np.eye(len(self.root)), lower=True)
        diagonal = np.square(inverse).sum(axis=0)
        white = multiply(inverse, data)
        off = multiply(np.ascontiguousarray(inverse.T), white) / np.sqrt(diagonal)[:, None]
        left_out = sums_of_squares(off) / len(data)
        likely = sums_of_squares(white) / max(1, len(data) - self.n_learned)
        return _MISFIT * np.sqrt(left_out * np.maximum(left_out, likely))


def _factorize(covariance: Floats) -> Floats:
    """Root of a covariance, with so much more on its diagonal as rounding asks for."""
    size, jitter = float(np.diag(covariance).max(initial=1.0)), 0.0
    while True:
        try:
            return cholesky(covariance + jitter * np.eye(len(covariance)), lower=True)
        except LinAlgError:
            jitter = max(10.0 * jitter, 1e-14 * size)
