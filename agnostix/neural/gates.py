"""Gates that the autograd graph does not show: masks made of the input, and written without gradients.

`x * (x > 0)`, `torch.where(x > 0, x, 0)` and `x.masked_fill(x < 0, 0)` are ReLU, but their nodes in the
graph are those of a product or a choice with a constant. `GateFinder` follows, through one forward pass,
which tensors depend on the input, and notes operations of one that has a gradient with one that has none.
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
    """Context of a forward pass; `gates` are the names of operations that hide a gate."""

    def __init__(self, points: Any) -> None:
        super().__init__()
        self.gates: dict[str, None] = {}  # in the order of the forward pass
        # By the addresses of their memory, so that views and operations in place count too. An address that
        # is used again comes back as the result of an operation, and is entered anew.
        self._dependent = {_address(points)}
        self._differentiable = {_address(points)}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        operands = [one for one in _tensors((args, kwargs or {})) if _address(one) in self._dependent]
        name = func.overloadpacket.__name__
        if not operands or name in _OF_SHAPE:
            self._forget(results)
            return results
        has_gradient = torch.is_grad_enabled() and any(one.requires_grad for one in operands)
        is_smooth = has_gradient and any(one.is_floating_point() for one in _tensors(results))
        if (is_smooth and not all(one.requires_grad for one in operands)) or self._is_hidden(func, args):
            self.gates[name.strip("_")] = None
        for one in _tensors(results):
            self._dependent.add(_address(one))
            if is_smooth:
                self._differentiable.add(_address(one))
        return results

    def _forget(self, results: Any) -> None:
        """Results that do not depend on the input may lie where one lay that did."""
        for one in _tensors(results):
            self._dependent.discard(_address(one))
            self._differentiable.discard(_address(one))

    def _is_hidden(self, func: Any, args: Any) -> bool:
        """Whether an operation writes into a tensor of the graph behind its back, as through `.data`."""
        if not func._schema.is_mutable or not args or not isinstance(args[0], torch.Tensor):
            return False
        is_seen = torch.is_grad_enabled() and args[0].requires_grad
        return not is_seen and _address(args[0]) in self._differentiable


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
