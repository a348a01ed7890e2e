"""Noisy linear imputation: hidden pixels as weighted means of their neighbors, many holes in one system.

A hidden pixel is the mean of its eight neighbors, hidden ones included, direct ones with twice the weight of
diagonal ones: 1/6 and 1/12 inside the picture, in the same ratio at its edges. The holes of a picture do not
touch each other's equations, so that several small ones go into one system. Its matrix is symmetric, positive
definite and, with pixels counted along the shorter side, has a band that is little wider than that side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import solveh_banded
from scipy.sparse.linalg import splu

from agnostix.core.masking.fills import as_type
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.metrics.orders import generator

NOISE_STREAM = 13
"""Stream of a row's seed for noise."""
MOST_UNKNOWNS = 5_000
"""Hidden pixels in a system, unless a single hole has more."""
MOST_IN_BAND = 12_500_000
"""Numbers in the band of a matrix; larger ones are factorized as sparse, in less memory and more time."""
_NEIGHBORS = [
    (down, right, 2.0 if 0 in (down, right) else 1.0)
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if (down, right) != (0, 0)
]
_OUTSIDE, _KNOWN = -2, -1


def solve_holes(picture: Floats, holes: Bools) -> Floats:
    """Values (n_hidden, n_channels) of the hidden pixels of holes (n_holes, height, width), hole after hole.

    The picture is (height, width, n_channels); each hole leaves at least one of its pixels.
    """
    if holes.shape[2] <= holes.shape[1]:
        return _solve(picture, holes)
    turned = holes.swapaxes(1, 2)
    places = np.empty(turned.shape, dtype=np.intp)
    places[turned] = np.arange(np.count_nonzero(turned))
    return _solve(picture.swapaxes(0, 1), turned)[places.swapaxes(1, 2)[holes]]


def _solve(picture: Floats, holes: Bools) -> Floats:
    """The same for pictures that are no wider than high."""
    n_holes, height, width = holes.shape
    place = np.full((n_holes, height + 2, width + 2), _OUTSIDE)
    place[:, 1:-1, 1:-1] = _KNOWN
    inside = place[:, 1:-1, 1:-1]
    inside[holes] = np.arange(np.count_nonzero(holes))
    place = place.ravel()
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0))).reshape(-1, picture.shape[2])
    own = np.flatnonzero(place >= 0)
    total, known = np.zeros(own.size), np.zeros((own.size, picture.shape[2]))
    below = []
    for down, right, weight in _NEIGHBORS:
        step = down * (width + 2) + right
        index = place[own + step]
        total += weight * (index != _OUTSIDE)
        seen = np.flatnonzero(index == _KNOWN)
        known[seen] += weight * padded[(own[seen] + step) % len(padded)]
        if step > 0:
            pixels = np.flatnonzero(index >= 0)
            below.append((pixels, index[pixels], weight))
    n_below = max((int((others - pixels).max(initial=0)) for pixels, others, _ in below), default=0)
    solve = _solve_band if own.size * (n_below + 1) <= MOST_IN_BAND else _solve_sparse
    return solve(total, below, known, n_below)


@one_blas_thread
def _solve_band(
    total: Floats, below: list[tuple[Codes, Codes, float]], known: Floats, n_below: int
) -> Floats:
    """By Cholesky's method within the band, whose diagonal is the total weight of each pixel's neighbors."""
    band = np.zeros((n_below + 1, total.size), order="F")
    band[0] = total
    for pixels, others, weight in below:
        band[others - pixels, pixels] = -weight
    return np.asarray(
        solveh_banded(band, known, overwrite_ab=True, overwrite_b=True, lower=True, check_finite=False)
    )


def _solve_sparse(total: Floats, below: list[tuple[Codes, Codes, float]], known: Floats, _: int) -> Floats:
    """By sparse factors."""
    diagonal = np.arange(total.size)
    rows = [pixels for pixels, _, _ in below]
    columns = [others for _, others, _ in below]
    weights = [np.full(pixels.size, -weight) for pixels, _, weight in below]
    entries = np.concatenate([*weights, *weights, total])
    where = (np.concatenate([*rows, *columns, diagonal]), np.concatenate([*columns, *rows, diagonal]))
    system = sparse.coo_array((entries, where), shape=(total.size, total.size)).tocsc()
    # Diagonally dominant: no pivots, and an order that keeps the factors sparse.
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(known))


@dataclass(frozen=True)
class Imputer:
    """Fills holes of one picture (height, width[, n_channels]); noise is a share of each channel's range."""

    picture: Any
    noise: float
    seed: Any
    draw: int = 0

    def fill(self, holes: Bools) -> Iterator[Any]:
        """The picture under each of the holes (n_holes, height, width); the mean color if all is hidden."""
        values = self.picture.reshape(*self.picture.shape[:2], -1).astype(float)
        low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
        noise = self._noise(low, high)
        for hole, smooth in zip(holes, _interpolate(values, holes), strict=True):
            filled = values.copy()
            filled[hole] = np.clip(smooth + noise[hole], low, high)
            yield as_type(filled.reshape(self.picture.shape), self.picture.dtype)

    def _noise(self, low: Floats, high: Floats) -> Floats:
        shape = (*self.picture.shape[:2], low.size)
        if self.noise == 0:
            return np.zeros(shape)
        normal = generator(self.seed, NOISE_STREAM, self.draw).standard_normal(shape)
        return np.asarray(self.noise * (high - low) * normal)


def _interpolate(values: Floats, holes: Bools) -> Iterator[Floats]:
    """Values (n_hidden, n_channels) of each hole of a picture (height, width, n_channels)."""
    mean = values.mean(axis=(0, 1))
    for part in _chunks(holes):
        chunk = holes[part]
        seen = np.asarray(~chunk.reshape(len(chunk), -1).all(axis=1))
        solved = solve_holes(values, chunk[seen]) if seen.any() else np.empty((0, mean.size))
        stops = iter(np.cumsum(chunk[seen].sum(axis=(1, 2))))
        start = 0
        for hole, is_seen in zip(chunk, seen, strict=True):
            if not is_seen:
                yield np.broadcast_to(mean, (hole.size, mean.size))
                continue
            stop = int(next(stops))
            yield solved[start:stop]
            start = stop


def _chunks(holes: Bools) -> list[slice]:
    """Consecutive holes with at most MOST_UNKNOWNS hidden pixels, or a single larger one."""
    chunks, start, total = [], 0, 0
    for j, size in enumerate(holes.sum(axis=(1, 2))):
        if j > start and total + size > MOST_UNKNOWNS:
            chunks.append(slice(start, j))
            start, total = j, 0
        total += int(size)
    return [*chunks, slice(start, len(holes))]
