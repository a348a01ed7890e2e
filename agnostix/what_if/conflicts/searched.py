"""Constraints whose conditions are linear only given scalars: how close weights come to them.

A ratio of two groups' rates is linear given one of the rates, a variance given the mean. For each value of
these a linear program gives the least sum of gaps, and the least of all values is searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.conflicts.linear import linear_conditions
from agnostix.what_if.conflicts.nearest import (
    Calibrate,
    ElasticConditions,
    extreme_mixture,
    least_cost,
    weights_over_all,
)
from agnostix.what_if.conflicts.reachable_means import Corner
from agnostix.what_if.conflicts.scalar_search import least_over
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context
from agnostix.what_if.constraints.compilation import compile_constraints

_CONFLICT = 1e-7
"""Least sum of gaps from which constraints are in conflict: values that are searched for are never exact."""
_SHARES = (0.3, 1e-2)
"""Weights of groups, of their base weights, of which any will do. Gaps are measured best at the first."""
_MANY_TIMES = 1e3
_MET = 1e-12
"""Sum of gaps that is 0 but for rounding."""
_MAX_CORNERS = {False: 60, True: 16}
"""Corners that are kept from one linear program to the next, by whether weights are bounded."""
_MAX_WORK = 2e7
"""Rows of all linear programs after which no more constraints are left out to see if the others agree."""
_FEWEST_ROWS = 1e4
"""A program over fewer rows takes as long as one over these."""
_MAX_CHOICES = 8


@dataclass
class Work:
    """What linear programs of the same rows pass on, and how many there were."""

    n_programs: int = 0
    corners: dict[bool, list[Corner]] = field(default_factory=lambda: {False: [], True: []})

    def least_cost(self, linear: ElasticConditions, anchor: Floats) -> float:
        """The least sum of gaps, from the corners that others had."""
        self.n_programs += 1
        is_bounded = linear.weight_bounds is not None
        known = self.corners[is_bounded]
        cost, used = least_cost(linear, anchor, known)
        old = {id(one.weights) if is_bounded else one.row for one in used}
        kept = [one for one in known if (id(one.weights) if is_bounded else one.row) not in old]
        self.corners[is_bounded] = (kept + used)[-_MAX_CORNERS[is_bounded] :]
        return cost

    def is_done(self, n_rows: int) -> bool:
        """Whether as much was done as may be."""
        return self.n_programs * max(n_rows, _FEWEST_ROWS) > _MAX_WORK


@dataclass(frozen=True)
class SearchedConditions:
    """Conditions of constraints, given scalars."""

    context: Context
    compiled: Compiled
    costs: Sequence[float]  # (n_constraints,), of a gap of one standard deviation
    weight_bounds: tuple[float, float] | None
    ranges: Floats  # (n_scalars, 2), in which each scalar could be if nothing else were stated
    own: dict[int, list[Condition]]  # of constraints whose value is a scalar: where they must lie
    places: list[int]  # of the constraints, among those of the context that they come from
    work: Work = field(default_factory=Work)

    @classmethod
    def from_context(
        cls,
        context: Context,
        costs: Sequence[float],
        weight_bounds: tuple[float, float] | None,
        work: Work | None = None,
    ) -> SearchedConditions:
        """The conditions of all constraints that must be met."""
        hard = [j for j, one in enumerate(context.constraints) if not one.is_soft]
        context = replace(context, constraints=tuple(context.constraints[j] for j in hard))
        compiled = compile_constraints(context)
        alone = [compile_constraints(replace(context, constraints=(one,))) for one in context.constraints]
        names = [one.name for one in compiled.scalars]
        own = {
            j: [replace(condition, source=j) for condition in part.conditions(np.empty(0))]
            for j, (one, part) in enumerate(zip(context.constraints, alone, strict=True))
            if one.label in names and not part.scalars
        }
        ranges = np.array([_natural_range(name, (compiled, *alone)) for name in names]).reshape(-1, 2)
        hard_costs = [costs[j] for j in hard]
        return cls(context, compiled, hard_costs, weight_bounds, ranges, own, hard, work or Work())

    def shared(self, compiled: Compiled, values: Floats) -> Floats:
        """Values (n_scalars,) of the scalars, where others have them; else at the data's."""
        known = {one.name: value for one, value in zip(compiled.scalars, values.tolist(), strict=True)}
        at_data = [min(max(one.start, one.low), one.high) for one in self.compiled.scalars]
        return np.array(
            [known.get(one.name, v) for one, v in zip(self.compiled.scalars, at_data, strict=True)]
        )

    def only(self, places: Sequence[int]) -> SearchedConditions:
        """Some of the constraints."""
        part = replace(self.context, constraints=tuple(self.context.constraints[j] for j in places))
        return self.from_context(part, [self.costs[j] for j in places], self.weight_bounds, self.work)

    def without_scalars(self) -> SearchedConditions | None:
        """The constraints that need no scalars, None if there are none."""
        context = self.context
        places = [j for j, one in enumerate(context.constraints) if not depends_on_others(one, context)]
        return self.only(places) if places else None

    def given(self, values: Floats) -> tuple[list[Condition], ElasticConditions]:
        """The conditions that must hold, at values (n_scalars,) of the scalars."""
        conditions = []
        for one in self.compiled.conditions(values):
            if one.source in self.own:  # it holds a scalar for the others
                held = self.context.constraints[one.source].with_target(
                    float(values[self._place(one.source)])
                )
                one = replace(one, role="held", held=held)
            conditions.append(one)
        conditions += [one for own in self.own.values() for one in own]
        return conditions, linear_conditions(conditions, self.context, self.costs, self.weight_bounds)

    def _place(self, source: int) -> int:
        names = [one.name for one in self.compiled.scalars]
        return names.index(self.context.constraints[source].label)

    def closest_to(self, values: Floats, calibrate: Calibrate) -> Floats:
        """Values of the scalars (n_scalars,) with the least sum of gaps at the groups' weights."""
        anchor = weights_over_all(self.given(values)[1], calibrate)

        def cost(at: Floats) -> float:
            return self.work.least_cost(self.given(at)[1].with_shares_of(anchor), anchor)

        return self._search(values, cost)[0]

    def is_conflict(self) -> bool:
        """Whether no weights meet the conditions, whatever the scalars."""
        start = np.array([min(max(one.start, one.low), one.high) for one in self.compiled.scalars])
        for part in _SHARES:
            start, least = self._search(start, self._sums(part), _CONFLICT)
            if least <= _CONFLICT:
                return False
        return True

    def meeting(self, fixed: Floats) -> Floats | None:
        """Values of the scalars (n_scalars,) at which weights meet the conditions; None if there are none."""
        values = fixed
        for part in _SHARES:
            values, least = self._search_numbers(values, self._sums(part), _MET)
            if least <= _CONFLICT:
                return values
        return None

    def _sums(self, part: float) -> Callable[[Floats], float]:
        """The least sum of gaps by the scalars' values, where groups keep part of their weight."""

        def sum_at(values: Floats) -> float:
            linear = self.given(values)[1].with_groups_present(part)
            return self.work.least_cost(linear, linear.base)

        return sum_at

    def _search(
        self, values: Floats, cost: Callable[[Floats], float], enough: float | None = None
    ) -> tuple[Floats, float]:
        """The best values and their cost, over each combination of choices."""
        scalars = self.compiled.scalars
        choices = [range(len(one.choices)) if one.choices else [None] for one in scalars]
        n_choices = int(np.prod([len(part) for part in choices]))
        found: list[tuple[Floats, float]] = []
        for chosen in product(*choices) if n_choices <= _MAX_CHOICES else [[None] * len(scalars)]:
            start = np.array([v if c is None else float(c) for v, c in zip(values, chosen, strict=True)])
            found.append(self._search_numbers(start, cost, enough))
            if enough is not None and found[-1][1] <= enough:
                break
        return min(found, key=lambda pair: pair[1])

    def _search_numbers(
        self, values: Floats, cost: Callable[[Floats], float], enough: float | None = None
    ) -> tuple[Floats, float]:
        is_choice = np.array([bool(one.choices) for one in self.compiled.scalars], dtype=bool)
        free = ~is_choice & (self.ranges[:, 0] < self.ranges[:, 1])
        low, high = self.ranges[free].T

        def cost_of(theta: Floats) -> float:
            filled = values.copy()
            filled[free] = np.clip(theta, low, high)
            return cost(filled)

        if not free.any():
            return values, cost(values)
        starts = [np.array([one.start for one in self.compiled.scalars])[free], values[free]]
        best, least = least_over(cost_of, low, high, starts, enough)
        filled = values.copy()
        filled[free] = np.clip(best, low, high)
        return filled, least


