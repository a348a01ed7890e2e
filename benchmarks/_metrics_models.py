"""Pictures, networks and explanations that more than one table of benchmarks/metrics.py needs."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from torch import nn

from agnostix import Explanation, as_predictor
from tests.neural import networks

MEAN, STD = 0.498, 0.502
"""Of the input of EfficientNet-Lite0."""
SIDE = 224
_OF_SKIMAGE = ("astronaut", "chelsea", "clock", "coffee", "coins", "hubble_deep_field", "page", "rocket")


def photographs(side: int = SIDE) -> Any:
    """Twelve pictures of scikit-image and scikit-learn, cut square: (12, side, side, 3), from 0 to 1."""
    from skimage import data
    from skimage.transform import resize
    from sklearn.datasets import load_sample_images

    pictures = [getattr(data, name)() for name in _OF_SKIMAGE]
    pictures += [data.camera(), data.stereo_motorcycle()[0], *load_sample_images().images]
    shown = []
    for one in pictures:
        colored = np.repeat(one[..., None], 3, axis=2) if one.ndim == 2 else one[..., :3]
        size = min(colored.shape[:2])
        top, left = ((length - size) // 2 for length in colored.shape[:2])
        shown.append(resize(colored[top : top + size, left : left + size], (side, side), anti_aliasing=True))
    return np.stack(shown).astype(np.float32)


class _Gray(nn.Module):
    """A network for pictures of one channel, which it gets three times."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return self.inner(x.expand(-1, 3, -1, -1))


def efficientnet(dtype: Any = torch.float32, gray: bool = False, **params: Any) -> tuple[Any, Any]:
    """EfficientNet-Lite0 with weights of ImageNet: module, and predictor of probabilities."""
    with contextlib.redirect_stdout(io.StringIO()):
        module = networks.efficientnet_lite0().to(dtype)
    module, n_channels = (_Gray(module), 1) if gray else (module, 3)
    scale = {"mean": [MEAN] * n_channels, "std": [STD] * n_channels}
    return module.eval(), as_predictor(module, activation="softmax", **scale, **params)


def with_spread_outputs(module: Any, inputs: Any, spread: float = 1.5) -> Any:
    """The network with each score moved and stretched to mean 0 and a spread over inputs and darker ones.

    Where weights are random, biases decide alone: those before the last layer are 0.
    """
    *others, last = (part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        for part in others:
            if part.bias is not None:
                part.bias.zero_()
        scores = torch.cat([module(share * inputs) for share in (0.0, 0.3, 1.0)])
        factor = spread / scores.std(dim=0)
        last.weight.mul_(factor[:, None])
        last.bias.sub_(scores.mean(dim=0)).mul_(factor)
    return module


def explanation_of(
    values: Any, outputs: Any = None, names: Any = ("predicted",), **fields: Any
) -> Explanation:
    """An explanation of pictures from maps (n_rows, height, width[, n_outputs])."""
    values = values[..., None] if values.ndim == 3 else values
    return Explanation(
        values=values,
        dims=("row", "y", "x", "output"),
        outputs=outputs,
        output_names=names,
        quantity=fields.pop("quantity", "relevance"),
        method="by hand",
        **fields,
    )


def explanation_of_table(values: Any, X: Any, names: Any = ("prediction",), **fields: Any) -> Explanation:
    """An explanation of a table (n_rows, n_features) from values (n_rows, n_features[, n_outputs])."""
    values = values[..., None] if values.ndim == 2 else values
    return Explanation(
        values=values,
        data=X,
        feature_names=tuple(f"x{j}" for j in range(X.shape[1])),
        output_names=names,
        quantity=fields.pop("quantity", "contribution"),
        method="by hand",
        **fields,
    )
