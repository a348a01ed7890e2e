"""Relevance and DeepLIFT by zennit, captum and lxt, for benchmarks/relevance.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import MethodType
from typing import Any

import lxt.explicit.functional as lxt
import torch
from captum.attr import DeepLift
from lxt.explicit.rules import epsilon_lrp, identity
from torch import nn
from zennit import composites as zennit
from zennit import rules
from zennit.attribution import Gradient
from zennit.layer import Sum
from zennit.types import Activation, AvgPool, Linear

from tests.neural import networks
from tests.neural.larger_networks import InvertedResidual

TINY = 1e-9
"""The stabilizer of rules other than epsilon in agnostix."""
_NO_STABILIZER = 1e-30
SMALLER = 1e-12
"""Of sums and norms too, which have none in agnostix."""

RULES: dict[str, Callable[..., Any]] = {
    "epsilon": lambda **params: rules.Epsilon(TINY, **params),
    "gamma": lambda **params: rules.Gamma(0.25, TINY, **params),
    "z-plus": lambda **params: rules.ZPlus(TINY, **params),
    "alpha2-beta1": lambda **params: rules.AlphaBeta(2.0, 1.0, TINY, **params),
    "z-box": lambda **params: rules.ZBox(-1.0, 1.0, TINY, **params),
    "w-square": lambda **params: rules.WSquare(TINY, **params),
    "flat": lambda **params: rules.Flat(TINY, **params),
}
COMPOSITES: dict[str, Callable[[], Any]] = {
    "epsilon": lambda: _composite(rules.Epsilon()),
    "epsilon_plus": zennit.EpsilonPlus,
    "epsilon_gamma_box": lambda: zennit.EpsilonGammaBox(-1.0, 1.0),
    "epsilon_alpha2_beta1": zennit.EpsilonAlpha2Beta1,
}


def zennit_relevance(module: Any, inputs: Any, output: int, rule: Any, first: Any = None) -> Any:
    """Relevance, as the inputs, of one output by a rule, with another one for the first linear operation."""
    return run_zennit(with_sums(module), inputs, output, _composite(rule, first))


def run_zennit(module: Any, inputs: Any, output: int, composite: Any) -> Any:
    """Relevance, as the inputs, by one of zennit's composites."""
    with Gradient(module, composite) as attribute:
        return attribute(inputs.clone(), lambda scores: _only(scores, output))[1]


def _only(scores: Any, output: int) -> Any:
    chosen = torch.zeros_like(scores)
    chosen[:, output] = scores.detach()[:, output]
    return chosen


def _composite(rule: Any, first: Any = None) -> Any:
    """Sums and average pooling by contribution, which needs a rule in zennit, and no stabilizer there."""
    plain = [
        (Activation, rules.Pass()),
        (Sum, rules.Norm(_NO_STABILIZER)),
        (AvgPool, rules.Norm(_NO_STABILIZER)),
        (Linear, rule),
    ]
    if first is None:
        return zennit.LayerMapComposite(plain)
    return zennit.SpecialFirstLayerMapComposite(plain, [(Linear, first)])


def with_sums(module: Any) -> Any:
    """A copy whose shortcuts end in a module that sums, for zennit to see."""
    twin = copy.deepcopy(module)
    for part in list(twin.modules()):
        kind = next((kind for kind in _FORWARDS if isinstance(part, kind)), None)
        if kind is not None:
            part.total = Sum(dim=-1)
            part.forward = MethodType(_FORWARDS[kind], part)
    return twin


def _residual_forward(self: Any, x: Any) -> Any:
    inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
    return self.relu2(self.total(torch.stack([inner, self.shortcut(x)], dim=-1)))


def _inverted_forward(self: Any, x: Any) -> Any:
    inner = self.activation1(self.norm1(self.expand(x)))
    inner = self.excitation(self.activation2(self.norm2(self.depthwise(inner))))
    inner = self.norm3(self.project(inner))
    return self.total(torch.stack([x, inner], dim=-1)) if self.has_shortcut else inner


_FORWARDS: dict[type, Callable[[Any, Any], Any]] = {
    networks.ResidualBlock: _residual_forward,
    InvertedResidual: _inverted_forward,
}


def captum_deep_lift(module: Any, inputs: Any, output: int) -> Any:
    """Contributions, as the inputs, of one output against zeros.

    A copy stands between ReLU and max pooling: right after another nonlinear module, captum's rule of max
    pooling goes astray, by up to half of the largest contribution.
    """
    return plain_deep_lift(with_copies(module), inputs, output)