def _natural_range(name: str, compiled: Sequence[Compiled]) -> tuple[float, float]:
    """Where a scalar can be by the constraints one by one."""
    ends = [(one.low, one.high) for part in compiled for one in part.scalars if one.name == name]
    return min(min(pair) for pair in ends), max(max(pair) for pair in ends)


def find_searched_conflict(
    searched: SearchedConditions, calibrate: Calibrate
) -> tuple[SearchedConditions, tuple[Constraint, float] | None, bool]:
    """Constraints in conflict, how far the last searched one goes, and whether none can be left out.

    Whether some can is not known where that would take too many linear programs.
    """
    kept = list(range(len(searched.context.constraints)))
    n_rows = searched.context.base.size
    is_known = True
    for j in reversed(list(kept)):
        without = [place for place in kept if place != j]
        if without and searched.work.is_done(n_rows):
            is_known = False
            break
        if without and searched.only(without).is_conflict():
            kept = without
    part = searched.only(kept)
    if part.weight_bounds is not None and replace(part, weight_bounds=None).is_conflict():
        part = replace(part, weight_bounds=None)
    return part, _farthest(part, calibrate), is_known


def depends_on_others(constraint: Constraint, context: Context) -> bool:
    """Whether the conditions of a constraint depend on what else is stated: a variance's on the mean."""
    needed: Any = getattr(constraint, "needed", None)
    alone = replace(context, constraints=(constraint,))
    return bool(needed is not None and needed(context)) or bool(compile_constraints(alone).scalars)


