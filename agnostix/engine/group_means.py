"""Means over groups of background rows, from which errors can be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Bools, Codes, Floats


@dataclass(frozen=True)
class GroupMeans:
    """Keep the mean over each group of background rows.

    Attributes
    ----------
    groups : ndarray of int of shape (n_background,)
        The group of each row, from 0 without gaps.
    weights : ndarray of shape (n_background,)
        Weights of the rows.
    """

    groups: Codes
    weights: Floats

    @property
    def kept(self) -> int:
        """Groups."""
        return int(self.groups.max()) + 1

    def of_rows(self, answers: Floats) -> Floats:
        """Average the answers to the background itself.

        Parameters
        ----------
        answers : ndarray of shape (n_background, n_outputs)
            The model's.

        Returns
        -------
        ndarray of shape (n_groups, n_outputs)
            In model output units.
        """
        return np.stack([self._mean(answers, self.groups == group) for group in range(self.kept)])

    def _mean(self, answers: Floats, members: Bools) -> Floats:
        own, share = answers[members], self.weights[members] / self.weights[members].sum()
        middle = own[share.argmax()]
        return middle + (share[:, None] * (own - middle)).sum(axis=0)

    def of(self, answers: Floats, block: MaskBlock) -> Floats:
        """Average over the draws of each mask, group by group.

        Parameters
        ----------
        answers : ndarray of shape (n_draws, n_rows, n_outputs)
            The model's.
        block : MaskBlock
            What was asked.

        Returns
        -------
        ndarray of shape (n_masks, n_groups, n_rows, n_outputs)
            In model output units.
        """
        apart, middle = block.counted(answers)
        means = block.averaging_by(self.groups, self.weights) @ apart
        means = means.reshape(len(block.draws), self.kept, -1) + middle[:, None]
        return means.reshape(len(block.draws), self.kept, *answers.shape[1:])

    def finish(self, collected: Floats) -> tuple[Floats, ...]:
        """Put rows first.

        Parameters
        ----------
        collected : ndarray of shape (n_masks, n_groups, n_rows, n_outputs)
            What `of` gave for all masks.

        Returns
        -------
        tuple of one ndarray of shape (n_rows, n_masks, n_groups, n_outputs)
        """
        return (collected.transpose(2, 0, 1, 3),)
