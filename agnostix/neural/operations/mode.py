"""Every operation of a forward pass on tensors that vary with the input, handed to the rule of its kind.

A function mode of torch sees functions as they are called: `nn.ReLU`, `F.relu` and `x.relu_()` alike.
Functions of torch that are written in Python, such as multi-head attention, are opened: their own operations
come one by one. What a mode cannot see, as inside TorchScript, `guard` finds in the graph. Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from agnostix.neural.operations.catalog import IN_PLACE, KINDS, WHOLE
from agnostix.neural.operations.kept import KeptValues


@dataclass
class Operation:
    """A call of a function of torch, at least one of whose operands varies with the input."""

    name: str  # without the underscores of methods and operations in place
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    is_in_place: bool = False

    def run(self) -> Any:
        """What torch computes, with its own derivative."""
        if self.is_in_place and self.args[0]._is_view():
            # In the graph, what is done in place on a part of a tensor cannot be seen.
            return self.compute(self.args[0])
        result = self.function(*self.args, **self.kwargs)
        return self.args[0] if self.is_in_place else result

    def compute(self, *args: Any) -> Any:
        """The function of other operands in the place of the first ones, which are left as they are."""
        if self.is_in_place:
            args = (args[0].clone(), *args[1:])
        kwargs = {name: value for name, value in self.kwargs.items() if name not in ("inplace", "out")}
        result = self.function(*args, *self.args[len(args) :], **kwargs)
        return args[0] if result is None else result

    def operand(self, place: int, name: str, default: Any = None) -> Any:
        """An operand by its place or its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)


class OperationMode(TorchFunctionMode):
    """Context of a forward pass; a method writes a rule for each kind of operation, `_rule_<kind>`.

    A rule takes an `Operation` and returns its result, with a graph that passes what the method passes. Kinds
    without a rule, and operations of no kind, have torch's own derivative.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept = KeptValues()
        self._opened: list[Any] = []
        self._is_paused = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        is_in_place = _is_in_place(name) or kwargs.get("inplace") is True
        is_in_place = is_in_place and bool(args) and isinstance(args[0], torch.Tensor)
        if is_in_place:
            self.kept.before_writing(args[0])
        if isinstance(kwargs.get("out"), torch.Tensor):
            self.kept.before_writing(kwargs["out"])
        if name == "__get__" or not torch.is_grad_enabled() or not any(map(varies, tensors((args, kwargs)))):
            return func(*args, **kwargs)
        is_python = isinstance(func, FunctionType)
        if is_python and name not in WHOLE and func not in self._opened:
            return self._open(func, args, kwargs)
        operation = Operation(_strip(name), func, tuple(args), kwargs, is_in_place)
        self._begin(operation)
        rule = getattr(self, f"_rule_{KINDS.get(operation.name, '')}", None)
        result = operation.run() if rule is None else rule(operation)
        if is_in_place and result is not args[0]:
            self.kept.before_writing(args[0])  # what the rule has kept
            args[0].copy_(result)
            return args[0]
        return result

    def _begin(self, operation: Operation) -> None:
        """An operation is about to run."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Context in which operations run as torch has them."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def _open(self, function: Any, args: Any, kwargs: Any) -> Any:
        """The result of a function written in Python, whose own operations come to this mode."""
        self._opened.append(function)
        try:
            with self:
                return _opened(function)(*args, **kwargs)
        finally:
            self._opened.pop()


def varies(tensor: Any) -> bool:
    """Whether a tensor varies with the input: parameters need no gradient here."""
    return isinstance(tensor, torch.Tensor) and tensor.requires_grad


def tensors(arguments: Any) -> Iterator[Any]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(arguments, torch.Tensor):
        yield arguments
    elif isinstance(arguments, list | tuple):
        for one in arguments:
            yield from tensors(one)
    elif isinstance(arguments, dict):
        yield from tensors(list(arguments.values()))


def replace_tensors(arguments: Any, change: Any) -> Any:
    """The same nested lists, tuples and dicts with each tensor changed."""
    if isinstance(arguments, torch.Tensor):
        return change(arguments)
    if isinstance(arguments, list | tuple):
        return type(arguments)(replace_tensors(one, change) for one in arguments)
    if isinstance(arguments, dict):
        return {name: replace_tensors(one, change) for name, one in arguments.items()}
    return arguments


def _is_in_place(name: str) -> bool:
    return name in IN_PLACE or (name.endswith("_") and not name.endswith("__"))


def _strip(name: str) -> str:
    return name.strip("_")


@cache
def _opened(function: FunctionType) -> FunctionType:
    """A function of torch that does not hand itself to function modes, which it does first."""
    closed = dict.fromkeys(
        ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"), lambda *_: False
    )
    twin = FunctionType(
        function.__code__,
        {**function.__globals__, **closed},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin
