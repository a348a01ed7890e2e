"""Small regression trees as the surrogate near a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.typing import Codes, Floats
from agnostix.lime.influences import Spread, components_of_parts, sample_groups, spread_of_parts
from agnostix.lime.local_fits import LocalFits, OpenFit
from agnostix.lime.selection import Selection, group_outputs, select_features
from agnostix.lime.weighted_regression import WeightedRegression

N_TREES = 8
"""Groups of samples, a tree for each."""


class _Tree(NamedTuple):
    """What a tree says, in units of the targets.

    Attributes
    ----------
    contributions : (n_features, n_outputs)
        Changes of the node mean by the feature of the split, along the row's path.
    at_row, base : (n_outputs,)
        Means of the row's leaf and of the root.
    predictions : (n_samples, n_outputs)
    """

    contributions: Floats
    at_row: Floats
    base: Floats
    predictions: Floats


@dataclass(frozen=True)
class TreeSurrogate:
    """Regression trees of at most `max_leaf_nodes` leaves, each grown on samples of its own.

    A feature's contribution is the sum of the changes of the node mean at splits on it along the row's path
    (Saabas), the mean over the trees. Trees are independent, so that their spread is the error, splits and
    all. Outputs that use the same features share trees.
    """

    max_leaf_nodes: int
    selection: Selection

    has_contributions: ClassVar[bool] = True

    def fit(self, regression: WeightedRegression, max_features: int | None, with_margin: bool) -> LocalFits:
        selected, margin, one = select_features(self.selection, regression, max_features, with_margin)
        fit = OpenFit(one, selected, margin)
        starts = sample_groups(one, N_TREES) if one.n_blocks else np.array([0])
        groups = [slice(a, b) for a, b in zip(starts, [*starts[1:], one.n_samples], strict=True)]
        for features, outputs in group_outputs(selected):
            trees = [self._grow(one, group, features, outputs) for group in groups]
            _put_trees(fit, features, outputs, trees, groups)
        return fit.close()._replace(row_design=np.ones(one.row_design.size))

    def _grow(self, one: WeightedRegression, group: slice, features: Codes, outputs: Codes) -> _Tree:
        """The tree grown on some samples."""
        targets, weights = one.targets[group][:, outputs], one.weights[group]
        design = one.design[features].T
        # Outputs in their own standard deviations, so that none decides the splits by its unit.
        deviations = np.sqrt(one.total_squares[outputs] / one.total_weight)
        scale = np.where(deviations > 0, deviations, 1.0)
        contributions = np.zeros((features.size, outputs.size))
        if not features.size or not (one.total_squares[outputs] > 0).any():
            mean = weights @ targets / weights.sum()
            return _Tree(contributions, mean, mean, np.broadcast_to(mean, one.targets[:, outputs].shape))
        tree = DecisionTreeRegressor(max_leaf_nodes=self.max_leaf_nodes, random_state=0)
        tree.fit(design[group], targets / scale, sample_weight=weights)
        nodes = np.flatnonzero(tree.decision_path(one.row_design[None, features]).toarray()[0])
        means = tree.tree_.value[nodes, :, 0] * scale
        np.add.at(contributions, tree.tree_.feature[nodes[:-1]], np.diff(means, axis=0))
        predictions = tree.predict(design).reshape(-1, outputs.size) * scale
        return _Tree(contributions, means[-1], means[0], predictions)


def _put_trees(
    fit: OpenFit, features: Codes, outputs: Codes, trees: list[_Tree], groups: list[slice]
) -> None:
    """The mean of trees, its spread, and residuals on the samples that a tree has not seen."""
    n = len(trees)
    numbers = np.array([np.vstack([one.contributions, one.at_row, one.base]) for one in trees])
    mean = numbers.mean(axis=0)
    fit.put(features, outputs, mean[:-2], mean[-2])
    total = sum(one.predictions for one in trees)
    targets = fit.regression.targets[:, outputs]
    fit.residuals[:, outputs] = fit.left_out[:, outputs] = targets - total / n
    if n == 1:
        return
    for group, one in zip(groups, trees, strict=True):
        others = (total[group] - one.predictions[group]) / (n - 1.0)
        fit.left_out[group, outputs] = targets[group] - others
    errors = spread_of_parts(numbers / n)
    dof = np.full(errors.shape, n - 1.0)
    fit.put_spread(features, outputs, Spread(errors, dof, components_of_parts(numbers / n, errors)))
    _put_unused(fit, features, outputs, numbers[:, :-2])


def _put_unused(fit: OpenFit, features: Codes, outputs: Codes, contributions: Floats) -> None:
    """The rule of three for features on which no tree (n_trees, n, n_columns) splits along the path.

    One that another tree would split on adds no more than the least that features of a tree add.
    """
    sizes = np.where(contributions != 0.0, np.abs(contributions), np.inf).min(axis=1, initial=np.inf)
    size = np.where(np.isfinite(sizes), sizes, 0.0).max(axis=0)
    varies = np.diag(fit.regression.gram)[features] > 0
    unused = ~contributions.any(axis=0) & varies[:, None] & (size > 0)
    rows, columns = np.nonzero(unused)
    cells = features[rows], outputs[columns]
    fit.errors[cells] = size[columns] / contributions.shape[0]
    fit.is_unused[cells] = True
