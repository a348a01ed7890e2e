"""Layer, group, instance and root-mean-square norms: what is normalized over which axes. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from agnostix.neural.operations.mode import Operation


@dataclass(frozen=True)
class Normalization:
    """y = weight (x - mean) / deviation + bias, the mean and the deviation over axes of x in another shape.

    Root-mean-square norms have no mean; their deviation is from 0.
    """

    x: Any
    shape: tuple[int, ...]  # in which axes are what is normalized over
    axes: tuple[int, ...]
    is_centered: bool
    weight: Any  # broadcasts to x, or None
    bias: Any  # broadcasts to x, or None
    eps: float

    def without_graph(self) -> Normalization:
        """The same without what is normalized."""
        return replace(self, x=None)

    def center(self, values: Any) -> Any:
        """Values like x less their means, if it has means: a linear map that is its own transpose."""
        if not self.is_centered:
            return values
        parts = values.reshape(self.shape)
        return (parts - parts.mean(dim=self.axes, keepdim=True)).reshape(values.shape)

    def deviation(self, x: Any) -> Any:
        """What centered values are divided by, broadcasts to them in `shape`."""
        parts = self.center(x).reshape(self.shape)
        return (parts.square().mean(dim=self.axes, keepdim=True) + self.eps).sqrt()

    def scale(self, values: Any, deviation: Any) -> Any:
        """Values like x times the weight over the deviation."""
        weighted = values if self.weight is None else values * self.weight
        return (weighted.reshape(self.shape) / deviation).reshape(values.shape)


def read_normalization(operation: Operation) -> Normalization | None:
    """What a norm does; None for an instance norm by running statistics, which are those of a batch norm."""
    return _READERS[operation.name](operation)


def _layer_norm(operation: Operation) -> Normalization:
    return _over_last_axes(operation, 4, True)


def _rms_norm(operation: Operation) -> Normalization:
    return _over_last_axes(operation, 3, False)


def _over_last_axes(operation: Operation, place_of_eps: int, is_centered: bool) -> Normalization:
    x, shape = operation.operand(0, "input"), operation.operand(1, "normalized_shape")
    eps = operation.operand(place_of_eps, "eps", 1e-5 if is_centered else None)
    return Normalization(
        x,
        tuple(x.shape),
        tuple(range(-len(shape), 0)),
        is_centered,
        operation.operand(2, "weight"),
        operation.operand(3, "bias") if is_centered else None,
        torch.finfo(x.dtype).eps if eps is None else eps,
    )


def _group_norm(operation: Operation) -> Normalization:
    x, n_groups = operation.operand(0, "input"), operation.operand(1, "num_groups")
    weight, bias = operation.operand(2, "weight"), operation.operand(3, "bias")
    return _over_groups(x, n_groups, weight, bias, operation.operand(4, "eps", 1e-5))


def _instance_norm(operation: Operation) -> Normalization | None:
    x, weight, bias = (operation.operand(i, name) for i, name in enumerate(("input", "weight", "bias")))
    if not operation.operand(5, "use_input_stats"):
        return None
    return _over_groups(x, x.shape[1], weight, bias, operation.operand(7, "eps"))


def _over_groups(x: Any, n_groups: int, weight: Any, bias: Any, eps: float) -> Normalization:
    shape = (x.shape[0], n_groups, math.prod(x.shape[1:]) // n_groups)
    weight, bias = (None if one is None else per_channel(one, x.ndim) for one in (weight, bias))
    return Normalization(x, shape, (2,), True, weight, bias, eps)


def per_channel(numbers: Any, n_dims: int) -> Any:
    """Numbers (n_channels,) that broadcast to a tensor (n_rows, n_channels, ...) with some dims."""
    return numbers.reshape(-1, *[1] * (n_dims - 2))


def scale_and_offset(statistics: Sequence[Any], weight: Any, bias: Any, eps: float, n_dims: int) -> Any:
    """Of y = scale x + offset by statistics, the mean and the variance (n_channels,)."""
    mean, variance = statistics
    scale = (variance + eps).rsqrt() if weight is None else weight * (variance + eps).rsqrt()
    offset = -mean * scale if bias is None else bias - mean * scale
    return per_channel(scale, n_dims), per_channel(offset, n_dims)


_READERS = {
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
}
