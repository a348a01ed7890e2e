"""LIME of tables, pictures and texts, its exact limits, and rows picked from it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from agnostix import LimeExplainer, OcclusionExplainer, submodular_pick
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.maskers import SegmentMasker, TextMasker
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("lime")


def fitted(model: Any, seen: Any, fit: dict[str, Any] | None = None, **params: Any) -> Any:
    """A fitted explainer with few samples."""
    params = {"random_state": 0, "n_samples": 1024} | params
    return LimeExplainer(model, **params).fit(seen, **(fit or {}))


def explained(
    model: Any, X: Any, seen: Any, fit: dict[str, Any] | None = None, **params: Any
) -> dict[str, Any]:
    """Fit on `seen`, explain X."""
    outputs = params.pop("explain_outputs", None)
    explainer = fitted(model, seen, fit, **params)
    return {
        "explanation": explainer.explain(X, outputs=outputs),
        "cost": explainer.cost(X),
        "n_model_rows_": explainer.n_model_rows_,
        "kernel_width_": explainer.kernel_width_,
    }


def _tables() -> None:
    X, people = inputs.numbers(), inputs.people()
    high = inputs.smooth(X) > 1.0
    samplings: dict[str, Any] = {name: name for name in ("kernel", "tilted", "local")}
    for discretizer in ("quartile", "decile", "entropy", None):
        samplings[f"kernel, {discretizer}"] = KernelSampling(discretizer=discretizer)
        samplings[f"tilted, {discretizer}"] = TiltedSampling(discretizer=discretizer)
    for name, sampling in samplings.items():
        CASES.add(
            f"numbers/{name}",
            lambda s=sampling: explained(inputs.several, X[:4], X, {"y": high}, sampling=s),
        )
    selections = ("auto", "forward_selection", "highest_weights", "lasso_path")
    for sampling, selection in product(("kernel", "tilted", "local"), selections):
        params = {"sampling": sampling, "feature_selection": selection, "max_features": 3}
        CASES.add(
            f"numbers/{sampling}, three by {selection}",
            lambda p=params: explained(inputs.several, X[:4], X, **p),
        )
    for surrogate, sampling in product(("klasso", "tree"), ("kernel", "tilted", "local")):
        params = {"surrogate": surrogate, "sampling": sampling, "max_features": 4}
        CASES.add(
            f"numbers/{surrogate}, {sampling}", lambda p=params: explained(inputs.smooth, X[:3], X, **p)
        )
    for name, params in {
        "radius": {"sampling": LocalSampling(radius=0.05)},
        "width": {"sampling": KernelSampling(width=0.8)},
        "coefficients": {"sampling": KernelSampling(discretizer=None), "values": "coef"},
        "stability": {"max_features": 2, "stability": 0.9, "n_samples": 256},
        "stability by weights": {
            "max_features": 2,
            "stability": 0.8,
            "n_samples": 256,
            "feature_selection": "highest_weights",
        },
        "stability of the path": {
            "max_features": 2,
            "stability": 0.8,
            "n_samples": 256,
            "surrogate": "klasso",
        },
        "all samples": {"n_samples": "auto"},
        "seed": {"random_state": 5},
        "many features": {"max_features": 8, "wide": True},
    }.items():
        wide = params.pop("wide", False)
        seen = inputs.numbers(15) if wide else X
        CASES.add(f"numbers/{name}", lambda p=params, s=seen: explained(inputs.smooth, s[:4], s, **p))
    CASES.add("numbers/own surrogate", _own_surrogate)
    groups = {"work": ["hours", "income", "gains"], "home": ["town", "grade"]}
    for name, params in {
        "kernel": {},
        "tilted": {"sampling": "tilted"},
        "groups": {"feature_groups": groups},
        "groups, tilted": {"feature_groups": groups, "sampling": "tilted"},
        "three features": {"max_features": 3},
        "tree": {"surrogate": "tree"},
        "one output": {"outputs": "yes"},
        "predicted": {"explain_outputs": "predicted"},
    }.items():
        CASES.add(f"people/{name}", lambda p=params: explained(inputs.approval(), people[:5], people, **p))
    CASES.add(
        "people/weights",
        lambda: explained(inputs.approval(), people[:5], people, {"sample_weight": inputs.weights()}),
    )
    CASES.add("people/classes", lambda: explained(inputs.classes(), people[:3], people, n_samples=512))
    whole = inputs.dateless().assign(hours=inputs.people()["hours"].fillna(30.0))
    for name, params in {
        "local": {"sampling": "local"},
        "no bins": {"sampling": KernelSampling(discretizer=None)},
    }.items():
        CASES.add(
            f"people/{name}", lambda p=params: explained(inputs.approval(dates=False), whole[:5], whole, **p)
        )
    CASES.add("people/labels not seen", _unseen)
    for sampling in ("kernel", "tilted"):
        CASES.add(f"people/rare labels, {sampling}", lambda s=sampling: _rare(s))


def _own_surrogate() -> Any:
    from sklearn.linear_model import Ridge

    X = inputs.numbers()
    return explained(inputs.smooth, X[:2], X, surrogate=Ridge(alpha=2.0), max_features=3)


def _unseen() -> Any:
    people = inputs.dateless()
    rows = people[:4].assign(town=["east", "north", "east", None])
    return explained(inputs.approval(dates=False), rows, people)


def _rare(sampling: str) -> Any:
    """Labels that few draws have, and one that none has."""
    people = inputs.dateless()
    seen = people.assign(town=people["town"].where(people.index >= 1, "island"))
    rows = seen[:4].assign(town=["island", "north", "east", "island"])
    return explained(inputs.approval(dates=False), rows, seen, sampling=sampling, n_samples=256)


def _masks() -> None:
    for name, (masker, params) in {
        "all masks": ({"n_segments": 6}, {}),
        "samples": ({"n_segments": 12, "fill": "blur"}, {"n_samples": 256}),
        "tilted": ({"n_segments": 12}, {"n_samples": 256, "sampling": "tilted"}),
        "slic": ({"segments": "slic", "n_segments": 10}, {"n_samples": 256, "max_features": 4}),
        "width": ({"n_segments": 12}, {"n_samples": 256, "sampling": KernelSampling(width=0.6)}),
        "tree": ({"n_segments": 12}, {"n_samples": 256, "surrogate": "tree"}),
        "klasso": ({"n_segments": 12}, {"n_samples": 256, "surrogate": "klasso", "max_features": 5}),
    }.items():
        CASES.add(
            f"pictures/{name}",
            lambda m=masker, p=params: _masked(inputs.look, inputs.color(), SegmentMasker(**m), **p),
        )
    for name, (masker, params) in {
        "bag of words": ({}, {}),
        "places": ({"bow": False}, {"n_samples": 256}),
        "tilted": ({"bow": False}, {"n_samples": 256, "sampling": "tilted"}),
        "three words": ({}, {"n_samples": 256, "max_features": 3}),
    }.items():
        CASES.add(
            f"texts/{name}",
            lambda m=masker, p=params: _masked(inputs.praise, inputs.TEXTS, TextMasker(**m), **p),
        )


def _masked(model: Any, X: Any, masker: Any, **params: Any) -> Any:
    explainer = LimeExplainer(model, masker=masker, random_state=0, **params).fit(X)
    return {"explanation": explainer.explain(X), "cost": explainer.cost(X)}


def _limits() -> None:
    X, frame = inputs.numbers(), inputs.frame()
    for sampling in ("kernel", "tilted"):
        CASES.add(
            f"exact/tree, {sampling}",
            lambda s=sampling: fitted(inputs.tree(), frame, sampling=s).explain_exact(frame[:4]),
        )
        CASES.add(
            f"exact/additive, {sampling}",
            lambda s=sampling: fitted(inputs.additive, X, sampling=s).explain_exact(X[:4], additive=True),
        )
    CASES.add("exact/forest", lambda: fitted(inputs.forest(), frame).explain_exact(frame[:4]))
    CASES.add(
        "exact/klasso",
        lambda: fitted(inputs.tree(), frame, surrogate="klasso").explain_exact(frame[:4]),
    )
    CASES.add("exact/labels not seen", _exact_unseen)


def _exact_unseen() -> Any:
    table = inputs.dateless()[["age", "hours", "town"]].fillna({"hours": 30.0, "town": "north"})
    explainer = fitted(_sum_of_columns, table)
    return explainer.explain_exact(table[:3].assign(town=["east", "west", "north"]), additive=True)


def _sum_of_columns(table: Any) -> np.ndarray:
    by_town = table["town"].map({"north": 1.0, "south": 2.0}).fillna(0.5)
    return (0.1 * table["age"] + np.sin(table["hours"]) + by_town).to_numpy(dtype=float)


def _picks() -> None:
    X = inputs.numbers()
    for name, params in {"default": {}, "two features": {"n_picks": 3, "max_features": 2}}.items():
        CASES.add(
            f"pick/{name}",
            lambda p=params: submodular_pick(fitted(inputs.smooth, X).explain(X[:40]), **p),
        )
    CASES.add(
        "pick/no bins",
        lambda: submodular_pick(
            fitted(inputs.several, X, sampling=KernelSampling(discretizer=None)).explain(X[:40])
        ),
    )
    CASES.add("pick/occlusion", _picked_occlusion)


def _picked_occlusion() -> Any:
    people = inputs.people()
    explainer = OcclusionExplainer(inputs.approval(), random_state=0, background_size=20).fit(people)
    return submodular_pick(explainer.explain(people[:60]), 4)


_tables()
_masks()
_limits()
_picks()
