"""Rates of decisions in groups, and the linear conditions that hold them at a ratio or difference.

With d the decision and c the rate of the reference group B, the rate of a group A is a c + s where

    E[1_B (d - c)] = 0   and   E[1_A (d - a c - s)] = 0,

which is linear in the weights given c, whatever the groups' shares. With the shares held at p_A and p_B it is
linear outright: E[1_A d] / p_A - a E[1_B d] / p_B = s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.averages import Average, average_of
from agnostix.what_if.constraints.base import Condition, Where
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.table import Column

_MAX_NUMBERS = 20
_SHARES = {
    "selection rate": "share",
    "true positive rate": "share of positives",
    "false positive rate": "share of negatives",
}
"""Names of the shares that are held, by the rate that is taken over them."""


@dataclass(frozen=True)
class GroupRate:
    """A rate of decisions in several groups, the reference group first."""

    decisions: Floats  # (n_rows,), 1 for the favorable decision
    groups: Mapping[str, Bools]  # the rows (n_rows,) that it is taken over, by group
    constraints: Mapping[str, Average]  # on the rate of each group, targets left aside

    @property
    def name(self) -> str:
        """Its name: "selection rate"."""
        return self.constraints[self.reference].kind

    @property
    def reference(self) -> str:
        """The group that others are compared with."""
        return next(iter(self.groups))

    @property
    def compared(self) -> tuple[str, ...]:
        """The other groups."""
        return tuple(self.groups)[1:]

    def by_group(self, weights: Floats) -> dict[str, float]:
        """The rate in each group under weights (n_rows,), NaN in a group without weight."""
        return {group: average_of(self.decisions, member, weights) for group, member in self.groups.items()}

    def _remedy(self, group: str) -> str:
        if group == self.reference:
            return "Compare with another group, as reference=..."
        return "Leave that group out, by naming the others in compared=[...]."

    def check_has_rows(self) -> None:
        """DataError if a group has no rows."""
        for group, member in self.groups.items():
            if not member.any():
                raise DataError(f"No row counts for the {self.name} where {group}. {self._remedy(group)}")

    def check_varies(self) -> None:
        """DataError if a group has no rows, or the same decision in all of its rows."""
        self.check_has_rows()
        for group, member in self.groups.items():
            decisions = self.decisions[member]
            if decisions.min() == decisions.max():
                raise DataError(
                    f"The {self.name} where {group} is {decisions[0]:g} in every one of its {decisions.size} "
                    f"rows, so no reweighting moves it. {self._remedy(group)}"
                )


@dataclass(frozen=True)
class RateBound:
    """The rate of a group, from slope * c + low to slope * c + high, c being that of the reference group."""

    rate: int  # which of several rates
    group: str
    low: tuple[float, float]  # slope and shift, shift -inf where there is no lower end
    high: tuple[float, float]


@dataclass(frozen=True)
class GroupConditions:
    """Conditions on rates with the groups' shares free, linear given the reference group's rates."""

    rates: tuple[GroupRate, ...]
    statistics: Mapping[tuple[int, str], Statistic]  # at the data's rates

    @classmethod
    def from_rates(cls, rates: Sequence[GroupRate], base: Floats) -> GroupConditions:
        """The statistic of each rate and group, standardized on the base weights (n_rows,)."""
        statistics = {}
        for k, rate in enumerate(rates):
            for group, value in rate.by_group(base).items():
                numbers = np.where(rate.groups[group], rate.decisions - value, 0.0)
                label = f"{rate.name} where {group}"
                statistics[k, group] = Statistic.from_numbers(label, None, numbers, base)
        return cls(tuple(rates), statistics)

    def given(self, references: Floats, bounds: Sequence[RateBound]) -> Iterator[Condition]:
        """The conditions, given the reference group's rates (n_rates,)."""
        for k, rate in enumerate(self.rates):
            yield self._condition(k, rate.reference, float(references[k]), 0.0, 0.0)
        for bound in bounds:
            c = float(references[bound.rate])
            low, high = (slope * c + shift for slope, shift in (bound.low, bound.high))
            if low == high:
                yield self._condition(bound.rate, bound.group, low, 0.0, 0.0)
                continue
            if np.isfinite(low):
                yield self._condition(bound.rate, bound.group, low, 0.0, np.inf)
            if np.isfinite(high):
                yield self._condition(bound.rate, bound.group, high, -np.inf, 0.0)

    def _condition(self, k: int, group: str, value: float, low: float, high: float) -> Condition:
        """The mean of 1_G (d - value), standardized as at the data's rate, from low to high."""
        member = self.rates[k].groups[group]
        numbers = np.where(member, self.rates[k].decisions - value, 0.0)
        return Condition(replace(self.statistics[k, group], values=numbers), low, high, group=member)


