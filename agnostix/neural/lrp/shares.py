"""Relevance over its denominators, and what biases and stabilizers absorb of it. Imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agnostix.neural.lrp.blocks import in_blocks
from agnostix.neural.lrp.conservation import BIAS, EPSILON, SIZE

if TYPE_CHECKING:
    from agnostix.neural.lrp.conservation import Account
    from agnostix.neural.operations.linear import LinearOperation

STABILIZER = 1e-9
"""Of denominators that have no epsilon of their own."""


@dataclass(frozen=True)
class Share:
    """A part of an output: its relevance is divided in proportion to the products that make it up."""

    products: Any  # sums of products, without the bias; not used with the whole
    bias: Any = None
    factor: float = 1.0  # part of the relevance
    whole: Any = None  # products and bias, where they are known


Split = Callable[..., Sequence[Share]]
"""From an output, its bias (or None) and tensors of its shape to the parts."""


def distribute(
    account: Account,
    operation: LinearOperation,
    gradient: Any,
    split: Split,
    others: Sequence[Any] = (),
    combine: Callable[..., Sequence[Any]] = lambda _output, *ratios: ratios,
    epsilon: Any = STABILIZER,
) -> list[Any]:
    """Relevance of each part over its denominator, as `combine` puts them together; the account is filled.

    split gets blocks of the output and of the others. A tensor epsilon broadcasts to the output.
    """
    is_number = isinstance(epsilon, float | int)
    is_exact = is_number and epsilon == 0
    if is_number:
        epsilon = operation.output.value.new_tensor(epsilon)

    def kernel(bias: Any, output: Any, passed: Any, *rest: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        relevance = output * passed
        amounts = {SIZE: relevance.abs()}
        ratios = []
        for share in split(output, bias, *rest):
            own = share.bias if account.absorbs_bias else None
            denominator = share.products
            if own is not None:
                denominator = share.products + own if share.whole is None else share.whole
            offset = epsilon.copysign(denominator)
            ratio = relevance / (denominator + offset)
            if is_exact:  # nothing to distribute to where the denominator is 0
                is_zero = denominator == 0
                ratio = ratio.masked_fill_(is_zero, 0.0)
                _count(amounts, EPSILON, relevance * is_zero)
            if share.factor != 1.0:
                ratio *= share.factor
            _count(amounts, EPSILON, ratio * offset)
            if own is not None:
                _count(amounts, BIAS, ratio * own)
            ratios.append(ratio)
        return combine(output, *ratios), amounts

    tensors = [operation.output.value, gradient, *others]
    if is_number:
        return in_blocks(kernel, account, tensors, operation.bias)
    results, amounts = kernel(operation.bias, *tensors)
    for name, amount in amounts.items():
        account.absorb(name, amount)
    return list(results)


def _count(amounts: dict[str, Any], name: str, amount: Any) -> None:
    amounts[name] = amounts[name] + amount if name in amounts else amount
