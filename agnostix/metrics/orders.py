"""Orders in which units are hidden: by their values, ties broken by seeded draws, or by chance alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_at, is_frame
from agnostix.core.typing import Bools, Codes, Floats

TIES, RANDOM = 11, 12
"""Streams of a row's seed: what breaks ties, and random orders."""

_DIGITS = 10
"""That are compared of values, relative to the largest of a row."""


def row_seeds(rows: Any, random_state: int = 0) -> Codes:
    """A seed (n_rows,) for each row, by what it holds: draws do not depend on the rows beside it."""
    if is_frame(rows):
        mixed = np.full(rows.shape[0], np.uint64(random_state))
        for position in range(rows.shape[1]):
            cells = pd.Series(column_at(rows, position).to_list(), dtype=object)
            # Each cell by itself: a column's type may depend on what other rows hold.
            words = np.array([str(cell) for cell in cells.where(cells.notna(), None)], dtype=object)
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) ^ pd.util.hash_array(words, categorize=False)
        return mixed
    key = str(int(random_state)).encode()
    array = np.asarray(rows)
    if array.dtype.kind in "OU":
        parts = (repr(row.tolist() if isinstance(row, np.ndarray) else row).encode() for row in array)
    else:
        parts = (np.ascontiguousarray(row).tobytes() for row in array)
    digests = b"".join(hashlib.blake2b(part, digest_size=8, key=key).digest() for part in parts)
    return np.frombuffer(digests, dtype=np.uint64)


def generator(seed: Any, stream: int, draw: int = 0) -> np.random.Generator:
    """Random numbers of a row's seed; streams and draws are independent."""
    return np.random.default_rng([int(seed), stream, draw])


def comparable(values: Floats) -> Floats:
    """Values (..., n_units) over the largest of each row, without the digits that may be rounding."""
    largest = np.fmax.reduce(np.abs(values), axis=-1, keepdims=True, initial=0.0)
    return np.round(values / np.where(largest > 0, largest, 1.0), _DIGITS)


def ranked(values: Floats, seed: Any, draw: int = 0, *, descending: bool = True) -> Codes:
    """Places of units from the largest value (n_units,) to the least, or back; ties by the draw."""
    shuffled = generator(seed, TIES, draw).permutation(values.size)
    order = np.argsort(-values[shuffled] if descending else values[shuffled], kind="stable")
    return shuffled[order]


def groups_of(order: Codes, counts: Codes, n_units: int) -> Codes:
    """Group of each unit (n_units,): the first g whose counts[g], of (n_points,), units include it.

    Units that are not in the order are in the last group, n_points + 1.
    """
    groups = np.full(n_units, counts.size + 1, dtype=np.intp)
    groups[order] = np.searchsorted(counts, np.arange(order.size), side="right")
    return groups


def masks_of(n_points: int, *, reveals: bool) -> Bools:
    """Masks (n_points, n_points + 2) that hide the groups up to each point, or all others."""
    groups, points = np.arange(n_points + 2), np.arange(n_points)[:, None]
    masks = groups <= points if reveals else groups > points
    masks[:, -1] = True
    return masks


def ties_matter(values: Floats, counts: Codes) -> bool:
    """Whether units of equal value (n_units,) are on both sides of any of the counts."""
    ordered = np.sort(values)[::-1]
    edges = counts[(counts > 0) & (counts < values.size)]
    return bool((ordered[edges - 1] == ordered[edges]).any())


def tied(values: Floats) -> int:
    """Units that share their value with another."""
    _, counts = np.unique(values, return_counts=True)
    return int(counts[counts > 1].sum())
