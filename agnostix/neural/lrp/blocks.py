"""Elementwise arithmetic in blocks that fit the cache, with sums by row. Imports nothing.

Tensors of inner layers are larger than any cache, and a rule is a dozen passes over them: in blocks it takes
a fraction of the time, and no memory but for its results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agnostix.neural.lrp.conservation import Account

BLOCK = 1 << 15
"""Numbers in a block."""
Kernel = Callable[..., tuple[Sequence[Any], dict[str, Any]]]
"""From the bias (or None) and blocks of tensors to blocks of results, and amounts to be summed by name."""


def in_blocks(kernel: Kernel, account: Account, tensors: Sequence[Any], bias: Any) -> list[Any]:
    """Results of a kernel for tensors in the shape of an output; its amounts go to the account."""
    output = tensors[0]
    view = _layout(output, bias) if account.has_rows_first and output.device.type == "cpu" else None
    if view is None or output.numel() <= BLOCK:
        results, amounts = kernel(bias, *tensors)
        for name, amount in amounts.items():
            account.absorb(name, amount)
        return list(results)
    if bias is not None and bias.numel() > 1:
        bias = bias.reshape(-1, 1) if view is _channels_first else bias.reshape(-1)
    alike = [one if _is_alike(one, output) else _empty_like(output).copy_(one) for one in tensors]
    return _run(kernel, account, alike, bias, view)


def _run(kernel: Kernel, account: Account, tensors: Sequence[Any], bias: Any, view: Any) -> list[Any]:
    """The same for tensors of one layout in memory, seen as (n, a, b), and a bias (a, 1), (b,) or ()."""
    views = [view(one) for one in tensors]
    n, n_first, n_last = views[0].shape
    step = max(1, BLOCK // n_last)
    is_by_first = bias is not None and bias.ndim == 2
    results: list[Any] = []
    written: list[Any] = []
    for row in range(n):
        sums: dict[str, float] = {}
        for start in range(0, n_first, step):
            part = slice(start, start + step)
            blocks, amounts = kernel(bias[part] if is_by_first else bias, *(one[row, part] for one in views))
            if not results:
                results = [_empty_like(tensors[0]) for _ in blocks]
                written = [view(one) for one in results]
            for whole, block in zip(written, blocks, strict=True):
                whole[row, part] = block
            for name, amount in amounts.items():
                sums[name] = sums.get(name, 0.0) + amount.sum().item()
        account.absorb_in_row(row, n, sums, tensors[0])
    return results


def meet(output: Any, gradient: Any) -> bool:
    """Whether a gradient that is not 0 comes to an output below 0."""
    view = _layout(output, None)
    if view is None or gradient.stride() != output.stride():
        return bool(((output < 0) & (gradient != 0)).any())
    first, second = view(output).reshape(-1), view(gradient).reshape(-1)
    blocks = (slice(start, start + BLOCK) for start in range(0, len(first), BLOCK))
    return any(bool(((first[part] < 0) & (second[part] != 0)).any()) for part in blocks)


def _is_alike(tensor: Any, output: Any) -> bool:
    """Whether a tensor has the layout of the output in memory, but for one row that stands for all."""
    own, other = tensor.stride(), output.stride()
    return own == other or (own[0] == 0 and own[1:] == other[1:])


def _empty_like(tensor: Any) -> Any:
    return tensor.new_empty_strided(tensor.shape, tensor.stride())


def _layout(output: Any, bias: Any) -> Callable[[Any], Any] | None:
    """How an output (n, ...) is (n, a, b) in memory, a or b being the bias's axis; None if it is not."""
    if output.ndim < 2:
        return None
    n_biases = 1 if bias is None else bias.numel()
    is_by_channel = n_biases > 1 and bias.ndim == output.ndim - 1 and bias.shape[0] == n_biases > 1
    if n_biases > 1 and not is_by_channel and bias.ndim != 1:
        return None
    if output.is_contiguous():
        return _channels_first if output.ndim > 2 and (is_by_channel or n_biases == 1) else _in_order
    is_last = output.ndim > 2 and output.movedim(1, -1).is_contiguous()
    return _channels_last if is_last and (is_by_channel or n_biases == 1) else None


def _channels_first(tensor: Any) -> Any:
    return tensor.view(tensor.shape[0], tensor.shape[1], -1)


def _channels_last(tensor: Any) -> Any:
    return tensor.movedim(1, -1).view(tensor.shape[0], -1, tensor.shape[1])


def _in_order(tensor: Any) -> Any:
    return tensor.view(tensor.shape[0], -1, tensor.shape[-1])
