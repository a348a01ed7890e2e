"""Points of a unit cube that are more even than independent ones, and how far off an estimate from them is.

An interaction of two columns must not pass for the effect of a third one. `Design` takes whole arrays of
strength 2 (`core.hypercubes`), which do no worse than independent points, or the latter where none fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array
from scipy.special import chdtri

from agnostix.core.hypercubes import Draw, Independent, LatinHypercube, Shortened, SlicedHalves, TwoLevels
from agnostix.core.orthogonal_arrays import is_power_of_two, is_prime
from agnostix.core.typing import Codes, Floats

MIN_ARRAYS = 12
"""Arrays whose spread is an error by itself."""
N_BLOCKS = 64
"""Blocks, where there are as many points; their spread is a standard error."""
LEAST_LEVELS, LEAST_RUNS = 7, 20
"""Of the smallest arrays in use. In smaller ones three columns depend on each other too much."""
MOST_NUMBERS = 2**22
"""Points times columns of one array, which is drawn as a whole."""
LEAST_USED, USUALLY_USED = 0.8, 0.89
"""Share of the points that an array must use, and that it uses where one does."""
_STREAM, _BESIDE = 3, 5
"""Apart from the streams that draw backgrounds and coalitions, and of numbers beside the points."""
_LEVEL = 0.01
"""Chance that the spread of arrays is taken although they vary as blocks do."""
_TAKEN = 0.35
"""Share of the points' degrees of freedom that an additive fit takes at most."""