@dataclass(frozen=True)
class HeldShareConditions:
    """Conditions on rates with the groups' shares held, linear in the weights."""

    rates: tuple[GroupRate, ...]
    base: Floats

    def given(self, bounds: Sequence[RateBound]) -> Iterator[Condition]:
        """The conditions, those on the shares included."""
        for rate in self.rates:
            for group, member in rate.groups.items():
                label = f"{_SHARES[rate.name]} where {group}"
                share = Statistic.from_numbers(label, None, member.astype(float), self.base)
                yield Condition(share, share.mean, share.mean, role="held")
        for bound in bounds:
            if bound.low == bound.high:
                yield from self._between(bound, bound.low[0], bound.low[1], bound.low[1])
                continue
            if np.isfinite(bound.low[1]):
                yield from self._between(bound, bound.low[0], bound.low[1], np.inf)
            if np.isfinite(bound.high[1]):
                yield from self._between(bound, bound.high[0], -np.inf, bound.high[1])

    def _between(self, bound: RateBound, slope: float, low: float, high: float) -> Iterator[Condition]:
        rate = self.rates[bound.rate]
        own, reference = rate.groups[bound.group], rate.groups[rate.reference]
        shares = float(self.base[own].sum()), float(self.base[reference].sum())
        values = rate.decisions * (own / shares[0] - slope * reference / shares[1])
        label = f"{rate.name} where {bound.group} against {rate.reference}"
        yield Condition(Statistic.from_numbers(label, None, values, self.base), low, high)


def list_groups(
    sample: Sample, columns: Sequence[str], reference: Any, compared: Any, rows: Bools | None
) -> list[dict[str, Any]]:
    """The level of each column in each group, the reference group first."""
    places = [_group_column(sample.column(name)) for name in columns]
    own = _find_group(places, reference, "reference")
    if compared is None:
        others = [code for code in _present(places, rows) if code != own]
    else:
        wanted = compared if isinstance(compared, list) else [compared]
        others = [_find_group(places, one, "compared") for one in wanted]
    if own in others or not others:
        name = Where(tuple(_levels(places, own).items())).label
        problem = "there are no others" if not others else "leave it out of compared"
        raise ValueError(f"The group {name} is the reference that others are compared with: {problem}.")
    return [_levels(places, group) for group in [own, *others]]


def _present(columns: Sequence[Column], rows: Bools | None) -> list[tuple[float, ...]]:
    """Codes, or numbers, of the columns that occur together, in increasing order."""
    inside = slice(None) if rows is None else rows
    together = np.zeros(columns[0].values[inside].size, dtype=np.intp)
    known = []
    for column in columns:
        values, own = np.unique(column.values[inside], return_inverse=True)
        known.append(values)
        together = together * values.size + own.ravel()
    places = np.unravel_index(np.unique(together), [values.size for values in known])
    return list(zip(*(values[at].tolist() for values, at in zip(known, places, strict=True)), strict=True))


def _group_column(column: Column) -> Column:
    if column.kind in ("date", "nested"):
        raise DataError(f"Column {column.name!r} makes no groups: {column.immovable_reason()}.")
    n_values = 0 if column.levels else np.unique(column.values).size
    if n_values > _MAX_NUMBERS:
        raise DataError(
            f"Column {column.name!r} holds {n_values} different numbers; at most {_MAX_NUMBERS} make groups. "
            f"Cut it into ranges first, as pandas.cut(X[{column.name!r}], 4)."
        )
    return column


def _find_group(columns: Sequence[Column], group: Any, name: str) -> tuple[float, ...]:
    """Codes, or numbers, of a group in each of the columns."""
    names = [column.name for column in columns]
    if isinstance(group, Mapping) and set(group) == set(names):
        levels = [group[column] for column in names]
    elif len(columns) == 1:
        levels = [group]
    elif isinstance(group, tuple | list) and len(group) == len(columns):
        levels = list(group)
    else:
        example = tuple(column.levels[0] if column.levels else column.values[0] for column in columns)
        raise ValueError(
            f"{name} must have a level for each of the columns {names}, such as {example!r}, got {group!r}."
        )
    return tuple(
        float(column.level_code(level)) if column.levels else column.number(level)
        for column, level in zip(columns, levels, strict=True)
    )


def _levels(columns: Sequence[Column], group: Sequence[float]) -> dict[str, Any]:
    """Levels, or numbers, of a group by column."""
    return {
        column.name: column.levels[int(code)] if column.levels else code
        for column, code in zip(columns, group, strict=True)
    }
