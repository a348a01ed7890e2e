"""Points that fill a cube evenly, in blocks that are independent of each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc

from agnostix.typing import Floats

MIN_BLOCKS = 16
"""Blocks at least, whose spread tells the error."""
_MOST_DIMS = qmc.Sobol.MAXDIM
_STREAM = 3
"""Apart from the streams that draw backgrounds and coalitions."""
_HALF = 2.0**-31
"""Half of the spacing of Sobol's points: none lies on the cube's border."""


@dataclass(frozen=True)
class SobolBlocks:
    """Scrambled Sobol points, each block scrambled anew.

    Attributes
    ----------
    n_dims : int
        Of the cube.
    size : int
        Points in a block, a power of 2.
    n_blocks : int
        How many blocks there are.
    seed : int
        A longer row of blocks with the same seed begins with the same ones.
    """

    n_dims: int
    size: int
    n_blocks: int
    seed: int

    @classmethod
    def of(cls, n_dims: int, n_points: int, seed: int) -> SobolBlocks:
        """As large blocks as leave 16 of them.

        Parameters
        ----------
        n_dims : int
            Of the cube.
        n_points : int
            Points at most, 16 or more.
        seed : int
            Of the scrambling.

        Returns
        -------
        SobolBlocks
        """
        size = 2 ** int(np.log2(n_points // MIN_BLOCKS))
        return cls(n_dims, size, n_points // size, seed)

    def longer(self, factor: int) -> SobolBlocks:
        """So many times as many blocks, the first of them the same.

        Parameters
        ----------
        factor : int
            How many times.

        Returns
        -------
        SobolBlocks
        """
        return replace(self, n_blocks=self.n_blocks * factor)

    @property
    def n_points(self) -> int:
        """In all blocks."""
        return self.size * self.n_blocks

    def points(self, part: slice) -> Floats:
        """Some of the points.

        Parameters
        ----------
        part : slice
            Which, with a start and a stop.

        Returns
        -------
        ndarray of shape (n, n_dims)
            Above 0 and below 1.
        """
        first, last = part.start // self.size, -(-part.stop // self.size)
        found = np.concatenate([self._block(number) for number in range(first, last)])
        return found[part.start - first * self.size : part.stop - first * self.size]

    def _block(self, number: int) -> Floats:
        rng = np.random.default_rng([self.seed, _STREAM, number])
        if self.n_dims > _MOST_DIMS:
            return rng.random((self.size, self.n_dims))
        return qmc.Sobol(self.n_dims, rng=rng).random(self.size) + _HALF
