"""Patterns of rows at leaves, and what leaves give: by dense tables for few players, by pairs for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.shapley.trees.weights import LeafGains

MOST_DENSE = 8
"""Players up to which a leaf has a value for each pattern of a row."""
MOST_MARKED = 16
"""Players up to which patterns are told apart by marking them in a list of all."""
MOST_WAITING = 2**19
"""Covered pairs of patterns that are kept until what they give is computed."""
_MOST_PAIRS = 2**22
"""Pairs of patterns that are compared at once."""


def histograms(patterns: Numbers, n_players: int, weights: Floats) -> Floats:
    """Weights of rows by their pattern, (n_leaves, 2**n_players), from patterns (n_leaves, n_rows)."""
    counts = np.empty((len(patterns), 1 << n_players))
    same = weights.size > 0 and (weights == weights[0]).all()
    for own, count in zip(patterns, counts, strict=True):
        count[:] = np.bincount(own, None if same else weights, count.size)
    return counts * weights[0] if same else counts


def distinct(patterns: Numbers, n_players: int) -> tuple[Numbers, Codes]:
    """Distinct patterns, ascending, and which of them each row (n_rows,) has."""
    if n_players > MOST_MARKED:
        found, which = np.unique(patterns, return_inverse=True)
        return found, which
    is_there = np.zeros(1 << n_players, dtype=bool)
    is_there[patterns] = True
    found = is_there.nonzero()[0]
    place = np.empty(1 << n_players, dtype=np.intp)
    place[found] = np.arange(found.size)
    return found.astype(patterns.dtype), place[patterns]


def covered(row_patterns: Numbers, background_patterns: Numbers) -> tuple[Codes, Codes]:
    """Pairs of a row's and a background row's pattern that have no condition that neither meets."""
    n_rows, n_background = row_patterns.size, background_patterns.size
    step = max(1, _MOST_PAIRS // max(n_background, 1))
    found = []
    for start in range(0, n_rows, step):
        apart = (row_patterns[start : start + step, None] & background_patterns) == 0
        found.append(np.flatnonzero(apart) + start * n_background)
    return np.divmod(found[0] if len(found) == 1 else np.concatenate(found), n_background)


def meets_some(row_patterns: Numbers, background_patterns: Numbers) -> tuple[Bools, Bools]:
    """Which patterns of rows, and of background rows, have a partner that covers the conditions so far."""
    step = max(1, _MOST_PAIRS // max(background_patterns.size, 1))
    keeps_row = np.zeros(row_patterns.size, dtype=bool)
    keeps_background = np.zeros(background_patterns.size, dtype=bool)
    for start in range(0, row_patterns.size, step):
        part = slice(start, start + step)
        apart = (row_patterns[part, None] & background_patterns) == 0
        keeps_row[part] = apart.any(axis=1)
        keeps_background |= apart.any(axis=0)
    return keeps_row, keeps_background


@dataclass(frozen=True)
class PairedLeaf:
    """A leaf with many players: patterns of rows and background rows, and which of these cover its path."""

    targets: Codes  # (n_targets,)
    n_players: int
    values: Floats  # (n_values,)
    patterns: Numbers  # distinct ones of rows
    which: Codes  # (n_rows,) of these
    background: Numbers  # distinct ones of background rows
    weights: Floats  # of these
    pairs: tuple[Codes, Codes]  # of patterns, sorted by the rows'


def pair(
    targets: Codes, n_players: int, values: Floats, own: Numbers, other: Numbers, weights: Floats
) -> PairedLeaf | None:
    """A leaf with the patterns (n_rows,) of rows and of background rows; None if none reach it together."""
    patterns, which = distinct(own, n_players)
    background, place = distinct(other, n_players)
    pairs = covered(patterns, background)
    if pairs[0].size == 0:
        return None
    by_pattern: Any = np.bincount(place, weights, background.size)
    return PairedLeaf(targets, n_players, values, patterns, which, background, by_pattern, pairs)


def paired_tables(leaves: list[PairedLeaf], gains: LeafGains) -> list[Floats]:
    """What leaves of value 1 give by the pattern of a row, each (n_targets, n_patterns)."""
    most = max(leaf.n_players for leaf in leaves)
    n_patterns = np.array([leaf.patterns.size for leaf in leaves])
    n_background = np.array([leaf.background.size for leaf in leaves])
    n_pairs = [leaf.pairs[0].size for leaf in leaves]
    first, first_other = (np.cumsum(sizes) - sizes for sizes in (n_patterns, n_background))
    row = np.concatenate([leaf.pairs[0] for leaf in leaves]) + np.repeat(first, n_pairs)
    other = np.concatenate([leaf.pairs[1] for leaf in leaves]) + np.repeat(first_other, n_pairs)
    tables = gains.paired(
        unpack(np.concatenate([leaf.patterns for leaf in leaves]), most),
        unpack(np.concatenate([leaf.background for leaf in leaves]), most),
        np.concatenate([leaf.weights for leaf in leaves]),
        (row, other),
    )
    parts = zip(leaves, first, n_patterns, strict=True)
    return [tables[start : start + n, : leaf.targets.size].T for leaf, start, n in parts]


def add_paired(leaves: list[PairedLeaf], sums: Floats, gains: LeafGains) -> None:
    """Add what leaves with many players give to sums (n_values, n_targets, n_rows)."""
    if leaves:
        for leaf, table in zip(leaves, paired_tables(leaves, gains), strict=True):
            add_table(sums, leaf.targets, leaf.values, table, leaf.which)


def add_table(sums: Floats, targets: Codes, values: Floats, table: Floats, which: Codes) -> None:
    """Add a leaf's gains (n_targets, n_patterns), as each row's pattern has them, times its values."""
    for total, value in zip(sums, values, strict=True):
        if value != 0.0:
            total[targets] += (value * table).take(which, axis=1)


def tables_of_few(own: Numbers, other: Numbers, weights: Floats, n_players: int, gains: LeafGains) -> Floats:
    """What leaves of value 1 give (n_leaves, n_rows, n_targets), all rows beside all background rows.

    Patterns are `own` (n_leaves, n_rows) and `other` (n_leaves, n_background).
    """
    (n_leaves, n_rows), n_background = own.shape, other.shape[1]
    found = ((own[:, :, None] & other[:, None]) == 0).ravel().nonzero()[0]
    row, place = np.divmod(found, n_background)
    pairs = row, (row // n_rows) * n_background + place
    tables = gains.paired(
        unpack(own.ravel(), n_players), unpack(other.ravel(), n_players), np.tile(weights, n_leaves), pairs
    )
    return tables.reshape(n_leaves, n_rows, -1)


def deep_table(own: Bools, other: Bools, weights: Floats, gains: LeafGains) -> tuple[Floats, Codes]:
    """What a leaf of value 1 gives (n_targets, n_patterns), and the pattern of each row.

    `own` (n_rows, n_players) and `other` (n_background, n_players) are conditions that are not met.
    """
    patterns, which = np.unique(own, axis=0, return_inverse=True)
    background, place = np.unique(other, axis=0, return_inverse=True)
    by_pattern: Any = np.bincount(place.ravel(), weights, len(background))
    pairs: Any = np.nonzero(patterns.astype(np.float32) @ background.T.astype(np.float32) == 0.0)
    return gains.paired(patterns.astype(float), background.astype(float), by_pattern, pairs).T, which.ravel()


def unpack(patterns: Numbers, n_players: int) -> Floats:
    """Patterns (n_patterns,) as bits (n_patterns, n_players)."""
    as_bytes = np.ascontiguousarray(patterns).view(np.uint8).reshape(patterns.size, -1)
    return np.unpackbits(as_bytes, axis=1, count=n_players, bitorder="little").astype(float)
