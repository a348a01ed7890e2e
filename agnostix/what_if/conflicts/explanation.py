"""The error for a scenario that no weights meet: what is in conflict, and the nearest that can be met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError, InfeasibleTargetError
from agnostix.what_if.conflicts.gap_weights import read_gap_weights
from agnostix.what_if.conflicts.irreducible import Conflict, ConflictFinder
from agnostix.what_if.conflicts.least_gaps import reachable_fraction
from agnostix.what_if.conflicts.nearest import (
    LEAST_SHARES,
    Calibrate,
    ElasticConditions,
    least_cost,
    nearest_weights,
    weights_over_all,
)
from agnostix.what_if.conflicts.reachable_means import ReachableMeans
from agnostix.what_if.conflicts.searched import closest_values
from agnostix.what_if.conflicts.shares import apart
from agnostix.what_if.conflicts.weight_caps import bounds_that_do
from agnostix.what_if.conflicts.words import ConflictWords
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context

_FAR_FROM_ZERO = 100.0
"""Cost of a gap in a column so far from 0 that its units cannot hold an average exactly: it is moved last."""
_MET = 1e-9
_BARELY = 2e-10
"""Standard deviations by which conditions are missed that a solver just does not meet."""
_MAX_NAMED = 8
_NO_WEIGHT = 1e-12
_TRIALS = ((0.0, 0.0), (0.0, 1e-3), (0.0, 1e-2), (1e-2, 0.0), (0.1, 0.0), (0.5, 0.0))
"""How much of the base weights is mixed in, and widths of targets, until the scenario nearby is solved."""

Meets = Callable[[Sequence[Constraint]], bool]
"""Whether the scenario of some constraints can be solved."""


def explain_conflict(
    compiled: Compiled,
    values: Floats,
    context: Context,
    meets: Meets,
    calibrate: Calibrate,
    *,
    weight_bounds: tuple[float, float] | None = None,
    gap_weights: Mapping[str, float] | None = None,
) -> InfeasibleTargetError:
    """The error for constraints that no weights meet, with the nearest that some do.

    `values` (n_scalars,) are those of the compiled constraints' scalars at which a search for weights ended.
    """
    costs = read_gap_weights(gap_weights, context.constraints)

    def given(values: Floats) -> tuple[list[Condition], ElasticConditions]:
        hard = [one for one in compiled.conditions(values) if np.isinf(one.penalty)]
        return hard, _linear_conditions(hard, context, costs, weight_bounds)

    if compiled.scalars:
        anchor = weights_over_all(given(values)[1], calibrate)
        values = closest_values(compiled, values, lambda at: least_cost(given(at)[1], anchor))
    hard, linear = given(values)
    conflict = _find(hard, linear)
    if conflict is None:
        raise ConvergenceError("The targets are not beyond the rows, and were not reached.")
    words = ConflictWords(conflict, linear, hard, context)
    nearest = _Nearest(hard, linear, context, meets)
    weights = nearest_weights(linear, calibrate)
    near, ranges, changes = nearest.scenarios(weights)
    others = " There are other conflicts besides." if conflict.has_others else ""
    reason = f"{words.sentence()}{_searched(compiled, values, conflict)}{others}{_cap(conflict, linear)}"
    message = (
        f"{reason} The nearest that can be met: {changes}. Solve what_if(**error.nearest), or leave room "
        "with what_if(**error.ranges)."
    )
    assert context.statement is not None
    near_arguments, range_arguments = (context.statement.arguments(parts) for parts in (near, ranges))
    fraction = _fraction(linear, weights)
    return InfeasibleTargetError(message, near_arguments, fraction, range_arguments, words.labels, reason)


def _searched(compiled: Compiled, values: Floats, conflict: Conflict) -> str:
    """In words, the values of scalars that the conflict depends on, at which it comes closest to none."""
    pairs = zip(compiled.scalars, values.tolist(), strict=True)
    named = [f"a {one.name} of {value:.4g}" for one, value in pairs if not one.choices]
    if not named or not _depends_on_values(compiled, values, conflict):
        return ""
    return f" This is at {' and '.join(named)}, which comes closest."


def _depends_on_values(compiled: Compiled, values: Floats, conflict: Conflict) -> bool:
    """Whether any condition in conflict is another at other values (n_scalars,) of the scalars."""
    others = np.array(
        [
            0.5 * (one.low + one.high) if v != 0.5 * (one.low + one.high) else one.low
            for one, v in zip(compiled.scalars, values, strict=True)
        ]
    )
    here, there = (
        [one for one in compiled.conditions(at) if np.isinf(one.penalty)] for at in (values, others)
    )
    return any(
        (here[j].low, here[j].high) != (there[j].low, there[j].high)
        or not np.array_equal(here[j].statistic.values, there[j].statistic.values)
        for j in conflict.places
    )


def _fraction(linear: ElasticConditions, weights: Floats) -> float:
    """How much of the way to the targets, and to the groups' shares under weights (n_rows,), can be gone."""
    linear = linear.with_shares_of(weights)
    reach = ReachableMeans(linear.phi, linear.base, linear.weight_bounds)
    return reachable_fraction(reach, linear.low, linear.high)


