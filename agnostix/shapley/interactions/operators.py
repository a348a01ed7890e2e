"""From the values of coalitions to interactions: all of them, or pairs of complements.

Of pairs, the differences tell the Shapley values as ever (`estimation`), and their means, which are even
games, all that SII, k-SII and FSII add to them. STII weights large coalitions less than small ones: it takes
both parts of the game, each as a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.intervals import satterthwaite
from agnostix.core.masking.masker import all_masks
from agnostix.core.reproducibility import multiply, one_blas_thread, sums_of_squares
from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions
from agnostix.shapley.estimation import Operator, learn_operator
from agnostix.shapley.interactions.game_kernel import EVEN, ODD, Targets
from agnostix.shapley.interactions.game_process import GameProcess
from agnostix.shapley.interactions.indices import size_weights

MAX_PAIRS = 4096
"""Pairs of coalitions that a process takes in; further ones serve the Shapley values alone."""
_ROUNDING = 1e-12
"""Size of a part of a game, relative to the game, below which it is rounding."""
_HIDDEN = 0.025
"""Mean square that one more pair might show of a part that is 0, relative to that of the game."""
_MOST_DOF, _PER_PAIR = 8.0, 0.1
"""Degrees of freedom of a game's variance: at most, and of each pair."""
_BLOCK = 4096
"""Coalitions whose weights are held at once."""


@dataclass(frozen=True)
class ExactInteractions:
    """Interactions of games of which all coalitions are known."""

    n_players: int
    targets: Targets

    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Interactions (n_targets, ...) and their variances, which are 0 and known to be."""
        found = self.apply(values)
        return found, np.zeros_like(found), np.full_like(found, np.inf)

    def apply(self, values: CoalitionValues) -> Floats:
        """Interactions (n_targets, ...) of games (...)."""
        targets, shape = self.targets, values.full.shape
        found = np.zeros((targets.n_targets, values.full.size))
        if targets.n_targets:
            centered = np.concatenate([values.rest, values.full[None]]) - values.empty
            centered = centered.reshape(len(centered), -1)
            masks = all_masks(self.n_players)[1:]
            for start in range(0, len(masks), _BLOCK):
                some = slice(start, start + _BLOCK)
                found += multiply(_weights(masks[some], targets), centered[some])
        return found.reshape(-1, *shape)


def _weights(masks: Any, targets: Targets) -> Floats:
    """Weights (n_targets, n_masks) of coalitions by the definition of an index."""
    weights, members, players = (
        size_weights(targets.index, masks.shape[1]),
        masks.astype(float),
        targets.players,
    )
    of_pairs = weights.of_pairs(members, players[targets.first], players[targets.second])
    return np.ascontiguousarray(np.hstack([weights.of_players(members, players), of_pairs]).T)


@dataclass(frozen=True)
class SampledInteractions:
    """Interactions from sampled pairs, under a kernel of the row's own."""

    targets: Targets
    even: GameProcess
    odd: GameProcess | None  # of STII
    shapley: Operator | None  # of the others
    n_pairs: int  # that the processes rest on

    @classmethod
    @one_blas_thread
    def learn(
        cls, coalitions: Coalitions, values: CoalitionValues, targets: Targets, shapley: Operator | None
    ) -> SampledInteractions:
        """Kernels of the games of one row; `shapley` is learned too where it is None."""
        n_pairs = min(coalitions.n_pairs, MAX_PAIRS)
        signs = np.where(coalitions.masks[:n_pairs], 1.0, -1.0)
        signs = np.vstack([signs, np.ones((1, coalitions.n_players))])
        even = GameProcess.learn(EVEN, signs, _even(values, n_pairs), targets)
        if targets.index == "STII":
            odd = GameProcess.learn(ODD, signs, _odd(values, n_pairs), targets)
            return cls(targets, even, odd, None, n_pairs)
        own = learn_operator(coalitions, values) if shapley is None else shapley
        return cls(targets, even, None, own, n_pairs)

    @one_blas_thread
    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Interactions (n_targets, ...), their variances and degrees of freedom."""
        shape, n_games = (-1, *values.full.shape), values.full.size
        dof = np.full((self.targets.n_targets, n_games), self._dof)
        variances = self._variances(self.even, _even(values, self.n_pairs), values)
        if self.odd is not None:
            variances += self._variances(self.odd, _odd(values, self.n_pairs), values)
        elif self.shapley is not None:
            chosen = self.targets.players
            _, of_players, its_dof = (part.reshape(-1, n_games) for part in self.shapley.solve(values))
            parts = variances[: chosen.size], of_players[chosen]
            dof[: chosen.size] = satterthwaite(parts, (dof[: chosen.size], its_dof[chosen]))
            variances[: chosen.size] += of_players[chosen]
        return self.apply(values), variances.reshape(shape), dof.reshape(shape)

    @one_blas_thread
    def apply(self, values: CoalitionValues) -> Floats:
        """Interactions (n_targets, ...) of games (...)."""
        found = self.even.values(_even(values, self.n_pairs))
        if self.odd is not None:
            found += self.odd.values(_odd(values, self.n_pairs))
        elif self.shapley is not None:
            chosen = self.targets.players
            found[: chosen.size] += self.shapley.apply(values).reshape(-1, found.shape[1])[chosen]
        return found.reshape(-1, *values.full.shape)

    @property
    def _dof(self) -> float:
        return max(1.0, min(_MOST_DOF, _PER_PAIR * self.n_pairs))

    def _variances(self, process: GameProcess, data: Floats, values: CoalitionValues) -> Floats:
        """Variances (n_targets, n_games) of one part; a part that is 0 in all pairs may not be in others."""
        own = process.scales(data)
        if not data.any(axis=0).all():
            centered = values.rest - values.empty
            spread = sums_of_squares(centered.reshape(len(centered), -1)) / len(centered)
            own = np.where(data.any(axis=0), own, _HIDDEN * spread / (self.n_pairs + 1.0))
        return process.unscaled_variances[:, None] * own


def _even(values: CoalitionValues, n_pairs: int) -> Floats:
    """Means (n_pairs, n_games) of both sides of pairs, less that of the empty and the full coalition."""
    first, second = values.rest[0 : 2 * n_pairs : 2], values.rest[1 : 2 * n_pairs : 2]
    means = 0.5 * ((first - values.empty) + (second - values.full))
    return _without_rounding(means.reshape(len(means), -1), values)


def _odd(values: CoalitionValues, n_pairs: int) -> Floats:
    """Half differences (n_pairs + 1, n_games) of both sides, and of the full and the empty coalition."""
    first, second = values.rest[0 : 2 * n_pairs : 2], values.rest[1 : 2 * n_pairs : 2]
    halves = np.concatenate([first - second, (values.full - values.empty)[None]]) / 2.0
    return _without_rounding(halves.reshape(len(halves), -1), values)


def _without_rounding(part: Floats, values: CoalitionValues) -> Floats:
    largest = np.abs(values.rest).max(axis=0, initial=0.0).ravel()
    return np.where(np.abs(part).max(axis=0) > _ROUNDING * largest, part, 0.0)
