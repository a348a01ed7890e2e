"""What `what_if` takes besides constraints: mappings of columns, tables and keywords; and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Constraint, Context
from agnostix.what_if.constraints.margins import Parts
from agnostix.what_if.constraints.moments import Mean, Proportion
from agnostix.what_if.constraints.other_tables import is_table, read_table
from agnostix.what_if.constraints.outcome import Prediction
from agnostix.what_if.constraints.rates import ErrorRate
from agnostix.what_if.table import Table

Form = Literal["object", "mapping", "prediction", "prediction of output", "error_rate"]


@dataclass(frozen=True)
class Item:
    """A constraint and the form in which it was stated."""

    constraint: Constraint
    form: Form = "object"
    place: int = 0  # in the list of constraints
    parts: tuple[Constraint, ...] = ()  # of one quantity each


@dataclass(frozen=True)
class Statement:
    """What a scenario was stated to be."""

    items: tuple[Item, ...]
    is_list: bool = False  # whether the constraints were a list rather than a mapping
    options: dict[str, Any] = field(default_factory=dict)  # keywords of `what_if` besides the constraints
    notes: tuple[str, ...] = ()  # what was made of it, in sentences

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that it needs."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.constraint.features))

    @property
    def shifted(self) -> tuple[str, ...]:
        """Columns that it shifts."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.constraint.shifted))

    def in_context(self, context: Context) -> Context:
        """The context with its constraints, one quantity each; ValueError if two state the same."""
        items = tuple(replace(item, parts=item.constraint.parts(context)) for item in self.items)
        parts = tuple(part for item in items for part in item.parts)
        notes = (*self.notes, *(note for item in items for note in item.constraint.notes(context)))
        statement = replace(self, items=items, notes=notes)
        _check_different(parts)
        context = replace(context, constraints=parts, statement=statement)
        return context

    def arguments(self, parts: Sequence[Constraint]) -> dict[str, Any]:
        """Arguments of `what_if` in the form of the statement, from its parts with other targets."""
        rest = iter(parts)
        listed: dict[int, Any] = {}
        arguments: dict[str, Any] = {}
        for item in self.items:
            one = item.constraint.with_parts([next(rest) for _ in item.parts])
            if item.form == "object":
                listed[item.place] = one
            elif item.form == "mapping":
                feature, target = _as_entry(one)
                listed.setdefault(item.place, {})[feature] = target
            elif item.form == "prediction of output":
                arguments.setdefault("prediction", {})[one.named[1]] = one.target
            elif item.form == "prediction":
                arguments["prediction"] = {item.parts[0].named[1]: one.target}
            else:
                arguments["error_rate"] = one.target
        if listed:
            arguments = {"constraints": self._as_constraints(listed)} | arguments
        return arguments | self.options

    def _as_constraints(self, listed: dict[int, Any]) -> Any:
        flat: list[Any] = []
        for one in listed.values():
            flat.extend(one.listed if isinstance(one, Parts) else [one])
        return flat if self.is_list or len(flat) > 1 else flat[0]


def read_statement(
    table: Table,
    constraints: Any,
    prediction: Any = None,
    error_rate: Any = None,
    options: dict[str, Any] | None = None,
) -> Statement:
    """The statement that the arguments of `what_if` make about a table's columns."""
    is_list = isinstance(constraints, list | tuple)
    listed = list(constraints) if is_list else [] if constraints is None else [constraints]
    notes: list[str] = []
    items: list[Item] = []
    for place, one in enumerate(listed):
        stated = one
        if is_table(one):
            stated, own = read_table(table, one)
            notes.extend(own)
        _check_have_averages(table, stated)
        items.extend(_read_item(stated, place))
    items.extend(_read_outcome(prediction, error_rate))
    if not items:
        raise ValueError("what_if needs at least one of constraints, prediction and error_rate.")
    return Statement(tuple(items), is_list, options or {}, tuple(notes))


def _check_have_averages(table: Table, stated: Any) -> None:
    """DataError for columns of dates or lists, whatever their targets are."""
    names = stated if isinstance(stated, Mapping) else getattr(stated, "shifted", ())
    for name in names:
        column = table.columns.get(str(name))
        if column is not None and column.kind in ("date", "nested"):
            raise DataError(f"Column {column.name!r} cannot be shifted: {column.immovable_reason()}.")


def _read_item(stated: Any, place: int) -> Iterator[Item]:
    if isinstance(stated, Constraint):
        yield Item(stated, "object", place)
    elif isinstance(stated, Mapping):
        for feature, target in stated.items():
            is_block = isinstance(target, Mapping)
            one = Proportion(str(feature), target) if is_block else Mean(str(feature), target)
            yield Item(one, "mapping", place)
    else:
        raise ValueError(
            "constraints must be a mapping from columns, such as {'age': 50, 'sex': {'Female': 0.5}}, or a "
            "list of constraints, such as [Mean('age', 50), Proportion('sex', 'Female', 0.5)]; got "
            f"{stated!r}."
        )


def _read_outcome(prediction: Any, error_rate: Any) -> Iterator[Item]:
    if isinstance(prediction, Mapping):
        for output, target in prediction.items():
            yield Item(Prediction(target, output=str(output)), "prediction of output")
    elif prediction is not None:
        yield Item(Prediction(prediction), "prediction")
    if error_rate is not None:
        yield Item(ErrorRate(error_rate), "error_rate")


def _as_entry(constraint: Constraint) -> tuple[str, Any]:
    """Entry of a mapping of columns."""
    feature = constraint.named[0]
    return feature, constraint.level if isinstance(constraint, Proportion) else constraint.target


def _check_different(parts: Sequence[Constraint]) -> None:
    first: dict[Any, Constraint] = {}
    for part in parts:
        if part.key in first:
            raise ValueError(
                f"The {part.label} is stated twice, as {first[part.key].target!r} and {part.target!r}. "
                "Keep one of them."
            )
        first[part.key] = part
