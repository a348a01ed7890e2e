"""What constraints on group rates share: the rates, the group that the target binds, what is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.typing import Bools, Floats
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Scalar, Where
from agnostix.what_if.constraints.decisions import decide, is_of_class
from agnostix.what_if.constraints.group_rates import (
    GroupConditions,
    GroupRate,
    HeldShareConditions,
    RateBound,
    list_groups,
)
from agnostix.what_if.constraints.held import Hold
from agnostix.what_if.constraints.measures import GroupShare, RatePair, comparison_quantity
from agnostix.what_if.constraints.rates import FalsePositiveRate, SelectionRate, TruePositiveRate
from agnostix.what_if.metrics import Quantity
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.table import Table

GroupedRate = SelectionRate | TruePositiveRate | FalsePositiveRate

_NEAR_END = 1e-9
"""How far a searched rate stays from 0 and 1, where the rows of one decision would lose all weight."""


class Extreme(NamedTuple):
    """A rate, a group and the sign of its difference: one of those that the target may bind."""

    rate: int
    group: str
    sign: float


@dataclass(frozen=True)
class GroupComparison(Constraint):
    """Rates of decisions in groups, compared with those of a reference group."""

    target: Any = None
    _: KW_ONLY
    group: str | Sequence[str]
    reference: Any
    compared: Any = None
    favorable: Any = None
    threshold: float | None = None
    hold_shares: bool = False
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    is_ratio: ClassVar[bool] = False
    is_measure: ClassVar[bool] = True
    kinds: ClassVar[tuple[type[GroupedRate], ...]] = (SelectionRate,)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that make the groups."""
        return (str(self.group),) if isinstance(self.group, str) else tuple(map(str, self.group))

    @property
    def named(self) -> tuple[str, Any]:
        """The columns that make the groups, and the reference group."""
        is_mapping = isinstance(self.reference, Mapping)
        levels = tuple(self.reference.values()) if is_mapping else self.reference
        return " x ".join(self.columns), tuple(levels) if isinstance(levels, list) else levels

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes."""
        options = (self.reference, self.compared, self.favorable, self.threshold, self.hold_shares)
        return (*super().key[:1], self.columns, repr(options), *super().key[-1:])

    @property
    def shifted(self) -> tuple[str, ...]:
        """The columns that make the groups."""
        return self.columns

    @property
    def subject(self) -> str:
        """What it is about, in messages: "disparate impact of sex"."""
        return f"{self.kind} of {self.named[0]}"

    @property
    def label(self) -> str:
        """Its name: "disparate impact of sex, reference Male"."""
        compared = [] if self.compared is None else self.compared
        names = ", ".join(map(_in_words, compared if isinstance(compared, list) else [compared]))
        of = f" = {names}" if names else ""
        return self._with_where(f"{self.subject}{of}, reference {_in_words(self.reference)}")

    def rates(
        self, context: Context, kinds: Sequence[type[GroupedRate]] | None = None
    ) -> tuple[GroupRate, ...]:
        """The rates in each group, the reference group first: those that are compared, or of some kinds."""
        where = self._where
        if where is not None and (both := set(where.features) & set(self.columns)):
            raise ValueError(
                f"Column {both.pop()!r} makes the groups of {self.subject}: leave it out of where."
            )
        rows = self._rows(context)
        groups = list_groups(context.sample, self.columns, self.reference, self.compared, rows)
        rates = []
        for kind in kinds or self.kinds:
            eligible = np.ones(context.base.size, dtype=bool) if rows is None else rows
            if kind is not SelectionRate:
                eligible = eligible & (is_of_class(context, self.favorable) == (kind is TruePositiveRate))
            decisions = decide(context, self.favorable, self.threshold)
            members, constraints = {}, {}
            for levels in groups:
                group, among = Where(tuple(levels.items())), {**levels, **(self.where or {})}
                members[group.label] = eligible & group.members(context.sample)
                options = {"positive": self.favorable, "threshold": self.threshold, "where": among}
                constraints[group.label] = kind(0.5, **options)
            rates.append(GroupRate(decisions, members, constraints))
        return tuple(rates)

    def _rows(self, context: Context) -> Bools | None:
        """Rows (n_rows,) among which groups are compared, None for all."""
        rows = None if self._where is None else self._where.members(context.sample)
        lacking = np.any([context.sample.column(name).missing for name in self.columns], axis=0)
        if not lacking.any():
            return rows
        return ~lacking if rows is None else rows & ~lacking

    def pairs(self, context: Context) -> dict[str, RatePair]:
        """The ratio or difference of each rate and group as a function of the weights, by its name."""
        rates = self.rates(context)
        for rate in rates:
            rate.check_has_rows()
        is_absolute = not self.is_ratio and len(list_extremes(rates, self.is_ratio)) > 1
        named = {}
        for rate in rates:
            shares = {group: GroupShare(rate.decisions, member) for group, member in rate.groups.items()}
            for group in rate.compared:
                pair = RatePair(shares[group], shares[rate.reference], self.is_ratio, is_absolute)
                named[f"{rate.name} where {group}"] = pair
        return named

    def quantities(self, table: Table, predictions: Predictions) -> list[Quantity]:
        """The ratio or difference as a function of the weights: of several, the one a target is about."""
        pairs = self.pairs(Context.of_table(table, predictions))
        return [comparison_quantity(self.label, list(pairs.values()))]

    def by_group(self, context: Context, weights: Floats) -> dict[str, float]:
        """The ratio or difference of each rate and group under weights (n_rows,), by its name."""
        named = {}
        for rate in self.rates(context):
            reference, *others = rate.by_group(weights).values()
            for group, value in zip(rate.compared, others, strict=True):
                measure = (value / reference if reference else np.nan) if self.is_ratio else value - reference
                named[f"{rate.name} where {group}"] = float(measure)
        return named

    def measure(self, context: Context, weights: Floats) -> float:
        """The ratio or difference under weights (n_rows,): of several, the one that the target is about."""
        values = np.array(list(self.by_group(context, weights).values()))
        if np.isnan(values).any():
            return float("nan")
        if self.is_ratio:
            return float(values.min())
        return float(values[0]) if values.size == 1 else float(np.abs(values).max())

    def bounds(self, context: Context) -> tuple[float, float]:
        """The ends of the range it must lie in; only the difference of two groups may be negative."""
        low, high = super().bounds(context)
        if low < 0.0 and (self.is_ratio or len(list_extremes(self.rates(context), self.is_ratio)) > 1):
            if low < high and high >= 0.0:
                return 0.0, high
            what = "A ratio of rates" if self.is_ratio else "The largest of several differences"
            raise ValueError(f"{what} is 0 or more, and the target of {self.label!r} is {self.target!r}.")
        return low, high

    def compile(self, context: Context) -> Compiled:
        """Conditions that are linear given the reference group's rates, which are searched over."""
        rates = self.rates(context)
        for rate in rates:
            rate.check_varies()
        conditions = ComparisonConditions(self, rates, self.bounds(context), context)
        penalty_of = conditions.penalty_of if self.is_soft else None
        return Compiled(conditions.given, conditions.scalars, penalty_of, conditions.notes)


