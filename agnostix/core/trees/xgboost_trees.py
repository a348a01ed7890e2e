"""XGBoost's models as ensembles of plain arrays, read from its own JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import CATEGORY, NAN_LEFT, NAN_RIGHT, Tree, TreeEnsemble, below
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError

_LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")
_LOGARITHMIC = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


def read_learner(model: Any) -> dict[str, Any]:
    """All that XGBoost stores of a model."""
    learner: dict[str, Any] = json.loads(model.get_booster().save_raw("json"))["learner"]
    return learner


def read_xgboost(model: Any, learner: dict[str, Any]) -> TreeEnsemble:
    """Margins of an XGBClassifier, XGBRegressor, XGBRanker or random forest of XGBoost's."""
    grown, weights = learner["gradient_booster"], None
    if grown["name"] == "dart":
        grown, weights = grown["gbtree"], np.asarray(grown["weight_drop"], dtype=np.float32)
    if "trees" not in grown["model"]:
        raise DataError(
            f"{type(model).__name__} with booster={grown['name']!r} has no trees. Use algorithm='kernel'."
        )
    trees, output = grown["model"]["trees"], grown["model"]["tree_info"]
    n_kept = _count_kept(model, learner, grown["model"])
    read = []
    for number in range(n_kept):
        one = _read_tree(trees[number], int(output[number]))
        if weights is not None:
            one = replace(one, values=one.values * float(weights[number]))
        read.append(one)
    constant = _constant(learner)
    if not read:
        raise DataError(f"{type(model).__name__} has no trees. Use algorithm='kernel'.")
    if len(constant) == 1 and max(one.output for one in read) == 0:
        read = [replace(one, output=-1) for one in read]
    return TreeEnsemble.from_trees(read, constant, np.float32)


def _count_kept(model: Any, learner: Any, grown: Any) -> int:
    """Trees up to the best iteration, if training stopped early: the model predicts with these."""
    n_trees = len(grown["trees"])
    best = learner["attributes"].get("best_iteration")
    if best is None:
        return n_trees
    starts = grown.get("iteration_indptr")
    if starts is None:
        per_iteration = int(grown["gbtree_model_param"].get("num_parallel_tree", 1))
        per_iteration *= len(set(grown["tree_info"]))
        return min(n_trees, (int(best) + 1) * per_iteration)
    return int(starts[min(int(best) + 1, len(starts) - 1)])


def _constant(learner: Any) -> Floats:
    """The margin that all trees add to, for each output; the model stores it as a prediction."""
    params, objective = learner["learner_model_param"], learner["objective"]["name"]
    score = np.array([float(one) for one in str(params["base_score"]).strip("[]").split(",")])
    n_outputs = max(int(params.get("num_class", 0)), int(params.get("num_target", 1)), 1)
    if objective in _LOGISTIC and objective != "binary:logitraw":
        score = np.log(score) - np.log1p(-score)
    elif objective in _LOGARITHMIC:
        score = np.log(score)
    return np.broadcast_to(score, (n_outputs,)).copy()


def _read_tree(tree: Any, output: int) -> Tree:
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    condition = np.asarray(tree["split_conditions"], dtype=np.float32)
    is_leaf = left < 0
    width = int(tree["tree_param"].get("size_leaf_vector", 1))
    if width > 1:
        values = _vector_leaves(tree, right, is_leaf, width)
    else:
        values = np.where(is_leaf, condition, 0.0)[:, None]
    sends_left = np.asarray(tree["default_left"], dtype=bool)
    missing = np.where(sends_left, NAN_LEFT, NAN_RIGHT)
    subset, subsets = np.full(left.size, -1), []
    for place, node in enumerate(tree["categories_nodes"]):
        start, size = tree["categories_segments"][place], tree["categories_sizes"][place]
        subset[node], missing[node] = place, CATEGORY
        subsets.append(_subset(tree["categories"][start : start + size], bool(sends_left[node])))
    return Tree(
        left=left,
        right=np.where(is_leaf, -1, right),
        feature=np.asarray(tree["split_indices"]),
        threshold=below(condition),
        missing=missing,
        values=values,
        output=-1 if width > 1 else output,
        subset=subset,
        subsets=subsets,
    )


def _vector_leaves(tree: Any, right: Any, is_leaf: Bools, width: int) -> Floats:
    """Values (n_nodes, width) of leaves that hold several: by number in new versions, by node before."""
    if "leaf_weights" not in tree:
        return np.asarray(tree["base_weights"], dtype=np.float32).reshape(-1, width).astype(float)
    weights = np.asarray(tree["leaf_weights"], dtype=np.float32).reshape(-1, width)
    values = np.zeros((is_leaf.size, width))
    values[is_leaf] = weights[right[is_leaf]]
    return values


def _subset(to_right: list[int], missing_left: bool) -> Bools:
    """Codes that go left (n_codes + 2,): those that are not listed, as unknown ones do."""
    left = np.ones(max(to_right, default=0) + 3, dtype=bool)
    left[to_right] = False
    left[-1] = missing_left
    return left


def read_levels(learner: dict[str, Any]) -> dict[int, list[Any]]:
    """Levels of columns of categories by their place, in the order of their codes, if a model stores them."""
    grown = learner["gradient_booster"]
    stored = grown.get("gbtree", grown).get("model", {}).get("cats") or {}
    levels = {}
    for place, one in enumerate(stored.get("enc", [])):
        values, offsets = one.get("values", []), one.get("offsets")
        if offsets:
            text = bytes(value % 256 for value in values)
            levels[place] = [text[a:b].decode() for a, b in pairwise(offsets)]
        elif values:
            levels[place] = list(values)
    return levels
