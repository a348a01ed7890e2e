"""What the engine keeps of a row's answers where players' shares are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Floats
from agnostix.engine import GroupMeans, working_memory
from agnostix.games.scale import WorthScale
from agnostix.games.solver import Solver
from agnostix.games.worths import Worths
from agnostix.perturb import Questions

_COPIES = 2
"""Times the means are held at once: those of all rows, and what is made of those that are being solved."""
_SOLVED_BYTES = 2**22
"""Means of the rows that are solved together, where the working memory is not short."""


@dataclass(frozen=True)
class ShareSummary:
    """From answers to Shapley values and the variances of both of their errors.

    The results, row by row and in explained units: values, variances of the coalitions' sampling and of the
    background's, each of shape (n_rows, n_varying, n_outputs); worths of all players, of none, and the
    answers themselves, of shape (n_rows, n_outputs).

    Attributes
    ----------
    questions : Questions
        What is asked.
    means : GroupMeans
        How answers are averaged.
    scale : WorthScale
        How averages become worths.
    empty : ndarray of shape (n_groups, n_outputs) or None
        Mean predictions of the background, by group; None where they are asked about for each row.
    solver : Solver
        How worths become values.
    """

    questions: Questions
    means: GroupMeans
    scale: WorthScale
    empty: Floats | None
    solver: Solver

    @property
    def kept(self) -> int:
        """Numbers that are held of each mask and output."""
        return self.means.kept * _COPIES

    def of(self, answers: Floats, block: MaskBlock) -> Floats:
        """Average by groups.

        Parameters
        ----------
        answers : ndarray of shape (n_draws, n_rows, n_outputs)
            The model's.
        block : MaskBlock
            What was asked.

        Returns
        -------
        ndarray of shape (n_masks, n_groups, n_rows, n_outputs)
        """
        return self.means.of(answers, block)

    def finish(self, collected: Floats) -> tuple[Floats, ...]:
        """Solve the rows' games.

        Parameters
        ----------
        collected : ndarray of shape (n_masks, n_groups, n_rows, n_outputs)
            Mean predictions under all masks.

        Returns
        -------
        tuple of six ndarray
            As the class says.
        """
        room = min(_SOLVED_BYTES, working_memory() // 16)
        n_rows = max(1, room * collected.shape[2] // collected.nbytes)
        starts = range(0, collected.shape[2], n_rows)
        found = [self._solved(collected[:, :, start : start + n_rows]) for start in starts]
        return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))

    def _solved(self, means: Floats) -> tuple[Floats, ...]:
        whole = self._split(self.scale.whole(means), self.scale.whole)
        versions = (
            self._split(self.scale.versions(means), self.scale.versions) if self.scale.is_sample else None
        )
        values, variances, others = self.solver.solve(whole, versions)
        spread = np.zeros_like(values) if others is None else self.scale.spread(values, others)
        by_row = (array.transpose(1, 0, 2) for array in (values, variances, spread))
        return tuple(array.copy() for array in (*by_row, whole.full, whole.empty, means[0, 0]))

    def _split(self, worths: Floats, of: Callable[[Floats], Floats]) -> Worths:
        """All players first; none next, where that was asked about; then the rest."""
        if self.empty is None:
            return Worths(worths[0], worths[1], worths[2:])
        empty = of(self.empty[None])[0]
        return Worths(worths[0], np.broadcast_to(empty[..., None, :], worths[0].shape), worths[1:])
