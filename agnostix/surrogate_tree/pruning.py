"""Cost-complexity pruning and the 1-SE rule (Breiman, Friedman, Olshen and Stone, 1984).

With L the loss and |T| the number of leaves, a split at node t is worth

    alpha(t) = (L(t) - L(T_t)) / (|T_t| - 1)

per leaf below it. Collapsing the weakest link again and again gives nested trees from the full one to the
root. The 1-SE rule selects the smallest that is within one standard error of the best on held-out rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.measures import standard_error, weighted_mean
from agnostix.surrogate_tree.rule_tree import NO_LEVELS, RuleTree
from agnostix.surrogate_tree.training_rows import CONSTANT, TrainingRows

ROUNDING = 1e-14
"""Gain of a split, relative to the loss at the root, below which it is rounding error."""
FULL_TREE = -1.0
"""A `ccp_alpha` at which nothing is pruned."""


def weakest_links(tree: RuleTree) -> Floats:
    """`ccp_alpha` at which each split is collapsed, shape (n_nodes,); infinite at leaves."""
    alphas, loss = np.full(tree.n_nodes, np.inf), tree.loss / tree.weight[0]
    splits, alpha = tree.left >= 0, 0.0
    rounding = ROUNDING * float(loss[0]) + CONSTANT**2 * float((tree.values[0] ** 2).sum())
    while splits.any():
        loss_below, n_leaves = _sum_leaves(tree, splits, loss)
        gains = np.where(splits, (loss - loss_below) / np.maximum(n_leaves - 1, 1), np.inf)
        gains[gains <= rounding] = 0.0
        alpha = max(alpha, float(gains.min()))
        for node in np.flatnonzero(gains <= alpha):
            collapsed = splits & _subtree(tree, int(node))
            alphas[collapsed], splits = alpha, splits & ~collapsed
    return alphas


def count_leaves(alphas: Floats, ccp_alpha: float) -> int:
    """Leaves of the tree pruned at `ccp_alpha`."""
    return 1 + int((np.isfinite(alphas) & (alphas > ccp_alpha)).sum())


def alpha_steps(alphas: Floats) -> tuple[Floats, Floats]:
    """`ccp_alpha` of each tree of the path, largest tree first, and geometric means with the next step."""
    # Another tree of the same growth has other steps; between two steps it has about as many leaves.
    steps = np.unique(np.append(alphas[np.isfinite(alphas)], 0.0))
    return steps, np.append(np.sqrt(steps[:-1] * steps[1:]), np.inf)


def prune(tree: RuleTree, splits: Bools) -> tuple[RuleTree, Codes]:
    """The tree with some splits (n_nodes,) alone, and the numbers of its nodes in the larger one."""
    kept, left, right, current = [0], [-1], [-1], 0
    while current < len(kept):
        node = kept[current]
        if splits[node] and tree.left[node] >= 0:
            left[current], right[current] = len(kept), len(kept) + 1
            kept += [int(tree.left[node]), int(tree.right[node])]
            left += [-1, -1]
            right += [-1, -1]
        current += 1
    nodes = np.array(kept)
    is_leaf = np.array(left) < 0
    pruned = replace(
        tree,
        feature=np.where(is_leaf, -1, tree.feature[nodes]),
        threshold=np.where(is_leaf, np.nan, tree.threshold[nodes]),
        levels=tuple(
            NO_LEVELS if leaf else tree.levels[node] for leaf, node in zip(is_leaf, nodes, strict=True)
        ),
        missing_left=tree.missing_left[nodes] & ~is_leaf,
        left=np.array(left),
        right=np.array(right),
        values=tree.values[nodes],
        n_observed=tree.n_observed[nodes],
        n_synthetic=tree.n_synthetic[nodes],
        weight=tree.weight[nodes],
        loss=tree.loss[nodes],
    )
    return pruned, nodes


def pruned_ancestors(tree: RuleTree, splits: Bools) -> Codes:
    """Node of the pruned tree that each node's rows end at, or itself where it is not pruned, (n_nodes,)."""
    ancestors = np.arange(tree.n_nodes)
    for node in np.flatnonzero(tree.left >= 0):
        if ancestors[node] != node or not splits[node]:
            ancestors[[tree.left[node], tree.right[node]]] = ancestors[node]
    return ancestors


@dataclass(frozen=True)
class RowScores:
    """Agreement of a tree with the model, row by row."""

    hits: Floats  # (n_rows,), 1 for the same label, or without labels; means over several rows
    losses: Floats  # (n_rows,), squared distances of the predictions
    weights: Floats | None = None  # (n_rows,), None for equal weights

    @classmethod
    def from_outputs(
        cls, predictions: Floats, outputs: Floats, is_classifier: bool, weights: Floats | None = None
    ) -> RowScores:
        """Compare the model's predictions with a tree's outputs, both (n_rows, n_outputs)."""
        same = predictions.argmax(1) == outputs.argmax(1) if is_classifier else np.ones(len(predictions))
        return cls(same.astype(float), ((predictions - outputs) ** 2).sum(axis=1), weights)

    @classmethod
    def concatenate(cls, parts: list[RowScores]) -> RowScores:
        """Scores of several trees, one after the other."""
        weights = [one.weights for one in parts if one.weights is not None]
        return cls(
            np.concatenate([one.hits for one in parts]),
            np.concatenate([one.losses for one in parts]),
            np.concatenate(weights) if weights else None,
        )

    @property
    def mean_hits(self) -> float:
        """Fraction of rows with the same label."""
        return weighted_mean(self.hits, self.weights)

    @property
    def mean_loss(self) -> float:
        """Mean squared distance."""
        return weighted_mean(self.losses, self.weights)

    def average_by(self, group: Codes, weights: Floats, group_weights: Floats | None = None) -> RowScores:
        """Weighted means over groups (n_rows,) of rows."""
        total = np.bincount(group, weights)
        hits, losses = (np.bincount(group, weights * part) / total for part in (self.hits, self.losses))
        return RowScores(hits, losses, group_weights)

    def within_errors_of(
        self, best: RowScores, n_errors: float = 1.0, loss: float = 1.0
    ) -> tuple[bool, bool]:
        """Whether labels and distances are within standard errors of the paired difference to the best."""
        # Up to rounding, which of distances is relative to the loss of a single leaf.
        differences = ((best.hits - self.hits, 1e-15), (self.losses - best.losses, 1e-15 * min(loss, 1.0)))
        by_label, by_distance = (
            weighted_mean(lost, self.weights) <= n_errors * standard_error(lost, self.weights) + rounding
            for lost, rounding in differences
        )
        return by_label, by_distance


