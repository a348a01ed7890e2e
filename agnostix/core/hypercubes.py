"""Ways to draw points of a unit cube that depend on each other: columns, levels, places and order at random.

`LatinHypercube`, of strength 2 (Tang, 1993; Owen, 1992), and `TwoLevels` place the runs of an orthogonal
array: functions of one column or of two are summed with next to no error, whatever involves three columns or
more as by independent points. `SlicedHalves` is such an array in each stratum of a further column.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agnostix.core.orthogonal_arrays import bush, plackett_burman
from agnostix.core.typing import Codes, Floats

_INSIDE = 1e-9
"""Share of a cell's width by which points stay inside it: none lies on the cube's border."""


class Draw(Hashable, Protocol):
    """A way to draw points that depend on each other."""

    @property
    def n_runs(self) -> int:
        """Points that are drawn together."""

    @property
    def n_levels(self) -> int:
        """Levels of the array behind them, 1 without one."""

    @property
    def aliasing(self) -> float:
        """Variance of the mean of a product of three columns' effects, relative to independent points."""

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        """Points (n_runs, n_dims), above 0 and below 1, in random order."""


@dataclass(frozen=True)
class Independent:
    """Points that do not depend on each other."""

    n_runs: int
    n_levels: int = 1
    aliasing: float = 1.0

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        return np.clip(rng.random((self.n_runs, n_dims)), _INSIDE, 1.0 - _INSIDE)


@dataclass(frozen=True)
class LatinHypercube:
    """Latin hypercube of strength 2 from an array of q levels: columns, levels and places drawn at random."""

    n_levels: int

    @property
    def n_runs(self) -> int:
        return self.n_levels**2

    @property
    def aliasing(self) -> float:
        # Of three columns, a run shares one level with 3 (q - 1) others and none with (q - 1) (q - 2).
        return 1.0 + (2 * self.n_levels - 1) / (self.n_levels - 1) ** 2

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        levels = _shuffled(bush(self.n_levels), n_dims, rng)
        order = np.argsort(levels + rng.random(levels.shape), axis=0)
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(self.n_runs)[:, None], axis=0)
        return _within(places, self.n_runs, rng)


@dataclass(frozen=True)
class Shortened:
    """The first points of another draw."""

    whole: Draw
    n_runs: int
    n_levels: int = 1
    aliasing: float = 1.0

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        return self.whole(n_dims, rng)[: self.n_runs]


@dataclass(frozen=True)
class TwoLevels:
    """Points of which as many, in any two columns, lie in each of the four quarters (Plackett and Burman)."""

    n_runs: int
    n_levels: int = 2

    @property
    def aliasing(self) -> float:
        return self.n_runs / (self.n_runs - 3)

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        return _within(_shuffled(plackett_burman(self.n_runs), n_dims, rng), 2, rng)


@dataclass(frozen=True)
class SlicedHalves:
    """Points that are `TwoLevels` of n_array runs in each of n_slices strata of the first column.

    Sums of products of two columns are then without error also if they depend on the first column (sliced
    designs: Qian and Wu, 2009).
    """

    n_array: int
    n_slices: int
    n_levels: int = 2

    @property
    def n_runs(self) -> int:
        return self.n_array * self.n_slices

    @property
    def aliasing(self) -> float:
        return TwoLevels(self.n_array).aliasing

    def __call__(self, n_dims: int, rng: np.random.Generator) -> Floats:
        draw = TwoLevels(self.n_array)
        halves = np.concatenate([draw(n_dims - 1, rng) for _ in range(self.n_slices)])
        places = [self.n_array * s + rng.permutation(self.n_array) for s in range(self.n_slices)]
        first = _within(np.concatenate(places)[:, None], self.n_runs, rng)
        return np.concatenate([first, halves], axis=1)[rng.permutation(self.n_runs)]


def _shuffled(array: Codes, n_dims: int, rng: np.random.Generator) -> Codes:
    """Some columns of an array in random order, the levels of each renamed at random, and rows shuffled."""
    columns = rng.permutation(array.shape[1])[:n_dims]
    rows = rng.permutation(array.shape[0])
    n_levels = int(array.max()) + 1
    names = rng.permuted(np.tile(np.arange(n_levels), (n_dims, 1)), axis=1)
    return names[np.arange(n_dims), array[rows[:, None], columns]]


def _within(cells: Codes, n_cells: int, rng: np.random.Generator) -> Floats:
    """A random point inside each cell of (0, 1)."""
    return (cells + np.clip(rng.random(cells.shape), _INSIDE, 1.0 - _INSIDE)) / n_cells
