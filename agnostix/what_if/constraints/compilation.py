"""All constraints of a scenario as one: what they share is searched over and held once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.constraints.averages import Average, Moment
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Scalar


def compile_constraints(context: Context) -> Compiled:
    """Conditions of all constraints, each with its source, given the scalars that they share by name."""
    merged = _Merged.from_context(context)
    notes = tuple(dict.fromkeys(note for one in merged.compiled for note in one.notes))
    scalars: dict[str, Scalar] = {}
    for scalar in (scalar for one in merged.compiled for scalar in one.scalars):
        scalars[scalar.name] = scalars.get(scalar.name, scalar).within(scalar)
    return Compiled(merged.conditions, tuple(scalars.values()), merged.penalty_of, notes)


@dataclass(frozen=True)
class _Merged:
    context: Context
    compiled: list[Compiled]  # of each constraint
    places: list[list[int]]  # of each one's scalars among all
    replaced: dict[int, int]  # constraints whose value is a scalar that others need: its place
    costs: list[tuple[int, Callable[[float], float]]]  # of scalars that a soft average makes

    @classmethod
    def from_context(cls, context: Context) -> _Merged:
        compiled = [one.compile(context) for one in context.constraints]
        names = {scalar.name: None for one in compiled for scalar in one.scalars}
        place = {name: i for i, name in enumerate(names)}
        places = [[place[scalar.name] for scalar in one.scalars] for one in compiled]
        # An average that others are computed about is searched over, if it is a range or soft: its own
        # conditions make way for the one that holds it at the scalar's value.
        replaced = {
            i: place[one.label]
            for i, one in enumerate(context.constraints)
            if one.label in place and not compiled[i].scalars
        }
        costs = [
            (at, _cost_of(context, context.constraints[i]))
            for i, at in replaced.items()
            if context.constraints[i].is_soft
        ]
        return cls(context, compiled, places, replaced, costs)

    def conditions(self, values: Floats) -> list[Condition]:
        """Conditions given the scalars' values (n_scalars,); what several hold is held once."""
        values, kept = np.asarray(values, dtype=np.float64), []
        held: dict[Any, int] = {}  # what is held, and for which constraint first
        sources = self._sources
        for source, one in enumerate(self.compiled):
            for condition in [] if source in self.replaced else one.conditions(values[self.places[source]]):
                if condition.held is None:
                    kept.append(replace(condition, source=source))
                    continue
                key = condition.held.identity(self.context)
                is_stated = key in sources and sources[key] not in self.replaced
                if is_stated or held.setdefault(key, source) != source:
                    continue
                if key in sources:
                    kept.append(replace(condition, source=sources[key], role="stated", held=None))
                else:
                    kept.append(replace(condition, source=source))
        return kept

    @cached_property
    def _sources(self) -> dict[Any, int]:
        """The constraints by what they fix."""
        return {one.identity(self.context): i for i, one in enumerate(self.context.constraints)}

    def penalty_of(self, values: Floats) -> float:
        """Cost of the scalars' values (n_scalars,), in nats."""
        values = np.asarray(values, dtype=np.float64)
        own = zip(self.compiled, self.places, strict=True)
        total = sum(one.penalty_of(values[at]) for one, at in own if one.penalty_of is not None)
        return float(total + sum(cost(float(values[at])) for at, cost in self.costs))


def _cost_of(context: Context, constraint: Constraint) -> Callable[[float], float]:
    """What it costs that a soft average over all rows misses its target."""
    assert isinstance(constraint, Average)
    scale = constraint.statistic(context).scale
    bounds, penalty = constraint.bounds(context), constraint.penalty
    moment = Moment(constraint.label, None, bounds, float(penalty or np.inf), context.base)
    return lambda value: moment.cost(value, scale)
