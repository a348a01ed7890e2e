"""Hidden pixels filled in by noisy linear interpolation of those around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from agnostix.core.masking.fills import as_type, by_channel
from agnostix.core.typing import Bools, Codes, Floats

NOISE = 0.01
"""Standard deviation of what is added, as a share of each channel's range."""
_NEAR = [
    (-1, 0, 2.0),
    (1, 0, 2.0),
    (0, -1, 2.0),
    (0, 1, 2.0),
    (-1, -1, 1.0),
    (-1, 1, 1.0),
    (1, -1, 1.0),
    (1, 1, 1.0),
]
"""Neighbors down and to the right, with weights: direct ones have twice that of diagonal ones."""


class Inpainter:
    """Fills holes in one picture by noisy linear interpolation.

    Each hidden pixel is the weighted mean of its eight neighbors, hidden ones included, which is a sparse
    linear system. The noise is the same for all pictures of a shape, scaled to the range of each channel.
    """

    def __init__(self, picture: Any, seed: int) -> None:
        self.picture = picture
        self._values = picture.reshape(*picture.shape[:2], -1).astype(float)
        low, high = by_channel(self._values, np.min), by_channel(self._values, np.max)
        noise = np.random.default_rng([seed, 7]).standard_normal(picture.shape)
        self._noise = NOISE * (high - low) * noise.reshape(self._values.shape)
        self._bounds = (low, high)
        self._solvers: dict[tuple[Any, ...], Any] = {}

    def filled(self, hidden: Bools) -> Any:
        """The picture with hidden pixels (height, width) filled in; the mean color if all are hidden."""
        out = self._values.copy()
        if hidden.any():
            out[hidden] = self.values(hidden)
        return as_type(out.reshape(self.picture.shape), self.picture.dtype)

    def values(self, hidden: Bools) -> Floats:
        """Values of the hidden pixels (n_hidden, n_channels), clipped to the range of each channel."""
        if hidden.all():
            smooth = np.broadcast_to(self._values.mean(axis=(0, 1)), (hidden.size, self._values.shape[2]))
        else:
            smooth = self._smooth(hidden)
        return np.clip(smooth + self._noise[hidden], *self._bounds)

    def _smooth(self, hidden: Bools) -> Floats:
        """Solve around the hole only; holes of one form share their system."""
        part = tuple(
            _around(np.flatnonzero(hidden.any(axis=1 - axis)), hidden.shape[axis]) for axis in (0, 1)
        )
        hole, values = hidden[part], self._values[part]
        key = (hole.tobytes(), hole.shape)
        if key not in self._solvers:
            self._solvers[key] = _system(hole)
        solver, known = self._solvers[key]
        return np.column_stack([solver.solve(known @ channel) for channel in values[~hole].T])


def inpaint_fill(picture: Any, labels: Codes, seed: int) -> Any:
    """Each segment interpolated as if it alone were hidden, of the picture's shape."""
    inpainter = Inpainter(picture, seed)
    out = np.empty((*labels.shape, int(np.prod(picture.shape[2:]))))
    for label in np.unique(labels):
        hidden = labels == label
        out[hidden] = inpainter.values(hidden)
    return as_type(out.reshape(picture.shape), picture.dtype)


def _around(places: Codes, length: int) -> slice:
    """From the first to the last, and one more on both sides."""
    return slice(max(0, int(places[0]) - 1), min(length, int(places[-1]) + 2))


def _system(hole: Bools) -> tuple[Any, Any]:
    """Factorized system of the hidden pixels, and the matrix of the known ones on its right-hand side."""
    place = np.full(hole.shape, -1)
    place[hole] = np.arange(hole.sum())
    place[~hole] = np.arange((~hole).sum())
    row, column = np.nonzero(hole)
    inner: list[tuple[Codes, Codes, Floats]] = []
    outer: list[tuple[Codes, Codes, Floats]] = []
    total = np.zeros(row.size)
    for down, right, weight in _NEAR:
        there = (row + down >= 0) & (row + down < hole.shape[0])
        there &= (column + right >= 0) & (column + right < hole.shape[1])
        near = (row[there] + down, column[there] + right)
        total[there] += weight
        for kept, own in ((inner, hole[near]), (outer, ~hole[near])):
            kept.append((np.flatnonzero(there)[own], place[near][own], np.full(own.sum(), weight)))
    left = sparse.diags_array(total) - _matrix(inner, (row.size, row.size))
    return splu(left.tocsc()), _matrix(outer, (row.size, int((~hole).sum())))


def _matrix(entries: list[tuple[Codes, Codes, Floats]], shape: tuple[int, int]) -> sparse.csr_array:
    rows, columns, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    return sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()
