"""Averages of numbers or indicators over all rows, linear in the weights, or over those of a group.

Over a group G the average is a ratio, E[1_G x] / E[1_G]. It has the value t where E[1_G (x - t)] = 0, which
is linear in the weights; it lies in a range where two such conditions hold, one-sided. Where it may miss its
target at a price, its value is a scalar that is searched over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Scalar
from agnostix.what_if.sample import Statistic
from agnostix.what_if.table import is_constant

_OUT_OF_SIGHT = 1e6
"""Ranges of a group's numbers beyond which targets are taken as no farther."""

Given = Mapping[Any, float]
"""Values of averages that are held, by the keys of their constraints."""


class Average(Constraint):
    """An average of numbers that each row has, over all rows or over those of a group."""

    is_share = False  # whether it lies between 0 and 1
    limits: ClassVar[tuple[float, float]] = (-np.inf, np.inf)  # what else it can be by definition

    def numbers(self, context: Context) -> Numbers:
        """What is averaged, shape (n_rows,)."""
        raise NotImplementedError

    def members(self, context: Context) -> Bools | None:
        """The rows (n_rows,) that are averaged over, None for all; DataError if there are none."""
        where = self._where
        return None if where is None else where.members(context.sample)

    def needed(self, context: Context) -> tuple[tuple[Average, bool], ...]:
        """Averages that are held for it, those first that others need, and whether each is free."""
        return ()

    def numbers_given(self, context: Context, given: Given) -> Numbers:
        """What is averaged, shape (n_rows,), given the values of what is held."""
        return self.numbers(context)

    def extremes(self, context: Context) -> tuple[float, float]:
        """The values between which it can be."""
        numbers, member = self.numbers(context), self.members(context)
        inside = numbers if member is None else numbers[member]
        return float(inside.min()), float(inside.max())

    def statistic(self, context: Context) -> Statistic:
        """Over all rows: the numbers, standardized."""
        feature, level = self.named
        return Statistic.from_numbers(feature, level, self.numbers(context), context.base)

    def measure(self, context: Context, weights: Floats) -> float:
        """The average under weights (n_rows,)."""
        return average_of(self.numbers(context), self.members(context), weights)

    def bounds(self, context: Context) -> tuple[float, float]:
        """The ends of the range it must lie in, cut at what it can be by definition."""
        low, high = super().bounds(context)
        least, most = (0.0, 1.0) if self.is_share else self.limits
        low, high = least if low == -np.inf else low, most if high == np.inf else high
        if self._target.tolerance and least <= 0.5 * (low + high) <= most:
            low, high = max(low, least), min(high, most)
        if low < least or high > most:
            shown = f"({low:g}, {high:g})" if low < high else f"{low:g}"
            what = f"proportion of {self.subject}" if self.is_share else self.label
            must = f"lie between {least:g} and {most:g}" if most < np.inf else f"be {least:g} or more"
            raise ValueError(f"The {what} must {must}, got {shown}.")
        return low, high

    def compile(self, context: Context) -> Compiled:
        """One condition over all rows, one or two over a group, or a scalar if it may be missed."""
        member = self.members(context)
        statistic = self.statistic(context) if member is None else None
        numbers = self.numbers(context) if statistic is None else statistic.values
        self._check_varies(numbers, member)
        own = Moment(self.label, member, self.bounds(context), self._target.penalty, context.base)
        if statistic is not None:
            return Compiled.fixed([own.over_all(statistic)])
        return own.compile(lambda _: numbers)

    def _check_varies(self, numbers: Numbers, member: Bools | None) -> None:
        inside = numbers if member is None else numbers[member]
        if is_constant(inside):
            rows = f"row where {self.where_label}" if self.where_label else "row"
            raise DataError(
                f"The {self.subject} is {float(inside[0]):g} in every {rows}, so its average cannot be "
                "shifted."
            )


