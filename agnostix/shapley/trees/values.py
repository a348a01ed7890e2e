"""Interventional Shapley values of tree ensembles, exactly, from patterns of rows and background at leaves.

A mixture of a row and a background row reaches a leaf if the conditions of each player on the way to it are
met: those of players in the coalition by the row, the others by the background row. So a leaf's game depends
on two patterns: the players whose conditions the row does not meet, and those whose conditions the background
row does not meet. The background enters as the weights of its patterns, and a row as a look-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.evaluate import ProgressBar
from agnostix.core.frames import take_rows
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import working_memory
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.reading import TreeModel
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.shapley.trees.leaves import (
    MOST_DENSE,
    PairedLeaf,
    deep_table,
    distinct,
    histograms,
    meets_some,
    pair,
    paired_tables,
    tables_of_few,
)
from agnostix.shapley.trees.plans import WHOLE_LEAVES, TreePlan
from agnostix.shapley.trees.weights import LeafGains, PlayerGains

_MOST_WAITING = 2**19
"""Covered pairs of patterns that are kept until what they give is computed."""
_LEAST_DROPPED = 4
"""Players on the way to a node from which on rows without a partner are looked for."""
_MOST_COMPARED = 2**24
"""Pairs of patterns up to which they are."""
_SECONDS_PER_LEAF, _SECONDS_PER_PATTERN = 1e-5, 5e-9
"""What a leaf costs, and the pattern of a background row at a leaf, on a processor of our days."""
_MOST_ROWS, _MOST_OF_DEEP = 2**15, 2**13
"""Rows that pass a tree at once: leaves with many players keep pairs of their patterns."""
_FEW, _FEW_PAIRS = 2**10, 2**16
"""Rows of one kind, and pairs of a row and a background row, up to which each leaf compares all of them."""
_FEW_PATTERNS = 2**21
"""Patterns, and their pairs, that are held at once then."""
_PART = 8
"""Of the working memory, what one of the arrays that grow with rows may take."""
SHAPLEY = PlayerGains()
_ROUNDING = 1e-12
"""How far the sums of a leaf's values may be from those of others to count as the same."""


@one_blas_thread
def tree_values(
    model: TreeModel,
    table: Any,
    background: Any,
    weights: Floats,
    n_players: int,
    verbose: int = 0,
    gains: LeafGains = SHAPLEY,
) -> Floats:
    """Shapley values (n_rows, n_players, n_outputs) of rows of a table over weighted background rows.

    With other gains, those of their targets.
    """
    ensemble, n_left = _without_last(model.ensemble)
    n_targets = gains.n_targets(n_players)
    n_rows, step = int(table.shape[0]), _rows_at_once(model, n_targets)
    values = np.zeros((n_rows, n_targets, model.ensemble.n_outputs))
    others = _Parts(model, ensemble, background, weights, step)
    with ProgressBar(n_rows * weights.size * ensemble.n_trees, verbose) as bar:
        for start in range(0, n_rows, step):
            part = slice(start, min(start + step, n_rows))
            read = ensemble.read(model.matrix(take_rows(table, part)))
            sums = TreeSums(ensemble, model.owner, n_players, read.shape[1], gains)
            for other, weight in others:
                for number in range(ensemble.n_trees):
                    sums.add_tree(number, read, other, weight)
                    bar.advance(read.shape[1] * weight.size)
            values[part, :, :n_left] = sums.total.transpose(2, 1, 0)
    if n_left < model.ensemble.n_outputs:
        values[:, :, -1] = -values[:, :, :-1].sum(axis=2)
    return values


def forecast_seconds(model: TreeModel, n_background: int) -> float:
    """About what a first row costs in CPU time; more rows take less each."""
    return model.n_leaves * (_SECONDS_PER_LEAF + _SECONDS_PER_PATTERN * n_background)


def _without_last(ensemble: TreeEnsemble) -> tuple[TreeEnsemble, int]:
    """The ensemble without its last output if outputs always have the same sum, as probabilities do."""
    n_outputs = ensemble.n_outputs
    if n_outputs > 1 and (ensemble.outputs < 0).all():
        sums = ensemble.values.sum(axis=1)
        of_tree = np.repeat(np.arange(ensemble.n_trees), ensemble.sizes)
        is_leaf = ensemble.left < 0
        low, high = np.full((2, ensemble.n_trees), [[np.inf], [-np.inf]])
        np.minimum.at(low, of_tree[is_leaf], sums[is_leaf])
        np.maximum.at(high, of_tree[is_leaf], sums[is_leaf])
        if (high - low).max() <= _ROUNDING * np.abs(ensemble.values).max():
            constant, values = ensemble.constant[:-1], np.ascontiguousarray(ensemble.values[:, :-1])
            return replace(ensemble, constant=constant, values=values), n_outputs - 1
    return ensemble, n_outputs


def _rows_at_once(model: TreeModel, n_targets: int) -> int:
    """Rows of which what splits read, patterns at a block's exits, and sums fit a part of working memory."""
    ensemble = model.ensemble
    n_read, n_sums = model.n_features + len(ensemble.columns), 3 * n_targets * ensemble.n_outputs
    n_numbers = max(n_read, n_sums, WHOLE_LEAVES)
    most = _MOST_ROWS if n_targets <= MOST_DENSE else _MOST_OF_DEEP
    return int(np.clip(working_memory() // (_PART * 8 * n_numbers), 64, most))


class _Parts:
    """Background rows in parts: what splits read (n_columns, n_part), and weights (n_part,)."""

    def __init__(
        self, model: TreeModel, ensemble: TreeEnsemble, background: Any, weights: Floats, step: int
    ) -> None:
        self._model, self._ensemble, self._step = model, ensemble, step
        self._background, self._weights = background, weights
        size = len(ensemble.columns) * ensemble.threshold.dtype.itemsize * weights.size
        self._kept: dict[int, Numbers] | None = {} if size <= working_memory() // _PART else None

    def __iter__(self) -> Iterator[tuple[Numbers, Floats]]:
        for start in range(0, self._weights.size, self._step):
            part = slice(start, start + self._step)
            if self._kept is not None and start in self._kept:
                read = self._kept[start]
            else:
                read = self._ensemble.read(self._model.matrix(take_rows(self._background, part)))
                if self._kept is not None:
                    self._kept[start] = read
            yield read, self._weights[part]


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
        outputs = slice(None) if plan.output < 0 else slice(plan.output, plan.output + 1)
        self.total[outputs, targets] += sums

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
                _add(local, targets, tree.values[leaf], table, own[place])
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
        for number, place in enumerate(places):
            leaf = exits[place]
            players, values = plan.on_path(leaf), self._ensemble.values[leaf]
            targets = self._gains.targets(players)
            found = pair(targets, players.size, values, own[place], other[place], weight)
            waiting += [found] if found is not None else []
            is_last = number + 1 == places.size
            if waiting and (is_last or sum(one.pairs[0].size for one in waiting) > _MOST_WAITING):
                for one, table in zip(waiting, paired_tables(waiting, self._gains), strict=True):
                    _add(local, one.targets, one.values, table, one.which)
                waiting = []

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
            _add(local, targets, self._ensemble.values[leaf], table, which)
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


def _add(sums: Floats, targets: Codes, values: Floats, table: Floats, which: Codes) -> None:
    """Add a leaf's gains (n_targets, n_patterns), as each row's pattern has them, times its values."""
    for total, value in zip(sums, values, strict=True):
        if value != 0.0:
            total[targets] += (value * table).take(which, axis=1)
