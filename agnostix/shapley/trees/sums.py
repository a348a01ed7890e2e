"""Sums over the leaves of trees, which rows and background rows meet on their way down.

A mixture of a row and a background row reaches a leaf if the conditions of each player on the way to it are
met: those of players in the coalition by the row, the others by the background row. So a leaf's game depends
on two patterns: the players whose conditions the row does not meet, and those whose conditions the background
row does not meet. The background enters as the weights of its patterns, and a row as a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.shapley.trees.leaves import (
    MOST_DENSE,
    MOST_WAITING,
    PairedLeaf,
    add_paired,
    add_table,
    deep_table,
    distinct,
    histograms,
    meets_some,
    pair,
    tables_of_few,
)
from agnostix.shapley.trees.plans import WHOLE_LEAVES, TreePlan
from agnostix.shapley.trees.prepared import PreparedTree
from agnostix.shapley.trees.weights import LeafGains, PlayerGains

_LEAST_DROPPED = 4
"""Players on the way to a node from which on rows without a partner are looked for."""
_MOST_COMPARED = 2**24
"""Pairs of patterns up to which they are."""
_FEW, _FEW_PAIRS = 2**10, 2**16
"""Rows of one kind, and pairs of a row and a background row, up to which each leaf compares all of them."""
_FEW_PATTERNS = 2**21
"""Patterns, and their pairs, that are held at once then."""
SHAPLEY = PlayerGains()


@dataclass
class Passing:
    """Rows on their way down a tree: what splits read (n_columns, n_rows), conditions not met, and which."""

    read: Numbers
    unmet: Numbers  # (n_rows,)
    rows: Codes | None  # among all; None for all of them, in order

    def take(self, keeps: Bools, unmet: Numbers) -> Passing:
        """Some of them, at another node."""
        if keeps.all():
            return Passing(self.read, unmet, self.rows)
        places = np.flatnonzero(keeps)
        rows = places if self.rows is None else self.rows[places]
        return Passing(self.read.take(places, axis=1), unmet.take(places), rows)

    def __len__(self) -> int:
        return self.unmet.size


class TreeSums:
    """Sums up what the leaves of trees give to targets, such as players, (n_outputs, n_targets, n_rows)."""

    def __init__(
        self,
        ensemble: TreeEnsemble,
        owner: Codes,
        n_players: int,
        n_rows: int,
        gains: LeafGains = SHAPLEY,
    ) -> None:
        self._ensemble = ensemble
        self._owner = owner
        self._gains = gains
        self.total = np.zeros((ensemble.n_outputs, gains.n_targets(n_players), n_rows))

    def add_tree(self, number: int, read: Numbers, background: Numbers, weights: Floats) -> None:
        """Add one tree's values of rows `read` (n_columns, n_rows) over a background with weights."""
        tree = self._ensemble
        if tree.left[tree.roots[number]] < 0:
            return
        are_few = _are_few(read.shape[1], background.shape[1])
        n_whole = _FEW_PATTERNS // (read.shape[1] + background.shape[1]) if are_few else 0
        plan = TreePlan(tree, number, self._owner, max(n_whole, WHOLE_LEAVES) if are_few else None)
        targets = self._gains.targets(plan.players)
        sums = np.zeros((tree.values.shape[1], targets.size, read.shape[1]))
        start = (
            Passing(read, np.zeros(read.shape[1], dtype=plan.dtype), None),
            Passing(background, np.zeros(background.shape[1], dtype=plan.dtype), None),
        )
        stack: list[tuple[int, Passing, Passing]] = [(plan.root, *start)]
        while stack:
            stack += self._pass_block(plan, *stack.pop(), weights, sums)
        self._add_to_total(plan, sums)

    def add_prepared(self, tree: PreparedTree, read: Numbers) -> None:
        """Add those of a tree that the background has passed."""
        self._add_to_total(tree.plan, tree.values(read, self._gains))

    def _add_to_total(self, plan: TreePlan, sums: Floats) -> None:
        outputs = slice(None) if plan.output < 0 else slice(plan.output, plan.output + 1)
        self.total[outputs, self._gains.targets(plan.players)] += sums

    def _pass_block(
        self, plan: TreePlan, root: int, rows: Passing, others: Passing, weights: Floats, sums: Floats
    ) -> list[tuple[int, Passing, Passing]]:
        """Add what the leaves of a block give; the rows that go on at its other exits."""
        tree, block = self._ensemble, plan.block(root)
        own = block.patterns(tree, rows.read, rows.unmet)
        other = block.patterns(tree, others.read, others.unmet)
        weight = weights if others.rows is None else weights[others.rows]
        local = sums if rows.rows is None else np.zeros((*sums.shape[:2], len(rows)))
        is_leaf = tree.left[block.exits] < 0
        n_players = plan.n_players(block.exits)
        if _are_few(len(rows), len(others)):
            places = np.flatnonzero(is_leaf)
            n_each = max(1, _FEW_PATTERNS // (8 * (len(rows) + len(others)) + len(rows) * len(others)))
            for start in range(0, places.size, n_each):
                self._add_few(plan, block.exits, places[start : start + n_each], own, other, weight, local)
        else:
            self._add_many(plan, block.exits, is_leaf, own, other, weight, local)
        further = []
        for place in np.flatnonzero(~is_leaf):
            node = int(block.exits[place])
            step = _drop(int(n_players[place]), rows, others, own[place], other[place])
            if step is None:
                continue
            if plan.is_too_deep(node):
                self._add_deep(plan, node, *step, weights, sums)
            else:
                further.append((node, *step))
        if rows.rows is not None:
            sums[:, :, rows.rows] += local
        return further

    def _add_few(
        self,
        plan: TreePlan,
        exits: Codes,
        places: Codes,
        own: Numbers,
        other: Numbers,
        weight: Floats,
        local: Floats,
    ) -> None:
        """Add what leaves give where there are so few rows that work on each leaf by itself costs more."""
        leaves, n_rows = exits[places], own.shape[1]
        players = plan.players_on_paths(leaves)  # (n_leaves, n_most)
        tables = tables_of_few(own[places], other[places], weight, players.shape[1], self._gains)
        targets = np.maximum(self._gains.targets(players), 0)  # of what is none, nothing is given
        target = targets[:, None] * n_rows + np.arange(n_rows)[:, None]
        for total, values in zip(local, self._ensemble.values[leaves].T, strict=True):
            amounts = (tables * values[:, None, None]).ravel()
            total += np.bincount(target.ravel(), amounts, total.size).reshape(total.shape)

    def _add_many(
        self,
        plan: TreePlan,
        exits: Codes,
        is_leaf: Bools,
        own: Numbers,
        other: Numbers,
        weight: Floats,
        local: Floats,
    ) -> None:
        """Add what leaves give, by dense tables for few players and by pairs of patterns for more."""
        tree, n_players = self._ensemble, plan.n_players(exits)
        is_dense = n_players <= MOST_DENSE
        for n in np.unique(n_players[is_leaf & is_dense]):
            places = np.flatnonzero(is_leaf & (n_players == n))
            tables = self._gains.dense(histograms(other[places], int(n), weight), int(n))
            for place, table in zip(places, tables, strict=True):
                leaf = exits[place]
                targets = self._gains.targets(plan.on_path(leaf))
                add_table(local, targets, tree.values[leaf], table, own[place])
        self._add_paired(plan, exits, np.flatnonzero(is_leaf & ~is_dense), own, other, weight, local)

    def _add_paired(
        self,
        plan: TreePlan,
        exits: Codes,
        places: Codes,
        own: Numbers,
        other: Numbers,
        weight: Floats,
        local: Floats,
    ) -> None:
        """Add what leaves with many players give, at some exits with patterns (n_exits, n_rows)."""
        waiting: list[PairedLeaf] = []
        n_waiting = 0
        for place in places:
            leaf = exits[place]
            players, values = plan.on_path(leaf), self._ensemble.values[leaf]
            targets = self._gains.targets(players)
            found = pair(targets, players.size, values, own[place], other[place], weight)
            if found is not None:
                waiting.append(found)
                n_waiting += found.pairs[0].size
            if n_waiting > MOST_WAITING:
                add_paired(waiting, local, self._gains)
                waiting, n_waiting = [], 0
        add_paired(waiting, local, self._gains)

    def _add_deep(
        self, plan: TreePlan, node: int, rows: Passing, others: Passing, weights: Floats, sums: Floats
    ) -> None:
        """Add what the leaves below a node give that have more players than a number has bits."""
        weight = weights if others.rows is None else weights[others.rows]
        everything = slice(None) if rows.rows is None else rows.rows
        for leaf in plan.leaves_below(node):
            own, other = (plan.unmet_at(int(leaf), one.read) for one in (rows, others))
            table, which = deep_table(own, other, weight, self._gains)
            local = np.zeros((*sums.shape[:2], len(rows)))
            targets = self._gains.targets(plan.on_path(leaf))
            add_table(local, targets, self._ensemble.values[leaf], table, which)
            sums[:, :, everything] += local


def _are_few(n_rows: int, n_background: int) -> bool:
    return max(n_rows, n_background) <= _FEW and n_rows * n_background <= _FEW_PAIRS


def _drop(
    n_players: int, rows: Passing, others: Passing, own: Numbers, other: Numbers
) -> tuple[Passing, Passing] | None:
    """Rows and background rows at a node, without those that reach no leaf together; None if all are."""
    keeps, keeps_other = np.ones(own.size, dtype=bool), np.ones(other.size, dtype=bool)
    if n_players >= _LEAST_DROPPED:
        patterns, which = distinct(own, n_players)
        background, place = distinct(other, n_players)
        if patterns.size * background.size <= _MOST_COMPARED:
            found, found_other = meets_some(patterns, background)
            if not found.any():
                return None
            keeps, keeps_other = found[which], found_other[place]
    return rows.take(keeps, own), others.take(keeps_other, other)
