"""Torch modules as the layers of tests/reference: the same weights, as numpy arrays in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from tests.reference.layers import Layer
from tests.reference.recurrent_relevance import Recurrent

ELEMENTWISE = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
}
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


def layers_of(*modules: nn.Module) -> list:
    """Layers of modules that are called one after the other; a Sequential is opened, Dropout is left out.

    Branches are written by hand: `[*layers_of(a), Layer("sum", branches=[layers_of(b), []]), *layers_of(c)]`.
    """
    layers: list[Any] = []
    for module in modules:
        if isinstance(module, nn.Sequential):
            layers += layers_of(*module)
        elif not isinstance(module, nn.Dropout | nn.Identity):
            layers.append(layer_of(module))
    return layers


def layer_of(module: nn.Module) -> Any:
    """The layer of one module."""
    if type(module) in ELEMENTWISE:
        return Layer(ELEMENTWISE[type(module)])
    if isinstance(module, nn.LSTM | nn.GRU):
        return Recurrent(type(module).__name__.lower(), arrays(module))
    own = arrays(module)
    if isinstance(module, nn.Linear):
        return Layer("linear", weight=own["weight"], bias=own.get("bias"))
    if isinstance(module, CONVOLUTIONS):
        names = ("stride", "padding", "dilation", "groups")
        params = {name: getattr(module, name) for name in names}
        return Layer("conv", weight=own["weight"], bias=own.get("bias"), **params)
    if isinstance(module, BATCH_NORMS):
        statistics = {"mean": own["running_mean"], "variance": own["running_var"]}
        return Layer("batch_norm", weight=own["weight"], bias=own["bias"], eps=module.eps, **statistics)
    if isinstance(module, nn.LayerNorm):
        return Layer("layer_norm", weight=own["weight"], bias=own["bias"], eps=module.eps)
    if isinstance(module, nn.RMSNorm):
        eps = np.finfo(str(module.weight.dtype)[6:]).eps if module.eps is None else module.eps
        return Layer("rms_norm", weight=own["weight"], eps=float(eps))
    if isinstance(module, nn.Embedding):
        return Layer("embedding", weight=own["weight"])
    if isinstance(module, nn.MultiheadAttention):
        return Layer("attention", n_heads=module.num_heads, **_attention(own))
    return _pool(module)


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Parameters and statistics by their names, in double precision."""
    return {name: one.detach().cpu().numpy().astype(float) for name, one in module.state_dict().items()}


def _attention(own: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "in_weight": own["in_proj_weight"],
        "in_bias": own.get("in_proj_bias"),
        "out_weight": own["out_proj.weight"],
        "out_bias": own.get("out_proj.bias"),
    }


def _pool(module: Any) -> Layer:
    if isinstance(module, nn.Flatten):
        return Layer("flatten")
    if isinstance(module, nn.Softmax):
        return Layer("softmax")
    if isinstance(module, ADAPTIVE_POOLS):
        return Layer("adaptive_pool", size=module.output_size)
    if isinstance(module, MAX_POOLS + AVERAGE_POOLS):
        params = {"kernel": module.kernel_size, "stride": module.stride, "padding": module.padding}
        if isinstance(module, MAX_POOLS):
            return Layer("max_pool", **params)
        return Layer("average_pool", count_include_pad=module.count_include_pad, **params)
    raise TypeError(f"no layer for {type(module).__name__}")
