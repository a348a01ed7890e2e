"""Torch modules: pictures and tables, single and double precision, learned masks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.recorder import inputs
from tests.recorder.adapter import make, public, read_explanation
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
    """Reads the upper left quarter of a grey picture alone."""
    import torch
    from torch import nn

    class Quarter(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.sigmoid(8.0 * x[:, 0, :8, :8].mean(dim=(1, 2)) - 4.0)

    return Quarter()


def predictor(double: bool = False, **params: Any) -> Any:
    """The network, normalized."""
    given = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)} | params
    return public("as_predictor")(network(double), **given)


def explained(
    name: str, model: Any, X: Any, masker: dict[str, Any] | None = None, **params: Any
) -> dict[str, Any]:
    """Fit and explain by an explainer's name."""
    if masker is not None:
        params["masker"] = public("SegmentMasker")(**masker)
    explainer = make(name, model, random_state=0, **params).fit(X)
    return {"explanation": explainer.explain(X[:4]), "cost": explainer.cost(X[:4])}


def _pictures() -> None:
    X = inputs.colour()
    small = {"window": (6, 5), "stride": (4, 3), "background_size": 2}
    for fill in ("mean", "blur", "inpaint", "noise", "draws", 100):
        CASES.add(
            f"pictures/window, {fill}",
            lambda f=fill: explained("OcclusionExplainer", predictor(), X, fill=f, **small),
        )
    for precision in (False, True):
        name = "double" if precision else "single"
        CASES.add(
            f"pictures/segments, {name}",
            lambda d=precision: explained("OcclusionExplainer", predictor(d), X, {"n_segments": 9}),
        )
        CASES.add(
            f"pictures/rise, {name}",
            lambda d=precision: explained(
                "OcclusionExplainer", predictor(d), X, method="rise", n_masks=64, fill="blur"
            ),
        )
        CASES.add(
            f"pictures/shapley, {name}",
            lambda d=precision: explained("KernelShapExplainer", predictor(d), X, {"n_segments": 6}),
        )
        CASES.add(
            f"pictures/lime, {name}",
            lambda d=precision: explained("LimeExplainer", predictor(d), X, {"n_segments": 9}, n_samples=128),
        )
    CASES.add(
        "pictures/shapley, sampled",
        lambda: explained("KernelShapExplainer", predictor(), X, {"n_segments": 16}, budget=64),
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
            lambda p=params: explained("OcclusionExplainer", predictor(**p), X, window=6, stride=6),
        )
    CASES.add("pictures/channels first", _channels_first)

    for name, module in {"probabilities": _softmax, "dict": _dict, "pair": _pair}.items():
        CASES.add(f"answers/{name}", lambda m=module: _answers(m()))


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


def _answers(made: Any) -> Any:
    module, output = made
    known = public("as_predictor")(module, output=output)
    return {"predict": known.predict(inputs.colour()), "task": known.task, "name": known.name}


def _channels_first() -> Any:
    X = np.moveaxis(inputs.colour(), 3, 1) / 255.0
    return {"predict": predictor(layout="CHW").predict(X)}


def _tables() -> None:
    X = inputs.numbers()
    for n_outputs in (1, 3):
        model = lambda n=n_outputs: public("as_predictor")(perceptron(n), activation="none")  # noqa: E731
        CASES.add(
            f"tables/occlusion, {n_outputs}",
            lambda m=model: explained("OcclusionExplainer", m(), X, background_size=30),
        )
        CASES.add(
            f"tables/shapley, {n_outputs}",
            lambda m=model: explained("KernelShapExplainer", m(), X, background_size=10),
        )
        CASES.add(
            f"tables/lime, {n_outputs}", lambda m=model: explained("LimeExplainer", m(), X, n_samples=512)
        )
        CASES.add(
            f"tables/what_if, {n_outputs}",
            lambda m=model: make("EntropicProjection", m(), n_targets=5).fit(X).explain(),
        )
    CASES.add("tables/softmax", lambda: explained("OcclusionExplainer", perceptron(3), X, background_size=30))
    CASES.add(
        "tables/sigmoid",
        lambda: explained(
            "OcclusionExplainer", public("as_predictor")(perceptron(), activation="sigmoid"), X
        ),
    )


def _learned_masks() -> None:
    for name, params in {
        "delete": {"objective": "delete", "area": 0.3},
        "preserve": {"objective": "preserve", "area": 0.3},
        "area": {"objective": "area", "size": 0.25},
        "destroy": {"objective": "area", "size": 0.25, "destroy": True},
        "both": {"objective": "both", "area": 0.3},
    }.items():
        CASES.add(f"masks/{name}", lambda p=params: _learned(p))
    CASES.add("masks/network", _learned_of_network)


def _learned(params: dict[str, Any]) -> Any:
    search = {"n_cells": 8, "jitter": 0, "n_steps": 120, "sigma": 0.5, "smoothness": 0.0} | params
    model = public("as_predictor")(quarter(), activation="none")
    explainer = make(
        "OcclusionExplainer", model, method="mask", learned_mask=search, fill=0.0, random_state=0
    )
    X = np.ones((1, 16, 16))
    return reached(explainer.fit(X).explain(X)) | {"cost": explainer.cost(X)}


def _learned_of_network() -> Any:
    search = {"n_cells": 6, "n_steps": 40}
    explainer = make(
        "OcclusionExplainer", predictor(), method="mask", learned_mask=search, fill="blur", random_state=0
    )
    return reached(explainer.fit(inputs.colour()).explain(inputs.colour()))


def reached(exp: Any) -> dict[str, Any]:
    """Scores that a search reaches, from 0 for the fill to 1 for the picture, and the area of the mask."""
    read = read_explanation(exp)
    extras, span = read["extras"], read["outputs"] - read["base_values"]
    return {
        "objective of what is shown": (extras["shown"] - read["base_values"]) / span,
        "objective of what is hidden": (extras["hidden"] - read["base_values"]) / span,
        "objective of the area": np.asarray(read["values"]).mean(axis=(1, 2)),
        "outputs": read["outputs"],
        "base_values": read["base_values"],
        "shape": list(read["values"].shape),
        "n_model_rows": read["n_model_rows"],
    }


_pictures()
_tables()
_learned_masks()
