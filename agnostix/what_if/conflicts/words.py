"""A conflict in words: what cannot be met together, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.conflicts.irreducible import Conflict
from agnostix.what_if.conflicts.nearest import ElasticConditions, farthest_in_group, farthest_mean
from agnostix.what_if.conflicts.shares import apart, describe_block, describe_sums
from agnostix.what_if.constraints.averages import Average, moments_in_group
from agnostix.what_if.constraints.base import Condition, Constraint, Context
from agnostix.what_if.constraints.moments import Proportion
from agnostix.what_if.constraints.quantiles import ExpectedShortfall

_CONSTANT = 1e-9


@dataclass(frozen=True)
class ConflictWords:
    """What there is to say about a conflict."""

    conflict: Conflict
    linear: ElasticConditions
    conditions: Sequence[Condition]  # as many as the linear ones: those that must hold
    context: Context

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is in conflict."""
        named = [self.label(int(j)) for j in self.conflict.places]
        if self.conflict.with_bounds:
            named.append(f"weights {self._bounds_text()}")
        return tuple(dict.fromkeys(named))

    def constraint(self, place: int) -> Constraint:
        """What a condition comes from."""
        condition = self.conditions[place]
        return condition.held or self.context.constraints[condition.source]

    def label(self, place: int) -> str:
        """Name of a condition, and where it is held if it was not stated."""
        condition = self.conditions[place]
        if condition.role != "held":
            one = self.constraint(place)
            is_of_level = isinstance(one, Proportion) and condition.statistic.level is not None
            # The column's levels tell 1 from "1", which the constraint alone does not know.
            return f"{one.kind} of {condition.statistic.label}" if is_of_level else one.label
        if condition.held is None:
            return f"{condition.statistic.label} (held at {condition.statistic.text(condition.low)})"
        return f"{condition.held.label} (held at {condition.held.target:.6g})"

    def sentence(self) -> str:
        """The reason why no weights meet the conditions."""
        places = self.conflict.places
        block = describe_block([self.constraint(int(j)) for j in places], self.context)
        if block is not None:
            return block
        heights = self.linear.phi[:, places] @ self.conflict.multipliers[places]
        if (
            not self.conflict.with_bounds
            and np.ptp(heights) < _CONSTANT * np.abs(self.conflict.multipliers).sum()
        ):
            return self._contradiction()
        if len(places) == 1 and not self.conflict.with_bounds:
            beyond = self._beyond(int(places[0]))
            if beyond:
                return beyond
        return self._together()

    def _beyond(self, place: int) -> str | None:
        """Of an average whose target is beyond the value of every row."""
        constraint = self.constraint(place)
        if not isinstance(constraint, Average) or _needs_others(constraint, self.context):
            return None
        if isinstance(constraint, ExpectedShortfall):  # what is averaged are no values of rows
            return None
        member = constraint.members(self.context)
        numbers = np.asarray(constraint.numbers(self.context), dtype=float)
        inside = numbers if member is None else numbers[member]
        low, high = constraint.bounds(self.context)
        if member is None and low <= inside.max() and high >= inside.min():
            edge = inside.max() if low == inside.max() else inside.min()
            return self._without_weight(place, np.asarray(numbers == edge))
        is_above = low > inside.max()
        edge, target = (inside.max(), low) if is_above else (inside.min(), high)
        rows = f" where {constraint.where_label}" if constraint.where_label else ""
        edge_text, target_text = apart(float(edge), float(target))
        what = constraint.subject if member is not None else self.conditions[place].statistic.label
        return (
            f"No row{rows} has {what} {'above' if is_above else 'below'} {edge_text}, so no "
            f"reweighting reaches an average of {target_text}."
        )

    def _without_weight(self, place: int, kept: Bools) -> str | None:
        """Of a target that leaves weight to some rows (n_rows,) alone, and a group that is not among them."""
        for other, group in enumerate(self.linear.groups):
            if group is not None and not (group & kept).any():
                one = self.constraint(other)
                return (
                    f"With the {self.label(place)} {self._target_text(place)}, no weight is left for the "
                    f"{one.label}, an average of rows without weight. Leave one of the two out."
                )
        return None

    def _together(self) -> str:
        """Of conditions that exclude each other."""
        places = [int(j) for j in self.conflict.places]
        named = ", ".join(f"{self.label(j)} {self._target_text(j)}".rstrip() for j in places)
        how_far = self._how_far()
        if self.conflict.with_bounds:
            return f"No weights {self._bounds_text()} reach {named}.{how_far}"
        if len(places) == 1:
            return f"No weights reach {named}.{how_far}"
        rest = "either alone" if len(places) == 2 else f"any {len(places) - 1} of them"
        return f"No weights meet these {len(places)} together, though some meet {rest}: {named}.{how_far}"

    def _how_far(self) -> str:
        """How far the last of the averages goes if the other conditions are met."""
        places = [int(j) for j in self.conflict.places]
        plain = [j for j in places if self._is_average(j)]
        if not plain:
            return ""
        last, end = plain[-1], self._stated_end(plain[-1])
        farthest, scale = self._farthest(places, last)
        edge_text, end_text = apart(farthest, end)
        subject = self.constraint(last).label
        if len(places) > 1:
            subject = f"With the other{'s' if len(places) > 2 else ''} met, the {subject}"
        else:
            subject = f"The {subject}"
        side = "up" if self.conflict.multipliers[last] > 0.0 else "down"
        gap = abs(farthest - end)
        return (
            f" {subject} goes {side} to {edge_text} and no farther, {gap:.3g} "
            f"({gap / scale:.3g} standard deviations) from {end_text}."
        )

    def _farthest(self, places: Sequence[int], last: int) -> tuple[float, float]:
        """How far an average goes where the others are met, and its standard deviation."""
        source = self.conditions[last].source
        held = [j for j, one in enumerate(self.conditions) if one.role == "held" and one.source == source]
        kept = [*places, *(j for j in held if j not in places)]  # a variance is one at its mean alone
        part, place, sign = self._only(kept), places.index(last), self.conflict.multipliers[last]
        group, statistic = self.linear.groups[last], self.conditions[last].statistic
        if group is None:
            return float(statistic.from_z(farthest_mean(part, place, sign)[0])), statistic.scale
        constraint = self.constraint(last)
        assert isinstance(constraint, Average)
        numbers = np.asarray(constraint.numbers(self.context), dtype=float)
        _, deviation = moments_in_group(numbers, group, self.linear.base)
        return farthest_in_group(part, place, sign, numbers), deviation

    def _is_average(self, place: int) -> bool:
        """Whether a condition is on an average in the constraint's units, which nothing else is held for."""
        condition, constraint = self.conditions[place], self.constraint(place)
        if condition.role == "held":
            return False
        if self.linear.groups[place] is not None:
            return isinstance(constraint, Average) and not _needs_others(constraint, self.context)
        return (condition.low, condition.high) == constraint.bounds(self.context)

    def _stated_end(self, place: int) -> float:
        """The end of the constraint's range that is in conflict."""
        low, high = self.constraint(place).bounds(self.context)
        return low if self.conflict.multipliers[place] > 0.0 else high

    def _only(self, places: Sequence[int]) -> ElasticConditions:
        """The conditions in conflict, and bounds on the weights if they are."""
        part = self.linear.keep(np.asarray(places))
        return part if self.conflict.with_bounds else replace(part, weight_bounds=None)

    def _contradiction(self) -> str:
        """The relation that holds in every row, and what the targets make of it."""
        places = [int(j) for j in self.conflict.places]
        factors, constant = self._relation()
        targets = np.array([self._end(j) for j in places])
        first = self.conditions[places[0]].statistic
        stated, implied = float(targets[0]), constant + float(factors @ targets[1:])
        distance = abs(stated - implied)
        how_much = f"{distance:.3g} apart ({distance / first.scale:.3g} standard deviations)"
        constraints = [self.constraint(j) for j in places]
        sums = describe_sums(constraints, factors, constant, targets, self.context)
        if sums is not None:
            return f"The targets contradict each other: {sums}, {how_much}."
        labels = [self.conditions[j].statistic.label for j in places]
        terms = [_term(f, label) for f, label in zip(factors, labels[1:], strict=True)]
        if abs(constant) > 1e-9 * max(first.scale, abs(first.mean)) or not terms:
            terms.append(f"{'-' if constant < 0 else '+'} {abs(constant):.6g}")
        stated_text, implied_text = apart(stated, implied)
        return (
            f"The targets contradict each other: in every row, ({labels[0]}) is "
            f"{' '.join(terms).removeprefix('+ ')}, and the targets make it {stated_text} and "
            f"{implied_text}, {how_much}."
        )

    def _relation(self) -> tuple[Floats, float]:
        """The first statistic as a sum of factors times the others, and a constant."""
        places = self.conflict.places
        statistics = [self.conditions[j].statistic for j in places]
        columns = np.c_[self.linear.phi[:, places[1:]], np.ones(self.linear.base.size)]
        root = np.sqrt(self.linear.base)[:, None]
        found = np.linalg.lstsq(root * columns, root[:, 0] * self.linear.phi[:, places[0]], rcond=None)[0]
        scales = np.array([s.scale for s in statistics])
        factors = found[:-1] * scales[0] / scales[1:]
        factors = np.where(np.abs(factors - np.round(factors)) < 1e-9, np.round(factors), factors)
        means = np.array([s.mean for s in statistics])
        return factors, float(means[0] - factors @ means[1:] + found[-1] * scales[0])

    def _end(self, place: int) -> float:
        """The end of a range that is in conflict."""
        condition = self.conditions[place]
        return condition.low if self.conflict.multipliers[place] > 0.0 else condition.high

    def _target_text(self, place: int) -> str:
        """What was stated for a condition, as it was stated."""
        if self.conditions[place].role == "held":
            return ""
        return _range_text(*self.constraint(place).bounds(self.context))

    def _bounds_text(self) -> str:
        assert self.linear.weight_bounds is not None
        low, high = self.linear.weight_bounds
        if np.isinf(high):
            return f"of at least {low:g} times the base weights"
        if low == 0.0:
            return f"of at most {high:g} times the base weights"
        return f"within {low:g} to {high:g} times the base weights"