def _linear_conditions(
    hard: Sequence[Condition],
    context: Context,
    costs: Sequence[float],
    weight_bounds: tuple[float, float] | None,
) -> ElasticConditions:
    statistics = [one.statistic for one in hard]
    groups = tuple(_group(one, context) for one in hard)
    each = [_cost(one, group, context, costs) for one, group in zip(hard, groups, strict=True)]
    return ElasticConditions(
        np.column_stack([one.z for one in statistics]),
        np.array([one.to_z(stated.low) for one, stated in zip(statistics, hard, strict=True)]),
        np.array([one.to_z(stated.high) for one, stated in zip(statistics, hard, strict=True)]),
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


def _find(hard: Sequence[Condition], linear: ElasticConditions) -> Conflict | None:
    present = linear.with_groups_present()
    n_always = present.low.size - linear.low.size
    implied = np.array([one.role == "held" for one in hard] + [False] * n_always)
    always = np.r_[np.zeros(linear.low.size, dtype=bool), np.ones(n_always, dtype=bool)]
    bounded = linear.weight_bounds and ReachableMeans(present.phi, present.base, linear.weight_bounds)
    free = ReachableMeans(present.phi, present.base)
    ends = tuple(share - 1.0 for share in LEAST_SHARES)
    finder = ConflictFinder(free, bounded or None, present.low, present.high, implied, always, ends)
    return finder.find() or replace(finder, least=_BARELY).find()


def _cap(conflict: Conflict, linear: ElasticConditions) -> str:
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
    linear: ElasticConditions
    context: Context
    meets: Meets

    def scenarios(self, weights: Floats) -> tuple[list[Constraint], list[Constraint], str]:
        """Constraints that the nearest weights (n_rows,) meet, ranges around these, and changes in words."""
        for part, width in _TRIALS:
            mixed = (1.0 - part) * weights + part * self.context.base
            values = self._values(mixed)
            near = self._replaced(values, lambda one, value: self._around(one, value, width))  # noqa: B023
            if self.meets(near):
                return near, self._ranges(values) or near, self._changes(values)
        raise ConvergenceError("No targets near the stated ones were reached. State fewer.")

    def _ranges(self, values: Sequence[float | None]) -> list[Constraint] | None:
        """Ranges from the stated to as far again beyond the nearest, or farther; None if not met."""
        for wider in (1.0, 3.0):
            ranges = self._replaced(values, lambda one, value: self._room(one, value, wider))  # noqa: B023
            if self.meets(ranges):
                return ranges
        return None

    def _replaced(
        self, values: Sequence[float | None], target: Callable[[Constraint, float], Any]
    ) -> list[Constraint]:
        return [
            one if value is None else one.with_target(target(one, value))
            for one, value in self._pairs(values)
        ]

    def _around(self, constraint: Constraint, value: float, width: float) -> Any:
        """A number, or a range around it of a width relative to how far it is from what was stated."""
        if width == 0.0:
            return value
        low, high = constraint.bounds(self.context)
        half = width * max(abs(value - (low if value < low else high)), 1e-6 * abs(value))
        return self._possible(constraint, value - half, value + half)

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
        return self._possible(constraint, min(low, beyond), max(high, beyond))

    def _possible(self, constraint: Constraint, low: float, high: float) -> tuple[float, float]:
        """The part of a range that shares can be in."""
        return (max(low, 0.0), min(high, 1.0)) if getattr(constraint, "is_share", False) else (low, high)

    def _changes(self, values: Sequence[float | None]) -> str:
        changes = []
        for constraint, value in self._pairs(values):
            if value is None:
                continue
            low, high = constraint.bounds(self.context)
            near, stated = apart(value, low if value < low else high)
            changes.append(f"{constraint.label} {near} for {stated}")
        more = len(changes) - _MAX_NAMED
        return ", ".join(changes[:_MAX_NAMED]) + (f", and {more} others" if more > 0 else "")
