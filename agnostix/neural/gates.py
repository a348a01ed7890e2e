"""What the autograd graph does not show: masks made of the input, and operations in place on views.

`x * (x > 0)`, `torch.where(x > 0, x, 0)` and `x.masked_fill(x < 0, 0)` are ReLU, but their nodes in the
graph are those of a product or a choice with a constant. `GateFinder` follows, through one forward pass,
which tensors depend on the input, and notes operations of one that has a gradient with one that has none. It
also notes what is run in place on a part of a tensor, which is one node, `CopySlices`, whatever it runs.
Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_OF_SHAPE = frozenset(
    f"{kind}_like" for kind in ("empty", "full", "ones", "rand", "randint", "randn", "zeros")
) | frozenset(f"new_{kind}" for kind in ("empty", "empty_strided", "full", "ones", "zeros"))
"""Operations whose results depend on the shape of a tensor, not on its values."""


class GateFinder(TorchDispatchMode):
    """Context of a forward pass; `gates` and `in_place` are the names of operations that it has hidden."""

    def __init__(self, points: Any) -> None:
        super().__init__()
        self.gates: dict[str, None] = {}  # in the order of the forward pass
        self.in_place: dict[str, None] = {}
        # Memory of tensors that depend on the input, by address: all of it (None), or views of it. One that
        # has a gradient depends on the input in any case.
        self._dependent: dict[int, set[Any]] = {}
        self._differentiable = {_address(points)}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        into = args[0] if func._schema.is_mutable and args and isinstance(args[0], torch.Tensor) else None
        given = list(_tensors((args, kwargs or {})))
        operands = [one for one in given if self._depends(one)]
        name = func.overloadpacket.__name__
        has_gradient = torch.is_grad_enabled() and any(one.requires_grad for one in operands)
        is_hidden = into is not None and self._is_behind_the_graph(into)
        is_view = into is not None and into._is_view()
        addresses = [_address(one) for one in given]
        results = func(*args, **(kwargs or {}))
        for one in _tensors(results):
            if _address(one) not in addresses:  # new memory, where a tensor may have been that is gone
                self._dependent.pop(_address(one), None)
                self._differentiable.discard(_address(one))
        if not operands or name in _OF_SHAPE:
            return results
        is_smooth = has_gradient and any(one.is_floating_point() for one in _tensors(results))
        if is_hidden or (is_smooth and not all(one.requires_grad for one in operands)):
            self.gates[name.strip("_")] = None
        if is_smooth and is_view:
            self.in_place[name.strip("_")] = None
        self._enter(results, is_smooth, addresses)
        return results

    def _depends(self, tensor: Any) -> bool:
        known = self._dependent.get(_address(tensor), ())
        return tensor.requires_grad or None in known or _view(tensor) in known

    def _is_behind_the_graph(self, into: Any) -> bool:
        """Whether what is written into is of the graph, and the graph does not see it, as through `.data`."""
        is_seen = torch.is_grad_enabled() and into.requires_grad
        return not is_seen and _address(into) in self._differentiable and self._depends(into)

    def _enter(self, results: Any, is_smooth: bool, addresses: list[int]) -> None:
        """Results of operands that depend on the input; `addresses` are those of all operands."""
        for one in _tensors(results):
            address = _address(one)
            if address not in addresses:
                self._dependent[address] = {None}
            elif not is_smooth:
                is_written = address not in self._dependent and address not in self._differentiable
                self._dependent.setdefault(address, set()).add(None if is_written else _view(one))
            if is_smooth:
                self._differentiable.add(address)


def _tensors(arguments: Any) -> Iterator[Any]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(arguments, torch.Tensor):
        yield arguments
    elif isinstance(arguments, list | tuple):
        for one in arguments:
            yield from _tensors(one)
    elif isinstance(arguments, dict):
        yield from _tensors(list(arguments.values()))


def _address(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)


def _view(tensor: Any) -> tuple[Any, ...]:
    return tensor.storage_offset(), tensor.shape, tensor.stride()
