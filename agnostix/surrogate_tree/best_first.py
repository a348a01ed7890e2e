"""The best split next, of those that part given rows."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.sklearn_compat import with_nodes
from agnostix.core.typing import Bools, Codes, Floats

SPARE = 2.0
"""Leaves that scikit-learn's tree gets at first, over those that are wanted, where rows are drawn."""


@dataclass(frozen=True)
class _Place:
    """A node of a tree of scikit-learn's, as a node of ours.

    Attributes
    ----------
    nodes : structured ndarray
        Of that tree.
    node : int
        Which of them.
    rows : ndarray of int
        Those that come to it.
    moved : bool
        Whether that tree was grown on these rows with drawn ones moved.
    """

    nodes: np.ndarray
    node: int
    rows: Codes
    moved: bool

    @property
    def sides(self) -> tuple[int, int]:
        """Children; -1 at a leaf."""
        return int(self.nodes["left_child"][self.node]), int(self.nodes["right_child"][self.node])

    @property
    def gain(self) -> float:
        """What the split takes from the loss."""
        loss = self.nodes["impurity"] * self.nodes["weighted_n_node_samples"]
        return float(loss[self.node] - loss[list(self.sides)].sum())


@dataclass(frozen=True)
class BestFirst:
    """Rows, and how a tree is grown on them.

    scikit-learn's tree does not know which rows are given. Where its best
    split leaves none on one side, a tree is grown below this node on rows of which
    the drawn ones are moved into the range of the given ones: its first split
    parts these, since their least and largest number are on different sides.

    Attributes
    ----------
    numbers : ndarray of shape (n_rows, n_columns)
        Labels as ranks.
    answers : ndarray of shape (n_rows, n_outputs)
        What is to be answered.
    weights : ndarray of shape (n_rows,)
        Of the rows.
    real : ndarray of bool of shape (n_rows,)
        Which were given.
    max_leaf_nodes, min_samples_leaf : int
        As in scikit-learn.
    """

    numbers: Floats
    answers: Floats
    weights: Floats
    real: Bools
    max_leaf_nodes: int
    min_samples_leaf: int

    def grown(self) -> DecisionTreeRegressor:
        """Grow.

        Returns
        -------
        DecisionTreeRegressor
            Each of whose leaves has given rows; its nodes are in the order in which they were made.
        """
        every = np.arange(self.real.size)
        estimator = self._fitted(self.numbers, every)
        places = [_Place(estimator.tree_.__getstate__()["nodes"], 0, every, False)]
        sides = [(-1, -1)]
        queue: list[tuple[float, int]] = []
        self._push(queue, places, 0)
        while queue and len(places) < 2 * self.max_leaf_nodes - 1:
            here = heappop(queue)[1]
            parts = self._parts(places[here])
            if all(self.real[part.rows].any() for part in parts):
                sides[here] = (len(places), len(places) + 1)
                places += parts
                sides += [(-1, -1), (-1, -1)]
                for new in sides[here]:
                    self._push(queue, places, new)
            elif not places[here].moved or places[here].node:
                places[here] = self._grown_below(places[here])
                self._push(queue, places, here)
        return self._joined(estimator, places, np.array(sides))

    def _fitted(self, numbers: Floats, rows: Codes) -> DecisionTreeRegressor:
        spare = 1.0 if self.real.all() else SPARE
        estimator = DecisionTreeRegressor(
            max_leaf_nodes=max(2, int(spare * self.max_leaf_nodes)),
            min_samples_leaf=self.min_samples_leaf,
            random_state=0,
        )
        return estimator.fit(numbers, self.answers[rows], sample_weight=self.weights[rows])

    def _push(self, queue: list[tuple[float, int]], places: list[_Place], here: int) -> None:
        """Put a node into the queue, if it splits; of those that gain alike the first made comes first."""
        if places[here].sides[0] >= 0:
            heappush(queue, (-places[here].gain, here))

    def _parts(self, place: _Place) -> list[_Place]:
        node = place.nodes[place.node]
        numbers = self.numbers[place.rows, node["feature"]].astype(np.float32)
        goes = np.where(np.isnan(numbers), node["missing_go_to_left"] > 0, numbers <= node["threshold"])
        pairs = zip(place.sides, (goes, ~goes), strict=True)
        return [_Place(place.nodes, side, place.rows[own], place.moved) for side, own in pairs]

    def _grown_below(self, place: _Place) -> _Place:
        """The same node in a tree of its own, grown on rows that are moved among the given ones."""
        numbers, real = self.numbers[place.rows], self.real[place.rows]
        gaps = np.isnan(numbers)
        own = np.where(
            gaps[real].all(axis=0), 0.0, numbers[real]
        )  # columns that are all missing have no range
        numbers = np.clip(numbers, np.nanmin(own, axis=0), np.nanmax(own, axis=0))
        numbers[:, gaps[real].all(axis=0)] = 0.0
        kept = ~(gaps & ~gaps[real].any(axis=0)).any(axis=1)  # others miss what no given row misses
        estimator = self._fitted(numbers[kept], place.rows[kept])
        return _Place(estimator.tree_.__getstate__()["nodes"], 0, place.rows, True)

    def _joined(
        self, estimator: DecisionTreeRegressor, places: list[_Place], sides: Codes
    ) -> DecisionTreeRegressor:
        """All nodes as one tree."""
        nodes = np.array([place.nodes[place.node] for place in places], dtype=places[0].nodes.dtype)
        nodes["left_child"], nodes["right_child"] = sides.T
        ends = sides[:, 0] < 0
        nodes["feature"][ends], nodes["threshold"][ends] = -2, -2.0
        values = np.empty((len(places), self.answers.shape[1]))
        for here, place in enumerate(places):
            values[here], nodes["impurity"][here], nodes["weighted_n_node_samples"][here] = self._told(
                place.rows
            )
            nodes["n_node_samples"][here] = place.rows.size
        return with_nodes(estimator, nodes, values, _depth(sides))

    def _told(self, rows: Codes) -> tuple[Floats, float, float]:
        """Mean, mean squared distance from it, and weight."""
        weights, answers = self.weights[rows], self.answers[rows]
        weight = weights.sum()
        means = (weights[:, None] * answers).sum(axis=0) / weight
        squares = (weights[:, None] * (answers - means) ** 2).sum(axis=0) / weight
        return means, float(squares.mean()), float(weight)


def _depth(sides: Any) -> int:
    depth = np.zeros(len(sides), dtype=int)
    for here, own in enumerate(sides):
        if own[0] >= 0:
            depth[own] = depth[here] + 1
    return int(depth.max())
