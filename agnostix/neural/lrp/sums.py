"""Relevance through sums and choices, the constants among which absorb their share. Imports torch."""

from __future__ import annotations

from typing import Any

import torch

from agnostix.neural.lrp.conservation import OFFSET
from agnostix.neural.lrp.gates import SHIFTED
from agnostix.neural.lrp.linear import LinearRules
from agnostix.neural.operations.composites import interpolate
from agnostix.neural.operations.mode import Operation, replace_tensors, varies

_LISTS = frozenset(["cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"])
_ADDITIONS = frozenset(["add", "iadd", "radd", "sub", "isub", "rsub", "subtract"])
_FILLS = {"pad": (3, "value"), "constant_pad_nd": (2, "value"), "masked_fill": (2, "value")}
"""Where the number is that they fill in."""


class SumRules(LinearRules):
    """Operations whose derivative passes relevance as it is."""

    def _rule_sum(self, operation: Operation) -> Any:
        if operation.name == "lerp" and varies(operation.operand(2, "weight")):
            with self:
                return interpolate(operation)
        merged = self._merge_constant(operation) if operation.name in _ADDITIONS else None
        if merged is not None:
            return merged
        offset = _value_at_zero(operation) if _has_constant(operation) else None
        output = operation.run()
        if offset is None:
            return output
        if operation.name in _ADDITIONS and _has_number(operation):
            output.grad_fn.metadata[SHIFTED] = True
        account = self._conservation.enter(output.shape)
        # Scores of -inf, as masks add them, have no relevance.
        output.register_hook(
            lambda gradient: account.absorb(OFFSET, gradient * offset.nan_to_num(0.0, 0.0, 0.0))
        )
        return self._entered(account, output)


def _has_constant(operation: Operation) -> bool:
    """Whether any part of the output may be a constant other than 0."""
    name, args = operation.name, operation.args
    if name in _LISTS:
        parts = operation.operand(0, "tensors")
        return not all(map(varies, parts))
    if name in _ADDITIONS:
        return not (varies(operation.operand(0, "input")) and varies(operation.operand(1, "other")))
    if name == "where":
        return not (varies(operation.operand(1, "input")) and varies(operation.operand(2, "other")))
    if name in _FILLS:
        value = operation.operand(*_FILLS[name])
        return not (value is None or (isinstance(value, int | float) and value == 0)) or not varies(args[0])
    return name not in ("tril", "triu", "zero")


def _has_number(operation: Operation) -> bool:
    """Whether one of two operands is a number."""
    operands = (operation.operand(0, "input"), operation.operand(1, "other"))
    return any(getattr(one, "ndim", 0) == 0 for one in operands)


def _value_at_zero(operation: Operation) -> Any:
    """What constants give where everything that varies is 0."""

    def change(tensor: Any) -> Any:
        if varies(tensor):
            return torch.zeros_like(tensor)
        return tensor.clone() if operation.is_in_place else tensor

    with torch.no_grad():
        args, kwargs = replace_tensors(operation.args, change), replace_tensors(operation.kwargs, change)
        result = operation.function(*args, **kwargs)
    return args[0] if operation.is_in_place else result
