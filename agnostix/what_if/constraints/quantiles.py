"""Constraints on quantiles and on the mean beyond one.

A number v is a q-quantile where P(X < v) <= q <= P(X <= v): two conditions on shares, which are linear in the
weights and are one where no row has the value v. A quantile lies from low to high where P(X < low) <= q and
P(X <= high) >= q.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.averages import (
    Average,
    Moment,
    average_of,
    moments_in_group,
    statistic_in_group,
)
from agnostix.what_if.constraints.base import (
    Compiled,
    Condition,
    Constraint,
    Context,
    OfColumn,
    Scalar,
    Target,
)
from agnostix.what_if.constraints.dispersion import numbers_of
from agnostix.what_if.sample import Statistic

_MANY = 20_000
"""Rows from which those far from a quantile are not sorted."""
_N_TRIED = 2_000
_REACH = 4.0
"""Standard errors of a quantile of the rows that are tried."""
_MARGIN = 1e-6
_ROUNDING = 1e-9
"""Share of the weight within which a share below a value counts as q."""


class QuantileConstraint(Constraint):
    """A quantile of numbers that each row has, over all rows or over those of a group."""

    q: float
    is_of_columns = True

    def numbers(self, context: Context) -> Numbers:
        """Of what it is the quantile, shape (n_rows,)."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        super().__post_init__()
        check_probability(self.subject, self.q)

    def members(self, context: Context) -> Bools | None:
        """The rows (n_rows,) that it is taken over, None for all."""
        where = self._where
        return None if where is None else where.members(context.sample)

    def measure(self, context: Context, weights: Floats) -> float:
        """The quantile under weights (n_rows,): of several, the one nearest to the target."""
        return nearest_quantile(
            self.numbers(context), self.members(context), weights, self.q, self.bounds(context)
        )

    def at_data(self, context: Context) -> float:
        """The quantile in the data: of several, the least."""
        return quantiles_of(self.numbers(context), self.members(context), context.base, self.q)[0]

    def at_fixed_quantiles(self, context: Context) -> Constraint:
        """The same, its target as a number."""
        return self.with_target(self.bounds(context))

    def compile(self, context: Context) -> Compiled:
        """Conditions on the share below the target and on that up to it."""
        return compile_quantile(self, context, self.numbers(context), self.members(context), self.q)


@dataclass(frozen=True)
class Quantile(OfColumn, QuantileConstraint):
    """A quantile of a column of numbers, over all rows or over those of a group.

    A number v is a q-quantile where P(X < v) <= q <= P(X <= v), which is linear
    in the weights. Where rows have the value v, the share of v itself is free.

    Parameters
    ----------
    feature : str
        Column of numbers.
    q : float
        Which quantile, above 0 and below 1: 0.5 is the median.
    target : float, str or pair of these
        The value to reach in the column's units, or a range (low, high) for it.
        Relative to the data's quantile: "+5", "-5", "*1.1".
    tolerance : float, default=None
        Widens a single target to a range, in the column's units.
    penalty : float, default=None
        The target may be missed, at a cost of penalty / 2 times the squared gap
        of the share below it from q, in standard deviations, in nats.
    where : mapping, default=None
        Rows that it is taken over: columns and the level, the list of levels or
        the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If q is not between 0 and 1, the target is no number, pair or relative
        target or not within the data, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.ExpectedShortfall : The mean beyond a quantile.

    Notes
    -----
    Second formulation: the values sorted and their weights cumulated; v is a
    q-quantile where the sum before its rows is at most q and the sum with them
    at least q.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection, Quantile
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if([Quantile("petal width (cm)", 0.5, 1.5)])
    >>> scenario.conditions[["label", "before", "reached"]]
                                  label  before  reached
    0  0.5 quantile of petal width (cm)     1.3      1.5
    """

    feature: str
    q: float
    target: Any
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Which quantile."""
        return f"{self.q:g} quantile"

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes."""
        return (*super().key, float(self.q))

    def numbers(self, context: Context) -> Numbers:
        """The column, shape (n_rows,)."""
        return numbers_of(context, self.feature)


