"""Means and variances of predictions over what replaces hidden features; images with inpainted windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agnostix.core.masking import Inpainter, MaskBlock
from agnostix.core.masking.windows import Windows
from agnostix.core.row_sources import RowSource
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


@dataclass(frozen=True)
class InpaintedWindows(RowSource):
    """Each image with each window filled in, and last with all of it hidden.

    Attributes
    ----------
    windows : Windows
        Positions of the window.
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The images.
    seed : int
        Of the noise.
    """

    windows: Windows
    images: Any
    seed: int

    @property
    def n_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def n_columns(self) -> int:
        return int(np.prod(self.images.shape[1:]))

    def n_rows(self, block: int) -> int:
        return self.windows.n_windows + 1

    def build(self, block: int, part: slice) -> Any:
        inpainter = Inpainter(self.images[block], self.seed)
        return np.stack([inpainter.filled(hidden) for hidden in self.windows.hidden(part)])

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.windows.n_windows) if part is None else (part.start, part.stop - 1)
        return f"row {block} under windows {first} to {last}"