def list_extremes(rates: Sequence[GroupRate], is_ratio: bool) -> tuple[Extreme, ...]:
    """What the target may bind: a ratio or difference, and of several differences each with both signs."""
    pairs = [(k, group) for k, rate in enumerate(rates) for group in rate.compared]
    signs = (1.0,) if is_ratio or len(pairs) == 1 else (1.0, -1.0)
    return tuple(Extreme(k, group, sign) for k, group in pairs for sign in signs)


@dataclass(frozen=True)
class ComparisonConditions:
    """Conditions of a comparison, given reference rates, a soft target's value and the extreme."""

    constraint: GroupComparison
    rates: tuple[GroupRate, ...]
    target: tuple[float, float]
    context: Context

    @property
    def base(self) -> Floats:
        """Base weights (n_rows,)."""
        return self.context.base

    @cached_property
    def holds(self) -> tuple[Hold, ...]:
        """The reference group's rates: searched over, or stated."""
        constraints = (rate.constraints[rate.reference] for rate in self.rates)
        return tuple(Hold.from_context(self.context, one, is_free=True) for one in constraints)

    @cached_property
    def extremes(self) -> tuple[Extreme, ...]:
        """What the target may bind."""
        return list_extremes(self.rates, self.constraint.is_ratio)

    @cached_property
    def data(self) -> float:
        """The data's ratio or difference."""
        signed = [e.sign * self._compare(e) for e in self.extremes]
        return min(signed) if self.constraint.is_ratio else max(signed)

    @property
    def has_choice(self) -> bool:
        """Whether the target binds one of several groups, and which is searched over."""
        low, high = self.target
        one_sided = np.isinf(high) if self.constraint.is_ratio else low <= 0.0
        return len(self.extremes) > 1 and (self.constraint.is_soft or not one_sided)

    @cached_property
    def scalars(self) -> tuple[Scalar, ...]:
        """What is searched over: reference rates, the value of a soft target, which group it binds."""
        constraint = self.constraint
        found = [] if constraint.hold_shares else list(self._reference_scalars.values())
        if constraint.is_soft:
            found.append(Scalar(constraint.label, self.data, *self._reach))
        if self.has_choice:
            name, choices = f"What binds in the {constraint.label}", tuple(map(self._choice, self.extremes))
            found.append(Scalar(name, 0.0, 0.0, len(choices) - 1.0, choices))
        return tuple(found)

    @cached_property
    def _reference_scalars(self) -> dict[int, Scalar]:
        """The reference group's rates that are searched over, by the rate."""
        scalars = {}
        for k, hold in enumerate(self.holds):
            if (one := hold.scalar) is not None:
                low, high = self._rate_range(k)
                scalars[k] = one._replace(low=max(one.low, low), high=min(one.high, high))
        return scalars

    def _rate_range(self, k: int) -> tuple[float, float]:
        """Reference rates that the target leaves room for, given where other groups' rates may be."""
        least, most = _NEAR_END, 1.0 - _NEAR_END
        if self.constraint.is_soft:
            return least, most
        low, high = self.target
        is_one, is_ratio = len(self.extremes) == 1, self.constraint.is_ratio
        for group in self.rates[k].compared:
            stated = self.context.stated(self.rates[k].constraints[group])
            is_hard = stated is not None and not stated.is_soft
            a, b = stated.bounds(self.context) if stated is not None and is_hard else (least, most)
            if is_ratio:
                most = min(most, b / low) if low > 0.0 else most
                least = max(least, a / high) if is_one else least
            else:
                least, most = max(least, a - high), min(most, b - low if is_one else b + high)
        return least, most

    @property
    def notes(self) -> tuple[str, ...]:
        """What is compared with what, and what is held or searched."""
        rate, constraint = self.rates[0], self.constraint
        shares = "held at the data's" if constraint.hold_shares else "free"
        return (
            f"The {' and the '.join(one.name for one in self.rates)} where {rate.reference} "
            f"{'is' if len(self.rates) == 1 else 'are'} compared with those where "
            f"{', where '.join(rate.compared)}; the shares of these groups are {shares}.",
        )

    def given(self, values: Floats) -> list[Condition]:
        """The conditions, given what is searched (n_scalars,)."""
        constraint = self.constraint
        n_searched = 0 if constraint.hold_shares else len(self._reference_scalars)
        low, high = (float(values[n_searched]),) * 2 if constraint.is_soft else self.target
        chosen = self.extremes[round(float(values[-1]))] if self.has_choice else None
        bounds = self._bounds(low, high, chosen)
        if constraint.hold_shares:
            return list(self._held.given(bounds))
        references = np.array([hold.value for hold in self.holds])
        references[list(self._reference_scalars)] = values[:n_searched]
        return list(self._free.given(references, bounds))

    def penalty_of(self, values: Floats) -> float:
        """Cost of a soft target's value, in nats."""
        value = float(values[0 if self.constraint.hold_shares else len(self._reference_scalars)])
        gap = value - min(max(value, self.target[0]), self.target[1])
        return 0.5 * self.constraint._target.penalty * (gap / self._deviation) ** 2

    @cached_property
    def _free(self) -> GroupConditions:
        return GroupConditions.from_rates(self.rates, self.base)

    @cached_property
    def _held(self) -> HeldShareConditions:
        return HeldShareConditions(self.rates, self.base)

    def _bounds(self, low: float, high: float, chosen: Extreme | None) -> list[RateBound]:
        """What each rate and group must keep to: the chosen one to the target, the others not beyond it."""
        is_ratio = self.constraint.is_ratio
        if chosen is None and len(self.extremes) == 1:
            chosen = self.extremes[0]
        bounds = []
        for k, group in dict.fromkeys((e.rate, e.group) for e in self.extremes):
            ends = (low, np.inf) if is_ratio else (-high, high)
            if chosen is not None and (k, group) == (chosen.rate, chosen.group):
                ends = (low, high) if chosen.sign > 0.0 else (-high, -low)
            slopes = [(end, 0.0) if np.isfinite(end) else (1.0, end) for end in ends]
            bounds.append(RateBound(k, group, *(slopes if is_ratio else [(1.0, end) for end in ends])))
        return bounds

    def _compare(self, extreme: Extreme) -> float:
        """The data's ratio or difference of a rate and group."""
        rates = self.rates[extreme.rate].by_group(self.base)
        own, reference = rates[extreme.group], rates[self.rates[extreme.rate].reference]
        return own / reference if self.constraint.is_ratio else own - reference

    @property
    def _reach(self) -> tuple[float, float]:
        """The range in which a soft target's value is searched."""
        if self.constraint.is_ratio:
            return _NEAR_END, 1.0 + 3.0 * max(self.data, min(self.target[1], 1e3))
        return (-1.0, 1.0) if len(self.extremes) == 1 else (0.0, 1.0)

    @cached_property
    def _deviation(self) -> float:
        """Standard deviation of the decisions compared, for a ratio over the data's reference rate."""
        rate = self.rates[0]
        member = np.any(list(rate.groups.values()), axis=0)
        weights = self.base[member] / self.base[member].sum()
        share = float(weights @ rate.decisions[member])
        deviation = float(np.sqrt(share * (1.0 - share)))
        return deviation / rate.by_group(self.base)[rate.reference] if self.constraint.is_ratio else deviation

    def _choice(self, extreme: Extreme) -> str:
        """In words, the group that the target binds."""
        if self.constraint.is_ratio:
            return extreme.group
        side = "above" if extreme.sign > 0.0 else "below"
        return f"{self.rates[extreme.rate].name} where {extreme.group}, {side} the reference"


def _in_words(levels: Any) -> str:
    """The level of a group, or that of each column where columns are crossed."""
    several = tuple(levels.values()) if isinstance(levels, Mapping) else levels
    return " and ".join(
        label_text(one, ()) for one in (several if isinstance(several, tuple) else (several,))
    )
