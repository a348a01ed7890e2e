"""Attention, gated units and sums of products, written by simpler operations. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.operations.mode import Operation, OperationMode


def attend(operation: Operation) -> Any:
    """Scaled dot-product attention by matrix products and a softmax."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    defaults = (None, None, None, None, 0.0, False)
    query, key, value, mask, dropout, is_causal = (
        operation.operand(i, name, default)
        for i, (name, default) in enumerate(zip(names, defaults, strict=True))
    )
    if dropout:
        raise refuse(
            f"scaled_dot_product_attention with dropout_p={dropout:g}, which is random in evaluation too",
            "Give it dropout_p=0.0 unless the module is in training.",
        )
    scale = operation.kwargs.get("scale")
    if operation.kwargs.get("enable_gqa"):
        key, value = (
            part.repeat_interleave(query.shape[-3] // part.shape[-3], dim=-3) for part in (key, value)
        )
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is None:
        return scores.softmax(dim=-1) @ value
    if mask.dtype != torch.bool:
        is_seen = mask.detach() != -torch.inf
        scores, mask = scores + mask.masked_fill(~is_seen, 0.0), is_seen
    # Hidden places have no weight, however large the scores are; where all are hidden, nothing has weight.
    is_alone = ~mask.any(dim=-1, keepdim=True)
    weights = scores.masked_fill(~(mask | is_alone), -torch.inf).softmax(dim=-1)
    if is_alone.any():
        weights = weights.masked_fill(is_alone, 0.0)
    return weights @ value


def gate_linear_unit(operation: Operation) -> Any:
    """GLU: one half times the sigmoid of the other."""
    x, axis = operation.operand(0, "input"), operation.operand(1, "dim", -1)
    signal, gate = x.chunk(2, dim=axis)
    return signal * torch.sigmoid(gate)


def multiply_linear(operation: Operation) -> Any:
    """A linear operation whose weight or bias varies, as a product and a sum."""
    x, weight, bias = (operation.operand(i, name) for i, name in enumerate(("input", "weight", "bias")))
    product = x @ weight.mT
    return product if bias is None else product + bias


def interpolate(operation: Operation) -> Any:
    """Linear interpolation by a weight that varies, a gate or a factor of its own."""
    start, end, weight = (operation.operand(i, name) for i, name in enumerate(("input", "end", "weight")))
    return (1 - weight) * start + weight * end


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


def contract(equation: str, operands: Sequence[Any]) -> Any:
    """A sum of products of several operands, as torch.einsum has it, two at a time."""
    terms, output = _read_equation(equation)
    operands = list(operands)
    while len(operands) > 2:
        needed = set(output).union(*terms[2:])
        kept = [label for label in dict.fromkeys([*terms[0], *terms[1]]) if label in needed]
        pair = f"{''.join(terms[0])},{''.join(terms[1])}->{''.join(kept)}"
        operands[:2] = [torch.einsum(pair, *operands[:2])]
        terms[:2] = [kept]
    return torch.einsum(f"{','.join(map(''.join, terms))}->{''.join(output)}", *operands)


def _read_equation(equation: str) -> tuple[list[list[str]], list[str]]:
    """Labels of each operand and of the output; the dots of other axes are one label."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_labels(term) for term in left.split(",")]
    if arrow:
        return terms, _labels(right)
    every = [label for term in terms for label in term]
    once = sorted(label for label in set(every) if label != "..." and every.count(label) == 1)
    return terms, ["..."] * ("..." in every) + once


def _labels(term: str) -> list[str]:
    return ["..." if label == "." else label for label in term.replace("...", ".")]


def refuse(what: str, way: str) -> DataError:
    """DataError for an operation that the network runs and that has no rule, with the way out."""
    return DataError(f"The network runs {what}: no rule passes it. {way}")


class CompositeRules(OperationMode):
    """Operations whose parts come to the mode one by one, whatever the method."""

    def _rule_attention(self, operation: Operation) -> Any:
        with self:
            return attend(operation)

    def _rule_glu(self, operation: Operation) -> Any:
        with self:
            return gate_linear_unit(operation)

    def _rule_added_product(self, operation: Operation) -> Any:
        with self:
            return add_products(operation)
