"""How much of an explanation lies where the class is: digits at random places on cluttered ground.

Three convolutional networks are trained on digits of 8 x 8 pixels, doubled, at random places of pictures
40 x 40 whose ground has strokes as bright as digits and smooth noise. The region of the class is the box of
the digit, 16 x 16, 16 % of a picture. Shares are those of test pictures that the network classifies right, of
the true class; intervals are of 95 %, by resampling networks and, within them, pictures.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _clock import print_table
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from torch import nn

from agnostix import (
    CamExplainer,
    IntegratedGradientsExplainer,
    LrpExplainer,
    SaliencyExplainer,
    as_predictor,
)

SIZE, SIDE = 40, 16
_N_TEST, _N_EXPLAINED, _N_DRAWS = 300, 150, 2000
_N_COPIES, _N_STEPS = 8, 800
_METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "gradient": (SaliencyExplainer, {}),
    "gradient x input": (SaliencyExplainer, {"method": "gradient_x_input"}),
    "integrated gradients": (
        IntegratedGradientsExplainer,
        {"baseline": 0.0, "method": "gauss-legendre", "n_steps": 32},
    ),
    "Grad-CAM": (CamExplainer, {"method": "grad_cam"}),
    "LRP, epsilon": (LrpExplainer, {"composite": "epsilon"}),
    "LRP, epsilon_plus": (LrpExplainer, {"composite": "epsilon_plus"}),
    "LRP, epsilon_plus_flat": (LrpExplainer, {"composite": "epsilon_plus_flat"}),
    "LRP, epsilon_gamma_box": (LrpExplainer, {"composite": "epsilon_gamma_box"}),
    "LRP, epsilon_alpha2_beta1": (LrpExplainer, {"composite": "epsilon_alpha2_beta1"}),
    "LRP, deep_taylor": (LrpExplainer, {"composite": "deep_taylor"}),
    "DeepLIFT, rescale": ("DeepLiftExplainer", {"rule": "rescale"}),
    "DeepLIFT, reveal-cancel": ("DeepLiftExplainer", {"rule": "reveal_cancel"}),
}
_REFERENCE = "gradient x input"


# Pictures and networks --------------------------------------------------------------------------


def cluttered(digits: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Digits (n, 8, 8) from 0 to 1 on cluttered pictures (n, SIZE, SIZE), and their regions, alike."""
    pictures = np.stack([_ground(rng) for _ in digits])
    regions = np.zeros(pictures.shape, bool)
    for digit, picture, region in zip(digits, pictures, regions, strict=True):
        top, left = rng.integers(0, SIZE - SIDE + 1, 2)
        place = slice(top, top + SIDE), slice(left, left + SIDE)
        picture[place] = np.maximum(picture[place], np.kron(digit, np.ones((2, 2))))
        region[place] = True
    return pictures.astype("float32"), regions


def _ground(rng: np.random.Generator) -> Any:
    """Smooth noise with strokes."""
    noise = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 2.0)
    ground = 0.15 + 0.1 * noise / noise.std()
    for _ in range(rng.integers(4, 8)):
        place, angle = rng.uniform(0, SIZE, 2), rng.uniform(0, np.pi)
        for step in np.arange(rng.uniform(4, 10), step=0.5):
            y, x = (place + step * np.array([np.sin(angle), np.cos(angle)])).astype(int)
            ground[max(y, 0) : y + 2, max(x, 0) : x + 2] = rng.uniform(0.6, 1.0)
    return ground.clip(0, 1)


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]


def _flattened() -> nn.Module:
    maps = [*_convolution(1, 12), nn.MaxPool2d(2), *_convolution(12, 24), nn.MaxPool2d(2)]
    maps += [*_convolution(24, 32), nn.MaxPool2d(2), *_convolution(32, 48), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*maps, nn.Linear(48 * 4, 64), nn.ReLU(), nn.Linear(64, 10))


def _largest() -> nn.Module:
    maps = [*_convolution(1, 8), nn.MaxPool2d(2), *_convolution(8, 24), nn.MaxPool2d(2)]
    maps += [*_convolution(24, 32), *_convolution(32, 48)]
    return nn.Sequential(*maps, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(48, 10))


def averaged() -> nn.Module:
    maps = [*_convolution(1, 8), nn.AvgPool2d(2), *_convolution(8, 24), nn.AvgPool2d(2)]
    maps += [*_convolution(24, 32), *_convolution(32, 64)]
    return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


