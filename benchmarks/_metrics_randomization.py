"""Do maps change when nothing is left of what a network has learned? Guided backpropagation and the gradient.

A VGG-like network is trained on digits; its layers are reset from the top down, and maps of the class that it
predicted are compared with the original ones by Spearman's correlation, of sizes but for the last line. The
null is the correlation with original maps of other rows.
"""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import print_table
from _relevance_truth import train_network
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from agnostix import SaliencyExplainer, as_predictor
from agnostix.metrics import model_randomization

_SIDE, _N_TEST, _N_STEPS = 16, 100, 600
_N_DRAWS = 15
_EXPLAINERS: dict[str, tuple[Any, str]] = {
    "guided backpropagation": (partial(SaliencyExplainer, method="guided"), "absolute-spearman"),
    "deconvolution": (partial(SaliencyExplainer, method="deconvolution"), "absolute-spearman"),
    "gradient": (SaliencyExplainer, "absolute-spearman"),
    "gradient x input": (partial(SaliencyExplainer, method="gradient_x_input"), "absolute-spearman"),
    "gradient x input, by values": (partial(SaliencyExplainer, method="gradient_x_input"), "spearman"),
}


def randomization(args: Namespace) -> None:
    """Cascading reset of all layers."""
    network, pictures, accuracy = _trained(30 if args.small else _N_STEPS)
    pictures = pictures[:20] if args.small else pictures[:_N_TEST]
    predictor = as_predictor(network, activation="softmax")
    rows, curves, verdicts = [], [], []
    for name, (make, similarity) in _EXPLAINERS.items():
        explainer = make(predictor, outputs="predicted", verbose=0).fit(pictures)
        n_draws = 2 if args.small else _N_DRAWS
        result = model_randomization(predictor, pictures, explainer, similarity=similarity, n_draws=n_draws)
        low, high = result.interval()
        null = float(np.mean(result.references["other rows"]))
        verdict = str(result.verdict)
        rows.append(
            [name, f"{result.score:.2f} ({low:.2f} to {high:.2f})", f"{null:.2f}", verdict.partition(" ")[0]]
        )
        curves.append([name, *(f"{one:.2f}" for one in result.curve.values.mean(axis=0))])
        verdicts.append(f"- {name}: {verdict}")
    print_table(
        f"VGG-like network on digits, accuracy {accuracy:.3f}, {len(pictures)} test pictures: Spearman's "
        "correlation of maps with all layers reset",
        ["", "all reset", "maps of other rows", "verdict"],
        rows,
    )
    print("\n" + "\n".join(verdicts))
    print_table("The same by number of layers reset", ["", *map(str, range(len(curves[0]) - 1))], curves)


def _trained(n_steps: int) -> tuple[Any, Any, float]:
    """The network, test pictures (n_rows, side, side) and its accuracy on them."""
    data = load_digits()
    pictures = zoom(data.images / 16.0, (1, _SIDE // 8, _SIDE // 8), order=1).astype("float32")
    order = np.random.default_rng(0).permutation(len(pictures))
    test, own = order[:300], order[300:]
    network = train_network(_vgg, pictures[own], data.target[own], n_steps, 0)
    with torch.no_grad():
        predicted = network(torch.as_tensor(pictures[test])[:, None]).argmax(dim=1).numpy()
    return network, pictures[test], float(np.mean(predicted == data.target[test]))


def _vgg() -> Any:
    """Two convolutions before each pooling, and two linear layers."""
    nn = torch.nn
    layers: list[Any] = []
    before = 1
    for width in (16, 32, 64):
        for _ in range(2):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4, 64), nn.ReLU(), nn.Linear(64, 10))
