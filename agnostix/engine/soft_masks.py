"""Pictures under soft masks: what each pixel adds where it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.masking import SoftMaskBatch
from agnostix.core.typing import Codes, Floats
from agnostix.perturb import SoftMaskSampler


@dataclass(frozen=True)
class SoftMasks:
    """Masks that are put to every picture, and maps made of the answers.

    Attributes
    ----------
    sampler : SoftMaskSampler
        The masks.
    pictures : ndarray of shape (n_pictures, height, width) or (n_pictures, height, width, n_channels)
        The pictures.
    fill : ndarray of the pictures' number of axes
        What stands in; axes of length 1 hold for all rows or places.
    which : ndarray of int of shape (n_pictures, n_selected)
        Outputs that maps are made of.
    composed : bool
        Whether the model puts pictures together itself.
    """

    sampler: SoftMaskSampler
    pictures: Any
    fill: Any
    which: Codes
    composed: bool

    def opened(self) -> SoftMasks:
        """Keeps nothing."""
        return self

    @property
    def n_items(self) -> int:
        """Pictures."""
        return int(self.pictures.shape[0])

    @property
    def width(self) -> int:
        """Numbers that are held of a masked picture."""
        return self.sampler.n_cells**2 if self.composed else int(np.prod(self.pictures.shape[1:]))

    def size(self, item: int) -> int:
        """Masks."""
        return self.sampler.points.n_points

    def masked(self, item: int, part: slice) -> tuple[Any, SoftMaskBatch, Any]:
        """A picture, some masks, and the fill."""
        fill = self.fill[0 if self.fill.shape[0] == 1 else item]
        return self.pictures[item], self.sampler.batch(part), fill

    def build(self, item: int, part: slice) -> Any:
        """A picture under some masks."""
        x, masks, fill = self.masked(item, part)
        return masks.compose(x, fill)

    def digest(self, item: int, answers: Floats) -> tuple[Floats, ...]:
        """The map of each output, its errors, and the mean answers.

        Parameters
        ----------
        item : int
            Which picture.
        answers : ndarray of shape (n_masks, n_outputs)
            The model's.

        Returns
        -------
        tuple of ndarray of shapes (height, width, n_selected) twice, and (n_selected,)
            Mean answer where a pixel shows, less the mean answer; its standard error; the mean answer.
        """
        scores = answers[:, self.which[item]]
        mean = scores.mean(axis=0)
        apart = (scores - mean) / (scores.shape[0] * self.sampler.p_keep)
        points = self.sampler.points
        total = np.zeros((*self.sampler.image_shape, mean.size))
        squares = np.zeros_like(total)
        for block in range(points.n_blocks):
            part = slice(block * points.size, (block + 1) * points.size)
            own = self.sampler.weighted_sum(apart[part], part) - self.sampler.p_keep * apart[part].sum(axis=0)
            total += own
            squares += own**2
        n = points.n_blocks
        errors = np.sqrt(np.maximum(squares - total**2 / n, 0.0) * n / (n - 1))
        return total, errors, mean

    def told(self, item: int, part: slice) -> str:
        """Name the picture and the masks."""
        return f"row {item} under soft masks {part.start} to {part.stop - 1}"