@dataclass(frozen=True)
class HeldOutTree:
    """A tree with observed rows it was not grown on, and the synthetic rows sampled near these."""

    tree: RuleTree
    predictions: Floats  # (n_rows, n_outputs), the model's, observed rows first
    leaf: Codes  # (n_rows,)
    parent: Codes  # (n_rows,), index of the observed row each was sampled near, or is
    weights: Floats  # (n_rows,)
    is_classifier: bool
    n_synthetic: int  # synthetic training rows of this tree
    observed_weights: Floats | None = None  # (n_observed,), None for equal weights

    @classmethod
    def from_rows(
        cls, tree: RuleTree, training: TrainingRows, rows: Codes, with_synthetic: bool
    ) -> HeldOutTree:
        """Apply a tree to observed rows, and to the synthetic rows sampled near them."""
        index = np.full(training.n_observed + 1, -1)  # the last is where a parent of -1 points to
        index[rows] = np.arange(rows.size)
        is_near = ~training.is_observed & (index[training.parent] >= 0)
        both = np.concatenate([rows, np.flatnonzero(is_near)]) if with_synthetic else rows
        return cls(
            tree=tree,
            predictions=training.predictions[both],
            leaf=tree.apply_encoded(training.encoded)[both],
            parent=index[training.parent[both]],
            weights=training.weights(both),
            is_classifier=training.is_classifier,
            n_synthetic=training.n_synthetic,
            observed_weights=training.observed_weights(rows),
        )

    @property
    def n_observed(self) -> int:
        """Number of observed rows."""
        return int(self.parent.max()) + 1

    @property
    def observed_predictions(self) -> Floats:
        """The model's predictions for the observed rows, shape (n_observed, n_outputs)."""
        return self.predictions[: self.n_observed]

    @cached_property
    def alphas(self) -> Floats:
        """`ccp_alpha` at which each split is collapsed, shape (n_nodes,)."""
        return weakest_links(self.tree)

    def outputs(self, ccp_alpha: float) -> Floats:
        """Outputs of the pruned tree for the observed rows, shape (n_observed, n_outputs)."""
        return self._all_outputs(ccp_alpha)[: self.n_observed]

    def scores(self) -> RowScores:
        """Scores of the full tree on the observed rows."""
        outputs = self.outputs(FULL_TREE)
        return RowScores.from_outputs(
            self.observed_predictions, outputs, self.is_classifier, self.observed_weights
        )

    def scores_nearby(self, ccp_alpha: float) -> RowScores:
        """Scores of the pruned tree, each observed row averaged with the synthetic rows sampled near it."""
        scores = RowScores.from_outputs(self.predictions, self._all_outputs(ccp_alpha), self.is_classifier)
        return scores.average_by(self.parent, self.weights, self.observed_weights)

    def _all_outputs(self, ccp_alpha: float) -> Floats:
        splits = (self.tree.left >= 0) & (self.alphas > ccp_alpha)
        return self.tree.values[pruned_ancestors(self.tree, splits)[self.leaf]]


def one_se_alpha(alphas: Floats, held_out: Iterable[HeldOutTree]) -> float:
    """`ccp_alpha` of the smallest tree within one standard error of the best (1-SE rule)."""
    # By labels and by squared distance, each against the size that is best by it, with the standard error of
    # the paired difference. Rows sampled near the held-out ones keep this error small where rows are few.
    steps, between = alpha_steps(alphas)
    trees = list(held_out)
    scores = [RowScores.concatenate([tree.scores_nearby(alpha) for tree in trees]) for alpha in between]
    by_label = scores[int(np.argmax([one.mean_hits for one in scores]))]
    by_distance = scores[int(np.argmin([one.mean_loss for one in scores]))]
    loss = scores[-1].mean_loss  # of the root
    is_close = [
        one.within_errors_of(by_label)[0] and one.within_errors_of(by_distance, loss=loss)[1]
        for one in scores
    ]
    return float(steps[max(np.flatnonzero(is_close), default=0)])


def _sum_leaves(tree: RuleTree, splits: Bools, loss: Floats) -> tuple[Floats, Codes]:
    """Loss and number of the leaves below each node, each (n_nodes,)."""
    total, n_leaves = loss.copy(), np.ones(tree.n_nodes, dtype=np.intp)
    for node in np.flatnonzero(splits)[::-1]:  # children come after their parents
        children = [tree.left[node], tree.right[node]]
        total[node], n_leaves[node] = total[children].sum(), n_leaves[children].sum()
    return total, n_leaves


def _subtree(tree: RuleTree, top: int) -> Bools:
    """A node and all below it, shape (n_nodes,)."""
    inside = np.zeros(tree.n_nodes, dtype=bool)
    inside[top] = True
    for node in np.flatnonzero(tree.left >= 0):
        if inside[node]:
            inside[[tree.left[node], tree.right[node]]] = True
    return inside
