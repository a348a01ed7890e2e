"""What a constraint is: a quantity of the reweighted rows, where it must lie, and its linear conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.table import Column, Table

if TYPE_CHECKING:
    from agnostix.what_if.constraints.short_forms import Statement

_RELATIVE = re.compile(r"([+\-*])\s*(\d+\.?\d*(?:[eE][+\-]?\d+)?|\.\d+(?:[eE][+\-]?\d+)?)")
Role = Literal["stated", "held"]
Self = TypeVar("Self", bound="Constraint")


class Relative(NamedTuple):
    """A target relative to the data's value: "+5", "-5" or "*1.1"."""

    sign: str  # "+", "-" or "*"
    amount: float

    def at(self, value: float) -> float:
        """The target, for this value in the data."""
        if self.sign == "*":
            return value * self.amount
        return value + self.amount if self.sign == "+" else value - self.amount


End = float | Relative


class Target(NamedTuple):
    """Where a quantity must lie: at a number, in a range, or near one of these at a price."""

    low: End
    high: End
    tolerance: float = 0.0  # on both sides of a single number
    penalty: float = np.inf  # infinite where it must lie there

    @classmethod
    def parse(cls, subject: str, target: Any, tolerance: Any = None, penalty: Any = None) -> Target:
        """A number or relative target, or a pair of these; ValueError for others."""
        bounds = tuple(target) if isinstance(target, tuple | list) else (target, target)
        try:
            low, high = (_read_end(bound) for bound in bounds)
        except (TypeError, ValueError, OverflowError):
            low = high = np.nan
        plain = [end for end in (low, high) if not isinstance(end, Relative)]
        is_open = (
            len(plain) == 2 and plain[0] < plain[1] and np.isfinite(plain).any()
        )  # one end may be infinite
        if not (all(map(np.isfinite, plain)) or is_open) or (len(plain) == 2 and not plain[0] <= plain[1]):
            raise _bad_target(subject, target)
        if tolerance is not None and penalty is not None:
            raise ValueError(
                f"{subject!r} has both a tolerance and a penalty. Keep one: a tolerance makes a range that "
                "must be met, a penalty a wish that may be missed."
            )
        width = 0.0 if tolerance is None else _read_size(subject, "tolerance", tolerance, 0.0)
        if tolerance is not None and isinstance(target, tuple | list):
            raise ValueError(
                f"The tolerance of {subject!r} widens a single target, and {target!r} is a range. Widen the "
                "range, or state one number."
            )
        cost = np.inf if penalty is None else _read_size(subject, "penalty", penalty, np.finfo(float).tiny)
        return cls(low, high, width, cost)

    @property
    def is_soft(self) -> bool:
        """Whether it may be missed."""
        return self.penalty < np.inf

    def resolve(self, subject: str, at_data: Callable[[], float]) -> tuple[float, float]:
        """The ends of the range, tolerance included, given the data's value."""
        low, high = (end.at(at_data()) if isinstance(end, Relative) else end for end in (self.low, self.high))
        if low > high:
            raise ValueError(
                f"The range of {subject!r} runs from {low:.6g} to {high:.6g}, its ends being relative to the "
                f"data's {at_data():.6g}. State the lower one first."
            )
        return low - self.tolerance, high + self.tolerance


def _read_end(bound: Any) -> End:
    if isinstance(bound, str):
        relative = _RELATIVE.fullmatch(bound.strip())
        if relative is None:
            raise ValueError
        return Relative(relative[1], float(relative[2]))
    return float(bound)


