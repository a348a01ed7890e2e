"""scikit-learn's trees and forests as sums of boxes over the bins of a neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from agnostix.core.features import NumberCoding
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.boxes import Boxes
from agnostix.lime.drawing import TruncatedNormals
from agnostix.lime.exact import values_of
from agnostix.lime.features import BinnedFeature
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.truncnorm import truncnorm_cdf

TREES = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
FORESTS = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)


@dataclass(frozen=True)
class TreeParts:
    """A tree or a forest, opened.

    Attributes
    ----------
    model : estimator
        Fitted; one of `TREES` or `FORESTS`.
    places : ndarray of int of shape (n_model_columns,)
        The feature that each of the model's columns is.
    neighbourhood : Neighbourhood
        What is drawn.
    """

    model: Any
    places: Codes
    neighbourhood: Neighbourhood

    @property
    def is_one_tree(self) -> bool:
        """Whether its boxes do not overlap."""
        return isinstance(self.model, TREES)

    def boxes(self) -> Boxes:
        """The leaves of all trees.

        Returns
        -------
        Boxes

        Raises
        ------
        DataError
            If a column is drawn in a way that has no sides, or the model has several targets.
        """
        trees = [self.model] if self.is_one_tree else self.model.estimators_
        leaves = [self._leaves(tree.tree_) for tree in trees]
        lower, upper, values = (np.concatenate(parts) for parts in zip(*leaves, strict=True))
        return Boxes.between(lower, upper, values / len(trees), self._chances)

    def _leaves(self, tree: Any) -> tuple[Floats, Floats, Floats]:
        """Ends and values of the leaves of one tree."""
        if tree.n_outputs > 1:
            raise DataError("lime_exact reads trees of one target, and this model has several.")
        d = len(self.neighbourhood.features)
        lower, upper, values = [], [], []
        waiting = [(0, np.full(d, -np.inf), np.full(d, np.inf))]
        while waiting:
            node, low, high = waiting.pop()
            left, right = tree.children_left[node], tree.children_right[node]
            if left == right:
                lower.append(low)
                upper.append(high)
                values.append(tree.value[node, 0])
                continue
            place, threshold = self.places[tree.feature[node]], tree.threshold[node]
            below, above = high.copy(), low.copy()
            below[place], above[place] = min(high[place], threshold), max(low[place], threshold)
            waiting += [(left, low, below), (right, above, high)]
        return np.array(lower), np.array(upper), np.array(values)

    def _chances(self, place: int, low: Floats, high: Floats) -> Floats:
        """Chance within each bin of a value, in 32 bits as trees see it, above `low` and at most `high`."""
        feature = self.neighbourhood.features[place]
        assert isinstance(feature, BinnedFeature)
        coding, drawing = feature.coding, feature.drawing
        if len(feature.positions) > 1:
            raise DataError(
                "lime_exact reads trees on single columns, and feature_groups has some together. Use "
                "LimeExplainer.explain."
            )
        if isinstance(coding, NumberCoding) and feature.seen[-1] > 0:
            raise DataError(
                f"Column {coding.name!r} has missing values, which lime_exact cannot follow through trees. "
                "Use LimeExplainer.explain."
            )
        if isinstance(drawing, TruncatedNormals):
            return np.stack(
                [self._mass(drawing, code, low, high) for code in range(feature.seen.size)], axis=1
            )
        values = values_of(feature)
        numbers = np.asarray(values.columns[0]).astype(np.float32).astype(float)
        inside = (numbers[:, None] > low) & (numbers[:, None] <= high)
        return values.mean_by_bin(inside.astype(float), feature.seen.size).T

    def _mass(self, drawing: TruncatedNormals, code: int, low: Floats, high: Floats) -> Floats:
        start, stop = drawing.low[code], drawing.high[code]
        if not start < stop:
            inside = (np.float32(start) > low) & (np.float32(start) <= high)
            return inside.astype(float)
        law = (drawing.mean[code], drawing.sd[code], start, stop)
        return truncnorm_cdf(high, *law) - truncnorm_cdf(low, *law)
