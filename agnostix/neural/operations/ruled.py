"""Values with a graph of our own, in which a rule takes the place of the derivative. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


class _Ruled(torch.autograd.Function):
    """A value of operands, for which `pass_back` gives gradients from the gradient of the value."""

    @staticmethod
    def forward(ctx: Any, box: list[Any], pass_back: Any, note: Any, *operands: Any) -> Any:
        ctx.pass_back, ctx.note = pass_back, note
        return box.pop()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return None, None, None, *ctx.pass_back(gradient)


def ruled(value: Any, pass_back: Callable[[Any], Sequence[Any]], *operands: Any, note: Any = None) -> Any:
    """A value without a graph, new memory, as a function of operands that passes back gradients by a rule.

    `note` can be read from the node by `note_of`.
    """
    # In a list, since a tensor that is given and returned would become a view.
    return _Ruled.apply([value.detach()], pass_back, note, *operands)


def is_ruled(node: Any) -> bool:
    """Whether a node of a graph is one of ours."""
    return bool(node.name() == "_RuledBackward")


def note_of(node: Any) -> Any:
    """The note of one of our nodes; None of others."""
    return node.note if node is not None and is_ruled(node) else None
