"""Mean predictions over groups of background rows, whose spread is the error of the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Bools, Codes, Floats


@dataclass(frozen=True)
class GroupMeans:
    """Reducer to the means over groups of background rows, (n_rows, n_masks, n_groups, n_outputs).

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
    def n_kept(self) -> int:
        """Groups."""
        return int(self.groups.max()) + 1

    def of_background(self, predictions: Floats) -> Floats:
        """Means (n_groups, n_outputs) of predictions (n_background, n_outputs) of the background."""
        return np.stack([self._mean(predictions, self.groups == group) for group in range(self.n_kept)])

    def _mean(self, predictions: Floats, members: Bools) -> Floats:
        own, share = predictions[members], self.weights[members] / self.weights[members].sum()
        middle = own[share.argmax()]
        return middle + (share[:, None] * (own - middle)).sum(axis=0)

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, n_groups, n_rows, n_outputs)."""
        apart, middle = block.counted(predictions)
        means = block.averaging_by(self.groups, self.weights) @ apart
        means = means.reshape(len(block.draws), self.n_kept, -1) + middle[:, None]
        return means.reshape(len(block.draws), self.n_kept, *predictions.shape[1:])

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """The means with rows first."""
        return (blocks.transpose(2, 0, 1, 3),)
