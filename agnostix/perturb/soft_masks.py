"""The random soft masks of RISE (Petsiuk, Das and Saenko, 2018).

A mask is a coarse grid whose cells are visible with probability p_keep, enlarged bilinearly and shifted by
a random offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.masking.soft_masks import SoftMaskBatch
from agnostix.core.typing import Codes, Floats
from agnostix.perturb.sobol import SobolBlocks


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
        return cls(image_shape, n_cells, p_keep, SobolBlocks.of(n_cells**2 + 2, n_masks, seed))

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
