"""What metrics cost: forwards, how many of them differ, time beside the bare forwards, and Quantus."""

from __future__ import annotations

import hashlib
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import print_table, shown
from _metrics_models import MEAN, SIDE, STD, efficientnet, explanation_of

from agnostix.metrics import average_drop, average_gain, compare_explainers, deletion, insertion, road

N_EXPLANATIONS, N_SHARES = 4, 9
BATCH = 4
"""Pictures in a batch, as the predictor chooses by the size of its layers."""
METRICS: dict[str, Callable[..., Any]] = {
    "deletion": deletion,
    "insertion": insertion,
    "road": road,
    "average_drop": average_drop,
    "average_gain": average_gain,
}
_STEP_ROWS = {"rise": 1, "lecture": 8}


def cost(args: Namespace) -> None:
    """Forwards and time of five metrics on four explanations."""
    rng = np.random.default_rng(0)
    pictures = rng.random((args.pictures, SIDE, SIDE, 3)).astype(np.float32)
    maps = rng.normal(size=(N_EXPLANATIONS, args.pictures, SIDE, SIDE))
    count(pictures[:2], maps, "rise")
    count(pictures[: 2 if args.small else None], maps, "lecture")
    count_together(pictures[:2], maps)
    _time(args, pictures[:1], maps[:1, :1], "rise")
    n = 1 if args.small else args.timed
    _time(args, pictures[:n], maps[:, :n], "lecture")
    beside_quantus(args, pictures, maps)


def _calls(convention: str) -> dict[str, Callable[..., Any]]:
    options = {"deletion": {"convention": convention}, "insertion": {"convention": convention}}
    return {name: partial(one, verbose=0, **options.get(name, {})) for name, one in METRICS.items()}


# Forwards ---------------------------------------------------------------------------------------


class Counted:
    """A cheap stand-in for the network, which keeps a hash of every picture that it is asked for."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, X: Any) -> Any:
        self.seen += [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in X]
        level = X.reshape(len(X), -1)[:, ::97].mean(axis=1)
        return np.stack([level, 1.0 - level], axis=1)


def count(pictures: Any, maps: Any, convention: str) -> None:
    """Pictures that the model is asked for, and those that differ, of one call after the other."""
    rows, every = [], []
    model = Counted()
    for name, metric in _calls(convention).items():
        asked, n_distinct = [], 0
        for own in maps:
            model.seen = []
            metric(model, pictures, explanation_of(own[: len(pictures)]))
            n_distinct += len(set(model.seen))
            asked += model.seen
        expected = expected_forwards(name, len(pictures), len(maps), convention)
        rows.append([name, f"{len(asked):,}", f"{expected:,}", f"{n_distinct:,}", f"{len(set(asked)):,}"])
        every += asked
    rows.append(["all", f"{len(every):,}", "", "", f"{len(set(every)):,}"])
    header = ["", "forwards", "by definition", "distinct in a call", "distinct in all calls"]
    print_table(f"Forwards: {len(maps)} explanations of {len(pictures)} pictures, {convention}", header, rows)


def count_together(pictures: Any, maps: Any) -> None:
    """Forwards of a comparison, which evaluates once what explanations and metrics have in common."""
    model = Counted()
    explanations = {str(k): explanation_of(one[: len(pictures)]) for k, one in enumerate(maps)}
    compare_explainers(model, pictures, explanations, metrics=list(METRICS), verbose=0)
    n, n_distinct = len(model.seen), len(set(model.seen))
    print(
        f"\ncompare_explainers, random orders once and none of the least relevant first: {n:,} forwards, ",
        end="",
    )
    print(f"{n_distinct:,} of distinct pictures.")


def expected_forwards(name: str, n_pictures: int, n_explanations: int, convention: str) -> int:
    """The picture as it is, and hidden up to the points of three orders, which share their ends."""
    n_steps = -(-SIDE // _STEP_ROWS[convention])
    of_curve = 1 + 3 * (n_steps - 1) + 1
    each = {"deletion": of_curve, "insertion": of_curve, "road": 1 + 3 * N_SHARES}
    return n_explanations * n_pictures * each.get(name, 2)


# Time -------------------------------------------------------------------------------------------


def _time(args: Namespace, pictures: Any, maps: Any, convention: str) -> None:
    """Each metric beside as many bare forwards, in batches of the same size."""
    module, predictor = efficientnet(batch_size=BATCH)
    explanations = [explanation_of(one) for one in maps]
    rows, ours, bare = [], 0.0, 0.0
    for name, metric in _calls(convention).items():
        n_forwards = expected_forwards(name, len(pictures), len(maps), convention)
        calls = {
            "ours": partial(_measure, metric, predictor, pictures, explanations),
            "bare": partial(forward, module, pictures, n_forwards),
        }
        times = interleave(calls, 1 if args.small else args.repeats)
        own, other = (float(np.median(times[side])) for side in calls)
        ours, bare = ours + own, bare + other
        ratio = np.median(times["ours"] / times["bare"])
        rows.append([name, f"{n_forwards:,}", shown(own), shown(other), f"{ratio:.3f}"])
    rows.append(["all", "", shown(ours), shown(bare), f"{ours / bare:.3f}"])
    n_each = "1 explanation" if len(maps) == 1 else f"{len(maps)} explanations"
    print_table(
        f"EfficientNet-Lite0, {n_each} of {len(pictures)} pictures, {SIDE} x {SIDE}, steps as {convention!r}",
        ["", "forwards", "agnostix", "bare forwards", "ratio"],
        rows,
    )


def interleave(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Any]:
    """Seconds of the processor, of calls in turn: with one thread, whatever else the machine does."""
    times = [[seconds(call) for call in calls.values()] for _ in range(repeats)]
    return dict(zip(calls, np.array(times).T, strict=True))


def seconds(call: Callable[[], Any]) -> float:
    """Seconds of the processor of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def _measure(metric: Any, predictor: Any, pictures: Any, explanations: Any) -> None:
    for exp in explanations:
        metric(predictor, pictures, exp)


