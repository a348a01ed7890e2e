"""Best-first growth on a wide table: in each node, the screened columns alone are searched for the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import NODE_DTYPE

from agnostix.core.features import ranks
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.best_first import BestFirstBuilder, assemble, gain
from agnostix.surrogate_tree.screening import BinnedColumns, rank_codes

MOST_SEARCHED = 512
"""Columns up to which all are searched in every node."""


@dataclass(frozen=True)
class _Node:
    """Rows of a node, and the best split of these."""

    rows: Codes  # places in the rows that the tree is grown on
    split: Any  # scikit-learn's record, its feature a position in the table
    gain: float  # reduction of the loss; 0 where there is no split


@dataclass(frozen=True)
class ScreenedBuilder:
    """Best-first growth whose splits separate observed rows, among the screened columns of each node."""

    encoded: Floats  # (n_all, n_columns)
    columns: BinnedColumns  # of the same
    ranks: Mapping[int, Floats]  # ranks (n_levels,) of the levels, by position of the column
    rows: Codes  # (n_rows,), those of `encoded` that the tree is grown on
    targets: Floats  # (n_rows, n_targets)
    unit_targets: Floats  # (n_rows, n_targets), of unit spread
    weights: Floats  # (n_rows,)
    is_observed: Bools  # (n_rows,)
    max_leaf_nodes: int
    min_samples_leaf: int

    def build(self) -> DecisionTreeRegressor:
        """The tree, its nodes in the order of their creation; each leaf holds observed rows."""
        nodes, children = [self._node(np.arange(self.rows.size))], [(-1, -1)]
        queue: list[tuple[float, int]] = []
        self._push(queue, nodes, 0)
        while queue and len(nodes) < 2 * self.max_leaf_nodes - 1:
            current = heappop(queue)[1]
            goes_left = self._goes_left(nodes[current])
            children[current] = (len(nodes), len(nodes) + 1)
            for side in (goes_left, ~goes_left):
                nodes.append(self._node(nodes[current].rows[side]))
                children.append((-1, -1))
                self._push(queue, nodes, len(nodes) - 1)
        splits = np.array([node.split for node in nodes])
        rows = [node.rows for node in nodes]
        return assemble(self._stub(), splits, rows, np.array(children), self.targets, self.weights)

    def _push(self, queue: list[tuple[float, int]], nodes: list[_Node], index: int) -> None:
        """Queue a node if it splits; of equal gains the node created first comes first."""
        if nodes[index].gain > 0.0:
            heappush(queue, (-nodes[index].gain, index))

    def _node(self, rows: Codes) -> _Node:
        """A node of some rows (n,), with its best split."""
        targets, weights, is_observed = self.unit_targets[rows], self.weights[rows], self.is_observed[rows]
        places = self.rows[rows]
        positions = self.columns.screen(places, targets, weights, is_observed, self.min_samples_leaf)
        if not positions.size:
            return _Node(rows, np.zeros((), dtype=NODE_DTYPE), 0.0)
        values = self.encoded[places[:, None], positions]
        ranked = [self._rank(*one) for one in zip(positions.tolist(), values.T, strict=True)]
        stump = BestFirstBuilder(
            X=np.column_stack(ranked),
            values=values,
            targets=targets,
            unit_targets=targets,
            weights=weights,
            is_observed=is_observed,
            max_leaf_nodes=2,
            min_samples_leaf=self.min_samples_leaf,
            by_rank=frozenset(j for j, one in enumerate(positions.tolist()) if one in self.ranks),
            max_depth=1,
        ).build()
        nodes = stump.tree_.__getstate__()["nodes"]
        if nodes.size == 1:
            return _Node(rows, nodes[0], 0.0)
        split = nodes[0].copy()
        split["feature"] = positions[split["feature"]]
        return _Node(rows, split, gain(nodes, 0))

    def _rank(self, position: int, column: Floats) -> Floats:
        """Values (n,) of a column as ranks, of levels those of the tree."""
        by_level = self.ranks.get(position)
        return ranks(column) if by_level is None else rank_codes(column, by_level)

    def _goes_left(self, node: _Node) -> Bools:
        """Which rows of a node (n,) go left."""
        position = int(node.split["feature"])
        column = self.encoded[self.rows[node.rows], position]
        column = rank_codes(column, self.ranks[position]) if position in self.ranks else column
        is_left = column <= node.split["threshold"]
        return np.where(np.isnan(column), node.split["missing_go_to_left"] > 0, is_left)

    def _stub(self) -> DecisionTreeRegressor:
        """An estimator of a single leaf, which has the columns and outputs of the tree."""
        estimator = DecisionTreeRegressor(
            max_leaf_nodes=max(2, self.max_leaf_nodes), min_samples_leaf=self.min_samples_leaf, random_state=0
        )
        return estimator.fit(np.zeros((1, self.encoded.shape[1])), self.unit_targets[:1])
