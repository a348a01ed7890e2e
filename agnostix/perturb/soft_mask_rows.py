"""RISE: the mean prediction where a pixel is visible under random soft masks, less the mean prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.evaluate import ModelCaller
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Codes, Floats
from agnostix.perturb.soft_masks import SoftMaskSampler


@dataclass(frozen=True)
class SoftMaskRows(RowSource):
    """Each image under all soft masks.

    Attributes
    ----------
    sampler : SoftMaskSampler
        The masks.
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The images.
    fill : ndarray of the images' number of axes
        Replaces what is hidden; axes of length 1 broadcast.
    which : ndarray of int of shape (n_images, n_selected)
        Outputs that saliency is estimated of.
    is_composed : bool
        Whether the model composes masked images itself.
    """

    sampler: SoftMaskSampler
    images: Any
    fill: Any
    which: Codes
    is_composed: bool = False

    @property
    def n_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def n_columns(self) -> int:
        return self.sampler.n_cells**2 if self.is_composed else int(np.prod(self.images.shape[1:]))

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> SoftMaskRows:
        return replace(self, is_composed=predictor.supports(MaskComposer))

    def n_rows(self, block: int) -> int:
        return self.sampler.points.n_points

    def build(self, block: int, part: slice) -> Any:
        return self.sampler.batch(part).compose(self.images[block], self._fill_of(block))

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        if not self.is_composed:
            return super().predict(block, part, caller)
        fill = self._fill_of(block)[None, None]
        return caller.predict_masked(self.images[block][None], self.sampler.batch(part), fill)[0, :, 0]

    def _fill_of(self, block: int) -> Any:
        return self.fill[0 if self.fill.shape[0] == 1 else block]

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"row {block} under soft masks {first} to {last}"

    def estimate_saliency(self, item: int, predictions: Floats) -> tuple[Floats, Floats, Floats]:
        """Saliency and its standard errors, each (height, width, n_selected), and the mean predictions.

        The errors are the spread of the sums over blocks of masks: masks of a block are quasi-random and
        depend on each other, blocks do not.
        """
        scores = predictions[:, self.which[item]]
        mean = scores.mean(axis=0)
        apart = (scores - mean) / (scores.shape[0] * self.sampler.p_keep)
        points = self.sampler.points
        total = np.zeros((*self.sampler.image_shape, mean.size))
        squares = np.zeros_like(total)
        for number in range(points.n_blocks):
            part = slice(number * points.size, (number + 1) * points.size)
            own = self.sampler.weighted_sum(apart[part], part) - self.sampler.p_keep * apart[part].sum(axis=0)
            total += own
            squares += own**2
        n = points.n_blocks
        errors = np.sqrt(np.maximum(squares - total**2 / n, 0.0) * n / (n - 1))
        return total, errors, mean
