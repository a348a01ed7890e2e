"""Multipliers of single operations, from values at the row and at the baseline. Imports torch.

A rule passes a multiplier g of an output y on to an input x such that the sum of multipliers times
differences from the baseline is the same for inputs and outputs. With x0, y0 at the baseline:

    y = f(x)             g (y - y0) / (x - x0), the derivative where x is x0          (rescale)
    y = a b              g (b + b0) / 2 for a, g (a + a0) / 2 for b                    (their Shapley values)
    y = a / b            the product of a and 1 / b
    y = softmax(x)       exp, a sum, its reciprocal, and their product
    y = norm(x)          d = x - mean, v = mean of d^2 + eps, y = d v^(-1/2)
    y = log(sum(exp(x)))  exp, a sum, and log
    y = max(x)           y - y0 = (M - y0) + (y - M), M = max(y, y0): the first to the largest of x, the
                         second to the largest of x0, over their differences
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from agnostix.neural.operations.normalization import Normalization

_SINGULAR = frozenset(["digamma", "float_power", "lgamma", "log", "log10", "log2", "pow", "rsqrt", "sqrt"])
"""Functions that change the faster the nearer x is to 0."""
_JUMP = 0.1
"""Share by which derivatives differ if a kink is between them."""


def rescale(function: Callable[[Any], Any], name: str, x: Any, y: Any, x0: Any, y0: Any) -> Any:
    """Slope of a function of one number between the baseline and the row."""
    change = x - x0
    if name == "relu":
        return torch.where(change == 0, (x > 0).to(x.dtype), (y - y0) / change)
    if name == "square":
        return x + x0
    if name == "reciprocal":
        return -1 / (x * x0)
    slope = (y - y0) / torch.where(change == 0, 1.0, change)
    size = ((x + x0) / 2).abs().clamp(max=1.0) if name in _SINGULAR else 1.0
    # The quotient loses digits where x and x0 are near; the mean derivative is off by their squared distance.
    is_near = (change == 0) | (change.abs() < torch.finfo(x.dtype).eps ** (1 / 3) * size)
    if not is_near.any():
        return slope
    before, after = derivative(function, x0).expand_as(change), derivative(function, x).expand_as(change)
    is_smooth = (before - after).abs() <= _JUMP * torch.maximum(before.abs(), after.abs())
    mean = torch.where(change == 0, torch.nan_to_num(after, 0.0, 0.0, 0.0), (before + after) / 2)
    return torch.where(is_near & (is_smooth | (change == 0)), mean, slope)


def derivative(function: Callable[[Any], Any], x: Any) -> Any:
    """Derivative of a function of one number."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def multiply_back(
    multiply: Callable[[Any, Any], Any], gradient: Any, factors: Any, factors0: Any
) -> tuple[Any, ...]:
    """Multipliers of two factors of a product."""
    leaves = [((a + a0) / 2).requires_grad_() for a, a0 in zip(factors, factors0, strict=True)]
    with torch.enable_grad():
        product = multiply(*leaves)
    return torch.autograd.grad(product, leaves, gradient)


def divide_back(gradient: Any, a: Any, a0: Any, b: Any, b0: Any) -> tuple[Any, Any]:
    """Multipliers of a and b in a / b."""
    of_a = gradient * (1 / b + 1 / b0) / 2
    of_b = -gradient * (a + a0) / (2 * b * b0)
    return of_a, of_b


def softmax_back(gradient: Any, x: Any, x0: Any, axis: int) -> Any:
    """Multiplier of x in softmax(x)."""
    e, e0, total, total0, slope = _exponentials(x, x0, axis)
    # The mean of the gradient is subtracted first, since one of the sums may be far smaller than the other.
    apart, apart0 = (
        gradient - (gradient * weights).sum(dim=axis, keepdim=True) / weights.sum(dim=axis, keepdim=True)
        for weights in (e, e0)
    )
    return slope * (apart / total0 + apart0 / total) / 2


def log_softmax_back(gradient: Any, x: Any, x0: Any, axis: int) -> Any:
    """Multiplier of x in log(softmax(x))."""
    return gradient - logsumexp_back(gradient.sum(dim=axis, keepdim=True), x, x0, axis)


def logsumexp_back(gradient: Any, x: Any, x0: Any, axis: int) -> Any:
    """Multiplier of x in log(sum(exp(x))), from one whose axis has one place."""
    _, _, total, total0, slope = _exponentials(x, x0, axis)
    share = (total - total0) / total0
    is_near = share.abs() < 1e-4
    log_slope = torch.where(
        is_near, 1 - share / 2 + share**2 / 3, torch.log1p(share) / torch.where(is_near, 1.0, share)
    )
    return slope * log_slope / total0 * gradient


def _exponentials(x: Any, x0: Any, axis: int) -> tuple[Any, ...]:
    """exp(x - c) at the row and the baseline, their sums, and their slope; places at -inf have none."""
    highest = torch.maximum(x.amax(dim=axis, keepdim=True), x0.amax(dim=axis, keepdim=True))
    tiny = torch.finfo(x.dtype).tiny
    e, e0 = (x - highest).exp(), (x0 - highest).exp()
    totals = (one.sum(dim=axis, keepdim=True).clamp(min=tiny) for one in (e, e0))
    change = torch.where(torch.isinf(x) & torch.isinf(x0), 0.0, x - x0)
    is_near = change.abs() < 1
    divisor = torch.where(change == 0, 1.0, change)
    near = torch.where(change == 0, e0, e0 * torch.expm1(change.clamp(-1, 1)) / divisor)
    return e, e0, *totals, torch.where(is_near, near, (e - e0) / divisor)


def normalize_back(gradient: Any, x: Any, x0: Any, norm: Normalization, norm0: Normalization) -> Any:
    """Multiplier of x in a norm, which is described for the row and for the baseline."""
    d, d0 = norm.center(x).reshape(norm.shape), norm0.center(x0).reshape(norm0.shape)
    r, r0 = 1 / norm.deviation(x), 1 / norm0.deviation(x0)
    weighted = gradient if norm.weight is None else gradient * norm.weight
    above = weighted.reshape(norm.shape)
    both = d + d0
    to_r = (above * both).sum(dim=norm.axes, keepdim=True) / 2
    to_v = -((r * r0) ** 2) / (r + r0) * to_r
    n = d.numel() // to_r.numel()
    return norm.center((above * (r + r0) / 2 + both * to_v / n).reshape(x.shape))


def maximum_back(gradient: Any, x: Any, x0: Any, winner: Any, winner0: Any) -> Any:
    """Multiplier of x (..., n), of outputs (..., n_outputs) that are the values at their winners."""
    y, y0 = x.gather(-1, winner), x0.gather(-1, winner0)
    top = torch.maximum(y, y0)
    found = torch.zeros_like(x)
    for part, place in ((top - y0, winner), (y - top, winner0)):
        change = x.gather(-1, place) - x0.gather(-1, place)
        share = torch.where(part == 0, 0.0, part / torch.where(part == 0, 1.0, change))
        found.scatter_add_(-1, place, gradient * share)
    is_kept = (winner == winner0) & (y == y0)
    return found.scatter_add_(-1, winner, gradient * is_kept)
