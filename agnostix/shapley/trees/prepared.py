"""Trees with what a background is at their leaves, which rows are looked up in: kept between calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.shapley.trees.leaves import (
    MOST_DENSE,
    MOST_WAITING,
    PairedLeaf,
    add_paired,
    add_table,
    covered,
    distinct,
    histograms,
)
from agnostix.shapley.trees.plans import WHOLE_LEAVES, TreePlan
from agnostix.shapley.trees.weights import LeafGains

_MOST_TOGETHER = 2**15
"""Numbers that leaves give to targets of rows, up to which all leaves give them at once."""


def can_prepare(ensemble: TreeEnsemble) -> Bools:
    """Which trees (n_trees,) are so small that rows pass them at once, and the background for all rows."""
    return (ensemble.sizes > 1) & (ensemble.sizes < 2 * WHOLE_LEAVES)


class PreparedTree:
    """One tree and the patterns of background rows at its leaves, with their weights.

    Leaves with up to MOST_DENSE players have a weight for each pattern, others the distinct patterns.
    """

    def __init__(self, ensemble: TreeEnsemble, number: int, owner: Codes) -> None:
        self._ensemble = ensemble
        self.plan = TreePlan(ensemble, number, owner)
        self._block = self.plan.block(self.plan.root)
        n_players = self.plan.n_players(self._block.exits)
        self._dense = {
            int(n): np.flatnonzero(n_players == n) for n in np.unique(n_players[n_players <= MOST_DENSE])
        }
        self._histograms = {n: np.zeros((places.size, 1 << n)) for n, places in self._dense.items()}
        self._paired = np.flatnonzero(n_players > MOST_DENSE)
        self._patterns: list[tuple[Numbers, Floats]] = [
            (np.empty(0, dtype=self.plan.dtype), np.empty(0)) for _ in self._paired
        ]

    @property
    def is_whole(self) -> bool:
        """Whether all leaves are reached at once."""
        return bool((self._ensemble.left[self._block.exits] < 0).all())

    def most_bytes(self, n_rows: int) -> int:
        """Memory that so many background rows take at most."""
        n_players = self.plan.n_players(self._block.exits[self._paired])
        n_patterns = np.minimum(2.0 ** np.minimum(n_players, 63), n_rows).sum()
        dense = sum(one.nbytes for one in self._histograms.values())
        return int(dense + (self.plan.dtype.itemsize + 8) * n_patterns)

    @property
    def n_bytes(self) -> int:
        """Memory of what is prepared."""
        dense = sum(one.nbytes for one in self._histograms.values())
        return dense + sum(patterns.nbytes + weights.nbytes for patterns, weights in self._patterns)

    def add_background(self, read: Numbers, weights: Floats) -> None:
        """Count background rows, from the columns (n_columns, n_rows) that splits compare."""
        patterns = self._pass(read)
        for n, places in self._dense.items():
            self._histograms[n] += histograms(patterns[places], n, weights)
        for number, place in enumerate(self._paired):
            n = int(self.plan.n_players(self._block.exits[place]))
            found, which = distinct(patterns[place], n)
            by_pattern: Any = np.bincount(which, weights, found.size)
            known, known_weights = self._patterns[number]
            if known.size:
                joined = np.concatenate([known, found])
                by_pattern = np.concatenate([known_weights, by_pattern])
                found, which = distinct(joined, n)
                by_pattern = np.bincount(which, by_pattern, found.size)
            self._patterns[number] = found, by_pattern

    def values(self, read: Numbers, gains: LeafGains) -> Floats:
        """What the tree gives to its own targets, (n_values, n_targets, n_rows), of rows `read`."""
        patterns = self._pass(read)
        values = self._ensemble.values[self._block.exits]
        n_targets = gains.targets(self.plan.players).size
        sums = np.zeros((values.shape[1], n_targets, read.shape[1]))
        for n, places in self._dense.items():
            tables = gains.dense(self._histograms[n], n)
            targets = gains.targets(self.plan.players_on_paths(self._block.exits[places]))
            if targets.size * read.shape[1] <= _MOST_TOGETHER:
                _add_together(sums, targets, values[places], tables, patterns[places])
                continue
            for place, target, table in zip(places, targets, tables, strict=True):
                add_table(sums, target, values[place], table, patterns[place])
        self._add_paired(patterns, values, sums, gains)
        return sums

    def _add_paired(self, patterns: Numbers, values: Floats, sums: Floats, gains: LeafGains) -> None:
        waiting: list[PairedLeaf] = []
        n_waiting = 0
        for place, (background, weights) in zip(self._paired, self._patterns, strict=True):
            players = self.plan.on_path(self._block.exits[place])
            own, which = distinct(patterns[place], players.size)
            pairs = covered(own, background)
            if pairs[0].size:
                targets, n = gains.targets(players), players.size
                waiting.append(PairedLeaf(targets, n, values[place], own, which, background, weights, pairs))
                n_waiting += pairs[0].size
            if n_waiting > MOST_WAITING:
                add_paired(waiting, sums, gains)
                waiting, n_waiting = [], 0
        add_paired(waiting, sums, gains)

    def _pass(self, read: Numbers) -> Numbers:
        """Conditions that rows do not meet at the leaves, (n_leaves, n_rows)."""
        start = np.zeros(read.shape[1], dtype=self.plan.dtype)
        return self._block.patterns(self._ensemble, read, start)


def _add_together(sums: Floats, targets: Codes, values: Floats, tables: Floats, patterns: Numbers) -> None:
    """Add what tables (n_leaves, n_targets, n_patterns) give for patterns (n_leaves, n_rows) of rows."""
    n_rows = patterns.shape[1]
    given = np.take_along_axis(tables, patterns[:, None].astype(np.intp), axis=2)
    place = (targets[:, :, None] * n_rows + np.arange(n_rows)).ravel()
    for total, value in zip(sums, values.T, strict=True):
        amounts = (given * value[:, None, None]).ravel()
        total += np.bincount(place, amounts, total.size).reshape(total.shape)
