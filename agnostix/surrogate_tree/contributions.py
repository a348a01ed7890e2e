"""Path contributions: what each feature adds between the root and a leaf (Saabas, 2014).

At a split, the mean target of the node changes to that of the child; the changes at splits on a feature sum
to its contribution. It estimates what the same sum would be with the means of all rows like those of the
training in the same nodes. The splits were chosen to make differences between these rows large, so that
within the leaves the rows are closer together than others would be, and a leaf of one row has no spread at
all. Errors therefore follow from residuals of cross-fitted trees, which were grown without the row: the
delta method, an observed row with all synthetic rows made from it one independent cluster.

All rows in a node share the error of its mean. So errors are told in components as well: cov(a, b) of two
contributions is the dot product of theirs (the largest principal components of the nodes' means, each weighed
by the rows it rests on), and what is left over is a part that may add up over rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.intervals import interval_ends
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.surrogate_tree.measures import n_carrying
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.training_rows import TrainingRows

N_COMPONENTS = 32
"""Components that are kept of the errors of nodes' means: all of them for one output and 16 leaves."""
MOST_MEANS = 2000
"""Means of nodes, of all outputs, above which covariances are not computed."""
BLOCK = 1000
"""Clusters whose influence on all means is held at once."""
ROUNDING = 1e-6
"""Of a squared error, what is rounding."""


@dataclass(frozen=True)
class PathContributions:
    """Contributions of the features at each leaf, in the model's units."""

    leaves: Codes  # (n_leaves,), nodes
    values: Floats  # (n_leaves, n_features, n_outputs)
    std_errors: Floats  # (n_leaves, n_features, n_outputs)
    degrees_of_freedom: Floats  # (n_leaves, n_features, n_outputs); infinite where the error is 0
    base_std_errors: Floats  # (n_outputs,), of the mean at the root
    base_degrees_of_freedom: Floats  # (n_outputs,)
    tree: RuleTree
    components: Floats  # (n_nodes, n_outputs, n_components), of the errors of nodes' means

    @classmethod
    def from_sums(cls, sums: ClusterSums) -> PathContributions:
        """Contributions of the tree, with errors from sums over the rows that it was grown on."""
        tree = sums.tree
        values = np.zeros((tree.leaves.size, len(tree.features), tree.values.shape[1]))
        errors, dof = np.zeros_like(values), np.full_like(values, np.inf)
        for k, leaf in enumerate(tree.leaves):
            for feature, steps in steps_by_feature(tree, int(leaf)).items():
                for parent, child in steps:
                    values[k, feature] += tree.values[child] - tree.values[parent]
                ends = [end for parent, child in steps for end in ((parent, -1.0), (child, 1.0))]
                errors[k, feature], dof[k, feature] = sums.standard_error(sums.influence(ends))
        base = sums.standard_error(sums.influence([(0, 1.0)]))
        return cls(tree.leaves, values, errors, dof, *base, tree, sums.components())

    def ends(self, level: float) -> tuple[Floats, Floats]:
        """Ends of the intervals, shaped as the values."""
        return interval_ends(self.values, self.std_errors, level, self.degrees_of_freedom)

    def at(self, leaves: Codes) -> tuple[Floats, Floats, Floats]:
        """Values, errors and degrees of freedom, (n_rows, n_features, n_outputs), in leaves (n_rows,)."""
        index = np.full(int(self.leaves.max()) + 1, -1)
        index[self.leaves] = np.arange(self.leaves.size)
        which = index[leaves]
        return self.values[which], self.std_errors[which], self.degrees_of_freedom[which]

    def parts_at(self, leaves: Codes) -> tuple[Floats, Floats]:
        """Components of the errors (n_rows, n_features, n_outputs, n_components), and errors of the rest."""
        reached, which = np.unique(leaves, return_inverse=True)
        _, errors, _ = self.at(reached)
        shared = np.zeros((*errors.shape, self.components.shape[-1]))
        for k, leaf in enumerate(reached):
            for feature, steps in steps_by_feature(self.tree, int(leaf)).items():
                for parent, child in steps:
                    shared[k, feature] += self.components[child] - self.components[parent]
        rest = errors**2 - np.square(shared).sum(axis=-1)
        rest = np.sqrt(np.where(rest > ROUNDING * errors**2, rest, 0.0))
        return shared[which.ravel()], rest[which.ravel()]


def steps_by_feature(tree: RuleTree, leaf: int) -> dict[int, list[tuple[int, int]]]:
    """Parent and child of the splits on a leaf's path, by feature."""
    steps: dict[int, list[tuple[int, int]]] = {}
    for parent, child in itertools.pairwise(tree.path(leaf)):
        steps.setdefault(int(tree.feature[parent]), []).append((parent, child))
    return steps


