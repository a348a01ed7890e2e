"""Quasi-random points of a unit cube: Sobol nets in blocks, each scrambled independently (Owen, 1995)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from agnostix.core.typing import Codes, Floats

MIN_BLOCKS = 16
"""Blocks at least; their spread is the standard error."""
_MOST_DIMS = qmc.Sobol.MAXDIM
_STREAM = 3
"""Apart from the streams that draw backgrounds and coalitions."""
_INSIDE = 1e-9
"""Share of a cell's width by which points stay inside it: none lies on the cube's border."""
_MANY = 8
"""Columns from which on they are chosen."""
_SPREAD = (
    0, 1, 22, 111, 72, 3, 132, 4, 77, 121, 172, 199, 194, 159, 42, 177, 178, 15, 116, 62, 193, 71, 49, 158,
    99, 98, 145, 195, 10, 31, 151, 85, 41, 105, 47, 130, 142, 127, 33, 65, 144, 13, 129, 75, 168, 170, 46,
    84, 25, 102, 175, 38, 6, 11, 161, 124, 45, 86, 119, 14, 131, 34, 44, 140,
)  # fmt: skip
"""Columns of Sobol's net that go well together, two by two, in blocks of 256 points.

Chosen one after the other among the first 200, each the one with the least sum over those before it, where
two columns have 4^-b for each of the first two digits of one beside which b digits of the other are still
balanced. In blocks that are so short some neighboring columns are far from even, whatever the scrambling.
"""


@dataclass(frozen=True)
class SobolBlocks:
    """Points of a Sobol net in a unit cube of n_dims, each block scrambled anew."""

    n_dims: int
    size: int  # points in a block, a power of 2
    n_blocks: int
    seed: int  # more blocks of the same seed begin with the same ones

    @classmethod
    def from_n_points(cls, n_dims: int, n_points: int, seed: int) -> SobolBlocks:
        """At most n_points points, in as large blocks as leave 16 of them."""
        size = 2 ** int(np.log2(n_points // MIN_BLOCKS))
        return cls(n_dims, size, n_points // size, seed)

    def longer(self, factor: int) -> SobolBlocks:
        """So many times as many blocks, of which the first are the same."""
        return replace(self, n_blocks=self.n_blocks * factor)

    @property
    def n_points(self) -> int:
        """In all blocks."""
        return self.size * self.n_blocks

    def points(self, part: slice) -> Floats:
        """Some of the points (n, n_dims), above 0 and below 1."""
        first, last = part.start // self.size, -(-part.stop // self.size)
        blocks = np.concatenate([self._block(number) for number in range(first, last)])
        return blocks[part.start - first * self.size : part.stop - first * self.size]

    def _block(self, number: int) -> Floats:
        rng = np.random.default_rng([self.seed, _STREAM, number])
        if self._net is None:
            return rng.random((self.size, self.n_dims))
        return _scrambled(self._net, int(np.log2(self.size)), rng)

    @cached_property
    def _net(self) -> Codes | None:
        """Points before scrambling, as whole numbers below `size`; None where columns are too many."""
        if self.n_dims > _MOST_DIMS:
            return None
        dims = np.arange(self.n_dims)
        if self.n_dims >= _MANY:
            others = np.setdiff1d(np.arange(max(self.n_dims, max(_SPREAD) + 1)), _SPREAD)
            dims = np.concatenate([_SPREAD, others])[: self.n_dims]
        net = qmc.Sobol(int(dims.max()) + 1, scramble=False).random(self.size)[:, dims]
        return (net * self.size).astype(np.intp)


def _scrambled(net: Codes, n_bits: int, rng: np.random.Generator) -> Floats:
    """Owen's scrambling: a digit is flipped at random for what stands before it; what is below is random."""
    columns = np.arange(net.shape[1])
    digits = np.zeros_like(net)
    for level in range(n_bits):
        flips = rng.integers(0, 2, (2**level, net.shape[1]))
        digit = (net >> (n_bits - 1 - level)) & 1
        digits = 2 * digits + (digit ^ flips[net >> (n_bits - level), columns])
    within = np.clip(rng.random(net.shape), _INSIDE, 1.0 - _INSIDE)
    return (digits + within) / 2.0**n_bits
