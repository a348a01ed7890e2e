"""Time of relevance and DeepLIFT in forward passes, beside zennit, captum and a gradient."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import _relevance_peers as peers
import numpy as np
import torch
from _clock import interleave, median_ratio, print_table, shown
from _relevance_ours import fitted, inputs_of, rows_of

from agnostix import LrpExplainer, SaliencyExplainer
from tests.neural import networks
from tests.neural.larger_networks import NETWORKS, full_size, merge_batch_norm

OUTPUT = 1
_COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1")
_PEERS = {"cp_lrp": "lxt", "attn_lrp": "lxt", "DeepLIFT": "captum"}
_N_PICTURES = {"VGG-11": 4, "ResNet-18": 4, "EfficientNet-Lite0": 1, "ViT-B/16": 1}


def cost(args: Namespace) -> None:
    """A table for each network and number of threads."""
    before = torch.get_num_threads()
    for name, n in _N_PICTURES.items():
        module, size = _network(name, args.quick)
        images = np.random.default_rng(0).random((n, size, size, 3)).astype("float32")
        calls = _calls(name, module, images)
        for threads in args.threads:
            torch.set_num_threads(threads)
            _print_times(f"{name}, {n} x {size} x {size}, {threads} threads", calls, args.repeats)
    torch.set_num_threads(before)


def _network(name: str, is_quick: bool) -> tuple[Any, int]:
    small = name.replace("-B/16", "")
    if name == "EfficientNet-Lite0":
        return networks.efficientnet_lite0(), 64 if is_quick else 224
    return (NETWORKS[small].network(torch.float32), 32) if is_quick else (full_size(name), 224)


def _calls(name: str, module: Any, images: Any) -> dict[str, Callable[[], Any]]:
    """What is timed: ours on the network as it is, zennit on one without batch norm and with sums it sees."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    inputs = inputs_of(images, torch.float32).contiguous()
    doubled = torch.cat([inputs, torch.zeros_like(inputs)])
    calls: dict[str, Callable[[], Any]] = {
        "forward": partial(_forward, module, inputs),
        "gradient": partial(_gradient, module, inputs),
        "gradient, doubled batch": partial(_gradient, module, doubled),
        "agnostix, gradient": fitted_call(SaliencyExplainer, module, images),
    }
    for composite in _COMPOSITES:
        calls[f"agnostix, {composite}"] = fitted_call(LrpExplainer, module, images, composite=composite)
        merged = peers.with_sums(merge_batch_norm(module))
        if "ViT" not in name:
            calls[f"zennit, {composite}"] = partial(
                peers.run_zennit, merged, inputs, OUTPUT, peers.COMPOSITES[composite]()
            )
    if "ViT" in name:
        for method in ("cp_lrp", "attn_lrp"):
            calls[f"agnostix, {method}"] = fitted_call(
                LrpExplainer, module, images, composite="epsilon", attention=method
            )
            calls[f"lxt, {method}"] = partial(peers.lxt_relevance, module, inputs, OUTPUT, method)
    calls["agnostix, DeepLIFT"] = _deep_lift_call(module, images)
    if name in ("VGG-11", "ResNet-18"):
        calls["captum, DeepLIFT"] = partial(peers.captum_deep_lift, module, inputs, OUTPUT)
    return calls


def fitted_call(explainer: Any, module: Any, images: Any, **params: Any) -> Callable[[], Any]:
    """`explain` of a fitted explainer; what it raises in `fit` is raised when it is called."""
    rows = rows_of(images, torch.float32)
    try:
        return partial(fitted(explainer, module, OUTPUT, rows, **params).explain, rows)
    except Exception as error:
        return partial(_raise, error)


def _deep_lift_call(module: Any, images: Any) -> Callable[[], Any]:
    try:
        from agnostix import DeepLiftExplainer
    except ImportError as error:
        return partial(_raise, error)
    return fitted_call(DeepLiftExplainer, module, images, rule="rescale", baseline="zeros")


def _raise(error: Exception) -> None:
    raise error


def _forward(module: Any, inputs: Any) -> None:
    with torch.no_grad():
        module(inputs)


def _gradient(module: Any, inputs: Any) -> Any:
    points = inputs.clone().requires_grad_()
    return torch.autograd.grad(module(points)[:, OUTPUT].sum(), points)


def _print_times(title: str, calls: dict[str, Callable[[], Any]], repeats: int) -> None:
    able: dict[str, Callable[[], Any]] = {}
    refused: dict[str, str] = {}
    for name, call in calls.items():
        try:
            call()
            able[name] = call
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
            refused[name] = type(error).__name__
    times = interleave(able, repeats)
    rows = []
    for name in calls:
        if name in refused:
            rows.append([name, refused[name], "", "", ""])
            continue
        own = "gradient, doubled batch" if "DeepLIFT" in name else "gradient"
        peer = name.replace(
            "agnostix", {"cp_lrp": "lxt", "attn_lrp": "lxt"}.get(name.split(", ")[-1], "zennit")
        )
        peer = peer.replace("zennit, DeepLIFT", "captum, DeepLIFT")
        is_ahead = name.startswith("agnostix") and peer in times and peer != name
        rows.append(
            [
                name,
                shown(float(np.median(times[name]))),
                median_ratio(times[name], times["forward"]),
                median_ratio(times[name], times[own]),
                median_ratio(times[peer], times[name]) if is_ahead else "",
            ]
        )
    print_table(title, ["", "wall", "x forward", "x gradient", "peer over ours"], rows)
