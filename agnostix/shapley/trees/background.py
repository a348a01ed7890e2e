"""The background of a tree ensemble: in parts, and at the leaves of the trees that can be prepared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from agnostix.core.evaluate import ProgressBar, open_bar
from agnostix.core.frames import take_rows
from agnostix.core.row_sources import working_memory
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.reading import TreeModel
from agnostix.core.typing import Floats, Numbers
from agnostix.shapley.trees.leaves import MOST_DENSE
from agnostix.shapley.trees.plans import WHOLE_LEAVES
from agnostix.shapley.trees.prepared import PreparedTree, can_prepare

PREPARED = 4
"""Of the working memory, what prepared trees may take."""
_MOST_ROWS, _MOST_OF_DEEP = 2**15, 2**13
"""Rows that pass a tree at once: leaves with many players keep pairs of their patterns."""
_PART = 8
"""Of the working memory, what one of the arrays that grow with rows may take."""
_ROUNDING = 1e-12
"""How far the sums of a leaf's values may be from those of others to count as the same."""


class TreeBackground:
    """Weighted background rows of a model that was read as trees: as parts of them, and prepared trees.

    Iterating gives what splits read (n_columns, n_part), and weights (n_part,).
    """

    def __init__(self, model: TreeModel, background: Any, weights: Floats, n_players: int) -> None:
        self.model, self.n_players = model, n_players
        self.ensemble = _without_last(model.ensemble)
        self.trees: dict[int, PreparedTree] = {}
        self._background, self._weights = background, weights
        self._step = self.rows_at_once(n_players)
        size = len(self.ensemble.columns) * self.ensemble.threshold.dtype.itemsize * weights.size
        self._kept: dict[int, Numbers] | None = {} if size <= working_memory() // _PART else None

    @property
    def n_passes(self) -> int:
        """Background rows times trees that each row meets; trees count at least as one."""
        n_prepared = len(self.trees)
        return n_prepared + (self.ensemble.n_trees - n_prepared) * self._weights.size

    @property
    def n_bytes(self) -> int:
        """Memory of prepared trees and of what is read of the background."""
        kept = sum(one.nbytes for one in (self._kept or {}).values())
        return sum(tree.n_bytes for tree in self.trees.values()) + kept

    def rows_at_once(self, n_targets: int) -> int:
        """Rows of which what splits read, patterns at a block's exits, and sums fit part of the memory."""
        most = _MOST_ROWS if n_targets <= MOST_DENSE else _MOST_OF_DEEP
        return int(np.clip(working_memory() // (_PART * self._row_bytes(n_targets)), 64, most))

    def part_bytes(self, n_rows: int) -> int:
        """Memory of an array that grows with rows, of rows or of a part of the background."""
        n_most = max(n_rows, min(self._step, self._weights.size))
        return n_most * self._row_bytes(self.n_players)

    def _row_bytes(self, n_targets: int) -> int:
        n_read, n_sums = self.model.n_features + len(self.ensemble.columns), 3 * n_targets
        return 8 * max(n_read, n_sums * self.ensemble.n_outputs, WHOLE_LEAVES)

    def __iter__(self) -> Iterator[tuple[Numbers, Floats]]:
        for start in range(0, self._weights.size, self._step):
            part = slice(start, start + self._step)
            if self._kept is not None and start in self._kept:
                read = self._kept[start]
            else:
                read = self.ensemble.read(self.model.matrix(take_rows(self._background, part)))
                if self._kept is not None:
                    self._kept[start] = read
            yield read, self._weights[part]

    def prepare(self, verbose: int | ProgressBar = 0) -> None:
        """Let the background pass the small trees, as many as fit a part of the working memory."""
        held = 0
        for number in np.flatnonzero(can_prepare(self.ensemble)):
            tree = PreparedTree(self.ensemble, int(number), self.model.owner)
            held += tree.most_bytes(self._weights.size)
            if held > working_memory() // PREPARED:
                break
            if tree.is_whole:
                self.trees[int(number)] = tree
        if not self.trees:
            return
        with open_bar(verbose, len(self.trees) * self._weights.size) as bar:
            for read, weights in self:
                for tree in self.trees.values():
                    tree.add_background(read, weights)
                    bar.advance(weights.size)


def _without_last(ensemble: TreeEnsemble) -> TreeEnsemble:
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
            return replace(ensemble, constant=constant, values=values)
    return ensemble
