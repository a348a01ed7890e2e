"""Small regression trees as the surrogate near a row.

A single tree jumps: another seed makes other splits. The surrogate is therefore the mean of trees that are
grown on groups of samples of their own, whose spread is the error, splits and all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.typing import Codes, Floats
from agnostix.lime.evidence import LEAST_CARRIERS, effective_number
from agnostix.lime.influences import (
    LinearInfluences,
    Spread,
    components_of_parts,
    sample_groups,
    spread_of_parts,
)
from agnostix.lime.local_fits import LocalFits, OpenFit
from agnostix.lime.selection import Selection, group_outputs
from agnostix.lime.weighted_regression import WeightedRegression

FEWEST, MOST, GROUP_SIZE = 8, 16, 150
"""Groups of samples, each with trees of its own, of this size at least if there are samples enough."""
N_PARTS = 2
"""Parts of a group, of which a tree sees all but one: a close call of a split is then not all or nothing."""
MIN_SAMPLES_LEAF = 5
"""Samples of a leaf: a single one that stands out is no rule."""
_ROUNDING = 1e-12


class _Tree(NamedTuple):
    """What a tree says, in units of the targets.

    Attributes
    ----------
    contributions : (n_features, n_outputs)
        Changes of the node mean by the feature of the split, along the row's path.
    sizes : (n_features, n_outputs)
        Largest change at a split on the feature anywhere in the tree, on the row's side of it; for features
        that have none, the median change of all splits times the share of them that are on the row's path.
    at_row, base : (n_outputs,)
        Means of the row's leaf and of the root.
    leaf_variance : (n_outputs,)
        Of the mean of the row's leaf, about which its samples vary.
    n_in_leaf : int
        Samples in the row's leaf.
    predictions : (n_samples, n_outputs)
    """

    contributions: Floats
    sizes: Floats
    at_row: Floats
    base: Floats
    leaf_variance: Floats
    n_in_leaf: int
    predictions: Floats


@dataclass(frozen=True)
class TreeSurrogate:
    """The mean of regression trees of at most `max_leaf_nodes` leaves, grown on groups of samples.

    A feature's contribution is the sum of the changes of the node mean at splits on it along the row's path
    (Saabas). Outputs that use the same features share trees.
    """

    max_leaf_nodes: int
    selection: Selection

    has_contributions: ClassVar[bool] = True

    def fit(self, fit: OpenFit) -> LocalFits:
        one, selected = fit.regression, fit.selected
        n_groups = int(np.clip(one.n_samples // GROUP_SIZE, FEWEST, MOST))
        starts = sample_groups(one, n_groups) if one.n_blocks else np.array([0])
        groups = [slice(a, b) for a, b in zip(starts, [*starts[1:], one.n_samples], strict=True)]
        for features, outputs in group_outputs(selected):
            trees = [self._grow_parts(one, group, features, outputs) for group in groups]
            _put_trees(fit, features, outputs, trees, groups)
        return fit.close()._replace(row_design=np.ones(one.row_design.size))

    def _grow_parts(self, one: WeightedRegression, group: slice, features: Codes, outputs: Codes) -> _Tree:
        """The mean of trees grown on a group of samples without each part of it."""
        samples = np.arange(group.start, group.stop)
        if not one.n_blocks or samples.size < 2 * N_PARTS * MIN_SAMPLES_LEAF:
            return self._grow(one, samples, features, outputs)
        part = np.arange(samples.size) * N_PARTS // samples.size
        trees = [self._grow(one, samples[part != k], features, outputs) for k in range(N_PARTS)]
        mean = _Tree(*(np.mean(numbers, axis=0) for numbers in zip(*trees, strict=True)))
        # Leaves of both trees hold samples of their own.
        return mean._replace(leaf_variance=mean.leaf_variance / N_PARTS, n_in_leaf=mean.n_in_leaf * N_PARTS)

    def _grow(self, one: WeightedRegression, group: Codes, features: Codes, outputs: Codes) -> _Tree:
        """The tree grown on some samples."""
        targets, weights = one.targets[group][:, outputs], one.weights[group]
        design, at_row = one.design[features].T, one.row_design[features]
        none = np.zeros((features.size, outputs.size))
        if not features.size or not (one.total_squares[outputs] > 0).any():
            mean = weights @ targets / weights.sum()
            predictions = np.broadcast_to(mean, one.targets[:, outputs].shape)
            variance = _variance_of_mean(targets, weights)
            return _Tree(none, none, mean, mean, variance, weights.size, predictions)
        # Outputs in their own standard deviations, so that none decides the splits by its unit.
        deviations = np.sqrt(one.total_squares[outputs] / one.total_weight)
        scale = np.where(deviations > 0, deviations, 1.0)
        tree = DecisionTreeRegressor(
            max_leaf_nodes=self.max_leaf_nodes, min_samples_leaf=MIN_SAMPLES_LEAF, random_state=0
        )
        tree.fit(design[group], targets / scale, sample_weight=weights)
        means, inner = tree.tree_.value[:, :, 0] * scale, tree.tree_
        splits = np.flatnonzero(inner.children_left >= 0)
        by = inner.feature[splits]
        is_left = at_row[by].astype(np.float32) <= inner.threshold[splits]
        child = np.where(is_left, inner.children_left[splits], inner.children_right[splits])
        changes = means[child] - means[splits]
        changes[np.abs(changes) <= _ROUNDING * np.abs(means).max(axis=0)] = 0.0
        nodes = np.flatnonzero(tree.decision_path(at_row[None]).toarray()[0])
        on_path = np.isin(splits, nodes)
        contributions, sizes = none.copy(), none.copy()
        np.add.at(contributions, by[on_path], changes[on_path])
        np.add.at(sizes, by, np.abs(changes))
        sizes /= np.maximum(np.bincount(by, minlength=features.size), 1)[:, None]
        # Of all splits on any feature, those on the path are a part.
        usual = np.median(np.abs(changes), axis=0) * on_path.mean() if len(changes) else 0.0
        sizes = np.where(np.isin(np.arange(features.size), by)[:, None], sizes, usual)
        predictions = tree.predict(design).reshape(-1, outputs.size) * scale
        inside = tree.apply(design[group]) == nodes[-1]
        variance = _variance_of_mean(targets[inside], weights[inside])
        n_inside = int(inside.sum())
        return _Tree(contributions, sizes, means[nodes[-1]], means[0], variance, n_inside, predictions)


def _put_trees(
    fit: OpenFit, features: Codes, outputs: Codes, trees: list[_Tree], groups: list[slice]
) -> None:
    """The mean of trees, its spread, and residuals on the samples that a tree has not seen."""
    n, targets = len(trees), fit.regression.targets[:, outputs]
    numbers = np.array([np.vstack([one.contributions, one.at_row, one.base]) for one in trees])
    mean = numbers.mean(axis=0)
    fit.put(features, outputs, mean[:-2], mean[-2])
    total = np.sum([one.predictions for one in trees], axis=0)
    fit.residuals[:, outputs] = fit.left_out[:, outputs] = targets - total / n
    if n == 1:
        return
    own = np.concatenate([one.predictions[group] for group, one in zip(groups, trees, strict=True)])
    fit.left_out[:, outputs] = targets - (total - own) / (n - 1.0)
    errors, dof = spread_of_parts(numbers / n), _freedom(numbers)
    # Leaves may hold a single value, which says that others are rare, not that there are none.
    n_in_leaves = sum(one.n_in_leaf for one in trees)
    size = np.abs(targets - mean[-2]).max(axis=0)
    within = np.sum([one.leaf_variance for one in trees], axis=0) / n**2
    errors[-2] = np.sqrt(np.maximum(errors[-2] ** 2, within) + (size / n_in_leaves) ** 2)
    errors[-1], dof[-1] = _of_mean(fit, outputs)
    fit.put_spread(features, outputs, Spread(errors, dof, components_of_parts(numbers / n, errors)))
    _put_rare(fit, features, outputs, numbers[:, :-2], np.array([one.sizes for one in trees]))
    fit.put_r2(outputs, _jackknifed_r2(fit.regression, targets, total, own, trees, groups))


def _variance_of_mean(targets: Floats, weights: Floats) -> Floats:
    """Variance (n_outputs,) of the weighted mean of targets (n, n_outputs), as of independent samples."""
    shares = weights / weights.sum()
    deviations = targets - shares @ targets
    return np.asarray(np.square(shares) @ deviations**2 / max(1.0 - np.square(shares).sum(), 0.1))


def _freedom(numbers: Floats) -> Floats:
    """Degrees of freedom (...) of the spread of numbers (n_trees, ...): few trees that carry it know less."""
    n = len(numbers)
    n_spread = effective_number((numbers - numbers.mean(axis=0)) ** 2)
    dof = 2.0 / np.maximum(1.0 / n_spread - 1.0 / n, 1e-12)
    dof[:-1] = np.minimum(dof[:-1], effective_number(numbers[:, :-1] ** 2))
    return np.clip(dof, 2.0, n - 1.0)


def _of_mean(fit: OpenFit, outputs: Codes) -> tuple[Floats, Floats]:
    """Standard errors and degrees of freedom (n_columns,) of the mean of all samples, where trees begin."""
    one, none = fit.regression, np.zeros(0, dtype=np.intp)
    spread = LinearInfluences(one, none, 0.0).spread(one.targets[:, outputs] - one.target_mean[outputs])
    return spread.errors[-1], spread.dof[-1]


def _put_rare(fit: OpenFit, features: Codes, outputs: Codes, contributions: Floats, sizes: Floats) -> None:
    """What trees (n_trees, n, n_columns) hardly ever split on along the path, one in so many others may.

    The rule of three where none does; one or two are no measure of a spread.
    """
    one = fit.regression
    sizes = np.ma.median(np.ma.masked_equal(sizes, 0.0), axis=0).filled(0.0)
    least = np.ptp(one.targets[:, outputs], axis=0) / one.n_samples
    sizes = np.where(sizes > 0, sizes, len(contributions) * least)
    squares = contributions**2
    second, fourth = squares.sum(axis=0), (squares**2).sum(axis=0)
    is_rare = (second**2 < LEAST_CARRIERS * fourth) | (second == 0)
    is_rare &= (one.gram_diagonal[features] > _ROUNDING * one.total_weight)[:, None]
    cells = tuple(part[is_rare] for part in np.broadcast_arrays(features[:, None], outputs))
    fit.errors[cells] = np.maximum(fit.errors[cells], sizes[is_rare] / len(contributions))
    fit.is_unused[cells] = (second == 0)[is_rare]


def _jackknifed_r2(
    one: WeightedRegression,
    targets: Floats,
    total: Floats,
    own: Floats,
    trees: list[_Tree],
    groups: list[slice],
) -> Floats:
    """R2 (n_trees, n_outputs) without the samples and the tree of one group after another."""
    found = []
    for group, tree in zip(groups, trees, strict=True):
        weights = one.weights.copy()
        weights[group] = 0.0
        left = targets - (total - own - tree.predictions) / max(len(trees) - 2.0, 1.0)
        mean = weights @ targets / weights.sum()
        squares = weights @ (targets - mean) ** 2
        lost = np.divide(weights @ left**2, squares, out=np.zeros_like(squares), where=squares > 0)
        found.append(1.0 - lost)
    return np.array(found)
