"""Attention, gated units and sums of products, written by simpler operations. Imports torch."""

from __future__ import annotations

from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.operations.mode import Operation


def attend(operation: Operation) -> Any:
    """Scaled dot-product attention by matrix products and a softmax."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    defaults = (None, None, None, None, 0.0, False)
    query, key, value, mask, _, is_causal = (
        operation.operand(i, name, default)
        for i, (name, default) in enumerate(zip(names, defaults, strict=True))
    )
    scale = operation.kwargs.get("scale")
    if operation.kwargs.get("enable_gqa"):
        key, value = (
            part.repeat_interleave(query.shape[-3] // part.shape[-3], dim=-3) for part in (key, value)
        )
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        # Hidden places have no weight, however large the scores are.
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(dim=-1) @ value


def gate_linear_unit(operation: Operation) -> Any:
    """GLU: one half times the sigmoid of the other."""
    x, axis = operation.operand(0, "input"), operation.operand(1, "dim", -1)
    signal, gate = x.chunk(2, dim=axis)
    return signal * torch.sigmoid(gate)


def add_products(operation: Operation) -> Any:
    """Addmm and its like, as a product and a sum."""
    alpha, beta = operation.kwargs.get("alpha", 1), operation.kwargs.get("beta", 1)
    value = operation.kwargs.get("value", 1)
    start, first, second = operation.args[:3]
    if operation.name == "addcmul":
        return start + value * (first * second)
    if operation.name == "addcdiv":
        return start + value * (first / second)
    product = first @ second
    if operation.name == "addbmm":
        product = product.sum(dim=0)
    return beta * start + alpha * product


def refuse(what: str, way: str) -> DataError:
    """DataError for an operation that has no rule, with the way out."""
    return DataError(f"{what} {way}")
