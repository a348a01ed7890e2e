"""Norms, variances and logsumexp, written by operations that have rules. Imports torch."""

from __future__ import annotations

import math
from typing import Any

import torch

from agnostix.neural.deep_lift.operands import reduced_axes
from agnostix.neural.operations.mode import Operation

_NORMS = ("linalg_vector_norm", "linalg_norm")
_SPREADS = ("var", "std", "var_mean", "std_mean")


def reduce(operation: Operation) -> Any:
    """The result by squares, sums, roots and the like; None for what has none, as norms of matrices."""
    if operation.name in _NORMS:
        return _norm(operation)
    if operation.name in _SPREADS:
        return _spread(operation)
    return _log_sum_exp(operation)


def _norm(operation: Operation) -> Any:
    """Norms of vectors but for that which counts what is not 0."""
    x, order, axes = operation.operand(0, "x"), operation.operand(1, "ord"), operation.operand(2, "dim")
    is_of_matrices = operation.name == "linalg_norm" and (
        isinstance(axes, list | tuple) or (order is not None and axes is None and x.ndim > 1)
    )
    order = 2 if order is None else order
    if is_of_matrices or order in ("fro", "nuc", 0) or operation.kwargs.get("dtype") is not None:
        return None
    axes = reduced_axes(axes, x.ndim)
    keeps = operation.operand(3, "keepdim", False)
    if math.isinf(order):
        return x.abs().amax(dim=axes, keepdim=keeps) if order > 0 else x.abs().amin(dim=axes, keepdim=keeps)
    if order == 1:
        return x.abs().sum(dim=axes, keepdim=keeps)
    if order == 2:
        return x.square().sum(dim=axes, keepdim=keeps).sqrt()
    return x.abs().pow(order).sum(dim=axes, keepdim=keeps).pow(1 / order)


def _spread(operation: Operation) -> Any:
    """Variances and standard deviations, also with the mean."""
    x, given = operation.operand(0, "input"), dict(operation.kwargs)
    is_short = len(operation.args) > 1 and isinstance(operation.args[1], bool)
    names = ("unbiased",) if is_short else ("dim", "unbiased", "keepdim")
    given.update(zip(names, operation.args[1:], strict=False))
    correction = given.get("correction", int(given.get("unbiased", True)))
    axes = reduced_axes(given.get("dim"), x.ndim)
    keeps = given.get("keepdim", False)
    mean = x.mean(dim=axes, keepdim=True)
    n = math.prod(x.shape[axis] for axis in axes)
    n_free = max(n - (1 if correction is None else correction), 0)
    found = (x - mean).square().sum(dim=axes, keepdim=keeps) / n_free
    if operation.name.startswith("std"):
        found = found.sqrt()
    return (found, x.mean(dim=axes, keepdim=keeps)) if operation.name.endswith("mean") else found


def _log_sum_exp(operation: Operation) -> Any:
    """Over several axes, one that has all of them; None for one axis, which has a rule of its own."""
    x, axes = operation.operand(0, "input"), operation.operand(1, "dim")
    keeps = operation.operand(2, "keepdim", False)
    axes = reduced_axes(axes, x.ndim)
    if len(axes) == 1:
        return None
    last = list(range(-len(axes), 0))
    found = torch.logsumexp(x.movedim(axes, last).flatten(-len(axes)), dim=-1)
    for axis in sorted(axes) if keeps else ():
        found = found.unsqueeze(axis)
    return found
