"""Shapley values of rows from the predictions of their coalitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Floats
from agnostix.shapley.coalition_plan import CoalitionPlan
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.group_means import GroupMeans
from agnostix.shapley.linked_values import LinkedValues
from agnostix.shapley.solver import Solver

_COPIES = 2
"""Times the means are held at once: those of all rows, and what is made of those that are being solved."""
_SOLVED_BYTES = 2**22
"""Means of the rows that are solved together, where the working memory is not short."""


@dataclass(frozen=True)
class ShapleyReducer:
    """Reducer to Shapley values and the variances of both of their errors.

    The results, row by row and in explained units: values, variances of the coalitions' sampling and of the
    background's, each (n_rows, n_varying, n_outputs); values of the full and of the empty coalition, and the
    predictions themselves, each (n_rows, n_outputs).

    Attributes
    ----------
    plan : CoalitionPlan
        The coalitions.
    means : GroupMeans
        Means over groups of background rows.
    scale : LinkedValues
        From means to coalition values.
    empty : ndarray of shape (n_groups, n_outputs) or None
        Mean predictions of the background, by group; None where each row has an empty coalition.
    solver : Solver
        From coalition values to Shapley values.
    """

    plan: CoalitionPlan
    means: GroupMeans
    scale: LinkedValues
    empty: Floats | None
    solver: Solver

    @property
    def n_kept(self) -> int:
        """Numbers that are held of each mask and output."""
        return self.means.n_kept * _COPIES

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, n_groups, n_rows, n_outputs)."""
        return self.means.reduce_block(predictions, block)

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """Solve a few rows' games at a time, from means (n_masks, n_groups, n_rows, n_outputs)."""
        room = min(_SOLVED_BYTES, working_memory() // 16)
        n_rows = max(1, room * blocks.shape[2] // blocks.nbytes)
        starts = range(0, blocks.shape[2], n_rows)
        solved = [self._solve(blocks[:, :, start : start + n_rows]) for start in starts]
        return tuple(np.concatenate(arrays) for arrays in zip(*solved, strict=True))

    def _solve(self, means: Floats) -> tuple[Floats, ...]:
        whole = self._split(self.scale.whole(means), self.scale.whole)
        versions = (
            self._split(self.scale.versions(means), self.scale.versions) if self.scale.is_sample else None
        )
        values, variances, others = self.solver.solve(whole, versions)
        spread = np.zeros_like(values) if others is None else self.scale.spread(values, others)
        by_row = (array.transpose(1, 0, 2) for array in (values, variances, spread))
        return tuple(array.copy() for array in (*by_row, whole.full, whole.empty, means[0, 0]))

    def _split(self, values: Floats, of: Callable[[Floats], Floats]) -> CoalitionValues:
        """The full coalition first; the empty one next, where it was evaluated; then the rest."""
        if self.empty is None:
            return CoalitionValues(values[0], values[1], values[2:])
        empty = of(self.empty[None])[0]
        return CoalitionValues(values[0], np.broadcast_to(empty[..., None, :], values[0].shape), values[1:])
