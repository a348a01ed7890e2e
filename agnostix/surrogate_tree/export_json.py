"""Trees as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from agnostix.surrogate_tree.literals import moment, plain_value
from agnostix.surrogate_tree.rule_feature import RuleFeature
from agnostix.surrogate_tree.rule_tree import RuleTree

SCHEMA = 1
"""Raised when the form of the values changes."""


def tree_values(tree: RuleTree, answers: Sequence[Any]) -> dict[str, Any]:
    """A tree as values that JSON knows.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    answers : sequence of n_nodes values
        What is said at each node.

    Returns
    -------
    dict
        "features": name and type of each column, with its labels. "outputs": names. "nodes": from the root,
        parents before children; each with "answer", "values", "n_real", "n_synthetic", "rule", and where it
        splits "feature", "at_most" (a number or a date; null: whatever is not missing) or "in" (labels),
        "missing" ("left" or "right", where labels that were never seen go too), "left" and "right" (places
        of nodes).
    """
    return {
        "schema": SCHEMA,
        "features": [_feature(feature) for feature in tree.features],
        "outputs": list(tree.output_names),
        "nodes": [_node(tree, node) | {"answer": _told(answers[node])} for node in range(tree.n_nodes)],
    }


def _feature(feature: RuleFeature) -> dict[str, Any]:
    if feature.levels is not None:
        return {"name": feature.name, "type": "labels", "labels": [_told(one) for one in feature.levels]}
    return {"name": feature.name, "type": "number" if feature.dtype is None else "date"}


def _node(tree: RuleTree, node: int) -> dict[str, Any]:
    told = {
        "values": tree.values[node].tolist(),
        "n_real": int(tree.n_real[node]),
        "n_synthetic": int(tree.n_synthetic[node]),
        "rule": tree.rule(node),
    }
    return told if tree.left[node] < 0 else _split(tree, node) | told


def _split(tree: RuleTree, node: int) -> dict[str, Any]:
    feature = tree.features[tree.feature[node]]
    cut = float(tree.threshold[node])
    if feature.levels is not None:
        question: dict[str, Any] = {"in": [_told(feature.levels[k]) for k in sorted(tree.levels[node])]}
    else:
        question = {"at_most": _told(moment(feature, cut)) if np.isfinite(cut) else None}
    sides = {"missing": "left" if tree.missing_left[node] else "right"}
    children = {"left": int(tree.left[node]), "right": int(tree.right[node])}
    return {"feature": feature.name} | question | sides | children


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    plain = plain_value(value)
    return str(plain) if isinstance(plain, date | timedelta) else plain
