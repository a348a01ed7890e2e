"""Best-first growth on all columns by scikit-learn's splits, both sides of which hold observed rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from agnostix.core.features import halfway
from agnostix.core.typing import Bools, Codes, Floats

SPARE_LEAVES = 2.0
"""Leaves of scikit-learn's first tree relative to those wanted, where some splits may have to be redone."""


@dataclass(frozen=True)
class _Node:
    """A node of one of scikit-learn's trees, and the rows in it."""

    nodes: np.ndarray  # of that tree
    index: int
    rows: Codes
    is_clipped: bool  # whether that tree was grown on synthetic rows clipped to the observed range

    @property
    def children(self) -> tuple[int, int]:
        """Indices of both; -1 at a leaf."""
        return int(self.nodes["left_child"][self.index]), int(self.nodes["right_child"][self.index])

    @property
    def gain(self) -> float:
        """Reduction of the loss by the split."""
        return gain(self.nodes, self.index)


def gain(nodes: np.ndarray, index: int) -> float:
    """Reduction of the loss by the split of a node of scikit-learn's."""
    loss = nodes["impurity"] * nodes["weighted_n_node_samples"]
    return float(loss[index] - loss[nodes["left_child"][index]] - loss[nodes["right_child"][index]])


@dataclass(frozen=True)
class BestFirstBuilder:
    """Best-first growth whose splits separate observed rows."""

    # scikit-learn does not know which rows are observed. Where its best split leaves none on one side, a tree
    # is grown below this node on rows of which the synthetic ones are clipped to the range of the observed:
    # its first split separates these, since their least and largest value are on different sides.

    X: Floats  # (n_rows, n_columns), numbers and levels as ranks
    values: Floats  # (n_rows, n_columns), the numbers
    targets: Floats  # (n_rows, n_targets)
    unit_targets: Floats  # (n_rows, n_targets), of unit spread
    weights: Floats  # (n_rows,)
    is_observed: Bools  # (n_rows,)
    max_leaf_nodes: int
    min_samples_leaf: int
    by_rank: frozenset[int]  # positions of columns of levels, whose thresholds stay ranks
    max_depth: int | None = None

    def build(self) -> DecisionTreeRegressor:
        """The tree, its nodes in the order of their creation; each leaf holds observed rows."""
        all_rows = np.arange(self.is_observed.size)
        estimator = self._fit(self.X, all_rows)
        nodes = [_Node(estimator.tree_.__getstate__()["nodes"], 0, all_rows, False)]
        children = [(-1, -1)]
        queue: list[tuple[float, int]] = []
        self._push(queue, nodes, 0)
        while queue and len(nodes) < 2 * self.max_leaf_nodes - 1:
            current = heappop(queue)[1]
            sides = self._split(nodes[current])
            if all(self.is_observed[side.rows].any() for side in sides):
                children[current] = (len(nodes), len(nodes) + 1)
                nodes += sides
                children += [(-1, -1), (-1, -1)]
                for child in children[current]:
                    self._push(queue, nodes, child)
            elif not nodes[current].is_clipped or nodes[current].index:
                nodes[current] = self._regrow(nodes[current])
                self._push(queue, nodes, current)
        return self._assemble(estimator, nodes, np.array(children))

    def _fit(self, X: Floats, rows: Codes) -> DecisionTreeRegressor:
        spare = 1.0 if self.is_observed.all() else SPARE_LEAVES
        estimator = DecisionTreeRegressor(
            max_leaf_nodes=max(2, int(spare * self.max_leaf_nodes)),
            min_samples_leaf=self.min_samples_leaf,
            max_depth=self.max_depth,
            random_state=0,
        )
        return estimator.fit(X, self.unit_targets[rows], sample_weight=self.weights[rows])

    def _push(self, queue: list[tuple[float, int]], nodes: list[_Node], index: int) -> None:
        """Queue a node if it splits; of equal gains the node created first comes first."""
        if nodes[index].children[0] >= 0:
            heappush(queue, (-nodes[index].gain, index))

    def _split(self, node: _Node) -> list[_Node]:
        """Both children with their rows."""
        split = node.nodes[node.index]
        column = self.X[node.rows, split["feature"]].astype(np.float32)
        goes_left = np.where(np.isnan(column), split["missing_go_to_left"] > 0, column <= split["threshold"])
        pairs = zip(node.children, (goes_left, ~goes_left), strict=True)
        return [_Node(node.nodes, child, node.rows[side], node.is_clipped) for child, side in pairs]

    def _regrow(self, node: _Node) -> _Node:
        """The node as the root of a tree grown on its rows, synthetic ones clipped to the observed range."""
        X, is_observed = self.X[node.rows], self.is_observed[node.rows]
        missing = np.isnan(X)
        no_range = missing[is_observed].all(axis=0)
        observed = np.where(no_range, 0.0, X[is_observed])
        X = np.clip(X, np.nanmin(observed, axis=0), np.nanmax(observed, axis=0))
        X[:, no_range] = 0.0
        # Synthetic rows that lack a value which no observed row lacks would allow a split by it.
        kept = ~(missing & ~missing[is_observed].any(axis=0)).any(axis=1)
        estimator = self._fit(X[kept], node.rows[kept])
        return _Node(estimator.tree_.__getstate__()["nodes"], 0, node.rows, True)

    def _assemble(
        self, estimator: DecisionTreeRegressor, nodes: list[_Node], children: Codes
    ) -> DecisionTreeRegressor:
        """All nodes as one tree, with thresholds in units of the columns."""
        splits = np.array([node.nodes[node.index] for node in nodes], dtype=nodes[0].nodes.dtype)
        for index in np.flatnonzero(children[:, 0] >= 0):
            sides = (nodes[child].rows for child in children[index])
            splits["threshold"][index] = self._threshold(nodes[index], *sides)
        rows = [node.rows for node in nodes]
        return assemble(estimator, splits, rows, children, self.targets, self.weights)

    def _threshold(self, node: _Node, left: Codes, right: Codes) -> float:
        """Threshold of a node's split in units of the column, from the rows on both sides."""
        split = node.nodes[node.index]
        position, threshold = int(split["feature"]), float(split["threshold"])
        if position in self.by_rank or np.isinf(threshold):
            return threshold
        column = self.values[:, position]
        return halfway(float(np.nanmax(column[left])), float(np.nanmin(column[right])))


