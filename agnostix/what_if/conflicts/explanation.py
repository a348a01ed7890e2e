"""The error for a scenario that no weights meet: what is in conflict, and the nearest that can be met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError, InfeasibleTargetError
from agnostix.what_if.conflicts.irreducible import Conflict, ConflictFinder
from agnostix.what_if.conflicts.least_gaps import reachable_fraction
from agnostix.what_if.conflicts.nearest import LEAST_SHARES, Calibrate, LinearConditions, nearest_weights
from agnostix.what_if.conflicts.reachable_means import ReachableMeans
from agnostix.what_if.conflicts.shares import apart
from agnostix.what_if.conflicts.weight_caps import bounds_that_do
from agnostix.what_if.conflicts.words import ConflictWords
from agnostix.what_if.constraints.base import Condition, Constraint, Context

_FAR_FROM_ZERO = 100.0
"""Cost of a gap in a column so far from 0 that its units cannot hold an average exactly: it is moved last."""
_MET = 1e-9
_NO_WEIGHT = 1e-12
_BACK = (0.0, 1e-3, 1e-2, 0.1, 0.5)
"""How much of the base weights is mixed in until the scenario of the nearest weights is solved."""

Meets = Callable[[Sequence[Constraint]], bool]
"""Whether the scenario of some constraints can be solved."""


def explain_conflict(
    conditions: Sequence[Condition],
    context: Context,
    meets: Meets,
    calibrate: Calibrate,
    weight_bounds: tuple[float, float] | None = None,
) -> InfeasibleTargetError:
    """The error for conditions that no weights meet, with the nearest constraints that some do."""
    hard = [one for one in conditions if np.isinf(one.penalty)]
    linear = _linear_conditions(hard, context, weight_bounds)
    conflict = _find(hard, linear)
    if conflict is None:
        raise ConvergenceError("The targets are not beyond the rows, and were not reached.")
    words = ConflictWords(conflict, linear, hard, context)
    nearest = _Nearest(hard, linear, context, meets)
    weights = nearest_weights(linear, calibrate)
    near, ranges, changes = nearest.scenarios(weights)
    others = " There are other conflicts besides." if conflict.has_others else ""
    reason = f"{words.sentence()}{others}{_cap(conflict, linear)}"
    message = (
        f"{reason} The nearest that can be met: {changes}. Solve what_if(**error.nearest), or leave room "
        "with what_if(**error.ranges)."
    )
    assert context.statement is not None
    near_arguments, range_arguments = (context.statement.arguments(parts) for parts in (near, ranges))
    fraction = _fraction(linear)
    return InfeasibleTargetError(message, near_arguments, fraction, range_arguments, words.labels, reason)


def _fraction(linear: LinearConditions) -> float:
    """How much of the way from the data to the targets can be gone."""
    present = linear.with_groups_present()
    reach = ReachableMeans(present.phi, present.base, linear.weight_bounds)
    return reachable_fraction(reach, present.low, present.high)


def _linear_conditions(
    hard: Sequence[Condition], context: Context, weight_bounds: tuple[float, float] | None
) -> LinearConditions:
    statistics = [one.statistic for one in hard]
    groups = tuple(_group(one, context) for one in hard)
    costs = [_cost(one, group, context) for one, group in zip(hard, groups, strict=True)]
    return LinearConditions(
        np.column_stack([one.z for one in statistics]),
        np.array([one.to_z(stated.low) for one, stated in zip(statistics, hard, strict=True)]),
        np.array([one.to_z(stated.high) for one, stated in zip(statistics, hard, strict=True)]),
        np.array(costs),
        groups,
        context.base,
        weight_bounds,
    )


def _group(condition: Condition, context: Context) -> Bools | None:
    """The rows (n_rows,) within which a mean is taken, None for all."""
    constraint: Any = condition.held or context.constraints[condition.source]
    members = getattr(constraint, "members", None)
    return condition.group if members is None else members(context)


def keeps_groups(conditions: Sequence[Condition], context: Context, weights: Floats) -> bool:
    """Whether every group that a condition speaks of has weight under weights (n_rows,)."""
    groups = (_group(one, context) for one in conditions)
    return all(weights[group].sum() > _NO_WEIGHT for group in groups if group is not None)


def _cost(condition: Condition, group: Bools | None, context: Context) -> float:
    """Cost of a gap of one standard deviation of the condition's statistic."""
    if condition.role == "held":
        return np.inf
    constraint: Any = context.constraints[condition.source]
    cost = float(getattr(constraint, "priority", 1.0))
    statistic = condition.statistic
    if np.spacing(abs(statistic.origin)) / statistic.scale > 1e-12:
        cost *= _FAR_FROM_ZERO
    if group is not None and hasattr(constraint, "numbers"):
        # In standard deviations within the group, at the group's weight in the data.
        within = context.base[group] / context.base[group].sum()
        numbers = np.asarray(constraint.numbers(context), dtype=float)[group]
        deviation = float(np.sqrt(within @ (numbers - within @ numbers) ** 2))
        cost *= statistic.scale / (float(context.base[group].sum()) * (deviation or 1.0))
    return cost


