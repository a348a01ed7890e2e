"""Torch modules as the layers of tests/reference: the same weights, as numpy arrays in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from tests.neural.networks import (
    DigitCnn,
    Functional,
    HandWritten,
    InPlace,
    Modules,
    ResidualBlock,
    ResNet,
)
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

    The networks of tests/neural/networks.py and nn.TransformerEncoderLayer are known too.

    Branches are written by hand: `[*layers_of(a), Layer("sum", branches=[layers_of(b), []]), *layers_of(c)]`.
    """
    layers: list[Any] = []
    for module in modules:
        if isinstance(module, nn.Sequential):
            layers += layers_of(*module)
        elif type(module) in GRAPHS:
            layers += GRAPHS[type(module)](module)
        elif not isinstance(module, nn.Dropout | nn.Identity):
            layers.append(layer_of(module))
    return layers


def layer_of(module: nn.Module) -> Any:
    """The layer of one module."""
    _refuse_options(module)
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
        weight, bias = (
            own.get("weight", np.ones(module.num_features)),
            own.get("bias", np.zeros(module.num_features)),
        )
        return Layer("batch_norm", weight=weight, bias=bias, eps=module.eps, **statistics)
    if isinstance(module, nn.LayerNorm):
        (n,) = module.normalized_shape
        weight, bias = own.get("weight", np.ones(n)), own.get("bias", np.zeros(n))
        return Layer("layer_norm", weight=weight, bias=bias, eps=module.eps)
    if isinstance(module, nn.RMSNorm):
        eps = np.finfo(str(module.weight.dtype)[6:]).eps if module.eps is None else module.eps
        return Layer("rms_norm", weight=own["weight"], eps=float(eps))
    if isinstance(module, nn.Embedding):
        return Layer("embedding", weight=own["weight"])
    if isinstance(module, nn.MultiheadAttention):
        return Layer("attention", n_heads=module.num_heads, **_attention(own))
    return _pool(module)


OPTIONS = {
    "ceil_mode": False,
    "padding_mode": "zeros",
    "proj_size": 0,
    "approximate": "none",
    "alpha": 1.0,
    "beta": 1,
    "negative_slope": 0.01,
    "bias_k": None,
    "start_dim": 1,
    "divisor_override": None,
}


def _refuse_options(module: nn.Module) -> None:
    for name, default in OPTIONS.items():
        if getattr(module, name, default) != default or isinstance(getattr(module, "padding", 0), str):
            raise TypeError(f"no layer for this {type(module).__name__}: {module}")


# Graphs: modules with a forward of their own.


def _residual_block(block: ResidualBlock) -> list:
    inner = layers_of(block.conv1, block.norm1, block.relu1, block.conv2, block.norm2)
    return [Layer("sum", branches=[inner, layers_of(block.shortcut)]), Layer("relu")]


def _resnet(net: ResNet) -> list:
    stem = layers_of(net.conv1, net.norm1, net.relu1, net.stages, net.pool)
    return [*stem, Layer("flatten"), *layers_of(net.linear)]


def _digit_cnn(net: DigitCnn) -> list:
    maps = layers_of(net.conv1, net.norm1, net.relu1, net.conv2, net.relu2)
    return [*maps, Layer("flatten"), *layers_of(net.linear1, net.relu3, net.linear2)]


def _modules(net: Modules) -> list:
    tokens = [Layer("flatten", start=1), Layer("permute", axes=(1, 0))]
    return [
        *layers_of(net.conv1, net.norm1, net.relu1),
        Layer("sum", branches=[[], layers_of(net.conv2, net.relu2)]),
        *layers_of(net.pool),
        *tokens,
        Layer("sum", branches=[[], layers_of(net.attention)]),
        Layer("mean", axis=0),
        *layers_of(net.linear1, net.relu3, net.linear2),
    ]


def _encoder_layer(net: nn.TransformerEncoderLayer) -> list:
    activation = "relu" if net.activation_relu_or_gelu == 1 else "gelu"
    mixing, norm1, norm2 = layers_of(net.self_attn), layers_of(net.norm1), layers_of(net.norm2)
    dense = [*layers_of(net.linear1), Layer(activation), *layers_of(net.linear2)]
    if net.norm_first:
        return [Layer("sum", branches=[[], norm1 + mixing]), Layer("sum", branches=[[], norm2 + dense])]
    return [Layer("sum", branches=[[], mixing]), *norm1, Layer("sum", branches=[[], dense]), *norm2]


GRAPHS = {
    ResidualBlock: _residual_block,
    ResNet: _resnet,
    DigitCnn: _digit_cnn,
    Modules: _modules,
    Functional: _modules,
    InPlace: _modules,
    HandWritten: _modules,
    nn.TransformerEncoderLayer: _encoder_layer,
}


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
