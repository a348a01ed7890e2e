"""Windows that slide over pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Windows:
    """Positions of a window, which is cut off at the far borders.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the pictures.
    size : tuple of int
        Height and width of the window.
    stride : tuple of int
        Pixels from one position to the next, down and to the right.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        for axis, name in enumerate(("high", "wide")):
            if self.size[axis] > self.shape[axis]:
                raise DataError(
                    f"The 'window' of OcclusionExplainer is {self.size[axis]} pixels {name}, and the "
                    f"pictures are {self.shape[axis]}. Use a window of {self.shape[axis]} or less."
                )
            if self.stride[axis] > self.size[axis]:
                raise DataError(
                    f"The 'stride' of OcclusionExplainer is {self.stride[axis]} pixels, and the window is "
                    f"{self.size[axis]} {name}, so that some pixels would never be hidden. Use a stride of "
                    f"{self.size[axis]} or less."
                )

    @property
    def n_windows(self) -> int:
        """Positions, row by row."""
        return int(np.prod([self._inside(axis).shape[0] for axis in (0, 1)]))

    @cached_property
    def cells(self) -> Codes:
        """The picture cut where any window begins or ends, of shape (height, width)."""
        rows, columns = (self._cell_of(axis) for axis in (0, 1))
        return rows[:, None] * (columns[-1] + 1) + columns

    @property
    def masks(self) -> Bools:
        """True for the cells that each window leaves, of shape (n_windows, n_cells)."""
        hidden = []
        for axis in (0, 1):
            _, first = np.unique(self._cell_of(axis), return_index=True)
            hidden.append(self._inside(axis)[:, first])
        both = hidden[0][:, None, :, None] & hidden[1][None, :, None, :]
        return ~both.reshape(self.n_windows, -1)

    def hidden(self, part: slice) -> Bools:
        """Pixels that some of the windows hide, and after the last window those of the whole picture.

        Parameters
        ----------
        part : slice
            Which; `n_windows` is the whole picture.

        Returns
        -------
        ndarray of bool of shape (n, height, width)
        """
        masks = np.vstack([self.masks, np.zeros((1, self.masks.shape[1]), dtype=bool)])
        return ~masks[part][:, self.cells]

    def spread(self, effects: Floats) -> Floats:
        """The mean effect of the windows that cover each pixel.

        Parameters
        ----------
        effects : ndarray of shape (n_rows, n_windows, n_outputs)
            Of each window.

        Returns
        -------
        ndarray of shape (n_rows, height, width, n_outputs)
        """
        down, right = (self._inside(axis).astype(float) for axis in (0, 1))
        grid = effects.reshape(effects.shape[0], down.shape[0], right.shape[0], -1)
        total = np.einsum("ay,naxc->nyxc", down, np.einsum("bx,nabc->naxc", right, grid))
        return total / np.outer(down.sum(axis=0), right.sum(axis=0))[:, :, None]

    def _inside(self, axis: int) -> Bools:
        """Pixels that each position covers along an axis, of shape (n_positions, n_pixels)."""
        length, size, step = self.shape[axis], self.size[axis], self.stride[axis]
        starts = step * np.arange(-(-(length - size) // step) + 1)
        pixels = np.arange(length)
        return (pixels >= starts[:, None]) & (pixels < starts[:, None] + size)

    def _cell_of(self, axis: int) -> Codes:
        """The cell of each pixel along an axis."""
        inside = self._inside(axis)
        changes = (inside[:, 1:] != inside[:, :-1]).any(axis=0)
        return np.concatenate([[0], np.cumsum(changes)])
