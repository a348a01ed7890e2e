"""What each feature adds along the path to a leaf."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.rule_tree import RuleTree


@dataclass(frozen=True)
class Contributions:
    """For each leaf the changes of the node's mean at splits on each feature along its path.

    Attributes
    ----------
    leaves : ndarray of int of shape (n_leaves,)
        Nodes.
    values, std_errors : ndarray of shape (n_leaves, n_features, n_outputs)
        In model output units.
    """

    leaves: Codes
    values: Floats
    std_errors: Floats

    @classmethod
    def of(cls, tree: RuleTree, material: Material, rows: Codes, wanted: Floats) -> Contributions:
        """Measure them, and how far they would move with other rows, for the splits that were made.

        A drawn row counts as part of the given row that it was made from.

        Parameters
        ----------
        tree : RuleTree
            The tree.
        material : Material
            All rows.
        rows : ndarray of int of shape (n,)
            Rows that it was grown on.
        wanted : ndarray of shape (n, n_outputs)
            What it is to answer to them.

        Returns
        -------
        Contributions
        """
        leaves, n_outputs = tree.leaves, tree.values.shape[1]
        values = np.zeros((leaves.size, len(tree.features), n_outputs))
        errors = np.zeros_like(values)
        moments = _Moments.of(tree, material, rows, wanted)
        for k, leaf in enumerate(leaves):
            for feature, steps in _steps(tree, int(leaf)).items():
                for above, below in steps:
                    values[k, feature] += tree.values[below] - tree.values[above]
                errors[k, feature] = moments.error(steps)
        return cls(leaves, values, errors)

    def at(self, leaves: Codes) -> tuple[Floats, Floats]:
        """Those of rows.

        Parameters
        ----------
        leaves : ndarray of int of shape (n_rows,)
            To which they come.

        Returns
        -------
        tuple of ndarray of shape (n_rows, n_features, n_outputs)
            Values and standard errors.
        """
        place = np.full(int(self.leaves.max()) + 1, -1)
        place[self.leaves] = np.arange(self.leaves.size)
        return self.values[place[leaves]], self.std_errors[place[leaves]]


def _steps(tree: RuleTree, leaf: int) -> dict[int, list[tuple[int, int]]]:
    """For each feature on the path to a leaf its splits, as nodes above and below."""
    path, found = tree.path(leaf), dict[int, list[tuple[int, int]]]()
    for above, below in itertools.pairwise(path):
        found.setdefault(int(tree.feature[above]), []).append((above, below))
    return found


@dataclass(frozen=True)
class _Moments:
    """Sums by given row and leaf: what each given row, with all that was made from it, moves.

    Attributes
    ----------
    inside : ndarray of bool of shape (n_nodes, n_leaves)
        Which leaves are below each node.
    held : ndarray of shape (n_clusters, n_leaves)
        Weights of each given row's kin in each leaf.
    off : ndarray of shape (n_outputs, n_clusters, n_leaves)
        The same, times what is to be answered less the leaf's value.
    """

    tree: RuleTree
    inside: Floats
    held: Floats
    off: Floats

    @classmethod
    def of(cls, tree: RuleTree, material: Material, rows: Codes, wanted: Floats) -> _Moments:
        leaves, at = tree.leaves, tree.apply_read(material.numbers[rows])
        place = np.full(tree.n_nodes, -1)
        place[leaves] = np.arange(leaves.size)
        alone = material.parent[rows] < 0
        clusters = np.unique(
            np.where(alone, material.n_real + rows, material.parent[rows]), return_inverse=True
        )[1]
        shape = (int(clusters.max()) + 1, leaves.size)
        cell = clusters.ravel() * leaves.size + place[at]
        weights, off = material.weights(rows), wanted - tree.values[at]

        def summed(parts: Floats) -> Numbers:
            return np.bincount(cell, parts, shape[0] * shape[1]).reshape(shape)

        inside = np.zeros((tree.n_nodes, leaves.size))
        for leaf in leaves:
            inside[tree.path(int(leaf)), place[leaf]] = 1.0
        return cls(tree, inside, summed(weights), np.stack([summed(weights * column) for column in off.T]))

    @one_blas_thread
    def error(self, steps: list[tuple[int, int]]) -> Floats:
        """Standard error of the changes at some steps together, of each output."""
        tree, share, shift = self.tree, 0.0, 0.0
        for node, sign in _ends(steps):
            own = sign * self.inside[node] / tree.weight[node]
            share = share + own
            shift = shift + own[:, None] * (tree.values[tree.leaves] - tree.values[node])
        moved = self.off @ share + (self.held @ shift).T
        n = moved.shape[1]
        return np.sqrt((moved**2).sum(axis=1) * n / max(n - 1, 1))


def _ends(steps: list[tuple[int, int]]) -> Iterator[tuple[int, float]]:
    for above, below in steps:
        yield above, -1.0
        yield below, 1.0