def _read_size(subject: str, name: str, value: Any, least: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not least <= number < np.inf:
        at_least = "a number above 0" if least > 0.0 else "a number of 0 or more"
        raise ValueError(f"The {name} of {subject!r} must be {at_least}, got {value!r}.")
    return number


def _bad_target(subject: str, target: Any) -> ValueError:
    hint = ""
    if isinstance(target, str) and target.strip().endswith("%"):
        hint = " For a share of the data's value, state a factor: '*1.05' is 5 % more, '*0.95' 5 % less."
    elif isinstance(target, str):
        hint = (
            " Relative to the data: '+5', '-5' or '*1.1'."
            f" For a level's proportion: {{{subject.split(' = ')[0]!r}: {{{target!r}: 0.5}}}}."
        )
    return ValueError(
        f"The target of {subject!r} must be a number or a pair (low, high) with low <= high, "
        f"got {_in_one_line(target)}.{hint}"
    )


def _in_one_line(value: Any) -> str:
    """A value as text, cut where it is long, as a mask of rows is."""
    return shorten(repr(value), 80, placeholder=" ...")


@dataclass(frozen=True)
class Where:
    """Rows that meet a condition on columns: a level, one of several, or numbers from low to high."""

    conditions: tuple[tuple[str, Any], ...]  # column and what its value must be

    @classmethod
    def parse(cls, where: Any) -> Where | None:
        """From a mapping of columns; None for none."""
        if where is None:
            return None
        if not isinstance(where, Mapping) or not where:
            raise ValueError(
                "where must map columns to a level, a list of levels or a range of numbers, such as "
                f"{{'sex': 'Female', 'age': (30, 40)}}, got {_in_one_line(where)}."
            )
        return cls(tuple((str(name), wanted) for name, wanted in where.items()))

    @property
    def features(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(name for name, _ in self.conditions)

    @property
    def label(self) -> str:
        """In words: "sex = Female, age 30 to 40"."""
        return ", ".join(_describe(name, wanted) for name, wanted in self.conditions)

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What tells it from others, whatever the order of its columns."""
        return tuple(sorted((name, repr(wanted)) for name, wanted in self.conditions))

    def members(self, sample: Sample) -> Bools:
        """The rows (n_rows,) of a sample that meet it; DataError if none does."""
        member = np.ones(sample.base.size, dtype=bool)
        for name, wanted in self.conditions:
            member &= _meets(sample.column(name), wanted)
        if not member.any():
            raise DataError(
                f"No row has {self.label}, so nothing can be said of such rows. Widen the condition."
            )
        return member


def _describe(name: str, wanted: Any) -> str:
    if isinstance(wanted, tuple) and len(wanted) == 2 and all(map(_is_number, wanted)):
        low, high = wanted
        if low == -np.inf or high == np.inf:
            return f"{name} {low:g} or more" if high == np.inf else f"{name} {high:g} or less"
        return f"{name} {low:g} to {high:g}"
    if isinstance(wanted, list | tuple | set | frozenset):
        return f"{name} in {', '.join(label_text(one, ()) for one in wanted)}"
    return f"{name} = {label_text(wanted, ())}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def _meets(column: Column, wanted: Any) -> Bools:
    """Where a column has a level, one of several, or a number from low to high, shape (n_rows,)."""
    if column.kind in ("date", "nested"):
        raise DataError(f"Column {column.name!r} cannot be used in where: {column.immovable_reason()}.")
    if column.levels:
        levels = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        return _is_one_of(column.values, [column.level_code(level) for level in levels])
    if isinstance(wanted, tuple):
        try:
            low, high = (float(end) for end in wanted)
        except (TypeError, ValueError, OverflowError):
            low, high = np.nan, np.nan
        if not low <= high:
            raise ValueError(
                f"where of the column {column.name!r}, which holds numbers, must be one of them, a list of "
                f"these, or a pair (low, high) with low <= high, got {wanted!r}."
            )
        return (column.values >= low) & (column.values <= high)
    levels = list(wanted) if isinstance(wanted, list | set | frozenset) else [wanted]
    return _is_one_of(column.values, [column.number(level) for level in levels])


def _is_one_of(values: Any, wanted: list[Any]) -> Bools:
    return np.asarray(values == wanted[0]) if len(wanted) == 1 else np.isin(values, wanted)


@dataclass(frozen=True)
class Context:
    """What constraints are compiled on."""

    sample: Sample  # rows with a value of every column that is needed
    predictions: Predictions  # in the table's order; sample.restrict(...) for the rows
    constraints: tuple[Constraint, ...] = ()  # all of them, one quantity each
    statement: Statement | None = None  # how they were stated

    @classmethod
    def of_table(cls, table: Table, predictions: Predictions) -> Context:
        """All rows of a table, whether or not they have a value of a column."""
        return cls(Sample.from_table(table, ()), predictions)

    @property
    def base(self) -> Floats:
        """Base weights (n_rows,)."""
        return self.sample.base

    def stated(self, quantity: Constraint) -> Constraint | None:
        """The constraint on the quantity of another, if there is one, however it is stated."""
        wanted = quantity.identity(self)
        kind = type(quantity)
        return next(
            (one for one in self.constraints if type(one) is kind and one.identity(self) == wanted), None
        )


@dataclass(frozen=True)
class Condition:
    """One linear condition on the weights: low <= sum of weights times values <= high."""

    statistic: Statistic  # its values (n_rows,), standardized on the base weights
    low: float  # in the statistic's units; -inf where there is no lower end
    high: float
    penalty: float = np.inf  # of half the squared gap in standard deviations; infinite: it must hold
    source: int = 0  # the constraint that it comes from
    role: Role = "stated"  # "held" where it travels with what is stated
    held: Constraint | None = None  # what is held
    group: Bools | None = None  # (n_rows,), within which it is taken: the group must keep weight

    def end_at(self, z: float) -> float:
        """The end of the range that is z in standard deviations, as it was stated; else z in its units."""
        ends = (self.low, self.high)
        return next((end for end in ends if self.statistic.to_z(end) == z), float(self.statistic.from_z(z)))


class Scalar(NamedTuple):
    """A number that is searched over, where the conditions are linear only given it."""

    name: str  # "selection rate where sex = Male": shared by the constraints that need it
    start: float
    low: float
    high: float
    choices: tuple[str, ...] = ()  # in words, where it is the number of one of these, from 0 on

    def within(self, other: Scalar) -> Scalar:
        """The same where another constraint needs it too, in the range that both allow."""
        return self._replace(low=max(self.low, other.low), high=min(self.high, other.high))


@dataclass(frozen=True)
class Compiled:
    """Linear conditions, given the scalars that are searched over."""

    conditions: Callable[[Floats], list[Condition]]  # from the scalars' values (n_scalars,)
    scalars: tuple[Scalar, ...] = ()
    penalty_of: Callable[[Floats], float] | None = None  # cost of the scalars' values, in nats
    notes: tuple[str, ...] = ()  # sentences on what was done besides

    @classmethod
    def fixed(cls, conditions: Sequence[Condition], notes: Sequence[str] = ()) -> Compiled:
        """Conditions without scalars."""
        return cls(lambda _: list(conditions), notes=tuple(notes))


class Constraint:
    """A quantity of the reweighted rows and where it must lie: base class of all."""

    kind: ClassVar[str]
    is_measure: ClassVar[bool] = False  # whether it can be measured, as a metric, without a target
    is_of_columns: ClassVar[bool] = False  # whether the columns that it needs determine its conditions
    target: Any
    tolerance: float | None
    penalty: float | None
    where: Any

    @property
    def named(self) -> tuple[str, Any]:
        """Column, or what else it is about, and level, as in `Scenario.conditions`."""
        raise NotImplementedError

    @property
    def shifted(self) -> tuple[str, ...]:
        """Columns that are shifted, and therefore must not be constant."""
        raise NotImplementedError

    def measure(self, context: Context, weights: Floats) -> float:
        """The quantity under weights (n_rows,), from these alone."""
        raise NotImplementedError

    def compile(self, context: Context) -> Compiled:
        """Its linear conditions."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        if self.target is not None or not self.is_measure:
            self._target  # noqa: B018 - raises for a target that is none
        elif self.tolerance is not None or self.penalty is not None:
            raise ValueError(f"The {self.label} has no target: leave out its tolerance and penalty.")
        self._where  # noqa: B018

    @cached_property
    def _target(self) -> Target:
        if self.target is None and self.is_measure:
            raise ValueError(
                f"The {self.label} has no target, so it can be measured, as metric=, and not be reached. "
                f"State the value to reach: {type(self).__name__}(0.5, ...)."
            )
        return Target.parse(self.subject, self.target, self.tolerance, self.penalty)

    @cached_property
    def _where(self) -> Where | None:
        return Where.parse(self.where)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that it needs; rows without a value of one are left out."""
        where = self._where
        return tuple(dict.fromkeys((*self.shifted, *(where.features if where else ()))))

    @property
    def subject(self) -> str:
        """What it is about, in messages: "sex = Female"."""
        feature, level = self.named
        return feature if level is None else f"{feature} = {label_text(level, ())}"

    @property
    def where_label(self) -> str:
        """The condition on other columns, empty if there is none."""
        where = self._where
        return where.label if where else ""

    @property
    def label(self) -> str:
        """Its name: "mean of age where sex = Female"."""
        return self._with_where(f"{self.kind} of {self.subject}")

    def _with_where(self, text: str) -> str:
        where = self.where_label
        return f"{text} where {where}" if where else text

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes, whatever the target; two constraints of one scenario must differ in it."""
        where = self._where
        feature, level = self.named
        return (type(self).__name__, feature, type(level), level, where.key if where else ())

    def identity(self, context: Context) -> tuple[Any, ...]:
        """What it fixes on these rows, however it is stated."""
        return self.key

    @property
    def is_soft(self) -> bool:
        """Whether it may be missed."""
        return self._target.is_soft

    def notes(self, context: Context) -> tuple[str, ...]:
        """Sentences on what is made of it."""
        return ()

    def parts(self, context: Context) -> tuple[Constraint, ...]:
        """Constraints of one quantity each that it consists of."""
        return (self,)

    def with_parts(self, parts: Sequence[Constraint]) -> Constraint:
        """The same with the targets of its parts."""
        return self.with_target(parts[0].target)

    def with_target(self: Self, target: Any) -> Self:
        """The same quantity with another target: a number or a pair (low, high)."""
        return replace(self, target=target, tolerance=None)  # type: ignore[type-var]

    def at_fixed_quantiles(self, context: Context) -> Constraint:
        """The same with what depends on a quantile of the data, which moves in jumps, as a number."""
        return self

    def bounds(self, context: Context) -> tuple[float, float]:
        """The ends of the range it must lie in, relative ones in numbers."""
        return self._target.resolve(self.subject, lambda: self.at_data(context))

    def at_data(self, context: Context) -> float:
        """The quantity in the data, to which relative targets are relative."""
        return self.measure(context, context.base)


class OfColumn:
    """What constraints on the numbers or labels of one column say of it."""

    feature: Any

    @property
    def named(self) -> tuple[str, Any]:
        """The column."""
        return str(self.feature), None

    @property
    def shifted(self) -> tuple[str, ...]:
        """The column."""
        return (str(self.feature),)
