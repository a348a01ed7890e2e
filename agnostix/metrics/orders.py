"""Orders in which units are hidden: by their values, ties broken by seeded draws, or by chance alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_at, is_frame
from agnostix.core.typing import Codes, Floats

TIES, RANDOM = 11, 12
"""Streams of a row's seed: what breaks ties, and random orders."""


def row_seeds(rows: Any, random_state: int = 0) -> Codes:
    """A seed (n_rows,) for each row, by what it holds: draws do not depend on the rows beside it."""
    if is_frame(rows):
        mixed = np.full(rows.shape[0], np.uint64(random_state))
        for position in range(rows.shape[1]):
            values = np.asarray(pd.Series(column_at(rows, position).to_numpy()).astype(object))
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) ^ pd.util.hash_array(values, categorize=False)
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


def ranked(values: Floats, seed: Any, draw: int = 0, *, descending: bool = True) -> Codes:
    """Places of units from the largest value (n_units,) to the least, or back; ties by the draw."""
    shuffled = generator(seed, TIES, draw).permutation(values.size)
    order = np.argsort(-values[shuffled] if descending else values[shuffled], kind="stable")
    return shuffled[order]


def groups_of(order: Codes, n_groups: int, size: int) -> Codes:
    """Group of each unit, `size` of them together in the order given; the last has what is left."""
    groups = np.empty(order.size, dtype=np.intp)
    groups[order] = np.minimum(np.arange(order.size) // size, n_groups - 1)
    return groups


def ties_matter(values: Floats, size: int) -> bool:
    """Whether units of equal value (n_units,) would be hidden in different steps of `size`."""
    ordered = np.sort(values)[::-1]
    edges = np.arange(size, values.size, size)
    return bool((ordered[edges - 1] == ordered[edges]).any())


def tied(values: Floats) -> int:
    """Units that share their value with another."""
    _, counts = np.unique(values, return_counts=True)
    return int(counts[counts > 1].sum())
