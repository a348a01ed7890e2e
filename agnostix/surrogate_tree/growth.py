"""Best-first growth of a tree on a model's predictions.

The leaf whose best split reduces the weighted squared error most is split next, until there are
`max_leaf_nodes`. Squared error on probabilities (soft targets) or on one-hot labels (hard targets) is the
Gini index of these. Splits are scikit-learn's; both sides of each must hold observed rows. The levels of a
column are ordered once, by the first principal component of their mean targets, and split in that order
(Breiman et al., 1984; Coppersmith, Hong and Hosking, 1999, doi 10.1023/A:1009869804967).

scikit-learn sees ranks in place of numbers, and targets of unit spread, so that no unit or offset of a column
or of the predictions has an effect. Thresholds are halfway between the neighboring values of the node.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from agnostix.core.features import halfway
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.surrogate_tree.pruning import prune
from agnostix.surrogate_tree.rule_tree import NO_LEVELS, RuleTree
from agnostix.surrogate_tree.training_rows import TrainingRows, to_common_spread

SPARE_LEAVES = 2.0
"""Leaves of scikit-learn's first tree relative to those wanted, where some splits may have to be redone."""


@dataclass(frozen=True)
class TreeGrowth:
    """How a tree is grown."""

    targets: str  # "soft" for the predictions, "hard" for one-hot labels
    max_leaf_nodes: int
    min_samples_leaf: int
    output_names: tuple[str, ...]
    left_out: frozenset[int] = frozenset()  # positions of columns that are not split on

    def grow(self, training: TrainingRows, rows: Codes) -> GrownTree:
        """Grow a tree on some rows (n,), of which one may occur several times."""
        targets, weights = self.target_values(training, rows), training.weights(rows)
        encoded = training.encoded[rows]
        ranks = {
            position: level_ranks(encoded[:, position], targets, weights, len(feature.levels))
            for position, feature in enumerate(training.features)
            if feature.levels is not None
        }
        X = rank_levels(training.ranks[rows], ranks)
        X[:, list(self.left_out)] = 0.0
        targets = targets[:, 1:] if training.is_binary else targets
        estimator = BestFirstBuilder(
            X=X,
            values=encoded,
            targets=targets,
            unit_targets=to_common_spread(targets),
            weights=weights,
            is_observed=rows < training.n_observed,
            max_leaf_nodes=min(self.max_leaf_nodes, len(rows)),  # for which scikit-learn takes memory
            min_samples_leaf=min(self.min_samples_leaf, len(rows)),
            by_rank=frozenset(ranks),
        ).build()
        tree = _count_rows(self._to_rule_tree(training, estimator.tree_, ranks), training, rows)
        return GrownTree(tree, estimator, ranks)

    def target_values(self, training: TrainingRows, rows: Codes) -> Floats:
        """Targets (n, n_outputs) of some rows."""
        predictions = training.predictions[rows]
        if self.targets == "soft":
            return predictions
        return np.eye(predictions.shape[1])[predictions.argmax(axis=1)]

    def _to_rule_tree(self, training: TrainingRows, sklearn_tree: Any, ranks: dict[int, Floats]) -> RuleTree:
        """scikit-learn's arrays as a RuleTree; rows are counted later."""
        nodes = sklearn_tree.__getstate__()["nodes"]
        values = sklearn_tree.value[:, :, 0]
        is_leaf = nodes["left_child"] < 0
        feature = np.where(is_leaf, -1, nodes["feature"])
        splits_levels = np.isin(feature, list(ranks))
        weight = nodes["weighted_n_node_samples"]
        no_rows = np.zeros(is_leaf.size, dtype=np.intp)
        return RuleTree(
            features=training.features,
            output_names=self.output_names,
            feature=feature,
            threshold=np.where(is_leaf | splits_levels, np.nan, nodes["threshold"]),
            levels=tuple(
                _levels_up_to(ranks[position], threshold) if by_level else NO_LEVELS
                for by_level, position, threshold in zip(
                    splits_levels, feature.tolist(), nodes["threshold"], strict=True
                )
            ),
            missing_left=nodes["missing_go_to_left"].astype(bool) & ~is_leaf,
            left=np.where(is_leaf, -1, nodes["left_child"]).astype(np.intp),
            right=np.where(is_leaf, -1, nodes["right_child"]).astype(np.intp),
            values=np.column_stack([1.0 - values, values]) if training.is_binary else values,
            n_observed=no_rows,
            n_synthetic=no_rows,
            weight=weight,
            # scikit-learn's impurity is a mean over outputs; both of a binary classifier have the same.
            loss=nodes["impurity"] * weight * len(self.output_names),
        )


