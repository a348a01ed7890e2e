"""Networks for sanity checks: a VGG-like one trained on digits, and small ones with unusual layers."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from agnostix.core.base import Attribution, AttributionExplainer


def vgg(n_classes=10):
    """Two pairs of convolutions with ReLU and max pooling, and two linear layers, for 8 x 8 pixels."""
    layers, width = [], 1
    for wider in (16, 32):
        for before, after in ((width, wider), (wider, wider)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers, width = [*layers, nn.MaxPool2d(2)], wider
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width, 64), nn.ReLU(), nn.Linear(64, n_classes))


@cache
def trained_on_digits():
    """The network trained on 1,400 digits, and digits that it has not seen, with their labels."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    X, y = (digits.images[order] / 16).astype(np.float32), digits.target[order]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = vgg()
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        inputs, labels = torch.tensor(X[:1400])[:, None], torch.tensor(y[:1400])
        for _ in range(8):
            for batch in torch.randperm(1400).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
                optimizer.step()
    network.zero_grad()
    return network.eval(), X[1400:], y[1400:]


class Reversed(nn.Module):
    """Layers that are used in another order than they are defined in, with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(8, 3), nn.Linear(6, 8)
        self.norm, self.offset = nn.BatchNorm1d(8), nn.Parameter(torch.linspace(1.0, 3.0, 6))

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.first(x + self.offset))))


class Attention(nn.Module):
    """Attention over six columns as tokens: its output layer is used and not called."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        tokens = self.embed(x[..., None])
        return self.head(self.attention(tokens, tokens, tokens)[0].mean(dim=1))


class SameMap(AttributionExplainer):
    """An explainer that gives every row the same map, whatever the model."""

    @property
    def _dims(self):
        return ("row", "y", "x", "output")

    @property
    def _quantity(self):
        return "relevance"

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        one = np.arange(float(rows[0].size)).reshape(1, *rows.shape[1:3], 1)
        values = np.broadcast_to(one, (*rows.shape[:3], selection.n_selected)).copy()
        return Attribution(values=values, predictions=predictions, n_model_rows=len(rows))

    def _count_model_rows(self, rows):
        return len(rows)