def _farthest(part: SearchedConditions, calibrate: Calibrate) -> tuple[Constraint, float] | None:
    """The last constraint that depends on others, and its value if these are met."""
    constraints = part.context.constraints
    if len(constraints) == 1:
        return None
    last = [j for j, one in enumerate(constraints) if depends_on_others(one, part.context)][-1]
    costs = [1.0 if j == last else _MANY_TIMES for j in range(len(constraints))]
    one = SearchedConditions.from_context(part.context, costs, part.weight_bounds, part.work)
    start = np.array([min(max(s.start, s.low), s.high) for s in one.compiled.scalars])
    weights = extreme_mixture(one.given(one.closest_to(start, calibrate))[1], calibrate)
    return constraints[last], constraints[last].measure(part.context, weights)


def values_meeting(
    context: Context, compiled: Compiled, weight_bounds: tuple[float, float] | None
) -> Callable[[Floats], Floats | None]:
    """A function that finds scalars (n_scalars,) at which weights meet compiled constraints, if any."""

    def meeting(fixed: Floats) -> Floats | None:
        costs = [1.0] * len(context.constraints)
        searched = SearchedConditions.from_context(context, costs, weight_bounds)
        values = searched.meeting(searched.shared(compiled, fixed))
        if values is None:
            return None
        known = {one.name: v for one, v in zip(searched.compiled.scalars, values.tolist(), strict=True)}
        return np.array([known.get(one.name, v) for one, v in zip(compiled.scalars, fixed, strict=True)])

    return meeting
