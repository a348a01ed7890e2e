"""The pixels of a set of pictures in the canonical order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats, Numbers

MAX_LEVELS = 256
"""Distinct values up to which pixels are stored as one byte each."""
_TRIED = 65_536
"""Numbers of the first pictures that tell whether pixels have few distinct values."""
_CHUNK = 4_000_000
"""Numbers that are looked at together."""


@dataclass(frozen=True)
class PixelTable:
    """Pictures as rows of pixels, color channels one after the other."""

    shape: tuple[int, ...]  # of a picture, (height, width[, n_channels])
    pixels: Numbers  # (n_rows, n_pixels), places in `levels` as uint8, or the numbers themselves
    levels: Floats | None  # (n_levels,), the distinct values in increasing order; None if there are many

    @classmethod
    def from_pictures(cls, pictures: Numbers, order: Codes) -> PixelTable:
        """Pictures (n_given, height, width[, n_channels]) as rows in another order."""
        flat = pictures.reshape(len(pictures), -1)
        levels = _find_levels(flat)
        if levels is None:
            kept = flat[order] if flat.dtype.kind == "f" else flat[order].astype(float)
            return cls(pictures.shape[1:], kept, None)
        codes = np.empty((order.size, flat.shape[1]), dtype=np.uint8)
        place_of = np.zeros(MAX_LEVELS, dtype=np.uint8)
        if flat.dtype == np.uint8:
            place_of[levels] = np.arange(levels.size)
        for rows in _row_chunks(*codes.shape):
            part = flat[order[rows]]
            codes[rows] = place_of[part] if flat.dtype == np.uint8 else np.searchsorted(levels, part)
        return cls(pictures.shape[1:], codes, levels.astype(float))

    @property
    def n_rows(self) -> int:
        """How many pictures."""
        return self.pixels.shape[0]

    @property
    def n_pixels(self) -> int:
        """How many pixels, each channel by itself."""
        return self.pixels.shape[1]

    def numbers(self, block: slice, rows: Bools | None = None) -> Floats:
        """Values (n_rows, n_block) of some pixels, of all pictures or of `rows` (n_rows,)."""
        part = self.pixels[:, block] if rows is None else self.pixels[rows, block]
        return part.astype(float) if self.levels is None else self.levels[part]

    def codes(self, block: slice, rows: Bools | None = None) -> Numbers:
        """Places in `levels` (n_rows, n_block) of some pixels."""
        return self.pixels[:, block] if rows is None else self.pixels[rows, block]

    def as_pictures(self, array: Numbers) -> Numbers:
        """An array (..., n_pixels) with the axes of a picture."""
        return array.reshape(*array.shape[:-1], *self.shape)

    def blocks(self, size: int) -> Iterator[slice]:
        """Pixels in blocks of one size, the last one perhaps smaller."""
        for start in range(0, self.n_pixels, size):
            yield slice(start, min(start + size, self.n_pixels))


def picture_keys(pictures: Numbers) -> Numbers:
    """A number (n_rows,) of each picture by all its bytes, for a canonical order of rows."""
    # A sum of words times odd random numbers, modulo 2^64: pictures that differ in one bit differ in it.
    flat = np.ascontiguousarray(pictures.reshape(len(pictures), -1))
    n_bytes = flat.shape[1] * flat.itemsize
    as_bytes = flat.view(np.uint8).reshape(len(flat), n_bytes)
    n_words = -(-n_bytes // 8)
    factors = np.random.default_rng(0).integers(2**63, size=n_words, dtype=np.uint64) * np.uint64(2)
    factors += np.uint64(1)
    keys = np.empty(len(flat), dtype=np.uint64)
    for rows in _row_chunks(len(flat), n_words):
        padded = np.zeros((rows.stop - rows.start, 8 * n_words), dtype=np.uint8)
        padded[:, :n_bytes] = as_bytes[rows]
        keys[rows] = (padded.view(np.uint64) * factors).sum(1)
    return keys


def _find_levels(flat: Numbers) -> Numbers | None:
    """The distinct values of pixels in increasing order, unless there are many."""
    if flat.dtype.itemsize > 1 and np.unique(flat.ravel()[:_TRIED]).size > MAX_LEVELS:
        return None
    levels = np.empty(0, dtype=flat.dtype)
    for rows in _row_chunks(*flat.shape):
        levels = np.union1d(levels, _distinct(flat[rows].ravel()))
        if levels.size > MAX_LEVELS:
            return None
    return levels


def _distinct(values: Numbers) -> Numbers:
    if values.dtype == np.uint8:
        return np.flatnonzero(np.bincount(values, minlength=MAX_LEVELS)).astype(np.uint8)
    return np.unique(values)


def _row_chunks(n_rows: int, n_each: int) -> Iterator[slice]:
    size = max(1, _CHUNK // max(n_each, 1))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
