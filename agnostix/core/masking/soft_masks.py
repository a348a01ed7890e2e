"""Soft masks: coarse grids of 0 and 1, enlarged bilinearly and shifted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats


@dataclass(frozen=True)
class SoftMaskBatch:
    """Soft masks of images, kept as coarse grids and interpolation weights.

    A mask is 1 where the image is visible, 0 where it is replaced by the fill,
    and in between at the edges of cells. The grids are a few hundred times
    smaller than the masks, so they are what crosses to a device.

    Parameters
    ----------
    grids : ndarray of shape (n_masks, n_cells, n_cells)
        1 for the cells that are visible, 0 for the others.
    offsets : ndarray of int of shape (n_masks, 2)
        Shift of each grid in pixels, down and to the right.
    row_weights : ndarray of shape (n_offsets, height, n_cells)
        Interpolation weights of the grid's rows for each offset.
    column_weights : ndarray of shape (n_offsets, width, n_cells)
        Interpolation weights of the grid's columns for each offset.
    """

    grids: Floats
    offsets: Codes
    row_weights: Floats
    column_weights: Floats

    def __len__(self) -> int:
        return int(self.grids.shape[0])

    def to_array(self) -> Floats:
        """Compute the masks.

        Returns
        -------
        ndarray of shape (n_masks, height, width)
            Between 0 and 1.
        """
        rows, columns = self.row_weights[self.offsets[:, 0]], self.column_weights[self.offsets[:, 1]]
        return rows @ self.grids @ columns.transpose(0, 2, 1)

    def compose(self, x: Floats, fill: Floats) -> Floats:
        """Mix an image with a fill under every mask.

        Parameters
        ----------
        x : ndarray of shape (height, width) or (height, width, n_channels)
            The image.
        fill : ndarray that broadcasts to x
            What replaces the masked parts.

        Returns
        -------
        ndarray of shape (n_masks, *x.shape)
            Of the image's dtype; integers are rounded.
        """
        masks = self.to_array()
        masks = masks.reshape(*masks.shape, *[1] * (x.ndim - 2))
        fill = fill.astype(float)
        mixed = fill + masks * (x - fill)
        return (np.rint(mixed) if x.dtype.kind in "iu" else mixed).astype(x.dtype)