@dataclass(frozen=True)
class Moment:
    """Where an average must lie, over all rows or over a group: its conditions, whatever is averaged."""

    label: str
    member: Bools | None  # (n_rows,), None for all
    bounds: tuple[float, float]
    penalty: float
    base: Floats  # (n_rows,)

    @property
    def has_scalar(self) -> bool:
        """Whether its value is searched over."""
        return self.member is not None and self.penalty < np.inf

    def over_all(self, statistic: Statistic) -> Condition:
        """Its condition over all rows."""
        return Condition(statistic, *self.bounds, self.penalty)

    def compile(self, numbers_at: Callable[[Floats], Numbers], scalars: Sequence[Scalar] = ()) -> Compiled:
        """Its conditions where the numbers (n_rows,) depend on scalars, standardized at their start."""
        start = np.array([scalar.start for scalar in scalars])
        first = numbers_at(start)
        if self.has_scalar:
            return self._with_scalar(numbers_at, tuple(scalars), first)
        targets = self._targets(first)
        statistics = [self._statistic(first, value) for value, *_ in targets]

        def conditions(values: Floats) -> list[Condition]:
            numbers = numbers_at(values)
            moved = [
                one if numbers is first else replace(one, values=self._off(numbers, value))
                for one, (value, *_) in zip(statistics, targets, strict=True)
            ]
            if self.member is None:
                return [self.over_all(moved[0])]
            return [Condition(one, low, high) for one, (_, low, high) in zip(moved, targets, strict=True)]

        return Compiled(conditions, tuple(scalars))

    def _targets(self, numbers: Numbers) -> list[tuple[float, float, float]]:
        """Values of the average and on which sides of 0 the mean of `_off` must be at each."""
        if self.member is None:
            return [(0.0, 0.0, 0.0)]
        low, high = self.bounds
        inside = numbers[self.member]
        least, most = float(inside.min()), float(inside.max())
        far = _OUT_OF_SIGHT * (most - least)  # a target farther off would cancel the numbers' digits
        one, two = (float(np.clip(end, least - far, most + far)) for end in (low, high))
        if low == high:
            return [(one, 0.0, 0.0)]
        ends = [(one, 0.0, np.inf)] if low > -np.inf else []
        return ends + ([(two, -np.inf, 0.0)] if high < np.inf else [])

    def _off(self, numbers: Numbers, value: float) -> Numbers:
        """1_G (x - value), shape (n_rows,)."""
        return numbers if self.member is None else np.where(self.member, numbers - value, 0.0)

    def _statistic(self, numbers: Numbers, value: float) -> Statistic:
        return Statistic.from_numbers(self.label, None, self._off(numbers, value), self.base)

    def _with_scalar(
        self, numbers_at: Callable[[Floats], Numbers], scalars: tuple[Scalar, ...], first: Numbers
    ) -> Compiled:
        assert self.member is not None
        start, deviation = moments_in_group(first, self.member, self.base)
        statistic, inside = self._statistic(first, start), first[self.member]
        own = Scalar(self.label, start, float(inside.min()), float(inside.max()))

        def conditions(values: Floats) -> list[Condition]:
            moved = self._off(numbers_at(values[:-1]), float(values[-1]))
            return [Condition(replace(statistic, values=moved), 0.0, 0.0)]

        def penalty_of(values: Floats) -> float:
            return self.cost(float(values[-1]), deviation)

        return Compiled(conditions, (*scalars, own), penalty_of)

    def cost(self, value: float, deviation: float) -> float:
        """What it costs, in nats, that the average misses its target."""
        gap = value - float(np.clip(value, *self.bounds))
        return float(0.5 * self.penalty * (gap / deviation) ** 2)


def average_of(numbers: Numbers, member: Bools | None, weights: Floats) -> float:
    """Weighted average of numbers (n_rows,) over the members, NaN if they have no weight."""
    if member is not None:
        numbers, weights = numbers[member], weights[member]
    total = float(weights.sum())
    if total <= 0.0:
        return float("nan")
    if numbers.dtype == bool:
        return float(weights @ numbers) / total
    origin = float(numbers.min())  # a column far from 0 keeps its digits
    return origin + float(weights @ (numbers - origin)) / total


def moments_in_group(numbers: Numbers, member: Bools, base: Floats) -> tuple[float, float]:
    """Mean and standard deviation of numbers (n_rows,) among the members."""
    mean = average_of(numbers, member, base)
    squares = (np.asarray(numbers, dtype=float) - mean) ** 2
    return mean, float(np.sqrt(average_of(squares, member, base)))


def statistic_in_group(label: str, numbers: Numbers, member: Bools, value: float, base: Floats) -> Statistic:
    """1_G (x - value), whose average is 0 where the average of x in the group is the value."""
    return Statistic.from_numbers(label, None, np.where(member, numbers - value, 0.0), base)