@dataclass(frozen=True)
class ExpectedShortfall(OfColumn, Average):
    """The mean of a column of numbers beyond one of its quantiles: the average of the worst 1 - q.

    With the q-quantile held at v it is v + E[max(X - v, 0)] / (1 - q), which is
    linear in the weights [1]_.

    Parameters
    ----------
    feature : str
        Column of numbers, of which large ones are bad.
    q : float
        Which quantile, above 0 and below 1: beyond 0.95 lies the worst twentieth.
    target : float, str or pair of these
        The mean beyond the quantile to reach in the column's units, or a range
        (low, high) for it. Relative to the data's: "+5", "-5", "*1.1".
    quantile : float or str, default=None
        Where the quantile is held. None: where a `Quantile` of the same column
        states it as a number, else at the data's.
    tolerance : float, default=None
        Widens a single target to a range, in the column's units.
    penalty : float, default=None
        The target may be missed, at a cost of penalty / 2 times the squared gap
        in standard deviations of what is averaged, in nats.
    where : mapping, default=None
        Rows that it is taken over: columns and the level, the list of levels or
        the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If q is not between 0 and 1, a target is no number, pair or relative
        target or below the quantile, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.Quantile : The quantile itself.

    Notes
    -----
    Second formulation: the mean of the largest values that carry the weight
    1 - q together, the row at the quantile with the part of its weight that is
    beyond.

    References
    ----------
    .. [1] Rockafellar and Uryasev, "Conditional value-at-risk for general loss
       distributions", Journal of Banking and Finance 26, 2002.
       https://doi.org/10.1016/S0378-4266(02)00271-6

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection, ExpectedShortfall
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if(
    ...     [ExpectedShortfall("petal width (cm)", 0.9, "+0.05")]
    ... )
    >>> scenario.conditions[["role", "before", "reached"]].round(3)
         role  before  reached
    0  stated   2.353    2.403
    1    held   2.200    2.200
    """

    feature: str
    q: float
    target: Any
    quantile: Any = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    is_of_columns = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_probability(self.subject, self.q)
        if self.quantile is not None:
            if isinstance(self.quantile, tuple | list):
                raise ValueError(
                    f"The quantile of {self.label} is held at one number, got {self.quantile!r}."
                )
            Target.parse(f"{self.subject}, quantile", self.quantile)

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Beyond which quantile."""
        return f"expected shortfall beyond the {self.q:g} quantile"

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes."""
        return (*super().key, float(self.q))

    def measure(self, context: Context, weights: Floats) -> float:
        """The mean beyond the quantile under weights (n_rows,)."""
        numbers, member = numbers_of(context, self.feature), self.members(context)
        value, _ = quantiles_of(numbers, member, weights, self.q)
        beyond = average_of(np.maximum(numbers - value, 0.0), member, weights)
        return value + beyond / (1.0 - self.q)

    def at_fixed_quantiles(self, context: Context) -> ExpectedShortfall:
        """The same, with the number that the quantile is held at."""
        return replace(self, quantile=float(self._held(context)[0].target))

    def numbers(self, context: Context) -> Numbers:
        """What is averaged where the quantile is held, shape (n_rows,)."""
        value = float(self._held(context)[0].target)
        return value + np.maximum(numbers_of(context, self.feature) - value, 0.0) / (1.0 - self.q)

    def compile(self, context: Context) -> Compiled:
        """The condition on the mean beyond the quantile, and those that hold the quantile."""
        held, is_stated = self._held(context)
        value = float(held.target)
        tails, member = self.numbers(context), self.members(context)
        low, high = self.bounds(context)
        if high <= value:
            raise ValueError(
                f"The {self.label} must be above the quantile, which is held at {value:.6g}, got {high:.6g}. "
                "Raise it, or hold the quantile lower with quantile=."
            )
        self._check_varies(tails, member)
        own = Moment(self.label, member, (low, high), self._target.penalty, context.base)
        compiled = own.compile(lambda _: tails)
        if is_stated:
            return compiled
        companions = [
            replace(one, role="held", held=held) for one in held.compile(context).conditions(np.empty(0))
        ]
        note = f"The {held.label} is held at {value:.6g}."
        return replace(
            compiled,
            conditions=lambda values: compiled.conditions(values) + companions,
            notes=(note,),
        )

    def _held(self, context: Context) -> tuple[Quantile, bool]:
        """The quantile as it is held, and whether a constraint states just that."""
        quantile = Quantile(self.feature, self.q, "+0", where=self.where)
        stated = context.stated(quantile)
        if self.quantile is not None:
            quantile = replace(quantile, target=self.quantile)
        low = quantile.bounds(context)[0]
        if stated is None:
            return quantile.with_target(low), False
        ends = stated.bounds(context)
        if self.quantile is None:
            low = float(np.clip(low, *ends))
        is_stated = ends == (low, low) and not stated.is_soft
        if not is_stated and not (ends[0] <= low <= ends[1] or stated.is_soft):
            raise ValueError(
                f"The {self.label} holds the quantile at {low:.6g}, which is stated as {stated.target!r}. "
                "Leave quantile= out."
            )
        return quantile.with_target(low), is_stated


