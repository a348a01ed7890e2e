"""Pixels as stacked columns: merged by value where these are few, else row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.what_if.distinct_values import DistinctValues, weigh_columns
from agnostix.what_if.pixels.population import PixelTable
from agnostix.what_if.table import N_ROUNDINGS

_ROWS_PER_LEVEL = 1.5
"""Rows to a distinct value from which merging them is faster."""


@dataclass(frozen=True)
class PixelColumns:
    """Some pixels that vary, standardized on the base weights."""

    places: Codes  # (n_columns,), of the pixels in a picture
    distinct: DistinctValues  # stacked
    origin: Floats  # (n_columns,), the least value
    center: Floats  # (n_columns,), base mean less that
    scale: Floats  # (n_columns,), base standard deviation
    averages: Floats  # (n_block,), base means of all pixels of the block

    @classmethod
    def from_pixels(
        cls, pixels: PixelTable, block: slice, base: Floats, outcomes: Floats, rows: Bools | None
    ) -> PixelColumns:
        """The pixels of a block with outcomes (n_rows, n_outcomes), of all pictures or of `rows`."""
        if merges_levels(pixels, base.size):
            assert pixels.levels is not None
            codes = pixels.codes(block, rows)
            low, high = pixels.levels[codes.min(0)], pixels.levels[codes.max(0)]
            kept = np.flatnonzero(_varies(low, high))
            sums = _LevelSums.from_codes(codes[:, kept], pixels.levels.size, base, outcomes)
            # values that a pixel has not got are put where they do no harm: at its least one
            points = np.where(sums.mass > 0.0, pixels.levels, low[kept][:, None])
            z, center, scale = standardize_columns(points, low[kept], high[kept], sums.mass)
            return cls._assembled(block, kept, sums.distinct(z), low, center, scale)
        values = pixels.numbers(block, rows).T
        low, high = values.min(1), values.max(1)
        kept = np.flatnonzero(_varies(low, high))
        z, center, scale = standardize_columns(values[kept], low[kept], high[kept], base)
        return cls._assembled(block, kept, stack_rows(z, base, outcomes), low, center, scale)

    @classmethod
    def _assembled(
        cls, block: slice, kept: Codes, distinct: DistinctValues, low: Floats, center: Floats, scale: Floats
    ) -> PixelColumns:
        averages = low.copy()
        averages[kept] += center
        return cls(block.start + kept, distinct, low[kept], center, scale, averages)

    def from_z(self, z: Floats) -> Floats:
        """Standard deviations from the mean (n_columns, n_targets) to the pixels' units."""
        targets: Floats = self.origin[:, None] + (self.center[:, None] + z * self.scale[:, None])
        return targets


def merges_levels(pixels: PixelTable, n_rows: int) -> bool:
    """Whether the pixels of so many pictures are merged by value."""
    return pixels.levels is not None and n_rows >= _ROWS_PER_LEVEL * pixels.levels.size


def standardize_columns(
    values: Floats, low: Floats, high: Floats, mass: Floats
) -> tuple[Floats, Floats, Floats]:
    """Values (n_columns, n_points) with base mean 0, the means less `low` and the standard deviations."""
    # Scaled to [0, 1] first, and centered twice, as `sample.standardize`.
    width = np.where(high > low, high - low, 1.0)
    z = (values - low[:, None]) / width[:, None]
    mean = weigh_columns(z, mass)
    z -= mean[:, None]
    scale = np.sqrt(weigh_columns(z * z, mass))
    scale[scale == 0.0] = 1.0
    z /= scale[:, None]
    z -= weigh_columns(z, mass)[:, None]
    return z, width * mean, width * scale


def stack_rows(z: Floats, base: Floats, outcomes: Floats) -> DistinctValues:
    """Statistics (n_columns, n_rows) whose rows stay apart."""
    first, square = base[:, None] * outcomes, base * base
    first_sq = base[:, None] * first
    extremes = z.min(1), z.max(1)
    return DistinctValues(z, base, first, square, first_sq, first_sq * outcomes, base, base, extremes)


def _varies(low: Floats, high: Floats) -> Bools:
    """Whether pixels from low to high (n_columns,) differ by more than rounding."""
    return high - low > N_ROUNDINGS * np.spacing(np.maximum(np.abs(low), np.abs(high)))


@dataclass(frozen=True)
class _LevelSums:
    """Sums over the rows that have a value of a pixel, (n_columns, n_levels, ...)."""

    mass: Floats
    first: Floats
    mass_sq: Floats
    first_sq: Floats
    second_sq: Floats
    row_top: Floats

    @classmethod
    def from_codes(cls, codes: Numbers, n_levels: int, base: Floats, outcomes: Floats) -> _LevelSums:
        """Sums by codes (n_rows, n_columns) of values."""
        n_rows, n_columns = codes.shape
        cell = (codes + n_levels * np.arange(n_columns, dtype=np.int32)).astype(np.int32).ravel()
        starts = n_columns * np.arange(n_rows + 1)
        member = csc_array((np.ones(cell.size), cell, starts), shape=(n_columns * n_levels, n_rows))
        m = outcomes.shape[1]
        first = base[:, None] * outcomes
        uniform = base.min() == base.max()
        b = base[:, None]
        terms = [b, first, (base[0] if uniform else b) * first * outcomes]
        terms += [] if uniform else [b * b, b * first]
        weighted = np.hstack(terms)
        sums = (member @ weighted).reshape(n_columns, n_levels, weighted.shape[1])
        mass, first, second_sq = sums[..., 0].copy(), sums[..., 1 : 1 + m], sums[..., 1 + m : 1 + 2 * m]
        if uniform:
            top = np.full((1, n_levels), base[0])
            return cls(mass, first, base[0] * mass, base[0] * first, second_sq, top)
        top = np.zeros(n_columns * n_levels)
        np.maximum.at(top, cell, np.repeat(base, n_columns))
        mass_sq, first_sq = sums[..., 1 + 2 * m].copy(), sums[..., 2 + 2 * m :]
        return cls(mass, first, mass_sq, first_sq, second_sq, top.reshape(n_columns, n_levels))

    def distinct(self, z: Floats) -> DistinctValues:
        """The sums at standardized values z (n_columns, n_levels)."""
        row_mass = np.divide(self.mass_sq, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0.0)
        extremes = z.min(1), z.max(1)
        sums = self.mass, self.first, self.mass_sq, self.first_sq, self.second_sq
        return DistinctValues(z, *sums, row_mass, self.row_top, extremes)
