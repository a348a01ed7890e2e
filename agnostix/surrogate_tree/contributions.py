"""Path contributions: what each feature adds between the root and a leaf (Saabas, 2014).

At a split, the mean target of the node changes to that of the child; the changes at splits on a feature sum
to its contribution. The standard error is that of these means, given the splits: an observed row with all
synthetic rows made from it is one independent cluster.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.training_rows import TrainingRows


@dataclass(frozen=True)
class PathContributions:
    """Contributions of the features at each leaf, in the model's units."""

    leaves: Codes  # (n_leaves,), nodes
    values: Floats  # (n_leaves, n_features, n_outputs)
    std_errors: Floats  # (n_leaves, n_features, n_outputs)

    @classmethod
    def from_rows(
        cls, tree: RuleTree, training: TrainingRows, rows: Codes, targets: Floats
    ) -> PathContributions:
        """Contributions, with errors from the rows (n,) and targets (n, n_outputs) the tree was grown on."""
        leaves = tree.leaves
        values = np.zeros((leaves.size, len(tree.features), tree.values.shape[1]))
        errors = np.zeros_like(values)
        sums = _ClusterSums.from_rows(tree, training, rows, targets)
        for k, leaf in enumerate(leaves):
            for feature, steps in _steps_by_feature(tree, int(leaf)).items():
                for parent, child in steps:
                    values[k, feature] += tree.values[child] - tree.values[parent]
                errors[k, feature] = sums.standard_error(steps)
        return cls(leaves, values, errors)

    def at(self, leaves: Codes) -> tuple[Floats, Floats]:
        """Values and standard errors, each (n_rows, n_features, n_outputs), of rows in leaves (n_rows,)."""
        index = np.full(int(self.leaves.max()) + 1, -1)
        index[self.leaves] = np.arange(self.leaves.size)
        return self.values[index[leaves]], self.std_errors[index[leaves]]


def _steps_by_feature(tree: RuleTree, leaf: int) -> dict[int, list[tuple[int, int]]]:
    """Parent and child of the splits on a leaf's path, by feature."""
    steps: dict[int, list[tuple[int, int]]] = {}
    for parent, child in itertools.pairwise(tree.path(leaf)):
        steps.setdefault(int(tree.feature[parent]), []).append((parent, child))
    return steps


@dataclass(frozen=True)
class _ClusterSums:
    """Sums over the rows of each cluster in each leaf, for standard errors of node means."""

    tree: RuleTree
    is_below: Floats  # (n_nodes, n_leaves), 1 for leaves below a node
    weights: Floats  # (n_clusters, n_leaves)
    residuals: Floats  # (n_outputs, n_clusters, n_leaves), weighted targets less the leaf's value

    @classmethod
    def from_rows(cls, tree: RuleTree, training: TrainingRows, rows: Codes, targets: Floats) -> _ClusterSums:
        """Sums over rows (n,) with targets (n, n_outputs)."""
        leaves, leaf = tree.leaves, tree.apply_encoded(training.encoded[rows])
        index = np.full(tree.n_nodes, -1)
        index[leaves] = np.arange(leaves.size)
        parent = training.parent[rows]
        cluster = np.unique(np.where(parent < 0, training.n_observed + rows, parent), return_inverse=True)[1]
        shape = (int(cluster.max()) + 1, leaves.size)
        cell = cluster.ravel() * leaves.size + index[leaf]
        weights, residuals = training.weights(rows), targets - tree.values[leaf]

        def sum_cells(parts: Floats) -> Numbers:
            return np.bincount(cell, parts, shape[0] * shape[1]).reshape(shape)

        is_below = np.zeros((tree.n_nodes, leaves.size))
        for node in leaves:
            is_below[tree.path(int(node)), index[node]] = 1.0
        by_output = np.stack([sum_cells(weights * column) for column in residuals.T])
        return cls(tree, is_below, sum_cells(weights), by_output)

    @one_blas_thread
    def standard_error(self, steps: list[tuple[int, int]]) -> Floats:
        """Standard error of the summed changes from parent to child, shape (n_outputs,)."""
        tree, slope, shift = self.tree, 0.0, 0.0
        for node, sign in [end for parent, child in steps for end in ((parent, -1.0), (child, 1.0))]:
            fraction = sign * self.is_below[node] / tree.weight[node]
            slope = slope + fraction
            shift = shift + fraction[:, None] * (tree.values[tree.leaves] - tree.values[node])
        influence = self.residuals @ slope + (self.weights @ shift).T  # (n_outputs, n_clusters)
        n_clusters = influence.shape[1]
        return np.sqrt((influence**2).sum(axis=1) * n_clusters / max(n_clusters - 1, 1))
