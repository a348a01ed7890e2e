"""Trees as blocks of a few levels, and the players on the way to each leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.typing import Bools, Codes, Numbers

BLOCK_LEVELS = 6
"""Levels of a tree that rows pass at once, before those are dropped that reach no leaf together."""
WHOLE_LEAVES = 256
"""Leaves up to which the rest of a tree is one block, however deep."""
MOST_BITS = 64
"""Players on the way to a leaf whose conditions fit one number."""


@dataclass(frozen=True)
class Level:
    """Splits of a block that are equally deep; children are numbered left, right, left, right, ..."""

    nodes: Codes  # (n_nodes,)
    bits: Numbers  # (n_nodes, 1), of the players whose condition each is
    out: Codes  # children at which rows leave the block
    exits: Codes  # their numbers among the exits
    further: Any  # children that are split on the next level: places, or a slice


@dataclass(frozen=True)
class Block:
    """A few levels of a tree below a node."""

    levels: tuple[Level, ...]
    exits: Codes  # (n_exits,) nodes at which rows leave it: leaves, or roots of further blocks

    def patterns(self, ensemble: TreeEnsemble, read: Numbers, unmet: Numbers) -> Numbers:
        """Conditions that rows do not meet at the exits, (n_exits, n_rows), from those at the root."""
        if not self.levels:
            return unmet[None]
        result = np.empty((self.exits.size, unmet.size), dtype=unmet.dtype)
        here = unmet[None]
        for level in self.levels:
            left = ensemble.goes_left(level.nodes, read)
            lost = left.view(np.uint8) * level.bits  # conditions of the right child that are not met
            both = np.empty((level.nodes.size, 2, unmet.size), dtype=unmet.dtype)
            np.bitwise_or(here, lost ^ level.bits, out=both[:, 0])
            np.bitwise_or(here, lost, out=both[:, 1])
            children = both.reshape(2 * level.nodes.size, unmet.size)
            result[level.exits] = children[level.out]
            here = children[level.further]
        return result


class TreePlan:
    """One tree of an ensemble: the players on the way to each of its nodes, and its blocks."""

    def __init__(
        self, ensemble: TreeEnsemble, number: int, owner: Codes, whole_leaves: int | None = None
    ) -> None:
        self.ensemble = ensemble
        self._whole_leaves = WHOLE_LEAVES if whole_leaves is None else whole_leaves
        self.root = int(ensemble.roots[number])
        self.output = int(ensemble.outputs[number])
        n_nodes = int(ensemble.sizes[number])
        self._place = np.zeros(n_nodes, dtype=np.intp)
        self._n_leaves = np.ones(n_nodes, dtype=np.intp)
        self._n_players = np.zeros(n_nodes, dtype=np.intp)
        self._read_paths(owner)
        self.players, local = np.unique(self._on_path[self._on_path >= 0], return_inverse=True)
        self._on_path[self._on_path >= 0] = local
        most = self.most_players
        self.dtype = np.dtype(f"u{next(n for n in (1, 2, 4, 8) if 8 * n >= min(most, MOST_BITS))}")
        self._blocks: dict[int, Block] = {}

    def _read_paths(self, owner: Codes) -> None:
        """Place of each split's player among those on the way to it, and these players, level by level."""
        tree, levels = self.ensemble, []
        nodes, path = np.array([self.root]), np.full((1, 8), -1)
        number = np.zeros(1, dtype=np.intp)
        leaves, paths = [], []
        while nodes.size:
            own = nodes - self.root
            self._n_players[own] = number
            inner = tree.left[nodes] >= 0
            leaves.append(own[~inner])
            paths.append(path[~inner])
            nodes, path, number, own = nodes[inner], path[inner], number[inner], own[inner]
            player = owner[tree.column[nodes]]
            same = path == player[:, None]
            is_new = ~same.any(axis=1)
            place = np.where(is_new, number, same.argmax(axis=1))
            self._place[own] = place
            if nodes.size and place.max() >= path.shape[1]:
                path = np.pad(path, ((0, 0), (0, path.shape[1])), constant_values=-1)
            path[np.arange(nodes.size), place] = player
            levels.append(nodes)
            nodes = np.concatenate([tree.left[nodes], tree.right[nodes]])
            path, number = np.concatenate([path, path]), np.tile(number + is_new, 2)
        for nodes in reversed(levels):
            below = (
                self._n_leaves[tree.left[nodes] - self.root] + self._n_leaves[tree.right[nodes] - self.root]
            )
            self._n_leaves[nodes - self.root] = below
        width = max(1, int(self._n_players.max()))
        self._leaf = np.full(self._place.size, -1)
        order = np.concatenate(leaves)
        self._leaf[order] = np.arange(order.size)
        self._on_path = np.full((order.size, width), -1)
        start = 0
        for rows in paths:
            used = min(width, rows.shape[1])
            self._on_path[start : start + len(rows), :used] = rows[:, :used]
            start += len(rows)

    @property
    def n_leaves(self) -> int:
        """Leaves of the tree."""
        return int(self._n_leaves[0])

    @property
    def most_players(self) -> int:
        """Players on the way to the leaf that has most."""
        return int(self._n_players.max())

    def n_players(self, nodes: Codes) -> Codes:
        """Players on the way to nodes."""
        return self._n_players[nodes - self.root]

    def on_path(self, leaf: int) -> Codes:
        """Players on the way to a leaf, as places among the tree's players, by their bits."""
        return self._on_path[self._leaf[leaf - self.root], : self._n_players[leaf - self.root]]

    def players_on_paths(self, leaves: Codes) -> Codes:
        """Players on the way to leaves (n_leaves, n_most), -1 beyond those of a leaf."""
        rows = self._leaf[leaves - self.root]
        return self._on_path[rows, : int(self._n_players[leaves - self.root].max(initial=0))]

    def block(self, root: int) -> Block:
        """The block below a node."""
        if root not in self._blocks:
            self._blocks[root] = self._make_block(root)
        return self._blocks[root]

    def is_too_deep(self, node: int) -> bool:
        """Whether a split's player is beyond those that fit one number."""
        return bool(self.ensemble.left[node] >= 0 and self._place[node - self.root] >= MOST_BITS)

    def _make_block(self, root: int) -> Block:
        tree = self.ensemble
        deepest = BLOCK_LEVELS if self._n_leaves[root - self.root] > self._whole_leaves else self._place.size
        levels: list[Level] = []
        exits: list[Codes] = []
        n_exits, nodes = 0, np.array([root])
        while nodes.size:
            children = np.stack([tree.left[nodes], tree.right[nodes]], axis=1).ravel()
            ends = tree.left[children] < 0
            ends |= self._place[children - self.root] >= MOST_BITS
            if len(levels) + 1 == deepest:
                ends[:] = True
            out = np.flatnonzero(ends)
            bits = np.left_shift(1, self._place[nodes - self.root].astype(np.uint64), dtype=np.uint64)
            further = np.flatnonzero(~ends) if out.size else slice(None)
            numbers = np.arange(n_exits, n_exits + out.size)
            levels.append(Level(nodes, bits.astype(self.dtype)[:, None], out, numbers, further))
            exits.append(children[out])
            n_exits += out.size
            nodes = children[~ends]
        return Block(tuple(levels), np.concatenate(exits))

    def unmet_at(self, leaf: int, read: Numbers) -> Bools:
        """Players whose conditions on the way to a leaf rows do not meet, (n_rows, n_players)."""
        unmet = np.zeros((read.shape[1], self._n_players[leaf - self.root]), dtype=bool)
        node, parents = leaf, self._parents()
        while node != self.root:
            parent = int(parents[node - self.root])
            left = self.ensemble.goes_left(np.array([parent]), read)[0]
            unmet[:, self._place[parent - self.root]] |= left != (self.ensemble.left[parent] == node)
            node = parent
        return unmet

    def _parents(self) -> Codes:
        if not hasattr(self, "_parent"):
            tree = self.ensemble
            own = np.arange(self.root, self.root + self._place.size)
            inner = own[tree.left[own] >= 0]
            self._parent = np.full(own.size, -1)
            self._parent[tree.left[inner] - self.root] = inner
            self._parent[tree.right[inner] - self.root] = inner
        return self._parent

    def leaves_below(self, node: int) -> Codes:
        """Leaves below a node."""
        tree, found, nodes = self.ensemble, [], np.array([node])
        while nodes.size:
            inner = tree.left[nodes] >= 0
            found.append(nodes[~inner])
            nodes = np.concatenate([tree.left[nodes[inner]], tree.right[nodes[inner]]])
        return np.concatenate(found)
