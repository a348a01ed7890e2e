"""Conditions as arrays: statistics, ranges, groups, and what their gaps cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.conflicts.nearest import ElasticConditions
from agnostix.what_if.constraints.base import Condition, Context

_FAR_FROM_ZERO = 100.0
"""Cost of a gap in a column so far from 0 that its units cannot hold an average exactly: it is moved last."""
_NO_WEIGHT = 1e-12
_LARGEST = 1e300
"""Of targets in standard deviations: an infinite one would be none."""


def linear_conditions(
    hard: Sequence[Condition],
    context: Context,
    costs: Sequence[float],
    weight_bounds: tuple[float, float] | None,
) -> ElasticConditions:
    """Conditions in standard deviations, given what gaps of constraints cost."""
    statistics = [one.statistic for one in hard]
    groups = tuple(_group(one, context) for one in hard)
    each = [_cost(one, group, context, costs) for one, group in zip(hard, groups, strict=True)]
    return ElasticConditions(
        np.column_stack([one.z for one in statistics]),
        np.minimum([one.to_z(stated.low) for one, stated in zip(statistics, hard, strict=True)], _LARGEST),
        np.maximum([one.to_z(stated.high) for one, stated in zip(statistics, hard, strict=True)], -_LARGEST),
        np.array(each),
        groups,
        context.base,
        weight_bounds,
    )


def _group(condition: Condition, context: Context) -> Bools | None:
    """The rows (n_rows,) within which a mean is taken, None for all."""
    constraint: Any = condition.held or context.constraints[condition.source]
    members = getattr(constraint, "members", None)
    return condition.group if condition.group is not None or members is None else members(context)


def keeps_groups(conditions: Sequence[Condition], context: Context, weights: Floats) -> bool:
    """Whether every group that a condition speaks of has weight under weights (n_rows,)."""
    groups = (_group(one, context) for one in conditions)
    return all(weights[group].sum() > _NO_WEIGHT for group in groups if group is not None)


def _cost(condition: Condition, group: Bools | None, context: Context, costs: Sequence[float]) -> float:
    """Cost of a gap of one standard deviation of the condition's statistic, given those of constraints."""
    if condition.role == "held":
        return np.inf
    cost = costs[condition.source]
    statistic = condition.statistic
    if np.spacing(abs(statistic.origin)) / statistic.scale > 1e-12:
        cost *= _FAR_FROM_ZERO
    if group is not None:
        # In standard deviations within the group, at the group's weight in the data.
        within = context.base[group] / context.base[group].sum()
        inside = np.asarray(statistic.values, dtype=float)[group]
        deviation = float(np.sqrt(within @ (inside - within @ inside) ** 2))
        cost *= statistic.scale / (float(context.base[group].sum()) * (deviation or 1.0))
    return cost
