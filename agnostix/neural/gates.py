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
from torch.utils.weak import WeakTensorKeyDictionary

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
        # Memory of tensors that depend on the input and have no gradient, by address: all of it (None), or
        # views of it; and the memory itself, so that no other tensor comes to lie there.
        self._dependent: dict[int, set[Any]] = {}
        self._held: list[Any] = []
        self._results = WeakTensorKeyDictionary()  # that may have a gradient, which is not known at once
        self._differentiable = {_address(points)}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch.compile is imported, which takes seconds, to keep it from compiling this class."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        into = args[0] if func._schema.is_mutable and args and isinstance(args[0], torch.Tensor) else None
        given = list(_tensors((args, kwargs or {})))
        operands = [one for one in given if self._depends(one)]
        has_gradient = torch.is_grad_enabled() and any(one.requires_grad for one in operands)
        is_hidden = into is not None and self._is_behind_the_graph(into)
        is_view = into is not None and into._is_view()
        results = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not operands or name in _OF_SHAPE:
            return results
        is_smooth = (
            has_gradient and name != "detach" and any(one.is_floating_point() for one in _tensors(results))
        )
        if is_hidden or (is_smooth and not all(one.requires_grad for one in operands)):
            self.gates[name.strip("_")] = None
        if is_smooth and is_view:
            self.in_place[name.strip("_")] = None
        self._enter(results, is_smooth, [_address(one) for one in given])
        return results

    def _depends(self, tensor: Any) -> bool:
        known = self._dependent.get(_address(tensor), ())
        return tensor.requires_grad or tensor in self._results or None in known or _view(tensor) in known

    def _is_behind_the_graph(self, into: Any) -> bool:
        """Whether what is written into is of the graph, and the graph does not see it, as through `.data`."""
        is_seen = torch.is_grad_enabled() and into.requires_grad
        return not is_seen and _address(into) in self._differentiable and self._depends(into)

    def _enter(self, results: Any, is_smooth: bool, addresses: list[int]) -> None:
        """Results of operands that depend on the input; `addresses` are those of all operands."""
        for one in _tensors(results):
            address = _address(one)
            if is_smooth and one.is_floating_point():
                self._differentiable.add(address)
                self._results[one] = None
                continue
            if address not in addresses:
                self._differentiable.discard(address)  # of a tensor that is gone
            is_whole = address not in self._dependent and address not in self._differentiable
            self._dependent.setdefault(address, set()).add(None if is_whole else _view(one))
            self._held.append(one.untyped_storage())


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