@dataclass(frozen=True)
class Design:
    """Points of a unit cube, drawn array by array.

    An estimate is a sum over points. Its error is the spread of the sums over blocks of `size` points. They
    are parts of arrays (`is_cut`), so that there are enough of them. A sum of products f g then varies as
    that of f g less the product of their `additive_part`s, which an array balances whatever f and g are.
    """

    n_dims: int
    draw: Draw
    n_draws: int  # more draws of the same seed begin with the same ones
    size: int  # of a block, a divisor of draw.n_runs
    seed: int

    @classmethod
    def from_n_points(cls, n_dims: int, n_points: int, seed: int, *, of_halves: bool = False) -> Design:
        """At most n_points points; `of_halves` if nothing counts but on which side of 1/2 they lie."""
        draw = (_two_levels if of_halves else _hypercube)(n_dims, n_points)
        return cls._of_draws(n_dims, draw, n_points, seed)

    @classmethod
    def independent(cls, n_dims: int, n_points: int, seed: int) -> Design:
        """At most n_points points that do not depend on each other."""
        return cls._of_draws(n_dims, None, n_points, seed)

    @classmethod
    def sliced_halves(cls, n_dims: int, n_points: int, seed: int) -> Design:
        """At most n_points points, of whose columns but the first nothing counts but the side of 1/2."""
        return cls._of_draws(n_dims, _sliced_halves(n_dims, n_points), n_points, seed)

    @classmethod
    def _of_draws(cls, n_dims: int, draw: Draw | None, n_points: int, seed: int) -> Design:
        if draw is None:
            size = max(1, n_points // N_BLOCKS)
            return cls(n_dims, Independent(size), n_points // size, size, seed)
        n_draws = n_points // draw.n_runs
        return cls(n_dims, draw, n_draws, _block_size(draw, n_draws), seed)

    def longer(self, factor: int) -> Design:
        """So many times as many points, of which the first are the same."""
        return replace(self, n_draws=self.n_draws * factor)

    def first(self, n_points: int) -> Design:
        """The first n_points of a design, or of one that is longer: whole arrays."""
        return replace(self, n_draws=n_points // self.draw.n_runs)

    def shortened(self, n_points: int) -> Design:
        """At most n_points of the points, as many from each array, which are like independent ones."""
        if isinstance(self.draw, Independent) and self.draw.n_runs <= n_points:
            return replace(self, n_draws=min(self.n_draws, n_points // self.draw.n_runs), size=1)
        n_runs = max(1, min(self.draw.n_runs, n_points // self.n_draws))
        size = n_runs if self.n_draws >= MIN_ARRAYS else 1
        return replace(self, draw=Shortened(self.draw, n_runs), size=size)

    @property
    def n_points(self) -> int:
        """In all blocks."""
        return self.draw.n_runs * self.n_draws

    @property
    def n_blocks(self) -> int:
        """Blocks of `size` points."""
        return self.n_points // self.size

    @property
    def n_arrays(self) -> int:
        """Arrays whose spread is an error too, 0 if they are too few or are blocks themselves."""
        return self.n_draws if self.is_cut and self.n_draws >= MIN_ARRAYS else 0

    @property
    def degrees_of_freedom(self) -> int:
        """Of a standard error."""
        return (self.n_arrays or self.n_blocks) - 1

    @property
    def is_cut(self) -> bool:
        """Whether blocks are parts of arrays, which do not vary as whole arrays do."""
        return self.size < self.draw.n_runs and self.draw.n_levels > 1

    @property
    def n_drawn_together(self) -> int:
        """Points that cost as much to draw as one of them."""
        return self.draw.n_runs

    def points(self, part: slice) -> Floats:
        """Some of the points (n, n_dims), above 0 and below 1."""
        n_runs = self.draw.n_runs
        first, last = part.start // n_runs, -(-part.stop // n_runs)
        drawn = [_drawn(self.draw, self.n_dims, self.seed, number) for number in range(first, last)]
        return np.concatenate(drawn)[part.start - first * n_runs : part.stop - first * n_runs]

    def generator(self, number: int) -> np.random.Generator:
        """Random numbers beside the points of one draw, the same whenever they are drawn."""
        return np.random.default_rng([self.seed, _BESIDE, number])

    @property
    def n_merged_levels(self) -> int:
        """Levels of a column that an additive fit tells apart: neighbors are merged where points are few."""
        n_levels = self.draw.n_levels
        n = min(n_levels, 1 + int(_TAKEN * self.n_points) // self.n_dims)
        return 1 << n.bit_length() - 1 if is_power_of_two(n_levels) else n

    def additive_part(self, values: Floats) -> Floats:
        """The additive function of the columns' levels nearest to values (n_points, n_columns)."""
        # Effects of levels are orthogonal in an array, so that they are the levels' means.
        _, indicators, counts = _levels(self)
        mean = values.mean(axis=0)
        return mean + indicators @ ((indicators.T @ (values - mean)) / counts[:, None])

    def own_part(self, functions: Floats, dims: Codes) -> Floats:
        """Means (n, n_points) over the points of one level; the function of a row is one of its dimension."""
        codes, _, counts = _levels(self)
        if dims.size < self.n_dims:
            codes = codes[dims]
        sums = np.bincount(codes.ravel(), functions.ravel(), minlength=counts.size)
        return np.asarray((sums / counts)[codes])

    @property
    def inflation(self) -> float:
        """What multiplies the squares of sums less what `additive_part` accounts for."""
        left = self.n_points - 1 - (self.n_merged_levels - 1) * self.n_dims
        return self.draw.aliasing * self.n_points / left


def _hypercube(n_dims: int, n_points: int) -> Draw | None:
    """The array of n_dims columns that leaves out few of the points, or that is otherwise the best."""

    def rank(q: int) -> tuple[bool, bool, bool, int]:
        # Levels of a power of two end at quartiles and halves, where models and bins have their steps.
        n_draws = n_points // q**2
        return _wastes_little(q**2, n_points), is_power_of_two(q), n_draws >= MIN_ARRAYS, q

    most = int(np.sqrt(min(n_points, MOST_NUMBERS // n_dims)))
    levels = [q for q in range(max(LEAST_LEVELS, n_dims - 1), most + 1) if is_prime(q) or is_power_of_two(q)]
    levels = [q for q in levels if n_points // q**2 * q**2 >= LEAST_USED * n_points]
    return LatinHypercube(max(levels, key=rank)) if levels else None


def _two_levels(n_dims: int, n_points: int) -> Draw | None:
    """The largest array of two levels that 16 times fits into n_points, or the smallest of n_dims columns."""
    sizes = [n for n in _sizes_of_halves(n_dims, n_points) if n * n_dims <= MOST_NUMBERS]
    many = [n for n in sizes if n_points // n >= MIN_ARRAYS]
    if many:
        return TwoLevels(max(many, key=lambda n: (_wastes_little(n, n_points), n)))
    return TwoLevels(min(sizes)) if sizes else None


def _sliced_halves(n_dims: int, n_points: int) -> Draw | None:
    """The largest arrays that are in each of 64 slices, or the smallest of n_dims columns."""
    most = min(n_points, max(MOST_NUMBERS // n_dims, 1))
    sizes = _sizes_of_halves(n_dims - 1, most)
    many = [n for n in sizes if most // n >= N_BLOCKS]
    if not sizes:
        return None
    size = max(many, key=lambda n: (_wastes_little(n, most), n)) if many else min(sizes)
    return SlicedHalves(size, most // size)


def _sizes_of_halves(n_dims: int, n_points: int) -> list[int]:
    """Runs of the arrays of two levels that have n_dims columns and use enough of n_points."""
    least = max(LEAST_RUNS, n_dims + 1)
    sizes = [n for n in range(4 * -(-least // 4), n_points + 1, 4) if is_prime(n - 1)]
    return [n for n in sizes if n_points // n * n >= LEAST_USED * n_points]


def _wastes_little(n_runs: int, n_points: int) -> bool:
    """Whether whole arrays leave out so few points that no error grows by much."""
    return n_points % n_runs <= (1.0 - USUALLY_USED) * n_points


def _block_size(draw: Draw, n_draws: int) -> int:
    """Points of a block, so that there are N_BLOCKS of them or about as many."""
    divisors = np.arange(1, draw.n_runs + 1)
    divisors = divisors[draw.n_runs % divisors == 0]
    return int(draw.n_runs // divisors[np.abs(np.log(divisors * n_draws / N_BLOCKS)).argmin()])


def standard_error(sums: Floats, n_blocks: int) -> Floats:
    """Standard error (...) of a total from the sums (n_blocks, ...) of blocks, and of arrays after them.

    Blocks' sums are less what is a product of additive functions. Where the model has other functions of two
    columns, which an array balances as well, arrays vary less than that, and their spread is the error.
    """
    variance = _variance(sums[:n_blocks])
    if len(sums) > n_blocks:
        arrays, degrees = _variance(sums[n_blocks:]), len(sums) - n_blocks - 1
        least = chdtri(degrees, 1.0 - _LEVEL) / degrees  # a quantile of chi squared
        variance = np.where(arrays < least * variance, arrays, variance)
    return np.asarray(np.sqrt(variance))


def _variance(sums: Floats) -> Floats:
    """Variance (...) of the total of independent sums (n, ...)."""
    n = len(sums)
    return np.asarray(np.square(sums - sums.mean(axis=0)).sum(axis=0) * n / (n - 1))


@lru_cache(maxsize=2)
def _drawn(draw: Draw, n_dims: int, seed: int, number: int) -> Floats:
    """Points (n_runs, n_dims) of one draw."""
    points = draw(n_dims, np.random.default_rng([seed, _STREAM, number]))
    points.setflags(write=False)
    return points


@lru_cache(maxsize=2)
def _levels(design: Design) -> tuple[Codes, csr_array, Floats]:
    """Levels (n_dims, n_points), numbered over all columns; indicators of them, and their counts."""
    n_levels, n_points, n_dims = design.draw.n_levels, design.n_points, design.n_dims
    n = design.n_merged_levels
    levels = np.floor(design.points(slice(0, n_points)) * n_levels).astype(np.intp) * n // n_levels
    codes = levels + n * np.arange(n_dims)
    starts = np.arange(0, codes.size + 1, n_dims)
    shape = (n_points, n * n_dims)
    indicators = csr_array((np.ones(codes.size), codes.ravel(), starts), shape=shape)
    counts = np.bincount(codes.ravel(), minlength=shape[1]).astype(float)
    return np.ascontiguousarray(codes.T), indicators, counts
