"""Functions of torch as functions of their varying operands alone. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from agnostix.neural.operations.mode import Operation, replace_tensors, tensors, varies


@dataclass(frozen=True)
class _Slot:
    """Where an operand was, so that what is kept of a function does not hold its graph."""

    place: int


def varying_operands(operation: Operation) -> list[Any]:
    """Operands that vary with the input, each once."""
    found = {id(one): one for one in tensors((operation.args, operation.kwargs)) if varies(one)}
    return list(found.values())


def function_of(operation: Operation, *operands: Any) -> Callable[..., Any]:
    """The function of an operation, of these operands, which it leaves as they are."""
    places = {id(one): place for place, one in enumerate(operands)}
    kwargs = {name: one for name, one in operation.kwargs.items() if name not in ("inplace", "out")}
    template = replace_tensors(
        (operation.args, kwargs), lambda one: _Slot(places[id(one)]) if id(one) in places else one
    )
    function, is_in_place = operation.function, operation.is_in_place

    def compute(*given: Any) -> Any:
        args, rest = _filled(template, [one.clone() for one in given] if is_in_place else given)
        return function(*args, **rest)

    return compute


def _filled(template: Any, given: Any) -> Any:
    if isinstance(template, _Slot):
        return given[template.place]
    if isinstance(template, list | tuple):
        return type(template)(_filled(one, given) for one in template)
    if isinstance(template, dict):
        return {name: _filled(one, given) for name, one in template.items()}
    return template


def sum_to(gradient: Any, shape: Any) -> Any:
    """A gradient of what was broadcast, for a tensor of some shape."""
    return gradient if gradient.shape == shape else gradient.sum_to_size(shape)


def arrange_last(x: Any, axes: list[int]) -> Any:
    """A tensor with some axes put together as the last one."""
    return x.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes))


def rearrange(x: Any, axes: list[int], shape: Any) -> Any:
    """The inverse, for the shape that it was."""
    return x.unflatten(-1, [shape[axis] for axis in axes]).movedim(list(range(-len(axes), 0)), axes)


def reduced_axes(axes: Any, n_dims: int) -> list[int]:
    """Axes that an operation reduces: all for None or an empty list."""
    listed = [axes] if isinstance(axes, int) else list(axes or range(n_dims))
    return [axis % n_dims for axis in listed] or [0]


def find_pooled(operation: Operation) -> Callable[[Any], Any]:
    """A function that gives the places (..., n_outputs) of the largest values in windows of max pooling."""
    digit = next(one for one in operation.name if one.isdigit())
    is_adaptive = operation.name.startswith("adaptive")
    name = f"{'adaptive_' if is_adaptive else ''}max_pool{digit}d_with_indices"
    names = ("output_size",) if is_adaptive else ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    defaults = (None,) if is_adaptive else (None, None, 0, 1, False)
    given = [
        operation.operand(i + 1, one, default)
        for i, (one, default) in enumerate(zip(names, defaults, strict=True))
    ]
    pool = getattr(torch.nn.functional, name)
    return lambda x: pool(x, *given)[1].flatten(-int(digit))