def assemble(
    estimator: DecisionTreeRegressor,
    splits: np.ndarray,
    rows: Sequence[Codes],
    children: Codes,
    targets: Floats,
    weights: Floats,
) -> DecisionTreeRegressor:
    """A tree of splits (n_nodes,), each node with its rows and children (n_nodes, 2), -1 at leaves."""
    nodes = splits.copy()
    nodes["left_child"], nodes["right_child"] = children.T
    is_leaf = children[:, 0] < 0
    nodes["feature"][is_leaf], nodes["threshold"][is_leaf] = -2, -2.0
    values = np.empty((nodes.size, targets.shape[1]))
    for index, inside in enumerate(rows):
        mean, impurity, weight = _statistics(targets[inside], weights[inside])
        values[index], nodes["impurity"][index] = mean, impurity
        nodes["weighted_n_node_samples"][index] = weight
        nodes["n_node_samples"][index] = inside.size
    return with_nodes(estimator, nodes, values, _depth(children))


def _statistics(targets: Floats, weights: Floats) -> tuple[Floats, float, float]:
    """Weighted mean (n_targets,) of targets (n, n_targets), mean squared distance from it, and weight."""
    weight = weights.sum()
    mean = (weights[:, None] * targets).sum(axis=0) / weight
    squares = (weights[:, None] * (targets - mean) ** 2).sum(axis=0) / weight
    return mean, float(squares.mean()), float(weight)


def _depth(children: Codes) -> int:
    depth = np.zeros(len(children), dtype=int)
    for index, sides in enumerate(children):
        if sides[0] >= 0:
            depth[sides] = depth[index] + 1
    return int(depth.max())


def with_nodes(estimator: Any, nodes: np.ndarray, values: np.ndarray, depth: int) -> Any:
    """A copy of a decision tree with other nodes (a Tree's state) and values (n_nodes, n_outputs)."""
    n_outputs = estimator.n_outputs_
    tree = Tree(estimator.n_features_in_, np.ones(n_outputs, dtype=np.intp), n_outputs)
    tree.__setstate__(
        {
            "max_depth": depth,
            "node_count": nodes.size,
            "nodes": nodes,
            "values": np.ascontiguousarray(values.reshape(nodes.size, n_outputs, 1)),
        }
    )
    other = copy(estimator)
    other.tree_ = tree
    return other
