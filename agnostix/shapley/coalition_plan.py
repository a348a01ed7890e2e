"""Coalitions of a row's players that are evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.masking.masker import all_masks
from agnostix.core.typing import Bools, Codes
from agnostix.shapley.coalitions import Coalitions


@dataclass(frozen=True)
class CoalitionPlan:
    """Coalitions of the players that differ between a row and its replacement.

    The full coalition comes first; the empty one is known, or comes second.

    Attributes
    ----------
    varying : ndarray of bool of shape (n_players,)
        The players that differ; the others keep their values.
    coalitions : Coalitions or None
        Pairs of coalitions of the varying players; None for all coalitions.
    evaluates_empty : bool
        Whether the empty coalition is evaluated too.
    """

    varying: Bools
    coalitions: Coalitions | None
    evaluates_empty: bool

    @property
    def players(self) -> Codes:
        """Places of the varying players."""
        return np.flatnonzero(self.varying)

    @property
    def is_exact(self) -> bool:
        """Whether every coalition is evaluated."""
        return self.coalitions is None

    @property
    def n_evaluations(self) -> int:
        """Coalitions a row, the empty and the full one included."""
        return 2**self.players.size if self.coalitions is None else self.coalitions.n_evaluations

    @cached_property
    def masks(self) -> Bools:
        """The masks in order, of shape (n_masks, n_players)."""
        t = self.players.size
        parts = [np.ones((1, t), dtype=bool)]
        if self.evaluates_empty:
            parts.append(np.zeros((1, t), dtype=bool))
        if self.coalitions is not None:
            kept = self.coalitions.masks
            parts.append(np.stack([kept, ~kept], axis=1).reshape(-1, t))
        elif t > 1:
            parts.append(all_masks(t)[1:-1])
        masks = np.ones((sum(part.shape[0] for part in parts), self.varying.size), dtype=bool)
        masks[:, self.varying] = np.concatenate(parts)
        return masks

    def prefixes(self) -> list[CoalitionPlan]:
        """Plans of ever more pairs, doubling, of which this is the last; alone if it is exact."""
        if self.coalitions is None:
            return [self]
        n, most = max(self.players.size, 2), self.coalitions.n_pairs
        ends = []
        while n < most:
            ends.append(n)
            n *= 2
        shorter = [
            CoalitionPlan(self.varying, self.coalitions.prefix(end), self.evaluates_empty) for end in ends
        ]
        return [*shorter, self]

    def stages(self, prefixes: list[CoalitionPlan]) -> tuple[Bools, ...]:
        """The masks cut where those of each prefix end: (n_masks_of_the_stage, n_players) each."""
        return tuple(np.split(self.masks, [prefix.masks.shape[0] for prefix in prefixes[:-1]]))
