"""Trees grown best first on what a model answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.sklearn_compat import with_nodes
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.best_first import BestFirst
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.ordering import level_ranks, ranked, seen_order
from agnostix.surrogate_tree.reduction import reduced, summed_up
from agnostix.surrogate_tree.rule_tree import NO_LEVELS, RuleTree


@dataclass(frozen=True)
class Growth:
    """How a tree is grown.

    Attributes
    ----------
    targets : {"soft", "hard"}
        The answers themselves, or their labels as zeros and ones. Squared error on either is the Gini index,
        of probabilities or of labels.
    max_leaf_nodes : int
        Leaves at most.
    min_samples_leaf : int
        Rows in a leaf at least.
    output_names : tuple of str
        Names of the outputs.
    """

    targets: str
    max_leaf_nodes: int
    min_samples_leaf: int
    output_names: tuple[str, ...]

    def grown(self, material: Material, rows: Codes) -> Grown:
        """Grow on some rows.

        Parameters
        ----------
        material : Material
            All rows.
        rows : ndarray of int
            Which of them.

        Returns
        -------
        Grown
        """
        answers, weights = self.wanted(material, rows), material.weights(rows)
        numbers = material.numbers[rows]
        ranks = {
            place: level_ranks(numbers[:, place], answers, weights, len(feature.levels))
            for place, feature in enumerate(material.features)
            if feature.levels is not None
        }
        estimator = BestFirst(
            numbers=ranked(numbers, ranks),
            answers=answers[:, 1:] if material.binary else answers,
            weights=weights,
            real=rows < material.n_real,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
        ).grown()
        return Grown(_counted(self._read(material, estimator.tree_, ranks), material, rows), estimator, ranks)

    def wanted(self, material: Material, rows: Codes) -> Floats:
        """What the tree is to answer.

        Parameters
        ----------
        material : Material
            All rows.
        rows : ndarray of int of shape (n,)
            Which of them.

        Returns
        -------
        ndarray of shape (n, n_outputs)
        """
        answers = material.answers[rows]
        return np.eye(answers.shape[1])[answers.argmax(axis=1)] if self.targets == "hard" else answers

    def _read(self, material: Material, inner: Any, ranks: dict[int, Floats]) -> RuleTree:
        """scikit-learn's arrays as ours; rows are counted later."""
        nodes = inner.__getstate__()["nodes"]
        values = inner.value[:, :, 0]
        is_leaf = nodes["left_child"] < 0
        feature = np.where(is_leaf, -1, nodes["feature"])
        by_level = np.isin(feature, list(ranks))
        cuts = [_float64_cut(cut) for cut in nodes["threshold"]]
        weight = nodes["weighted_n_node_samples"]
        nothing, n_outputs = np.zeros(is_leaf.size, dtype=np.intp), len(self.output_names)
        return RuleTree(
            features=material.features,
            output_names=self.output_names,
            feature=feature,
            threshold=np.where(is_leaf | by_level, np.nan, cuts),
            levels=tuple(
                frozenset(seen_order(ranks[f])[: int(np.floor(min(cut, 1e9))) + 1].tolist())
                if own
                else NO_LEVELS
                for own, f, cut in zip(by_level, feature.tolist(), nodes["threshold"], strict=True)
            ),
            missing_left=nodes["missing_go_to_left"].astype(bool) & ~is_leaf,
            left=np.where(is_leaf, -1, nodes["left_child"]).astype(np.intp),
            right=np.where(is_leaf, -1, nodes["right_child"]).astype(np.intp),
            values=np.column_stack([1.0 - values, values]) if material.binary else values,
            n_real=nothing,
            n_synthetic=nothing,
            weight=weight,
            loss=nodes["impurity"] * weight * n_outputs,
        )


@dataclass(frozen=True)
class Grown:
    """A tree, and scikit-learn's.

    Attributes
    ----------
    tree : RuleTree
        The rules.
    estimator : DecisionTreeRegressor
        The same in scikit-learn's arrays, where labels are ranks.
    ranks : dict of int to ndarray of shape (n_levels,)
        Of the labels of each column that has any.
    """

    tree: RuleTree
    estimator: DecisionTreeRegressor
    ranks: dict[int, Floats]

    def reduced(self, splits: Bools) -> Grown:
        """The tree with fewer splits.

        Parameters
        ----------
        splits : ndarray of bool of shape (n_nodes,)
            Nodes that go on splitting, if those above them do.

        Returns
        -------
        Grown
        """
        tree, kept = reduced(self.tree, splits)
        nodes = self.estimator.tree_.__getstate__()["nodes"][kept]
        nodes["left_child"], nodes["right_child"] = tree.left, tree.right
        leaf = tree.left < 0
        nodes["feature"][leaf], nodes["threshold"][leaf] = -2, -2.0
        own = tree.values[:, 1:] if self.estimator.n_outputs_ < tree.values.shape[1] else tree.values
        return replace(self, tree=tree, estimator=with_nodes(self.estimator, nodes, own, tree.depth))


def _float64_cut(cut: float) -> float:
    """The largest number that is not above `cut` once it is rounded to single precision."""
    below = np.float32(cut)
    if below > cut:
        below = np.nextafter(below, np.float32(-np.inf))
    if not np.isfinite(below):
        return float(cut)
    above = np.nextafter(below, np.float32(np.inf))
    if not np.isfinite(above):
        return float(below)
    middle = (float(below) + float(above)) / 2  # which is rounded to the one whose last bit is 0
    return middle if np.float32(middle) == below else float(np.nextafter(middle, -np.inf))


def _counted(tree: RuleTree, material: Material, rows: Codes) -> RuleTree:
    """The tree with the numbers of given and drawn rows that come to each node."""
    leaves = tree.apply_read(material.numbers[rows])
    real = rows < material.n_real
    counts = [np.bincount(leaves[kind], minlength=tree.n_nodes) for kind in (real, ~real)]
    return replace(tree, n_real=summed_up(tree, counts[0]), n_synthetic=summed_up(tree, counts[1]))
