"""Networks as people write them, with random weights: small ones for tests, full-size ones for benchmarks.

`NETWORKS` has the small ones by name, each with rows that fit it; `full_size(name)` makes VGG-11 with batch
norm, ResNet-18 and ViT-B/16 for pictures of 224 x 224. `merge_batch_norm` is for comparison with peers that
have no rule for batch norm.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from tests.neural.networks import N_CLASSES, ResNet, efficientnet_lite0, seeded

N_TOKENS = 12
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


# Networks of pictures ---------------------------------------------------------------------------


def vgg11_bn(size=224, width=64, n_hidden=4096, n_classes=1000):
    """VGG-11 with batch norm: eight convolutions, five max poolings, three linear layers."""
    layers, before = [], 3
    for factor in (1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0):
        if factor == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        after = factor * width
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        before = after
    n_last = before * (size // 32) ** 2
    head = [nn.Linear(n_last, n_hidden), nn.ReLU(), nn.Dropout(), nn.Linear(n_hidden, n_hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Dropout(), nn.Linear(n_hidden, n_classes))


class ResNet18(ResNet):
    """ResNet-18 with its first convolution of 7 x 7 and max pooling, which overlaps."""

    def __init__(self, width=64, n_classes=1000):
        super().__init__(tuple(width * factor for factor in (1, 2, 4, 8)), 2, 3, n_classes)
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.pool1 = nn.MaxPool2d(3, 2, padding=1)

    def forward(self, x):
        x = self.pool1(self.relu1(self.norm1(self.conv1(x))))
        return self.linear(self.pool(self.stages(x)).flatten(1))


class SqueezeExcitation(nn.Module):
    """Channels times gates that come from their means."""

    def __init__(self, n_channels, n_hidden):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.relu = nn.Conv2d(n_channels, n_hidden, 1), nn.ReLU()
        self.expand, self.gate = nn.Conv2d(n_hidden, n_channels, 1), nn.Hardsigmoid()

    def forward(self, x):
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))


class InvertedResidual(nn.Module):
    """The block of MobileNet-V3: wider, by channel, gated, narrower; a shortcut where shapes allow one."""

    def __init__(self, before, inner, after, stride):
        super().__init__()
        self.expand = nn.Conv2d(before, inner, 1, bias=False)
        self.norm1, self.activation1 = nn.BatchNorm2d(inner), nn.Hardswish()
        self.depthwise = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False)
        self.norm2, self.activation2 = nn.BatchNorm2d(inner), nn.Hardswish()
        self.excitation = SqueezeExcitation(inner, inner // 4)
        self.project = nn.Conv2d(inner, after, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(after)
        self.has_shortcut = stride == 1 and before == after

    def forward(self, x):
        inner = self.activation1(self.norm1(self.expand(x)))
        inner = self.excitation(self.activation2(self.norm2(self.depthwise(inner))))
        inner = self.norm3(self.project(inner))
        return x + inner if self.has_shortcut else inner


class MobileNet(nn.Sequential):
    """MobileNet-V3 in small: three blocks with hard-swish and squeeze-excitation."""

    def __init__(self, n_classes=N_CLASSES):
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.Hardswish(),
            InvertedResidual(8, 16, 8, 1),
            InvertedResidual(8, 24, 12, 2),
            InvertedResidual(12, 24, 12, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 16),
            nn.Hardswish(),
            nn.Dropout(),
            nn.Linear(16, n_classes),
        )


# Attention --------------------------------------------------------------------------------------


class EncoderBlock(nn.Module):
    """The block of ViT: layer norm before attention and before an MLP with GELU, two shortcuts."""

    def __init__(self, width, n_heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        inner = self.norm1(x)
        x = x + self.attention(inner, inner, inner, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """ViT: patches by a convolution, a class token, positions, blocks, a head on the class token."""

    def __init__(self, size=224, patch=16, width=768, depth=12, n_heads=12, n_classes=1000):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, n_heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, n_classes)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1)
        return self.head(self.norm(self.blocks(tokens + self.positions))[:, 0])


class TokenClassifier(nn.Module):
    """Token ids with positions, embedded, through nn.TransformerEncoderLayer, and a head on the mean."""

    def __init__(self, n_words=30, width=16, n_heads=2, n_classes=N_CLASSES, **params):
        super().__init__()
        self.embedding = nn.Embedding(n_words, width)
        self.positions = nn.Parameter(0.3 * torch.randn(1, N_TOKENS, width))
        self.encoder = nn.TransformerEncoderLayer(width, n_heads, 2 * width, batch_first=True, **params)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x.long()) + self.positions).mean(dim=1))


# Series, tokens, tables -------------------------------------------------------------------------


class SeriesClassifier(nn.Module):
    """An LSTM or GRU over series (n, T, n_in), or over (n, 1, T, n_in), and a head on its last step."""

    def __init__(self, kind=nn.LSTM, n_in=3, n_hidden=8, n_classes=N_CLASSES, **params):
        super().__init__()
        self.recurrent = kind(n_in, n_hidden, batch_first=True, **params)
        self.head = nn.Linear(n_hidden * (2 if self.recurrent.bidirectional else 1), n_classes)

    def forward(self, x):
        return self.classify(x[:, 0] if x.ndim == 4 else x)

    def classify(self, x):
        """Logits of series (n, T, n_in)."""
        return self.head(self.recurrent(x)[0][:, -1])


class WordClassifier(SeriesClassifier):
    """The same over token ids (n, T), which are embedded."""

    def __init__(self, kind=nn.LSTM, n_words=30, n_in=6, **params):
        super().__init__(kind, n_in, **params)
        self.embedding = nn.Embedding(n_words, n_in)

    def forward(self, x):
        return self.classify(self.embedding(x.long()))


def mlp(activation=nn.ReLU, n_in=8):
    """Three linear layers on tables."""
    layers = [nn.Linear(n_in, 24), activation(), nn.Linear(24, 16), activation()]
    return nn.Sequential(*layers, nn.Linear(16, N_CLASSES))


def cnn_1d(length=40):
    """Convolutions over series (n, length) of one channel."""
    return nn.Sequential(
        nn.Unflatten(1, (1, length)),
        nn.Conv1d(1, 8, 5, padding=2),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(8, 12, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Flatten(),
        nn.Linear(3 * length, N_CLASSES),
    )


# Rows -------------------------------------------------------------------------------------------


def signed_pictures(n_rows=3, size=32, seed=0):
    """Pictures (n_rows, size, size, 3) from -1 to 1."""
    return np.random.default_rng(seed).uniform(-1, 1, (n_rows, size, size, 3))


def series(n_rows=3, length=10, n_in=3, seed=0):
    """Series (n_rows, length, n_in) of standard normals."""
    return np.random.default_rng(seed).normal(size=(n_rows, length, n_in))


def token_ids(n_rows=3, n_words=30, seed=0):
    """Token ids (n_rows, N_TOKENS)."""
    return np.random.default_rng(seed).integers(0, n_words, (n_rows, N_TOKENS))


def table(n_rows=3, n_in=8, seed=0):
    """Rows (n_rows, n_in) of standard normals."""
    return np.random.default_rng(seed).normal(size=(n_rows, n_in))


class Case(NamedTuple):
    """A network: how it is made, rows for it, and the layer to explain where the rows are token ids.

    Batch norms have statistics of rows, without which biases drown the input of deep networks.
    """

    make: Callable[[], Any]
    rows: Callable[..., np.ndarray]
    layer: str | None = None

    def network(self, dtype=torch.float64, seed=0):
        """The network with weights of a seed, or trained ones, in evaluation mode."""
        if self.make is efficientnet_lite0:
            return self.make().to(dtype)
        network = seeded(self.make, seed=seed, dtype=dtype)
        return settle_batch_norm(network, self.rows(16, seed=seed + 1))


NETWORKS = {
    "VGG-11": Case(lambda: vgg11_bn(32, 4, 16, N_CLASSES), signed_pictures),
    "ResNet-18": Case(lambda: ResNet18(8, N_CLASSES), signed_pictures),
    "EfficientNet-Lite0": Case(efficientnet_lite0, signed_pictures),
    "MobileNet": Case(MobileNet, signed_pictures),
    "ViT": Case(lambda: VisionTransformer(32, 8, 16, 2, 2, N_CLASSES), signed_pictures),
    "encoder layer": Case(TokenClassifier, token_ids, "embedding"),
    "LSTM": Case(SeriesClassifier, series),
    "GRU": Case(lambda: SeriesClassifier(nn.GRU), series),
    "LSTM of tokens": Case(WordClassifier, token_ids, "embedding"),
    "GRU of tokens": Case(lambda: WordClassifier(nn.GRU), token_ids, "embedding"),
    "MLP": Case(mlp, table),
    "MLP with GELU": Case(lambda: mlp(nn.GELU), table),
    "1-D CNN": Case(cnn_1d, lambda n_rows=3, seed=0: table(n_rows, 40, seed)),
}

_FULL_SIZE = {"VGG-11": vgg11_bn, "ResNet-18": ResNet18, "ViT-B/16": VisionTransformer}


def full_size(name, dtype=torch.float32):
    """VGG-11, ResNet-18 or ViT-B/16 as published; batch norms have the statistics of random pictures."""
    return settle_batch_norm(seeded(_FULL_SIZE[name], dtype=dtype), signed_pictures(2, 224))


# Batch norm -------------------------------------------------------------------------------------


def settle_batch_norm(network, rows):
    """The network, whose batch norms have the statistics of rows from now on."""
    norms = [part for part in network.modules() if isinstance(part, BATCH_NORMS)]
    if norms:
        for part in norms:
            part.momentum = 1.0
            part.train()
        x = torch.as_tensor(rows, dtype=next(network.parameters()).dtype)
        with torch.no_grad():
            network(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)
    return network.eval()


def merge_batch_norm(module):
    """A copy whose batch norms, eps included, are merged into the linear layers registered before them."""
    merged = copy.deepcopy(module)
    before, prefix = None, ""
    for name, part in list(merged.named_modules()):
        if isinstance(part, BATCH_NORMS) and before is not None:
            _merge(before, part)
            parent, _, last = name.rpartition(".")
            setattr(merged.get_submodule(parent), last, nn.Identity())
        if isinstance(part, LINEAR):
            before, prefix = part, f"{name}."
        elif before is not None and not name.startswith(prefix):
            before = None
    return merged


def _merge(linear, norm):
    """Let a linear layer do what the batch norm after it does."""
    with torch.no_grad():
        factor = (norm.running_var + norm.eps).rsqrt() * (1.0 if norm.weight is None else norm.weight)
        offset = -norm.running_mean if linear.bias is None else linear.bias - norm.running_mean
        offset = factor * offset + (0.0 if norm.bias is None else norm.bias)
        linear.weight = nn.Parameter(linear.weight * factor.reshape(-1, *[1] * (linear.weight.ndim - 1)))
        linear.bias = nn.Parameter(offset)