@dataclass(frozen=True)
class GrownTree:
    """A tree as rules and in scikit-learn's arrays."""

    tree: RuleTree
    estimator: DecisionTreeRegressor  # levels are ranks; of a binary classifier the second class alone
    ranks: dict[int, Floats]  # ranks (n_levels,) of the levels, by position of the column

    def prune(self, splits: Bools) -> GrownTree:
        """The tree with some of its splits (n_nodes,) alone."""
        tree, kept = prune(self.tree, splits)
        nodes = self.estimator.tree_.__getstate__()["nodes"][kept]
        nodes["left_child"], nodes["right_child"] = tree.left, tree.right
        is_leaf = tree.left < 0
        nodes["feature"][is_leaf], nodes["threshold"][is_leaf] = -2, -2.0
        values = tree.values[:, 1:] if self.estimator.n_outputs_ < tree.values.shape[1] else tree.values
        return replace(self, tree=tree, estimator=with_nodes(self.estimator, nodes, values, tree.depth))


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
        loss = self.nodes["impurity"] * self.nodes["weighted_n_node_samples"]
        return float(loss[self.index] - loss[list(self.children)].sum())


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
        """All nodes as one tree."""
        state = np.array([node.nodes[node.index] for node in nodes], dtype=nodes[0].nodes.dtype)
        state["left_child"], state["right_child"] = children.T
        is_leaf = children[:, 0] < 0
        state["feature"][is_leaf], state["threshold"][is_leaf] = -2, -2.0
        values = np.empty((len(nodes), self.targets.shape[1]))
        for index, node in enumerate(nodes):
            if not is_leaf[index]:
                sides = (nodes[child].rows for child in children[index])
                state["threshold"][index] = self._threshold(node, *sides)
            mean, impurity, weight = self._statistics(node.rows)
            values[index], state["impurity"][index] = mean, impurity
            state["weighted_n_node_samples"][index] = weight
            state["n_node_samples"][index] = node.rows.size
        return with_nodes(estimator, state, values, _depth(children))

    def _threshold(self, node: _Node, left: Codes, right: Codes) -> float:
        """Threshold of a node's split in units of the column, from the rows on both sides."""
        split = node.nodes[node.index]
        position, threshold = int(split["feature"]), float(split["threshold"])
        if position in self.by_rank or np.isinf(threshold):
            return threshold
        column = self.values[:, position]
        return halfway(float(np.nanmax(column[left])), float(np.nanmin(column[right])))

    def _statistics(self, rows: Codes) -> tuple[Floats, float, float]:
        """Weighted mean (n_targets,), mean squared distance from it, and weight of some rows."""
        weights, targets = self.weights[rows], self.targets[rows]
        weight = weights.sum()
        mean = (weights[:, None] * targets).sum(axis=0) / weight
        squares = (weights[:, None] * (targets - mean) ** 2).sum(axis=0) / weight
        return mean, float(squares.mean()), float(weight)


@one_blas_thread
def level_ranks(codes: Floats, targets: Floats, weights: Floats, n_levels: int) -> Floats:
    """Ranks (n_levels,) of levels by the first principal component of their mean targets; NaN if absent."""
    present = ~np.isnan(codes)
    levels = codes[present].astype(np.intp)
    level_weights = np.bincount(levels, weights[present], n_levels)
    seen = np.flatnonzero(level_weights > 0)
    ranks = np.full(n_levels, np.nan)
    if not seen.size:
        return ranks
    sums = [np.bincount(levels, weights[present] * column[present], n_levels) for column in targets.T]
    means = np.column_stack(sums)[seen] / level_weights[seen, None]
    order = np.argsort(_first_component(means, level_weights[seen]), kind="stable")
    ranks[seen[order]] = np.arange(seen.size)
    return ranks


def rank_levels(encoded: Floats, ranks: dict[int, Floats]) -> Floats:
    """Encoded rows (n_rows, n_columns) with level codes replaced by ranks; NaN without a rank."""
    ranked = encoded.copy()
    for position, column_ranks in ranks.items():
        codes = np.where(np.isnan(encoded[:, position]), column_ranks.size, encoded[:, position])
        ranked[:, position] = np.append(column_ranks, np.nan)[codes.astype(np.intp)]
    return ranked


def levels_by_rank(ranks: Floats) -> Codes:
    """Codes of the levels that have a rank, in its order."""
    return np.argsort(ranks, kind="stable")[: int((~np.isnan(ranks)).sum())]


def _levels_up_to(ranks: Floats, threshold: float) -> frozenset[int]:
    """Levels that a split of ranks sends left."""
    return frozenset(levels_by_rank(ranks)[: int(np.floor(min(threshold, 1e9))) + 1].tolist())


def _first_component(means: Floats, weights: Numbers) -> Floats:
    """Mean targets (n_levels, n_targets) along the direction in which they vary most, shape (n_levels,)."""
    if means.shape[1] == 1:
        return means[:, 0]
    centered = means - weights @ means / weights.sum()
    moments = (centered * weights[:, None]).T @ centered
    direction = np.linalg.eigh(moments)[1][:, -1]
    return centered @ (direction * np.sign(direction[np.abs(direction).argmax()]))


def _count_rows(tree: RuleTree, training: TrainingRows, rows: Codes) -> RuleTree:
    """The tree with the number of observed and synthetic rows in each node."""
    leaf = tree.apply_encoded(training.encoded[rows])
    observed = rows < training.n_observed
    counts = [np.bincount(leaf[part], minlength=tree.n_nodes) for part in (observed, ~observed)]
    for node in np.flatnonzero(tree.left >= 0)[::-1]:  # children come after their parents
        for count in counts:
            count[node] = count[tree.left[node]] + count[tree.right[node]]
    return replace(tree, n_observed=counts[0], n_synthetic=counts[1])


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
