"""Operations of two forward passes: what each had, and whether they are the same. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from agnostix.neural.operations.kept import Kept, KeptValues
from agnostix.neural.operations.mode import Operation, tensors, varies

_CHOOSING = frozenset(["getitem", "select", "narrow", "index_select"])
"""Operations whose integers say which values pass."""


@dataclass
class Step:
    """One operation of a pass: its constants, and values that its rule has kept."""

    name: str
    constants: tuple[Kept, ...]
    numbers: tuple[Any, ...]
    values: tuple[Kept, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The first operation in which two passes differ, and in what: "operations", "shapes" or "constants"."""

    kind: str
    name: str


class Tape:
    """The operations of a forward pass, in order."""

    def __init__(self, kept: KeptValues) -> None:
        self.steps: list[Step] = []
        self._kept = kept

    def enter(self, operation: Operation) -> None:
        """Add an operation that is about to run."""
        arguments = (operation.args, operation.kwargs)
        constants = [one for one in tensors(arguments) if not varies(one) and one.layout == torch.strided]
        numbers = _numbers(arguments, operation.name in _CHOOSING)
        self.steps.append(Step(operation.name, tuple(map(self._kept.keep, constants)), tuple(numbers)))

    def keep(self, *values: Any) -> int:
        """Keep tensors of the operation that has been entered last; its place."""
        self.steps[-1].values = tuple(map(self._kept.keep, values))
        return len(self.steps) - 1


def _numbers(arguments: Any, with_integers: bool) -> Iterator[Any]:
    """Numbers that could have been computed from the input, in nested lists, tuples and dicts."""
    if isinstance(arguments, float) or (with_integers and isinstance(arguments, int | slice)):
        yield arguments
    elif isinstance(arguments, list | tuple):
        for one in arguments:
            yield from _numbers(one, with_integers)
    elif isinstance(arguments, dict):
        yield from _numbers(list(arguments.values()), with_integers)


def find_difference(rows: Tape, base: Tape) -> Difference | None:
    """Where the pass of rows and that of their baseline, which may be one for all, are not the same."""
    for one, other in zip(rows.steps, base.steps, strict=False):
        if one.name != other.name or len(one.constants) != len(other.constants):
            return Difference("operations", one.name)
        pairs = zip(one.values, other.values, strict=True)
        if not all(_broadcasts(a.value, b.value) for a, b in pairs):
            return Difference("shapes", one.name)
        constants = zip(one.constants, other.constants, strict=True)
        if one.numbers != other.numbers or not all(_is_same(a.value, b.value) for a, b in constants):
            return Difference("constants", one.name)
    longer = max(rows.steps, base.steps, key=len)
    n_both = min(len(rows.steps), len(base.steps))
    return Difference("operations", longer[n_both].name) if len(longer) > n_both else None


def _broadcasts(tensor: Any, base: Any) -> bool:
    sizes = zip(tensor.shape, base.shape, strict=False)
    return tensor.ndim == base.ndim and all(own in (size, 1) for size, own in sizes)


def _is_same(tensor: Any, base: Any) -> bool:
    """Whether constants are equal, that of the baseline for all rows."""
    if not _broadcasts(tensor, base):
        return False
    if tensor.data_ptr() == base.data_ptr() and tensor.stride() == base.stride():
        return True
    equal = tensor == base
    return bool((equal | ((tensor != tensor) & (base != base))).all())