def forward(module: Any, pictures: Any, n_forwards: int) -> None:
    """So many pictures, normalized beforehand, in batches laid out as the network likes them."""
    inputs = torch.as_tensor((pictures[np.arange(BATCH) % len(pictures)] - MEAN) / STD)
    inputs = inputs.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for start in range(0, n_forwards, BATCH):
            module(inputs[: n_forwards - start]).softmax(dim=1)


# Quantus ----------------------------------------------------------------------------------------


def beside_quantus(args: Namespace, pictures: Any, maps: Any) -> None:
    """Its ROAD and pixel flipping, of two gray pictures, beside ours with as many forwards."""
    try:
        import quantus
    except ImportError as error:
        print(f"Quantus is left out: {error}", file=sys.stderr)
        return
    n = 2
    module, predictor = efficientnet(batch_size=BATCH, gray=True)
    gray, own = pictures[:n, ..., :1], explanation_of(maps[0, :n])
    inputs = np.ascontiguousarray(np.moveaxis((gray - MEAN) / STD, -1, 1))
    with torch.no_grad():
        classes = module(torch.as_tensor(inputs)).argmax(dim=1).numpy()
    plain = {"disable_warnings": True, "normalise": False}
    given = {"model": module, "x_batch": inputs, "y_batch": classes, "a_batch": maps[0, :n, None]}
    peers = {
        "ROAD, nine shares": quantus.ROAD(percentages=list(range(10, 100, 10)), **plain),
        "pixel flipping, steps of 8 rows": quantus.PixelFlipping(
            features_in_step=8 * SIDE, perturb_baseline=0.0, **plain
        ),
    }
    alone: dict[str, Any] = {"least": False, "n_random": 0, "verbose": 0}
    ours = [
        partial(road, predictor, gray, own, **alone),
        partial(deletion, predictor, gray, own, convention="lecture", **alone),
    ]
    forwards = [n * N_SHARES, n * (SIDE // 8)]
    rows = []
    for (name, peer), call, n_forwards in zip(peers.items(), ours, forwards, strict=True):
        bare = partial(forward, module, gray, n_forwards)
        call()
        rounds = [[seconds(one) for one in (call, partial(peer, **given), bare)] for _ in range(args.repeats)]
        taken = np.median(rounds, axis=0)
        cells = [f"{shown(one)} ({one / taken[-1]:.2f})" for one in taken.tolist()]
        rows.append([name, f"{n_forwards}", *cells])
    print_table(
        f"The network on gray, {n} pictures, 1 explanation: times, and over those of the bare forwards",
        ["", "forwards", "agnostix", f"Quantus {quantus.__version__}", "bare forwards"],
        rows,
    )