def plain_deep_lift(module: Any, inputs: Any, output: int) -> Any:
    """The same of the network as it is."""
    return DeepLift(module).attribute(inputs.clone(), baselines=0.0 * inputs, target=output).detach()


class _Copy(nn.Module):
    """Its input, as another tensor."""

    def forward(self, x: Any) -> Any:
        return x.clone()


def with_copies(module: Any) -> Any:
    """A copy of a network with a copy of values before each max pooling."""
    twin = copy.deepcopy(module)
    for name, part in list(twin.named_modules()):
        if isinstance(part, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            parent, _, last = name.rpartition(".")
            setattr(twin.get_submodule(parent), last, nn.Sequential(_Copy(), part))
    return twin


# lxt has rules as functions, of which a network is written anew. Gradients are relevance itself.


def lxt_relevance(module: Any, inputs: Any, output: int, attention: str) -> Any:
    """Relevance, as the inputs, of one output of a ViT; `attention` is "cp_lrp" or "attn_lrp"."""
    inputs = inputs.clone().requires_grad_()
    scores = _vision_transformer(module, inputs, attention)
    return torch.autograd.grad(scores, inputs, _only(scores, output))[0]


def lxt_token_relevance(module: Any, tokens: Any, output: int, attention: str) -> Any:
    """Relevance (n_rows, n_tokens) of embeddings in nn.TransformerEncoderLayer."""
    embedded = module.embedding(tokens).detach().requires_grad_()
    x = lxt.add2(embedded, module.positions.detach().expand_as(embedded), False, SMALLER)
    x = _encoder_layer(module.encoder, x, attention)
    scores = _linear(module.head, lxt.mean(x, 1, False, SMALLER))
    return torch.autograd.grad(scores, embedded, _only(scores, output))[0].sum(dim=2)


def _vision_transformer(module: Any, x: Any, attention: str) -> Any:
    x = epsilon_lrp(module.patches, SMALLER, x).flatten(2).transpose(1, 2)
    tokens = torch.cat([module.class_token.detach().expand(len(x), -1, -1), x], dim=1)
    tokens = lxt.add2(tokens, module.positions.detach().expand_as(tokens), False, SMALLER)
    for block in module.blocks:
        inner = _norm(block.norm1, tokens)
        tokens = lxt.add2(tokens, _attend(block.attention, inner, attention), False, SMALLER)
        inner = identity(block.mlp[1], _linear(block.mlp[0], _norm(block.norm2, tokens)))
        tokens = lxt.add2(tokens, _linear(block.mlp[3], inner), False, SMALLER)
    return _linear(module.head, _norm(module.norm, tokens)[:, 0])


def _encoder_layer(layer: Any, x: Any, attention: str) -> Any:
    x = _norm(layer.norm1, lxt.add2(x, _attend(layer.self_attn, x, attention), False, SMALLER))
    inner = identity(layer.activation, _linear(layer.linear1, x))
    return _norm(layer.norm2, lxt.add2(x, _linear(layer.linear2, inner), False, SMALLER))


def _linear(layer: Any, x: Any) -> Any:
    bias = None if layer.bias is None else layer.bias.detach()
    return lxt.linear_epsilon(x, layer.weight.detach(), bias, SMALLER)


def _norm(layer: Any, x: Any) -> Any:
    return lxt.layer_norm_grad_fn.apply(x, layer.weight.detach(), layer.bias.detach(), layer.eps, SMALLER)


def _attend(layer: Any, x: Any, attention: str) -> Any:
    """Self-attention of tokens (n, T, width)."""
    weights, biases = layer.in_proj_weight.detach().chunk(3), layer.in_proj_bias.detach().chunk(3)
    query, key, value = (
        lxt.linear_epsilon(x, weight, bias, SMALLER).unflatten(2, (layer.num_heads, -1)).transpose(1, 2)
        for weight, bias in zip(weights, biases, strict=True)
    )
    factor = layer.head_dim**-0.5
    if attention == "cp_lrp":
        weights = (query @ key.mT * factor).softmax(dim=3).detach()
        mixed = epsilon_lrp(lambda v: weights @ v, SMALLER, value)
    else:
        scores = lxt.mul2(lxt.matmul(query, key.mT, False, SMALLER), factor)
        mixed = lxt.matmul(lxt.softmax(scores, -1), value, False, SMALLER)
    return _linear(layer.out_proj, mixed.transpose(1, 2).flatten(2))
