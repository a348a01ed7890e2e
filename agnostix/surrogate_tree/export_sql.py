"""Trees as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.surrogate_tree.condition import Condition
from agnostix.surrogate_tree.literals import moment, sql_name, sql_value
from agnostix.surrogate_tree.rule_feature import RuleFeature
from agnostix.surrogate_tree.rule_tree import RuleTree


def sql_case(tree: RuleTree, answers: Sequence[Any]) -> str:
    """One CASE with a line for each leaf; each row meets the condition of exactly one.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    answers : sequence of n_nodes values
        What is said at each leaf.

    Returns
    -------
    str
        An expression of standard SQL. Missing values are NULL.
    """
    lines = [f"  WHEN {sql_rule(tree, leaf)} THEN {sql_value(answers[leaf])}" for leaf in tree.leaves]
    return "\n".join(["CASE", *lines, "END"]) if len(lines) > 1 else sql_value(answers[0])


def sql_rule(tree: RuleTree, node: int) -> str:
    """What is true of the rows that come to a node.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    node : int
        Which.

    Returns
    -------
    str
    """
    told = [_sql_condition(one, tree.features[one.feature]) for one in tree.conditions(node)]
    return " AND ".join(one for one in told if one) or "1 = 1"


def _sql_condition(condition: Condition, feature: RuleFeature) -> str:
    """Empty where every value is admitted."""
    name = sql_name(feature.name)
    if condition.only_missing and not condition.missing:
        return "1 = 0"
    if condition.levels is not None:
        return _sql_among(condition.levels, condition.missing, feature, name)
    if condition.only_missing:
        return f"{name} IS NULL"
    bounds = [
        f"{name} {sign} {sql_value(moment(feature, bound))}"
        for sign, bound in ((">", condition.low), ("<=", condition.high))
        if np.isfinite(bound)
    ]
    both = " AND ".join(bounds)
    if condition.missing:
        return f"({both} OR {name} IS NULL)" if both else ""
    return both or f"{name} IS NOT NULL"


def _sql_among(levels: tuple[int, ...], missing: bool, feature: RuleFeature, name: str) -> str:
    """Labels that were never seen go with missing ones."""
    assert feature.levels is not None
    if not missing:
        return f"{name} IN ({', '.join(sql_value(feature.levels[k]) for k in levels)})"
    others = [sql_value(label) for k, label in enumerate(feature.levels) if k not in levels]
    return f"({name} IS NULL OR {name} NOT IN ({', '.join(others)}))" if others else ""