def _term(factor: float, label: str) -> str:
    size = "" if abs(factor) == 1.0 else f"{abs(factor):.6g}*"
    return f"{'-' if factor < 0 else '+'} {size}({label})"


def _needs_others(constraint: Average, context: Context) -> bool:
    """Whether other quantities are held for an average."""
    return bool(constraint.needed(context))


def describe_searched(
    context: Context, farthest: tuple[Constraint, float] | None, is_irreducible: bool = True
) -> str:
    """Of constraints in conflict some of which are linear given scalars alone."""
    named = ", ".join(f"{one.label} {_range_text(*one.bounds(context))}" for one in context.constraints)
    n = len(context.constraints)
    if n == 1:
        return f"No weights reach {named}."
    rest = f", though some meet {'either alone' if n == 2 else f'any {n - 1} of them'}"
    if not is_irreducible:
        rest = " (fewer may be in conflict; trying to leave out each of them would have taken long)"
    how_far = ""
    if farthest is not None:
        constraint, value = farthest
        low, high = constraint.bounds(context)
        edge_text, end_text = apart(value, low if value < low else high)
        others = "other" if n == 2 else "others"
        how_far = (
            f" With the {others} met, the {constraint.label} goes {'up' if value < low else 'down'} to "
            f"about {edge_text}, not to {end_text}."
        )
    return f"No weights meet these {n} together{rest}: {named}.{how_far}"


def _range_text(low: float, high: float) -> str:
    if low == high:
        return f"{low:.6g}"
    if np.isinf(low):
        return f"of {high:.6g} at most"
    return f"of {low:.6g} at least" if np.isinf(high) else f"from {low:.6g} to {high:.6g}"
