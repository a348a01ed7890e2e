"""Torch modules: pictures and tables, single and double precision, learned masks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from agnostix import (
    EntropicProjection,
    ExtremalMaskExplainer,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.recorder import inputs
from tests.recorder.registry import SINGLE, Cases

CASES = Cases("torch", SINGLE)


@cache
def network(double: bool = False) -> Any:
    """A small convolutional network of three classes, weights by seed."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3),
    )  # fmt: skip
    with torch.no_grad():
        module[-1].weight *= 6.0
    return module.double() if double else module


@cache
def perceptron(n_outputs: int = 1) -> Any:
    """A network of tables."""
    import torch
    from torch import nn

    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, n_outputs))


@cache
def quarter() -> Any:
    """Reads the upper left quarter of a gray picture alone."""
    import torch
    from torch import nn

    class Quarter(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.sigmoid(8.0 * x[:, 0, :8, :8].mean(dim=(1, 2)) - 4.0)

    return Quarter()


def predictor(double: bool = False, **params: Any) -> Any:
    """The network, normalized."""
    given = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)} | params
    return as_predictor(network(double), **given)


def explained(kind: type, model: Any, X: Any, **params: Any) -> dict[str, Any]:
    """Fit and explain by an explainer of a class."""
    explainer = kind(model, random_state=0, **params).fit(X)
    return {"explanation": explainer.explain(X[:4]), "cost": explainer.cost(X[:4])}


def _pictures() -> None:
    X = inputs.color()
    windows = {
        str(fill): {"masker": SlidingWindow((6, 5), (4, 3), fill=fill, n_draws=2)}
        for fill in ("mean", "blur", "inpaint", "noise", 100)
    }
    windows["draws"] = {"masker": SlidingWindow((6, 5), (4, 3)), "fill": "draws"}
    for name, params in windows.items():
        CASES.add(
            f"pictures/window, {name}",
            lambda p=params: explained(OcclusionExplainer, predictor(), X, background_size=2, **p),
        )
    for precision in (False, True):
        name = "double" if precision else "single"
        CASES.add(
            f"pictures/segments, {name}",
            lambda d=precision: explained(
                OcclusionExplainer, predictor(d), X, masker=SegmentMasker(n_segments=9)
            ),
        )
        CASES.add(
            f"pictures/rise, {name}",
            lambda d=precision: explained(RiseExplainer, predictor(d), X, n_masks=64, fill="blur"),
        )
        CASES.add(
            f"pictures/shapley, {name}",
            lambda d=precision: explained(
                KernelShapExplainer, predictor(d), X, masker=SegmentMasker(n_segments=6)
            ),
        )
        CASES.add(
            f"pictures/lime, {name}",
            lambda d=precision: explained(
                LimeExplainer, predictor(d), X, masker=SegmentMasker(n_segments=9), n_samples=128
            ),
        )
    CASES.add(
        "pictures/shapley, sampled",
        lambda: explained(
            KernelShapExplainer, predictor(), X, masker=SegmentMasker(n_segments=16), budget=64
        ),
    )
    for name, params in {
        "logits": {"activation": "none"},
        "sigmoid": {"activation": "sigmoid"},
        "batches": {"batch_size": 3},
        "names": {"output_names": ["cat", "dog", "cow"]},
        "bytes as such": {"value_range": "0-255"},
    }.items():
        CASES.add(
            f"pictures/{name}",
            lambda p=params: explained(OcclusionExplainer, predictor(**p), X, masker=SlidingWindow(6, 6)),
        )
    CASES.add("pictures/channels first", _channels_first)

    for name, module in {"probabilities": _softmax, "dict": _dict, "pair": _pair}.items():
        CASES.add(f"forms of output/{name}", lambda m=module: _predicted(m()))


def _softmax() -> Any:
    from torch import nn

    return nn.Sequential(network(), nn.Softmax(dim=1)), None


def _dict() -> Any:
    from torch import nn

    class Named(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"logits": network()(x), "other": x}

    return Named(), "logits"


def _pair() -> Any:
    from torch import nn

    class Pair(nn.Module):
        def forward(self, x: Any) -> Any:
            return x, network()(x)

    return Pair(), 1


def _predicted(made: Any) -> Any:
    module, output = made
    known = as_predictor(module, output=output)
    return {"predict": known.predict(inputs.color()), "task": known.task, "name": known.name}


def _channels_first() -> Any:
    X = np.moveaxis(inputs.color(), 3, 1) / 255.0
    return {"predict": predictor(layout="CHW").predict(X)}


def _tables() -> None:
    X = inputs.numbers()
    for n_outputs in (1, 3):
        model = lambda n=n_outputs: as_predictor(perceptron(n), activation="none")  # noqa: E731
        CASES.add(
            f"tables/occlusion, {n_outputs}",
            lambda m=model: explained(OcclusionExplainer, m(), X, background_size=30),
        )
        CASES.add(
            f"tables/shapley, {n_outputs}",
            lambda m=model: explained(KernelShapExplainer, m(), X, background_size=10),
        )
        CASES.add(
            f"tables/lime, {n_outputs}", lambda m=model: explained(LimeExplainer, m(), X, n_samples=512)
        )
        CASES.add(
            f"tables/what_if, {n_outputs}",
            lambda m=model: EntropicProjection(m(), n_targets=5).fit(X).explain(),
        )
    CASES.add("tables/softmax", lambda: explained(OcclusionExplainer, perceptron(3), X, background_size=30))
    CASES.add(
        "tables/sigmoid",
        lambda: explained(OcclusionExplainer, as_predictor(perceptron(), activation="sigmoid"), X),
    )


def _learned_masks() -> None:
    for name, params in {
        "delete": {"objective": "delete", "area_penalty": 0.3},
        "preserve": {"objective": "preserve", "area_penalty": 0.3},
        "extremal preserve": {"objective": "extremal_preserve", "area": 0.25},
        "extremal delete": {"objective": "extremal_delete", "area": 0.25},
        "both": {"objective": "both", "area_penalty": 0.3},
    }.items():
        CASES.add(f"masks/{name}", lambda p=params: _learned(p))
    CASES.add("masks/network", _learned_of_network)


def _learned(params: dict[str, Any]) -> Any:
    params = {"n_cells": 8, "jitter": 0, "n_steps": 120, "mask_sigma": 0.5, "smoothness": 0.0} | params
    model = as_predictor(quarter(), activation="none")
    explainer = ExtremalMaskExplainer(model, fill=0.0, random_state=0, **params)
    X = np.ones((1, 16, 16))
    return reached(explainer.fit(X).explain(X)) | {"cost": explainer.cost(X)}


def _learned_of_network() -> Any:
    explainer = ExtremalMaskExplainer(predictor(), n_cells=6, n_steps=40, fill="blur", random_state=0)
    return reached(explainer.fit(inputs.color()).explain(inputs.color()))


def reached(exp: Any) -> dict[str, Any]:
    """Scores that a search reaches, from 0 for the fill to 1 for the picture, and the area of the mask."""
    shown, hidden = (exp.extras[name].array for name in ("shown", "hidden"))
    span = exp.outputs - exp.base_values
    return {
        "objective of what is shown": (shown - exp.base_values) / span,
        "objective of what is hidden": (hidden - exp.base_values) / span,
        "objective of the area": exp.values.mean(axis=(1, 2)),
        "outputs": exp.outputs,
        "base_values": exp.base_values,
        "shape": list(exp.values.shape),
        "n_model_rows": exp.n_model_rows,
    }


_pictures()
_tables()
_learned_masks()
