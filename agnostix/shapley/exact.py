"""Exact Shapley values from all coalitions: one matrix for all rows and outputs.

The value of a coalition of s out of d players has the weight 1 / (d C(d-1, s-1)) in the Shapley value of each
member, and -1 / (d C(d-1, s)) in that of each other player.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from agnostix.core.reproducibility import multiply
from agnostix.core.typing import Bools, Floats
from agnostix.shapley.coalition_values import CoalitionValues


@dataclass(frozen=True)
class ExactOperator:
    """Shapley values of games of which all coalitions are known."""

    others: Bools  # (2**n_players - 2, n_players), all but the full and the empty one, in any order

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self.others.shape[1]

    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Shapley values (n_players, ...) and their variances, which are 0 and known to be."""
        shapley_values = self.apply(values)
        return shapley_values, np.zeros_like(shapley_values), np.full_like(shapley_values, np.inf)

    def apply(self, values: CoalitionValues) -> Floats:
        """Shapley values (n_players, ...) of games (...)."""
        shape = (self.n_players, *values.full.shape)
        if self.n_players == 0:
            return np.zeros(shape)
        centered = np.concatenate([values.rest, values.full[None]]) - values.empty
        return multiply(self._matrix, centered.reshape(centered.shape[0], -1)).reshape(shape)

    @cached_property
    def _matrix(self) -> Floats:
        return exact_weights(np.vstack([self.others, np.ones((1, self.n_players), dtype=bool)]))


def exact_weights(masks: Bools) -> Floats:
    """Weights (n_players, n_coalitions) of coalitions (n_coalitions, n_players), of which all are known."""
    d = masks.shape[1]
    sizes = masks.sum(1)
    weights = 1.0 / (d * np.array([comb(d - 1, s) for s in range(d)], dtype=float))
    of_members = np.r_[0.0, weights][sizes]
    of_others = np.r_[weights, 0.0][sizes]
    return np.where(masks.T, of_members, -of_others)
