"""Quantities at which others are held: a variance is linear in the weights only at a fixed mean.

Where the mean is stated as a number it is held there, where nothing is stated at the data's. Where it is a
range, soft or free it becomes a scalar that is searched over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Floats, Numbers
from agnostix.what_if.constraints.averages import Average, Given, Moment
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Scalar


@dataclass(frozen=True)
class Hold:
    """A quantity that is held: at a number, or at a scalar's value."""

    constraint: Average
    value: float  # at the start, if it is a scalar
    scalar: Scalar | None
    is_stated: bool  # by a constraint, whose conditions hold it

    @classmethod
    def from_context(cls, context: Context, constraint: Average, *, is_free: bool = False) -> Hold:
        """The quantity of a constraint, its target left aside."""
        stated = context.stated(constraint)
        if stated is None and not is_free:
            return cls(constraint, constraint.at_data(context), None, False)
        data, ends = constraint.at_data(context), constraint.extremes(context)
        if stated is not None:
            assert isinstance(stated, Average)
            constraint = stated  # under its own name
            # What is stated beyond what it can be is not met whatever is computed about its center.
            low, high = (float(np.clip(end, *ends)) for end in stated.bounds(context))
            if low == high and not stated.is_soft:
                return cls(constraint, low, None, True)
            ends = ends if stated.is_soft else (low, high)
        start = float(np.clip(data, *ends))
        return cls(constraint, start, Scalar(constraint.label, start, *ends), stated is not None)

    @property
    def key(self) -> Any:
        """The quantity's."""
        return self.constraint.key

    @property
    def note(self) -> str | None:
        """A sentence on what is held at the data's value; None where it is stated or searched over."""
        if self.is_stated or self.scalar is not None:
            return None
        return f"The {self.constraint.label} is held at the data's {self.value:.6g}."


class CenteredAverage(Average):
    """An average of numbers that depend on other averages, which are held: their centers and spreads."""

    def numbers(self, context: Context) -> Numbers:
        """What is averaged, shape (n_rows,), where what is held is at its start."""
        return self.numbers_given(context, {hold.key: hold.value for hold in self._holds(context)})

    def _holds(self, context: Context) -> list[Hold]:
        return [Hold.from_context(context, one, is_free=free) for one, free in self.needed(context)]

    def compile(self, context: Context) -> Compiled:
        """Its conditions and those that hold what it needs."""
        holds = self._holds(context)
        searched = [hold for hold in holds if hold.scalar is not None]
        scalars = [hold.scalar for hold in searched if hold.scalar is not None]
        member = self.members(context)
        fixed = {hold.key: hold.value for hold in holds}

        def given_at(values: Floats) -> Given:
            moved = zip(searched, values.tolist(), strict=False)
            return fixed | {hold.key: value for hold, value in moved}

        start = self.numbers_given(context, fixed)
        self._check_varies(start, member)
        own = Moment(self.label, member, self.bounds(context), self._target.penalty, context.base).compile(
            lambda values: self.numbers_given(context, given_at(values)) if searched else start, scalars
        )
        companions = [_HeldMoment.from_hold(context, hold, fixed) for hold in holds]

        def conditions(values: Floats) -> list[Condition]:
            given = given_at(values)
            return [one.condition(context, given) for one in companions] + own.conditions(values)

        notes = tuple(hold.note for hold in holds if hold.note)
        return Compiled(conditions, own.scalars, own.penalty_of, notes)


@dataclass(frozen=True)
class _HeldMoment:
    """The condition that holds a quantity."""

    hold: Hold
    first: Condition  # at the start

    @classmethod
    def from_hold(cls, context: Context, hold: Hold, start: Given) -> _HeldMoment:
        one = hold.constraint
        held: Constraint = one.with_target(hold.value)
        if one.members(context) is None and not one.needed(context):
            statistic = one.statistic(context)
            return cls(hold, Condition(statistic, hold.value, hold.value, role="held", held=held))
        bounds = (hold.value, hold.value)
        moment = Moment(one.label, one.members(context), bounds, np.inf, context.base)
        numbers = one.numbers_given(context, start)
        first = moment.compile(lambda _: numbers).conditions(np.empty(0))[0]
        return cls(hold, replace(first, role="held", held=held))

    def condition(self, context: Context, given: Given) -> Condition:
        """The condition given the values of what is held."""
        if self.hold.scalar is None and not self.hold.constraint.needed(context):
            return self.first
        one, value = self.hold.constraint, given[self.hold.key]
        held = one.with_target(value)
        numbers, member = one.numbers_given(context, given), one.members(context)
        if member is None and not one.needed(context):  # the numbers are the same
            return replace(self.first, low=value, high=value, held=held)
        if member is None:
            statistic = replace(self.first.statistic, values=numbers)
            return replace(self.first, statistic=statistic, low=value, high=value, held=held)
        values = np.where(member, numbers - value, 0.0)
        return replace(self.first, statistic=replace(self.first.statistic, values=values), held=held)
