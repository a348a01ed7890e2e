"""Weighted means and variances of predictions over what replaces hidden features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Floats


@dataclass(frozen=True)
class MeanAndVariance:
    """Reducer to means and variances over background rows, each (n_rows, n_masks, n_outputs)."""

    n_kept: ClassVar[int] = 2

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, 2, n_rows, n_outputs)."""
        apart, middle = block.counted(predictions)
        mean = block.averaging @ apart
        np.multiply(apart, apart, out=apart)
        moments = np.empty((len(block.draws), 2, middle.shape[1]))
        np.add(mean, middle, out=moments[:, 0])
        moments[:, 1] = np.maximum(block.averaging @ apart - mean * mean, 0.0)
        return moments.reshape(len(block.draws), 2, *predictions.shape[1:])

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """Means and variances with rows first."""
        return blocks[:, 0].transpose(1, 0, 2), blocks[:, 1].transpose(1, 0, 2)
