"""Averages of numbers or indicators over all rows, linear in the weights, or over those of a group.

Over a group G the average is a ratio, E[1_G x] / E[1_G]. It has the value t where E[1_G (x - t)] = 0, which
is linear in the weights; it lies in a range where two such conditions hold, one-sided. Where it may miss its
target at a price, its value is a scalar that is searched over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Scalar
from agnostix.what_if.sample import Statistic
from agnostix.what_if.table import is_constant


class Average(Constraint):
    """An average of numbers that each row has, over all rows or over those of a group."""

    is_share = False  # whether it lies between 0 and 1

    def numbers(self, context: Context) -> Numbers:
        """What is averaged, shape (n_rows,)."""
        raise NotImplementedError

    def members(self, context: Context) -> Bools | None:
        """The rows (n_rows,) that are averaged over, None for all; DataError if there are none."""
        where = self._where
        return None if where is None else where.members(context.sample)

    def statistic(self, context: Context) -> Statistic:
        """Over all rows: the numbers, standardized."""
        feature, level = self.named
        return Statistic.from_numbers(feature, level, self.numbers(context), context.base)

    def measure(self, context: Context, weights: Floats) -> float:
        """The average under weights (n_rows,)."""
        return average_of(self.numbers(context), self.members(context), weights)

    def bounds(self, context: Context) -> tuple[float, float]:
        """The ends of the range it must lie in, which for a share are cut at 0 and 1."""
        low, high = super().bounds(context)
        if not self.is_share:
            return low, high
        if self._target.tolerance and 0.0 <= 0.5 * (low + high) <= 1.0:
            low, high = max(low, 0.0), min(high, 1.0)
        if low < 0.0 or high > 1.0:
            shown = f"({low:g}, {high:g})" if low < high else f"{low:g}"
            raise ValueError(f"The proportion of {self.subject} must lie between 0 and 1, got {shown}.")
        return low, high

    def compile(self, context: Context) -> Compiled:
        """One condition over all rows, one or two over a group, or a scalar if it may be missed."""
        low, high = self.bounds(context)
        member = self.members(context)
        if member is None:
            statistic = self.statistic(context)
            self._check_varies(statistic.values, None)
            return Compiled.fixed([Condition(statistic, low, high, self._target.penalty)])
        numbers = self.numbers(context)
        self._check_varies(numbers, member)
        if self.is_soft:
            return self._compile_soft(context, numbers, member, (low, high))
        return Compiled.fixed(conditions_in_group(self.label, numbers, member, low, high, context.base))

    def _compile_soft(
        self, context: Context, numbers: Numbers, member: Bools, bounds: tuple[float, float]
    ) -> Compiled:
        start, deviation = moments_in_group(numbers, member, context.base)
        first = statistic_in_group(self.label, numbers, member, start, context.base)
        penalty = self._target.penalty
        inside = numbers[member]
        scalar = Scalar(self.label, start, float(inside.min()), float(inside.max()))

        def conditions(values: Floats) -> list[Condition]:
            return [Condition(move_statistic(first, numbers, member, float(values[0])), 0.0, 0.0)]

        def penalty_of(values: Floats) -> float:
            gap = float(values[0]) - np.clip(float(values[0]), *bounds)
            return float(0.5 * penalty * (gap / deviation) ** 2)

        return Compiled(conditions, (scalar,), penalty_of)

    def _check_varies(self, numbers: Numbers, member: Bools | None) -> None:
        inside = numbers if member is None else numbers[member]
        if is_constant(inside):
            rows = f"row where {self.where_label}" if self.where_label else "row"
            raise DataError(
                f"The {self.subject} is {float(inside[0]):g} in every {rows}, so its average cannot be "
                "shifted."
            )


def average_of(numbers: Numbers, member: Bools | None, weights: Floats) -> float:
    """Weighted average of numbers (n_rows,) over the members, NaN if they have no weight."""
    if member is not None:
        numbers, weights = numbers[member], weights[member]
    total = float(weights.sum())
    if total <= 0.0:
        return float("nan")
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


def move_statistic(first: Statistic, numbers: Any, member: Bools, value: float) -> Statistic:
    """The same statistic at another value, in the same units."""
    return replace(first, values=np.where(member, numbers - value, 0.0))


def conditions_in_group(
    label: str, numbers: Numbers, member: Bools, low: float, high: float, base: Floats
) -> list[Condition]:
    """The conditions under which the average of numbers (n_rows,) in the group is from low to high."""
    at_low = statistic_in_group(label, numbers, member, low, base)
    if low == high:
        return [Condition(at_low, 0.0, 0.0)]
    at_high = statistic_in_group(label, numbers, member, high, base)
    return [Condition(at_low, 0.0, np.inf), Condition(at_high, -np.inf, 0.0)]