@dataclass(frozen=True)
class ClusterSums:
    """Sums over the rows of each cluster in each leaf, for standard errors of what nodes' means determine."""

    tree: RuleTree
    weights: Floats  # (n_clusters, n_leaves)
    residuals: Floats  # (n_outputs, n_clusters, n_leaves), weighted targets less those of cross-fitted trees

    @classmethod
    def from_rows(
        cls, tree: RuleTree, training: TrainingRows, rows: Codes, targets: Floats, expected: Floats
    ) -> ClusterSums:
        """Sums over rows (n,) with targets, and what trees grown without them expect, both (n, n_outputs)."""
        leaves, leaf = tree.leaves, tree.apply_encoded(training.encoded)[rows]
        index = np.full(tree.n_nodes, -1)
        index[leaves] = np.arange(leaves.size)
        parent = training.parent[rows]
        cluster = np.unique(np.where(parent < 0, training.n_observed + rows, parent), return_inverse=True)[1]
        shape = (int(cluster.max()) + 1, leaves.size)
        cell = cluster.ravel() * leaves.size + index[leaf]
        weights, residuals = training.weights(rows), targets - expected

        def sum_cells(parts: Floats) -> Numbers:
            return np.bincount(cell, parts, shape[0] * shape[1]).reshape(shape)

        by_output = np.stack([sum_cells(weights * column) for column in residuals.T])
        return cls(tree, sum_cells(weights), by_output)

    @cached_property
    def is_below(self) -> Floats:
        """1 for leaves below a node, (n_nodes, n_leaves)."""
        is_below = np.zeros((self.tree.n_nodes, self.tree.leaves.size))
        for k, leaf in enumerate(self.tree.leaves):
            is_below[self.tree.path(int(leaf)), k] = 1.0
        return is_below

    @one_blas_thread
    def influence(self, ends: list[tuple[int, float]]) -> Floats:
        """Influence (n_outputs, n_clusters) of each cluster on the sum of nodes' means times factors."""
        tree, slope, shift = self.tree, 0.0, 0.0
        for node, factor in ends:
            fraction = factor * self.is_below[node] / tree.weight[node]
            slope = slope + fraction
            shift = shift + fraction[:, None] * (tree.values[tree.leaves] - tree.values[node])
        return self.residuals @ slope + (self.weights @ shift).T

    @one_blas_thread
    def components(self) -> Floats:
        """Principal components of the errors of nodes' means, (n_nodes, n_outputs, n_components)."""
        n_nodes, (n_outputs, n_clusters, _) = self.tree.n_nodes, self.residuals.shape
        n_means = n_nodes * n_outputs
        if n_means > MOST_MEANS:
            return np.zeros((n_nodes, n_outputs, 0))
        covariance = np.zeros((n_means, n_means))
        for start in range(0, n_clusters, BLOCK):
            block = slice(start, start + BLOCK)
            some = ClusterSums(self.tree, self.weights[block], self.residuals[:, block])
            influence = np.stack([some.influence([(node, 1.0)]) for node in range(n_nodes)])
            influence = influence.reshape(n_means, -1)
            covariance += influence @ influence.T
        # In units in which means of few rows are not larger than those of many, which rows reach more often.
        unit = np.repeat(np.sqrt(self.tree.weight[0] / self.tree.weight), n_outputs)
        sizes, directions = np.linalg.eigh(covariance / unit[:, None] / unit)
        sizes, directions = sizes[: -N_COMPONENTS - 1 : -1], directions[:, : -N_COMPONENTS - 1 : -1]
        kept = sizes > 1e-12 * max(sizes[0], 0.0)
        scale = np.sqrt(sizes[kept] * n_clusters / max(n_clusters - 1, 1))
        components = unit[:, None] * directions[:, kept] * scale
        return components.reshape(n_nodes, n_outputs, -1)

    @staticmethod
    def standard_error(influence: Floats) -> tuple[Floats, Floats]:
        """Standard error and degrees of freedom (n,) of what clusters influence (n, n_clusters)."""
        n_clusters = influence.shape[1]
        squares = influence**2
        carrying = np.array([n_carrying(one, None) for one in squares])
        # As of a variance: 2 / (kurtosis - 1) for each cluster.
        few = 1.0 / np.maximum(carrying, 1.0) - 1.0 / n_clusters
        dof = np.minimum(2.0 / np.maximum(few, 1e-12), max(n_clusters - 1, 1))
        error = np.sqrt(squares.sum(axis=1) * n_clusters / max(n_clusters - 1, 1))
        return error, np.where(error > 0, dof, np.inf)
