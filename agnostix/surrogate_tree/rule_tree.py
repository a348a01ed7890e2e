"""A tree of rules as plain arrays: what is asked at each node, and what is answered at each leaf."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import columns
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.condition import Condition
from agnostix.surrogate_tree.rule_feature import RuleFeature

NO_LEVELS: frozenset[int] = frozenset()
_MOST_LABELS = 3
"""Labels that are always listed, rather than those of the other side."""


@dataclass(frozen=True)
class RuleTree:
    """A binary tree whose nodes are counted from the root, parents before their children.

    Attributes
    ----------
    features : tuple of RuleFeature
        The columns, in the table's order.
    output_names : tuple of str
        Names of what is answered.
    feature : ndarray of int of shape (n_nodes,)
        Place of the column that is asked about; -1 at leaves.
    threshold : ndarray of shape (n_nodes,)
        Numbers up to it go left. Infinite where all go left that are not missing; NaN at leaves and where
        labels are asked about.
    levels : tuple of frozenset of int
        For each node places of the labels that go left; empty at leaves and where numbers are asked about.
    missing_left : ndarray of bool of shape (n_nodes,)
        Where missing values go, and labels that were never seen.
    left, right : ndarray of int of shape (n_nodes,)
        Children; -1 at leaves.
    values : ndarray of shape (n_nodes, n_outputs)
        Mean answers, in model output units.
    n_real, n_synthetic : ndarray of int of shape (n_nodes,)
        Rows that it was grown on, given ones and drawn ones.
    weight : ndarray of shape (n_nodes,)
        What they weigh together.
    loss : ndarray of shape (n_nodes,)
        Their weighted squared distance from `values`, summed over outputs.
    """

    features: tuple[RuleFeature, ...]
    output_names: tuple[str, ...]
    feature: Codes
    threshold: Floats
    levels: tuple[frozenset[int], ...]
    missing_left: Bools
    left: Codes
    right: Codes
    values: Floats
    n_real: Codes
    n_synthetic: Codes
    weight: Floats
    loss: Floats

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        return self.left.size

    @property
    def leaves(self) -> Codes:
        """The leaves, from left to right."""
        found, open_nodes = [], [0]
        while open_nodes:
            node = open_nodes.pop()
            if self.left[node] < 0:
                found.append(node)
            else:
                open_nodes += [int(self.right[node]), int(self.left[node])]
        return np.array(found)

    @property
    def depth(self) -> int:
        """Splits on the longest path."""
        return max(len(self.path(leaf)) for leaf in self.leaves) - 1

    @property
    def parents(self) -> Codes:
        """The parent of each node; -1 for the root."""
        found = np.full(self.n_nodes, -1)
        inner = np.flatnonzero(self.left >= 0)
        found[self.left[inner]] = found[self.right[inner]] = inner
        return found

    def read(self, table: Any) -> Floats:
        """The numbers and places of labels that the tree compares.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            With the tree's columns, in their order.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            NaN where a value is missing or a label was never seen.
        """
        pairs = zip(self.features, columns(table).values(), strict=True)
        return np.column_stack([feature.read(column) for feature, column in pairs])

    def apply(self, table: Any) -> Codes:
        """Find the leaf of each row.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            With the tree's columns, in their order.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            Nodes.
        """
        return self.apply_read(self.read(table))

    def apply_read(self, numbers: Floats) -> Codes:
        """The same for rows that were read already.

        Parameters
        ----------
        numbers : ndarray of shape (n_rows, n_columns)
            What `read` gave.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        found = np.zeros(numbers.shape[0], dtype=np.intp)
        for node in np.flatnonzero(self.left >= 0).tolist():
            rows = np.flatnonzero(found == node)
            goes_left = self._goes_left(node, numbers[rows, self.feature[node]])
            found[rows] = np.where(goes_left, self.left[node], self.right[node])
        return found

    def path(self, node: int) -> list[int]:
        """Nodes from the root to one, itself included.

        Parameters
        ----------
        node : int
            Which.

        Returns
        -------
        list of int
        """
        parents, found = self.parents, [int(node)]
        while parents[found[0]] >= 0:
            found.insert(0, int(parents[found[0]]))
        return found

    def conditions(self, node: int) -> list[Condition]:
        """What must be true of a row that comes to a node, one condition for each column that is asked about.

        Parameters
        ----------
        node : int
            Which.

        Returns
        -------
        list of Condition
            In the order in which columns are first asked about.
        """
        path, found = self.path(node), dict[int, Condition]()
        for one, following in itertools.pairwise(path):
            place = int(self.feature[one])
            so_far = found.get(place) or Condition.any_of(place, self.features[place])
            found[place] = self._narrowed(so_far, one, following == self.left[one])
        return list(found.values())

    def rule(self, node: int) -> str:
        """The path to a node in words.

        Parameters
        ----------
        node : int
            Which.

        Returns
        -------
        str
            "any row" for the root.
        """
        told = [one.told(self.features[one.feature]) for one in self.conditions(node)]
        return " and ".join(f"({one})" if one.endswith(" or missing") else one for one in told) or "any row"

    def sides(self, node: int) -> tuple[str, str]:
        """What a split asks, as said of its two sides.

        Parameters
        ----------
        node : int
            One that splits.

        Returns
        -------
        tuple of str
            Of the left side and of the right one, among what the splits above admit. Many labels are told by
            those of the other side.
        """
        feature, missing = self.features[self.feature[node]], bool(self.missing_left[node])
        gaps = [" or missing" if feature.gaps and own else "" for own in (missing, not missing)]
        if feature.levels is not None:
            place = int(self.feature[node])
            before = [one.levels for one in self.conditions(node) if one.feature == place]
            admitted = before[0] or () if before else range(len(feature.levels))
            own = [k for k in admitted if k in self.levels[node]]
            other = [k for k in admitted if k not in self.levels[node]]
            return _labels(feature, own, other) + gaps[0], _labels(feature, other, own) + gaps[1]
        cut = float(self.threshold[node])
        if np.isinf(cut):
            return f"{feature.name} not missing", f"{feature.name} missing"
        said = feature.said(cut)
        return f"{feature.name} <= {said}{gaps[0]}", f"{feature.name} > {said}{gaps[1]}"

    def _goes_left(self, node: int, numbers: Floats) -> Bools:
        missing = np.isnan(numbers)
        if self.features[self.feature[node]].levels is None:
            goes = numbers <= self.threshold[node]
        else:
            goes = np.isin(numbers, np.fromiter(self.levels[node], dtype=float))
        return np.where(missing, self.missing_left[node], goes)

    def _narrowed(self, condition: Condition, node: int, goes_left: bool) -> Condition:
        """A condition after a split."""
        missing = bool(self.missing_left[node]) == goes_left
        levels = self.features[condition.feature].levels
        if levels is not None:
            left = self.levels[node]
            side = left if goes_left else frozenset(range(len(levels))) - left
            return condition.among(side, missing)
        cut = float(self.threshold[node])
        return condition.bounded(*((-np.inf, cut) if goes_left else (cut, np.inf)), missing)


def _labels(feature: RuleFeature, own: list[int], other: list[int]) -> str:
    """A side by its labels, or by those of the other side where these are fewer."""
    if not own:
        return f"{feature.name} never seen"
    if other and len(own) > max(len(other), _MOST_LABELS):
        told = feature.told(other)
        return f"{feature.name} not " + told.removeprefix("= ")
    return f"{feature.name} {feature.told(own)}"
