"""The random soft masks of RISE, and the saliency that is estimated from them.

A mask is a coarse grid whose cells are visible with probability p, enlarged bilinearly and shifted by a
random offset. The saliency of a pixel is the mean prediction where the pixel is visible, less the mean
prediction:

    S = 1 / (n p) sum_i (f_i - mean f) (M_i - p)

The paper's estimator has f_i M_i. Centering leaves the expectation and lowers the variance, because E[M] = p
is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.row_sources import ModelCaller, RowSource
from agnostix.core.sobol import SobolBlocks
from agnostix.core.typing import Codes, Floats


@dataclass(frozen=True)
class SoftMaskSampler:
    """Random soft masks in independent blocks.

    Attributes
    ----------
    image_shape : tuple of int
        Height and width.
    n_cells : int
        Cells of the grid along each axis.
    p_keep : float
        Probability that a cell is visible.
    points : SobolBlocks
        Of n_cells**2 + 2 dimensions: two for the offset, one for each cell.
    """

    image_shape: tuple[int, int]
    n_cells: int
    p_keep: float
    points: SobolBlocks

    @classmethod
    def from_seed(
        cls, image_shape: tuple[int, int], n_cells: int, p_keep: float, n_masks: int, seed: int
    ) -> SoftMaskSampler:
        """At most n_masks masks, as many as fill whole blocks of Sobol points."""
        return cls(image_shape, n_cells, p_keep, SobolBlocks.from_n_points(n_cells**2 + 2, n_masks, seed))

    def sample(self, masks: slice) -> tuple[Floats, Codes]:
        """Grids (n, n_cells, n_cells) of 0 and 1, and offsets (n, 2) in pixels."""
        u = self.points.points(masks)
        grids = (u[:, 2:] < self.p_keep).astype(float).reshape(-1, self.n_cells, self.n_cells)
        return grids, (u[:, :2] * self.cell_shape).astype(np.intp)

    def batch(self, masks: slice) -> SoftMaskBatch:
        """Some of the masks."""
        return SoftMaskBatch(*self.sample(masks), *self.interpolation)

    def weighted_sum(self, scores: Floats, masks: slice) -> Floats:
        """sum_i scores_i M_i of shape (height, width, n_outputs), from scores (n, n_outputs)."""
        # The masks are never built: grids of the same offset share their interpolation, so they are added up
        # first. With 8,000 masks and 32 x 32 offsets this is about eight times less work.
        grids, offsets = self.sample(masks)
        (rows, columns), (height, width) = self.interpolation, self.cell_shape
        by_offset = np.zeros((height * width, self.n_cells, self.n_cells, scores.shape[1]))
        np.add.at(by_offset, offsets[:, 0] * width + offsets[:, 1], grids[..., None] * scores[:, None, None])
        by_offset = by_offset.reshape(height, width, *by_offset.shape[1:])
        along_rows = np.einsum("abijc,bxj->aixc", by_offset, columns, optimize=True)
        return np.einsum("ayi,aixc->yxc", rows, along_rows, optimize=True)

    @property
    def cell_shape(self) -> tuple[int, int]:
        """Height and width of a cell in pixels, which is also the number of offsets."""
        height, width = self.image_shape
        return -(-height // self.n_cells), -(-width // self.n_cells)

    @cached_property
    def interpolation(self) -> tuple[Floats, Floats]:
        """Bilinear weights of the grid's rows and columns, each (n_offsets, side, n_cells)."""
        (height, width), (cell_height, cell_width) = self.image_shape, self.cell_shape
        return self._interpolate(height, cell_height), self._interpolate(width, cell_width)

    def _interpolate(self, side: int, cell: int) -> Floats:
        # One cell more than the image has, so that every offset leaves a full image to crop.
        length = (self.n_cells + 1) * cell
        centers = np.clip((np.arange(length) + 0.5) * self.n_cells / length - 0.5, 0.0, self.n_cells - 1.0)
        weights = np.maximum(0.0, 1.0 - np.abs(centers[:, None] - np.arange(self.n_cells)))
        return np.stack([weights[offset : offset + side] for offset in range(cell)])


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
        Outputs that are explained.
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
        n_pixels = 0 if self.is_composed else int(np.prod(self.images.shape[1:]))
        return n_pixels + self.sampler.points.n_dims

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
        """Saliency, standard errors and mean predictions of one image."""
        return estimate_saliency(self.sampler, predictions[:, self.which[item]])


def estimate_saliency(sampler: SoftMaskSampler, predictions: Floats) -> tuple[Floats, Floats, Floats]:
    """Saliency and its standard errors, each (height, width, n_outputs), and the mean predictions.

    The errors are the spread of the sums over blocks of masks: masks of a block are quasi-random and depend
    on each other, blocks do not.
    """
    # Relative to the first, so that the mean of equal predictions is exact and their saliency 0.
    mean = predictions[0] + (predictions - predictions[0]).mean(axis=0)
    scores = (predictions - mean) / (predictions.shape[0] * sampler.p_keep)
    points = sampler.points
    total = np.zeros((*sampler.image_shape, mean.size))
    squares = np.zeros_like(total)
    for block in range(points.n_blocks):
        part = slice(block * points.size, (block + 1) * points.size)
        block_sum = sampler.weighted_sum(scores[part], part) - sampler.p_keep * scores[part].sum(axis=0)
        total += block_sum
        squares += block_sum**2
    n = points.n_blocks
    errors = np.sqrt(np.maximum(squares - total**2 / n, 0.0) * n / (n - 1))
    return total, errors, mean
