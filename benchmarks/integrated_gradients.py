"""Nodes that integrated gradients need: the adaptive rule beside Gauss-Legendre rules.

What is compared: on networks with random weights, the largest error of a map as
a share of its largest value (median and worst over rows and outputs), the gap of
the sum as a share of the difference of the scores, and the nodes. The truth is
the adaptive rule with a tolerance of 0.0005, or 5,000 Gauss-Legendre nodes where
that is not reached. A last table has the exact path of a network of linear
layers and ReLU, whose kinks are found one by one (tests/reference).
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import sys
import warnings
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _clock import print_table
from torch import nn

from agnostix import IntegratedGradientsExplainer, as_predictor

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.neural import networks
from tests.reference.integrated_gradients import exact_integrated_gradients

OUTPUTS = [0, 1, 2]
STEPS = (50, 300, 1_000)
TOLERANCES = (0.1, 0.05, 0.02, 0.01)
HEADER = ["", "nodes, median", "mean", "error, median", "worst", "gap, median", "worst", "not reached"]


def mlp(activation: Any = nn.ReLU) -> Any:
    """Eight columns, two hidden layers of 32."""
    hidden = [nn.Linear(8, 32), activation(), nn.Linear(32, 32), activation()]
    return nn.Sequential(*hidden, nn.Linear(32, 4))


def cases(n_rows: int) -> dict[str, tuple[Any, Any]]:
    """Networks in double precision, and rows."""
    table = np.random.default_rng(0).normal(size=(10 * n_rows, 8))
    return {
        "VGG-like, 16 x 16": (networks.seeded(networks.vgg), networks.pictures(n_rows, 16)),
        "ResNet-18, 32 x 32": (
            networks.seeded(networks.resnet18),
            networks.pictures(max(1, n_rows // 4), 32),
        ),
        "digit CNN, 28 x 28": (networks.seeded(networks.DigitCnn), networks.pictures(n_rows, 28, 1)),
        "two hidden layers, ReLU": (networks.seeded(mlp), table),
        "two hidden layers, GELU": (networks.seeded(mlp, nn.GELU), table),
    }


def explain(module: Any, X: Any, **params: Any) -> Any:
    """An explanation of three outputs; rows that are not reached are counted, not warned of."""
    model = as_predictor(module, activation="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return IntegratedGradientsExplainer(model, outputs=OUTPUTS, **params).fit(X).explain(X)


def truth(module: Any, X: Any, quick: bool) -> Any:
    """Values as exact as they can be had."""
    best = explain(module, X, tolerance=5e-3 if quick else 5e-4, max_steps=20_000)
    if (best.extras["status"].array == "converged").all():
        return best.values
    return explain(module, X, method="gauss-legendre", n_steps=5_000).values


def row_of(name: str, exp: Any, expected: Any) -> list[str]:
    """One line of a table."""
    places = tuple(range(1, expected.ndim - 1))
    errors = np.abs(exp.values - expected).max(axis=places) / np.abs(expected).max(axis=places)
    gaps = np.abs(exp.completeness_gap) / np.abs(exp.outputs - exp.base_values)
    nodes = exp.extras["n_nodes"].array
    status = exp.extras.get("status")
    missed = "" if status is None else f"{(status.array != 'converged').mean():.3f}"
    shares = (np.median(errors), errors.max(), np.median(gaps), gaps.max())
    return [name, f"{np.median(nodes):.0f}", f"{nodes.mean():.0f}", *(f"{one:.1e}" for one in shares), missed]


def table(name: str, module: Any, X: Any, expected: Any) -> None:
    """Fixed and adaptive rules on one network."""
    rows = [
        row_of(f"{n:,} nodes", explain(module, X, method="gauss-legendre", n_steps=n), expected)
        for n in STEPS
    ]
    rows += [
        row_of(f"tolerance {one:g}", explain(module, X, tolerance=one, max_steps=5_000), expected)
        for one in TOLERANCES
    ]
    print_table(name, HEADER, rows)


def exact_table(n_rows: int) -> None:
    """The exact path of a network of linear layers, down to small tolerances, and 5,000 nodes."""
    module, X = networks.seeded(mlp), np.random.default_rng(0).normal(size=(n_rows, 8))
    layers = [layer for layer in module if isinstance(layer, nn.Linear)]
    parameters = [[getattr(one, name).detach().numpy() for one in layers] for name in ("weight", "bias")]
    expected = np.array(
        [[exact_integrated_gradients(*parameters, x, np.zeros(8), k) for k in OUTPUTS] for x in X]
    ).transpose(0, 2, 1)
    rows = [
        row_of(f"{n:,} nodes", explain(module, X, method="gauss-legendre", n_steps=n), expected)
        for n in (50, 1_000, 5_000)
    ]
    rows += [
        row_of(f"tolerance {one:g}", explain(module, X, tolerance=one, max_steps=10**5), expected)
        for one in (1e-2, 1e-4, 1e-6)
    ]
    print_table("Two hidden layers, ReLU, against the exact path", HEADER, rows)


def main() -> None:
    """Print all tables."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, and a coarser truth")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    exact_table(5 if quick else 40)
    for name, (module, X) in cases(2 if quick else 8).items():
        table(name, module, X, truth(module, X, quick))


if __name__ == "__main__":
    main()