def _find(hard: Sequence[Condition], linear: LinearConditions) -> Conflict | None:
    present = linear.with_groups_present()
    n_always = present.low.size - linear.low.size
    implied = np.array([one.role == "held" for one in hard] + [False] * n_always)
    always = np.r_[np.zeros(linear.low.size, dtype=bool), np.ones(n_always, dtype=bool)]
    bounded = linear.weight_bounds and ReachableMeans(present.phi, present.base, linear.weight_bounds)
    free = ReachableMeans(present.phi, present.base)
    ends = tuple(share - 1.0 for share in LEAST_SHARES)
    return ConflictFinder(free, bounded or None, present.low, present.high, implied, always, ends).find()


def _cap(conflict: Conflict, linear: LinearConditions) -> str:
    """In words, the bounds on weights that would do."""
    if not conflict.with_bounds or linear.weight_bounds is None:
        return ""
    bounds = bounds_that_do(linear.with_groups_present())
    if bounds is None:
        return ""
    what = "least cap" if bounds[1] != linear.weight_bounds[1] else "largest floor"
    return f" The {what} that would do: weight_bounds=({bounds[0]:g}, {bounds[1]:g})."


@dataclass(frozen=True)
class _Nearest:
    """The constraints that some weights meet, in place of those that none do."""

    hard: Sequence[Condition]
    linear: LinearConditions
    context: Context
    meets: Meets

    def scenarios(self, weights: Floats) -> tuple[list[Constraint], list[Constraint], str]:
        """Constraints that the nearest weights (n_rows,) meet, ranges around these, and changes in words."""
        for part in _BACK:
            mixed = (1.0 - part) * weights + part * self.context.base
            values = self._values(mixed)
            near = [one if v is None else one.with_target(v) for one, v in self._pairs(values)]
            if not self.meets(near):
                continue
            for wider in (1.0, 2.0, 5.0):
                ranges = [
                    one if v is None else one.with_target(self._room(one, v, wider))
                    for one, v in self._pairs(values)
                ]
                if self.meets(ranges):
                    break
            else:
                ranges = near
            return near, ranges, self._changes(values)
        raise ConvergenceError("No targets near the stated ones were reached. State fewer.")

    def _pairs(self, values: Sequence[float | None]) -> Any:
        return zip(self.context.constraints, values, strict=True)

    def _values(self, weights: Floats) -> list[float | None]:
        """The value of each constraint that weights (n_rows,) do not meet, None for the others."""
        means = weights @ self.linear.phi
        missed = (means < self.linear.low - _MET) | (means > self.linear.high + _MET)
        sources = {one.source for one, is_missed in zip(self.hard, missed, strict=True) if is_missed}
        values: list[float | None] = []
        for j, constraint in enumerate(self.context.constraints):
            value = None
            if j in sources:
                value = constraint.measure(self.context, weights)
            values.append(value)
        return values

    def _room(self, constraint: Constraint, value: float, wider: float) -> tuple[float, float]:
        """The range that was stated, with as far again beyond the nearest that can be met."""
        low, high = constraint.bounds(self.context)
        end = low if value < low else high
        beyond = value + wider * (value - end)
        ends = min(low, beyond), max(high, beyond)
        is_share = getattr(constraint, "is_share", False)
        return (max(ends[0], 0.0), min(ends[1], 1.0)) if is_share else ends

    def _changes(self, values: Sequence[float | None]) -> str:
        changes = []
        for constraint, value in self._pairs(values):
            if value is None:
                continue
            low, high = constraint.bounds(self.context)
            near, stated = apart(value, low if value < low else high)
            changes.append(f"{constraint.label} {near} for {stated}")
        return ", ".join(changes)
