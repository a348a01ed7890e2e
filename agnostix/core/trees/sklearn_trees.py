"""scikit-learn's trees, forests and gradient boosting as ensembles of plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import CATEGORY, NAN_LEFT, NAN_RIGHT, Tree, TreeEnsemble, to_single
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError


def _read_tree(tree: Any, values: Floats, output: int = -1) -> Tree:
    """A tree of scikit-learn's, whose rows are of single precision and whose thresholds are of double."""
    sends_left = np.asarray(getattr(tree, "missing_go_to_left", np.zeros(tree.node_count)), dtype=bool)
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=to_single(tree.threshold),
        missing=np.where(sends_left, NAN_LEFT, NAN_RIGHT),
        values=values,
        output=output,
    )


def read_forest(model: Any, is_classifier: bool) -> TreeEnsemble:
    """A decision tree or a forest: the mean of its trees, of probabilities for a classifier."""
    trees = [estimator.tree_ for estimator in getattr(model, "estimators_", [model])]
    if is_classifier and trees[0].n_outputs > 1:
        raise DataError(f"{type(model).__name__} predicts several targets, and values of one are read.")
    read = []
    for tree in trees:
        values = tree.value[:, 0, :] if is_classifier else tree.value[:, :, 0]
        if is_classifier:
            values = values / values.sum(axis=1, keepdims=True)
        read.append(_read_tree(tree, values / len(trees)))
    return TreeEnsemble.from_trees(read, np.zeros(read[0].values.shape[1]), np.float32)


def read_gradient_boosting(model: Any) -> TreeEnsemble:
    """Margins of a GradientBoostingClassifier or Regressor."""
    init = getattr(model, "init_", None)
    if not (isinstance(init, str) or type(init).__name__ in ("DummyClassifier", "DummyRegressor")):
        raise DataError(
            f"{type(model).__name__} starts from the predictions of another model (init="
            f"{type(init).__name__}), which are no sum of trees. Use algorithm='kernel'."
        )
    n_features = model.n_features_in_
    constant = model._raw_predict_init(np.zeros((1, n_features), dtype=np.float32))[0]
    read = [
        _read_tree(stage.tree_, model.learning_rate * stage.tree_.value[:, 0, :1], output)
        for stages in model.estimators_
        for output, stage in enumerate(stages)
    ]
    return TreeEnsemble.from_trees(read, constant, np.float32)


def read_hist_boosting(model: Any) -> TreeEnsemble:
    """Margins of a HistGradientBoostingClassifier or Regressor, of the columns its own encoder makes."""
    known, place = model._bin_mapper.make_known_categories_bitsets()
    read = []
    for predictors in model._predictors:
        for output, predictor in enumerate(predictors):
            nodes = predictor.nodes
            splits = np.flatnonzero((nodes["is_categorical"] > 0) & (nodes["is_leaf"] == 0))
            subset = np.full(len(nodes), -1)
            subset[splits] = np.arange(splits.size)
            subsets = [
                _subset(
                    predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]],
                    known[place[nodes["feature_idx"][node]]],
                    bool(nodes["missing_go_to_left"][node]),
                )
                for node in splits
            ]
            missing = np.where(nodes["missing_go_to_left"] > 0, NAN_LEFT, NAN_RIGHT)
            missing[splits] = CATEGORY
            is_leaf = nodes["is_leaf"] > 0
            one = Tree(
                left=np.where(is_leaf, -1, nodes["left"].astype(np.intp)),
                right=np.where(is_leaf, -1, nodes["right"].astype(np.intp)),
                feature=nodes["feature_idx"].astype(np.intp),
                threshold=nodes["num_threshold"],
                missing=missing,
                values=nodes["value"][:, None],
                output=output,
                subset=subset,
                subsets=subsets,
            )
            read.append(one)
    return TreeEnsemble.from_trees(read, np.ravel(model._baseline_prediction), np.float64)


def _subset(left_bits: Any, known_bits: Any, missing_left: bool) -> Bools:
    """Codes 0 to 255 that go left, then where unknown codes and missing values go, (258,)."""
    left, known = (
        np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), bitorder="little").astype(bool)
        for bits in (left_bits, known_bits)
    )
    return np.append(np.where(known, left, left | missing_left), [missing_left, missing_left])
