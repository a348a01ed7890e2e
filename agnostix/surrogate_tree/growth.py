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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.surrogate_tree.best_first import BestFirstBuilder, with_nodes
from agnostix.surrogate_tree.pruning import prune
from agnostix.surrogate_tree.rule_tree import NO_LEVELS, RuleTree
from agnostix.surrogate_tree.screened_growth import MOST_SEARCHED, ScreenedBuilder
from agnostix.surrogate_tree.screening import rank_codes
from agnostix.surrogate_tree.training_rows import TrainingRows, to_common_spread

Ranks = dict[int, Floats]
"""Ranks (n_levels,) of the levels, by position of the column."""


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
        ranks = {
            position: level_ranks(training.encoded[rows, position], targets, weights, len(feature.levels))
            for position, feature in enumerate(training.features)
            if feature.levels is not None
        }
        targets = targets[:, 1:] if training.is_binary else targets
        builder = self._search_all if len(training.features) <= MOST_SEARCHED else self._search_screened
        estimator = builder(training, rows, ranks, targets, weights).build()
        tree = _count_rows(self._to_rule_tree(training, estimator.tree_, ranks), training, rows)
        return GrownTree(tree, estimator, ranks)

    def _search_all(
        self, training: TrainingRows, rows: Codes, ranks: Ranks, targets: Floats, weights: Floats
    ) -> BestFirstBuilder:
        """Splits among all columns."""
        X = rank_levels(training.ranks[rows], ranks)
        X[:, list(self.left_out)] = 0.0
        return BestFirstBuilder(
            X=X,
            values=training.encoded[rows],
            targets=targets,
            unit_targets=to_common_spread(targets),
            weights=weights,
            is_observed=rows < training.n_observed,
            max_leaf_nodes=min(self.max_leaf_nodes, len(rows)),  # for which scikit-learn takes memory
            min_samples_leaf=min(self.min_samples_leaf, len(rows)),
            by_rank=frozenset(ranks),
        )

    def _search_screened(
        self, training: TrainingRows, rows: Codes, ranks: Ranks, targets: Floats, weights: Floats
    ) -> ScreenedBuilder:
        """Splits among the columns of a wide table that are screened for each node."""
        return ScreenedBuilder(
            encoded=training.encoded,
            columns=replace(training.binned.with_levels(training.encoded, ranks), left_out=self.left_out),
            ranks=ranks,
            rows=rows,
            targets=targets,
            unit_targets=to_common_spread(targets),
            weights=weights,
            is_observed=rows < training.n_observed,
            max_leaf_nodes=min(self.max_leaf_nodes, len(rows)),
            min_samples_leaf=min(self.min_samples_leaf, len(rows)),
        )

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


def rank_levels(encoded: Floats, ranks: Ranks) -> Floats:
    """Encoded rows (n_rows, n_columns) with level codes replaced by ranks; NaN without a rank."""
    ranked = encoded.copy()
    for position, by_level in ranks.items():
        ranked[:, position] = rank_codes(encoded[:, position], by_level)
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
    leaf = tree.apply_encoded(training.encoded)[rows]
    observed = rows < training.n_observed
    counts = [np.bincount(leaf[part], minlength=tree.n_nodes) for part in (observed, ~observed)]
    for node in np.flatnonzero(tree.left >= 0)[::-1]:  # children come after their parents
        for count in counts:
            count[node] = count[tree.left[node]] + count[tree.right[node]]
    return replace(tree, n_observed=counts[0], n_synthetic=counts[1])
