"""What is kept of the model's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Floats


class Summary(Protocol):
    """Turns the answers to all draws of a mask into a few numbers, and those of all masks into results.

    Attributes
    ----------
    kept : int
        Numbers that are kept of each mask and output.
    """

    @property
    def kept(self) -> int:
        """Numbers that are kept of each mask and output."""

    def of(self, answers: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, kept, n_rows, n_outputs), mask by mask."""

    def finish(self, collected: Floats) -> tuple[Floats, ...]:
        """From (all masks, kept, n_rows, n_outputs) to arrays of n_rows rows, row by row."""


@dataclass(frozen=True)
class MeanAndVariance:
    """Weighted means and variances over the draws.

    The results are two arrays of shape (n_rows, n_masks, n_outputs), in model output units and their squares.
    """

    kept: ClassVar[int] = 2

    def of(self, answers: Floats, block: MaskBlock) -> Floats:
        """Average over the draws of each mask.

        Parameters
        ----------
        answers : ndarray of shape (n_draws, n_rows, n_outputs)
            The model's.
        block : MaskBlock
            What was asked.

        Returns
        -------
        ndarray of shape (n_masks, 2, n_rows, n_outputs)
        """
        apart, middle = block.counted(answers)
        mean = block.averaging @ apart
        np.multiply(apart, apart, out=apart)
        found = np.empty((len(block.draws), 2, middle.shape[1]))
        np.add(mean, middle, out=found[:, 0])
        found[:, 1] = np.maximum(block.averaging @ apart - mean * mean, 0.0)
        return found.reshape(len(block.draws), 2, *answers.shape[1:])

    def finish(self, collected: Floats) -> tuple[Floats, ...]:
        """Put rows first.

        Parameters
        ----------
        collected : ndarray of shape (n_masks, 2, n_rows, n_outputs)
            What `of` gave for all masks.

        Returns
        -------
        tuple of two ndarray of shape (n_rows, n_masks, n_outputs)
        """
        return collected[:, 0].transpose(1, 0, 2), collected[:, 1].transpose(1, 0, 2)
