"""scikit-learn's trees and forests as sums of boxes over the bins of a sampler: their leaves."""

from __future__ import annotations

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
from agnostix.core.frames import column_names, is_frame
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.exact_additive import ResampledValues
from agnostix.lime.exact_moments import Boxes, ModelMoments, box_moments
from agnostix.lime.features import BinnedFeature, TruncatedNormals
from agnostix.lime.tabular_samples import TabularSampler
from agnostix.lime.truncated_normal import truncnorm_cdf

_TREES = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
_FORESTS = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)


def tree_moments(model: Any, sampler: TabularSampler, bins: Codes, r: float) -> ModelMoments:
    """Moments of a fitted tree or forest near rows with bins (n_rows, n_features)."""
    if type(model) not in _TREES + _FORESTS:  # a subclass may predict other things than its leaves
        raise DataError(
            "explain_exact reads decision trees, random forests and extra trees of scikit-learn, got "
            f"{type(model).__name__}. Pass additive=True if it is a sum of functions of single features, or "
            "use LimeExplainer.explain."
        )
    is_tree = isinstance(model, _TREES)
    trees = [model] if is_tree else model.estimators_
    feature_of_column = _features_of_columns(model, sampler)
    leaves = [_read_leaves(tree.tree_, feature_of_column, len(sampler.features)) for tree in trees]
    lower, upper, values = (np.concatenate(parts) for parts in zip(*leaves, strict=True))

    def probability(j: int, low: Floats, high: Floats) -> Floats:
        return _interval_probabilities(sampler.features[j], low, high)

    boxes = Boxes.from_bounds(lower, upper, values / len(trees), probability)
    frequencies = [one.frequencies for one in sampler.features if isinstance(one, BinnedFeature)]
    return box_moments(boxes, frequencies, bins, r, disjoint=is_tree)


def _features_of_columns(model: Any, sampler: TabularSampler) -> Codes:
    """Feature of each of the model's columns, (n_model_columns,), which may be in another order."""
    names = getattr(model, "feature_names_in_", None)
    columns = np.arange(sampler.template.shape[1])
    if names is not None and is_frame(sampler.template):
        columns = np.array([column_names(sampler.template).index(str(name)) for name in names])
    owner = {position: j for j, one in enumerate(sampler.features) for position in one.positions}
    return np.array([owner[column] for column in columns])


def _read_leaves(tree: Any, feature_of_column: Codes, n_features: int) -> tuple[Floats, Floats, Floats]:
    """Bounds lower < x <= upper (n_leaves, n_features) and values (n_leaves, n_outputs) of the leaves."""
    if tree.n_outputs > 1:
        raise DataError("explain_exact reads trees with one target, and this model has several.")
    lower, upper, values = [], [], []
    stack = [(0, np.full(n_features, -np.inf), np.full(n_features, np.inf))]
    while stack:
        node, low, high = stack.pop()
        left, right = tree.children_left[node], tree.children_right[node]
        if left == right:
            lower.append(low)
            upper.append(high)
            values.append(tree.value[node, 0])
            continue
        j, threshold = feature_of_column[tree.feature[node]], tree.threshold[node]
        left_high, right_low = high.copy(), low.copy()
        left_high[j], right_low[j] = min(high[j], threshold), max(low[j], threshold)
        stack += [(left, low, left_high), (right, right_low, high)]
    return np.array(lower), np.array(upper), np.array(values)


def _interval_probabilities(feature: Any, low: Floats, high: Floats) -> Floats:
    """P(low < x <= high) within each bin, (n_intervals, n_bins), x in float32 as trees compare it."""
    assert isinstance(feature, BinnedFeature)
    if len(feature.positions) > 1:
        raise DataError(
            "explain_exact reads trees on single columns, and feature_groups joins some. Use "
            "LimeExplainer.explain."
        )
    if isinstance(feature.coding, NumberCoding) and feature.frequencies[-1] > 0:
        raise DataError(
            f"Column {feature.coding.name!r} has missing values, which explain_exact cannot follow through "
            "trees. Use LimeExplainer.explain."
        )
    normals = feature.distribution
    if isinstance(normals, TruncatedNormals):
        bins = range(feature.frequencies.size)
        return np.stack([_truncnorm_probability(normals, code, low, high) for code in bins], axis=1)
    values = ResampledValues.from_feature(feature)
    numbers = np.asarray(values.columns[0]).astype(np.float32).astype(float)
    inside = (numbers[:, None] > low) & (numbers[:, None] <= high)
    return values.bin_means(inside.astype(float), feature.frequencies.size).T


def _truncnorm_probability(normals: TruncatedNormals, code: int, low: Floats, high: Floats) -> Floats:
    """P(low < x <= high) in one bin, (n_intervals,)."""
    start, stop = normals.low[code], normals.high[code]
    if not start < stop:
        inside = (np.float32(start) > low) & (np.float32(start) <= high)
        return inside.astype(float)
    parameters = (normals.mean[code], normals.sd[code], start, stop)
    return truncnorm_cdf(high, *parameters) - truncnorm_cdf(low, *parameters)