_NETWORKS = {"flattened": _flattened, "largest value": _largest, "average": averaged}


def train_network(
    make: Callable[[], nn.Module], pictures: Any, labels: Any, n_steps: int, seed: int
) -> nn.Module:
    """A network trained on pictures (n, SIZE, SIZE)."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = make()
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps)
    for _ in range(n_steps):
        chosen = rng.integers(0, len(pictures), 48)
        scores = network(torch.as_tensor(pictures[chosen])[:, None])
        loss = nn.functional.cross_entropy(scores, torch.as_tensor(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


# The table --------------------------------------------------------------------------------------


def truth(args: Namespace) -> None:
    """Shares of positive and of absolute relevance in the digit's box."""
    data = load_digits()
    digits, labels = data.images / 16.0, data.target
    order = np.random.default_rng(0).permutation(len(digits))
    test, train = order[:_N_TEST], order[_N_TEST:]
    pictures, regions = cluttered(digits[test], np.random.default_rng(1))
    train = np.tile(train, 1 if args.quick else _N_COPIES)
    examples = cluttered(digits[train], np.random.default_rng(2))[0]
    found: dict[str, list[Any]] = {}
    refused: dict[str, str] = {}
    for seed, (name, make) in enumerate(_NETWORKS.items()):
        network = train_network(make, examples, labels[train], 30 if args.quick else _N_STEPS, seed)
        with torch.no_grad():
            predicted = network(torch.as_tensor(pictures)[:, None]).argmax(dim=1).numpy()
        right = np.flatnonzero(predicted == labels[test])[: 20 if args.quick else _N_EXPLAINED]
        print(
            f"\n{name}: {np.mean(predicted == labels[test]):.3f} of {_N_TEST} test pictures classified right"
        )
        for method in _METHODS:
            try:
                maps = _explain(network, method, pictures[right])
            except Exception as error:
                print(f"{method}: {error}", file=sys.stderr)
                refused[method] = type(error).__name__
                continue
            found.setdefault(method, []).append(_shares(maps, regions[right]))
    print_table(
        f"Share of relevance in the digit's box, {(SIDE / SIZE) ** 2:.0%} of the picture",
        ["", "positive", "absolute", f"positive, less {_REFERENCE}"],
        [_line(method, found, refused) for method in _METHODS],
    )


def _explain(network: nn.Module, method: str, pictures: Any) -> Any:
    """Maps (n_rows, SIZE, SIZE) of the predicted class."""
    explainer, params = _METHODS[method]
    if isinstance(explainer, str):
        import agnostix

        explainer = getattr(agnostix, explainer)
    model = as_predictor(network, activation="none")
    exp = explainer(model, outputs="predicted", verbose=0, **params).fit(pictures).explain(pictures)
    return exp.values[..., 0]


def _shares(maps: Any, regions: Any) -> Any:
    """Share inside of positive and of absolute values (n_rows, 2)."""
    shares = []
    for parts in (np.maximum(maps, 0.0), np.abs(maps)):
        whole = parts.sum(axis=(1, 2))
        inside = (parts * regions).sum(axis=(1, 2))
        shares.append(np.where(whole > 0, inside / np.where(whole > 0, whole, 1.0), 0.0))
    return np.stack(shares, axis=1)


def _line(method: str, found: dict[str, list[Any]], refused: dict[str, str]) -> list[str]:
    if method not in found or method in refused:
        return [method, refused.get(method, ""), "", ""]
    parts = found[method]
    cells = [_interval([one[:, k] for one in parts]) for k in (0, 1)]
    paired = [one[:, 0] - other[:, 0] for one, other in zip(parts, found[_REFERENCE], strict=True)]
    return [method, *cells, "" if method == _REFERENCE else _interval(paired)]


def _interval(parts: list[Any]) -> str:
    """Mean over networks of the mean over pictures, with its interval."""
    rng = np.random.default_rng(0)
    means = np.array(
        [
            np.mean(
                [rng.choice(parts[k], len(parts[k])).mean() for k in rng.integers(0, len(parts), len(parts))]
            )
            for _ in range(_N_DRAWS)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{np.mean([one.mean() for one in parts]):.3f} ({low:.3f} to {high:.3f})"
