"""Soft random masks: grids of 0 and 1, enlarged smoothly and shifted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.perturb.sobol import SobolBlocks


@dataclass(frozen=True)
class FadedRows:
    """One picture under some soft masks, in pieces.

    Attributes
    ----------
    x : ndarray of shape (height, width) or (height, width, n_channels)
        The picture.
    fill : ndarray that broadcasts to x
        What stands in.
    grids : ndarray of shape (n, n_cells, n_cells)
        1 where the picture shows.
    shifts : ndarray of int of shape (n, 2)
        Of each grid, down and to the right.
    down : ndarray of shape (n_shifts, height, n_cells)
        Weights of a grid's rows in each row of pixels, for each shift.
    right : ndarray of shape (n_shifts, width, n_cells)
        The same of columns.
    """

    x: Floats
    fill: Floats
    grids: Floats
    shifts: Codes
    down: Floats
    right: Floats

    def built(self) -> Floats:
        """The pictures.

        Returns
        -------
        ndarray of shape (n, *x.shape)
            Of the picture's type; whole numbers are rounded.
        """
        masks = self.down[self.shifts[:, 0]] @ self.grids @ self.right[self.shifts[:, 1]].transpose(0, 2, 1)
        masks = masks.reshape(*masks.shape, *[1] * (self.x.ndim - 2))
        fill = self.fill.astype(float)
        mixed = fill + masks * (self.x - fill)
        return (np.rint(mixed) if self.x.dtype.kind in "iu" else mixed).astype(self.x.dtype)


@dataclass(frozen=True)
class Fades:
    """Many soft masks, in independent blocks.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the pictures.
    n_cells : int
        Of a grid, down and to the right.
    share : float
        Chance that a cell shows the picture.
    points : SobolBlocks
        One dimension for each cell, and two for the shift.
    """

    shape: tuple[int, int]
    n_cells: int
    share: float
    points: SobolBlocks

    @classmethod
    def of(cls, shape: tuple[int, int], n_cells: int, share: float, n_masks: int, seed: int) -> Fades:
        """As many as are asked for, or a little less.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the pictures.
        n_cells : int
            Of a grid.
        share : float
            Chance that a cell shows the picture.
        n_masks : int
            At most.
        seed : int
            Of the draws.

        Returns
        -------
        Fades
        """
        return cls(shape, n_cells, share, SobolBlocks.of(n_cells**2 + 2, n_masks, seed))

    def rows(self, x: Floats, fill: Floats, part: slice) -> FadedRows:
        """A picture under some of the masks.

        Parameters
        ----------
        x, fill : ndarray
            As for `FadedRows`.
        part : slice
            Which masks.

        Returns
        -------
        FadedRows
        """
        grids, shifts = self.drawn(part)
        return FadedRows(x, fill, grids, shifts, *self.along)

    def drawn(self, part: slice) -> tuple[Floats, Codes]:
        """Grids and shifts of some of the masks.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        grids : ndarray of shape (n, n_cells, n_cells)
        shifts : ndarray of int of shape (n, 2)
        """
        u = self.points.points(part)
        grids = (u[:, 2:] < self.share).astype(float).reshape(-1, self.n_cells, self.n_cells)
        return grids, (u[:, :2] * self._steps).astype(np.intp)

    def weighted(self, scores: Floats, part: slice) -> Floats:
        """Sum of some of the masks, each times its scores.

        Parameters
        ----------
        scores : ndarray of shape (n, n_outputs)
            Of the masks.
        part : slice
            Which masks.

        Returns
        -------
        ndarray of shape (height, width, n_outputs)
        """
        grids, shifts = self.drawn(part)
        (down, right), (n_down, n_right) = self.along, self._steps
        sums = np.zeros((n_down * n_right, self.n_cells, self.n_cells, scores.shape[1]))
        np.add.at(sums, shifts[:, 0] * n_right + shifts[:, 1], grids[..., None] * scores[:, None, None])
        sums = sums.reshape(n_down, n_right, *sums.shape[1:])
        lines = np.einsum("abijc,bxj->aixc", sums, right, optimize=True)
        return np.einsum("ayi,aixc->yxc", down, lines, optimize=True)

    @cached_property
    def along(self) -> tuple[Floats, Floats]:
        """Weights of a grid's rows, and of its columns, in those of the pixels, for each shift."""
        steps = self._steps
        return self._weights(0, steps[0]), self._weights(1, steps[1])

    @property
    def _steps(self) -> tuple[int, int]:
        """Height and width of a cell: as many shifts there are."""
        return (-(-self.shape[0] // self.n_cells), -(-self.shape[1] // self.n_cells))

    def _weights(self, axis: int, step: int) -> Floats:
        """Linear interpolation between the centres of cells, the outermost reaching to the border."""
        length = (self.n_cells + 1) * step
        place = np.clip((np.arange(length) + 0.5) * self.n_cells / length - 0.5, 0.0, self.n_cells - 1.0)
        every = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(self.n_cells)))
        return np.stack([every[start : start + self.shape[axis]] for start in range(step)])