def check_probability(subject: str, q: Any) -> None:
    """ValueError unless q is a number above 0 and below 1."""
    is_number = isinstance(q, int | float | np.integer | np.floating)
    if not (is_number and 0.0 < q < 1.0):
        raise ValueError(
            f"The quantile of {subject!r} must be a number above 0 and below 1, such as 0.5, got q={q!r}."
        )


def quantiles_of(numbers: Numbers, member: Bools | None, weights: Floats, q: float) -> tuple[float, float]:
    """The least and the largest q-quantile of numbers (n_rows,) among the members, NaN without weight."""
    if member is not None:
        numbers, weights = numbers[member], weights[member]
    live = weights > 0.0
    numbers, weights = numbers[live], weights[live]
    if weights.size == 0:
        return float("nan"), float("nan")
    numbers, weights, before, total = _around(numbers, weights, q)
    order = np.argsort(numbers, kind="stable")
    below = (before + np.cumsum(weights[order])) / total
    last = below.size - 1
    first = np.searchsorted(below, q - _ROUNDING), np.searchsorted(below, q + _ROUNDING)
    low, high = (float(numbers[order[min(int(place), last)]]) for place in first)
    return low, high


def _around(numbers: Numbers, weights: Floats, q: float) -> tuple[Numbers, Floats, float, float]:
    """The rows around the q-quantile, the weight of those below them, and the weight of all."""
    total = float(weights.sum())
    if numbers.size < _MANY:
        return numbers, weights, 0.0, total
    tried = np.sort(numbers[:: numbers.size // _N_TRIED])
    place = q * tried.size
    low, high = (
        tried[int(np.clip(place + side * _REACH * np.sqrt(tried.size), 0, tried.size - 1))]
        for side in (-1.0, 1.0)
    )
    below, inside = numbers < low, (numbers >= low) & (numbers <= high)
    before, within = float(weights[below].sum()), float(weights[inside].sum())
    if before < (q - _MARGIN) * total and before + within > (q + _MARGIN) * total:
        return numbers[inside], weights[inside], before, total
    return numbers, weights, 0.0, total  # the weights are far from equal: all rows are sorted


def nearest_quantile(
    numbers: Numbers, member: Bools | None, weights: Floats, q: float, stated: tuple[float, float]
) -> float:
    """Of the q-quantiles of numbers (n_rows,) among the members the one nearest to what is stated."""
    low, high = stated
    if low == high:  # two sums tell whether it is one, without sorting
        inside = weights if member is None else np.where(member, weights, 0.0)
        total = float(inside.sum())
        below, up_to = (float(inside[part].sum()) / total for part in (numbers < low, numbers <= low))
        if below <= q + _ROUNDING and up_to >= q - _ROUNDING:
            return low
    least, most = quantiles_of(numbers, member, weights, q)
    return float(np.clip(np.clip(least, *stated), least, most))


def compile_quantile(
    constraint: Constraint, context: Context, numbers: Numbers, member: Bools | None, q: float
) -> Compiled:
    """Conditions on the shares of numbers (n_rows,) below and up to the target."""
    low, high = constraint.bounds(context)
    inside = numbers if member is None else numbers[member]
    if high < inside.min() or low > inside.max():
        shown = f"{low:.6g}" if low == high else f"from {low:.6g} to {high:.6g}"
        raise DataError(
            f"The {constraint.label} cannot be {shown}: the values run from {inside.min():.6g} to "
            f"{inside.max():.6g}. State one of these or between."
        )
    below, up_to = numbers < low, numbers <= high
    names = (f"{constraint.subject} < {low:.6g}", f"{constraint.subject} <= {high:.6g}")
    penalty = constraint.penalty or np.inf
    if member is None:
        return Compiled.fixed(_share_conditions(names, (below, up_to), q, penalty, context.base))
    labels = tuple(f"{name} where {constraint.where_label}" for name in names)
    if penalty == np.inf:
        return Compiled.fixed(_group_conditions(labels, (below, up_to), member, q, context.base))
    return _soft_in_group(constraint, labels, (below, up_to), member, q, context.base)


def _share_conditions(
    names: tuple[str, str], indicators: tuple[Bools, Bools], q: float, penalty: float, base: Floats
) -> list[Condition]:
    """P(below) <= q <= P(up to), as one condition where no row has the value."""
    below, up_to = (_indicator(name, member, base) for name, member in zip(names, indicators, strict=True))
    if np.array_equal(*indicators):
        return [Condition(up_to, q, q, penalty)]
    conditions = []
    if indicators[0].any():
        conditions.append(Condition(below, -np.inf, q, penalty))
    if not indicators[1].all():
        conditions.append(Condition(up_to, q, np.inf, penalty))
    return conditions


def _indicator(name: str, member: Bools, base: Floats) -> Statistic:
    return Statistic.from_share(name, None, member, float(base[member].sum() / base.sum()))


def _group_conditions(
    labels: tuple[str, ...], indicators: tuple[Bools, Bools], member: Bools, q: float, base: Floats
) -> list[Condition]:
    """The same among the members."""
    return _given_shares(
        _statistics_in_group(labels, indicators, member, q, base), (q, q), indicators, member
    )


def _statistics_in_group(
    labels: tuple[str, ...], indicators: tuple[Bools, Bools], member: Bools, q: float, base: Floats
) -> list[Statistic]:
    return [
        statistic_in_group(label, indicator, member, q, base)
        for label, indicator in zip(labels, indicators, strict=True)
    ]


def _given_shares(
    statistics: list[Statistic], shares: tuple[float, float], indicators: tuple[Bools, Bools], member: Bools
) -> list[Condition]:
    """Among the members, P(below) at most the first share and P(up to) at least the second."""
    below, up_to = (
        replace(one, values=np.where(member, indicator - at, 0.0))
        for one, at, indicator in zip(statistics, shares, indicators, strict=True)
    )
    if shares[0] == shares[1] and not (indicators[0] != indicators[1])[member].any():
        return [Condition(up_to, 0.0, 0.0)]
    conditions = []
    if indicators[0][member].any():
        conditions.append(Condition(below, -np.inf, 0.0))
    if not indicators[1][member].all():
        conditions.append(Condition(up_to, 0.0, np.inf))
    return conditions


def _soft_in_group(
    constraint: Constraint,
    labels: tuple[str, ...],
    indicators: tuple[Bools, Bools],
    member: Bools,
    q: float,
    base: Floats,
) -> Compiled:
    """The same, where q may be missed: the share on the wrong side is searched over."""
    penalty = float(constraint.penalty or np.inf)
    if not (indicators[0] != indicators[1])[member].any():
        moment = Moment(constraint.label, member, (q, q), penalty, base)
        share = indicators[1].astype(float)
        return moment.compile(lambda _: share)
    statistics = _statistics_in_group(labels, indicators, member, q, base)
    (p_below, sd_below), (p_up_to, sd_up_to) = (moments_in_group(one, member, base) for one in indicators)
    scalar = Scalar(constraint.label, float(np.clip(q, p_below, p_up_to)), 0.0, 1.0)

    def conditions(values: Floats) -> list[Condition]:
        share = float(values[0])
        return _given_shares(statistics, (max(share, q), min(share, q)), indicators, member)

    def penalty_of(values: Floats) -> float:
        gap = float(values[0]) - q
        deviation = sd_below if gap > 0.0 else sd_up_to
        return 0.5 * penalty * (gap / deviation) ** 2 if gap and deviation > 0.0 else 0.0

    return Compiled(conditions, (scalar,), penalty_of)
