"""Multipliers of a function of tensors by `MultiplierMode` alone."""

from typing import NamedTuple

import torch

from agnostix.neural.deep_lift.multipliers import MultiplierMode
from agnostix.neural.deep_lift.network import _PASSING, _SCALES
from agnostix.neural.deep_lift.tape import find_difference
from agnostix.neural.operations.guard import find_unseen


class Pass(NamedTuple):
    """Multipliers for a weighted sum of the outputs, its difference from the baseline, what differs."""

    multipliers: torch.Tensor
    change: torch.Tensor
    size: float
    unseen: list
    difference: object


def compare(function, x, x0, rule="rescale", weights=None):
    """Rows x (n_rows, ...) against a baseline x0 (n_rows or 1, ...); random weights of outputs for None."""
    if isinstance(function, torch.nn.Module):
        function.requires_grad_(False)
    mode = MultiplierMode(rule)
    points = x.detach().clone().requires_grad_()
    with mode:
        y = function(points)
    mode.end()
    mode.begin_base()
    with mode:
        y0 = function(x0.detach().clone().requires_grad_())
    mode.end()
    if weights is None:
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weighted = (weights * (y.detach() - y0.detach()).double()).detach()
    unseen = list(find_unseen(y.grad_fn, passing=_PASSING, scales=_SCALES))
    difference = find_difference(mode.rows, mode.base)
    if difference is not None or unseen:
        return Pass(points.detach(), weighted.sum(), 1.0, unseen, difference)
    (found,) = torch.autograd.grad((y * weights).sum(), points)
    return Pass(found, weighted.sum(), float(weighted.abs().sum()), unseen, difference)


def gap(function, x, x0, rule="rescale"):
    """What is missing from the sum of contributions, as a share of the sizes of the differences."""
    found = compare(function, x, x0, rule)
    assert found.unseen == []
    assert found.difference is None
    missing = found.change - (found.multipliers * (x - x0)).double().sum()
    return abs(float(missing)) / max(found.size, 1e-300)
