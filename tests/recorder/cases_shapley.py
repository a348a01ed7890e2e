"""Shapley values: exact and sampled, of tables, pictures and texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix import KernelShapExplainer
from agnostix.maskers import SegmentMasker, TextMasker
from tests.recorder import inputs
from tests.recorder.cases_occlusion import own_segments
from tests.recorder.registry import Cases

CASES = Cases("shapley")


def explained(
    model: Any, X: Any, seen: Any, fit: dict[str, Any] | None = None, **params: Any
) -> dict[str, Any]:
    """Fit on `seen`, explain X."""
    outputs = params.pop("explain_outputs", None)
    explainer = KernelShapExplainer(model, **({"random_state": 0, "background_size": 20} | params))
    explainer.fit(seen, **(fit or {}))
    exp = explainer.explain(X, outputs=outputs)
    fitted = {
        name: getattr(explainer, name) for name in ("base_values_", "budget_", "kernel_", "n_model_rows_")
    }
    result = {"explanation": exp, "cost": explainer.cost(X), "fitted": fitted}
    return result if exp.n_model_rows > explainer.cost(X) else result | {"within cost": True}


def _tables() -> None:
    X, wide, people = inputs.numbers(), inputs.numbers(15), inputs.people()
    for name, params in {
        "exact": {},
        "all rows": {"background": "all"},
        "medoids": {"background": "medoids"},
        "one row": {"background_size": 1},
        "few coalitions": {"budget": 24},
        "no kernel": {"budget": 24, "kernel": "none"},
        "row kernel": {"budget": 24, "kernel": "row"},
        "pooled kernel": {"budget": 24, "kernel": "pooled"},
    }.items():
        CASES.add(f"numbers/{name}", lambda p=params: explained(inputs.several, X[:4], X, **p))
    for kernel in ("auto", "pooled", "row", "none"):
        CASES.add(
            f"wide/{kernel}",
            lambda k=kernel: explained(
                inputs.several, wide[:4], wide, kernel=k, budget=160, background_size=12
            ),
        )
    CASES.add("wide/default budget", lambda: explained(inputs.smooth, wide[:3], wide, background_size=5))
    for tol in (0.3, 0.05):
        CASES.add(
            f"wide/tol {tol}",
            lambda t=tol: explained(inputs.smooth, wide[:4], wide, tol=t, budget=512, background_size=6),
        )
    CASES.add("wide/tol, no kernel", lambda: explained(inputs.smooth, wide[:4], wide, tol=0.2, kernel="none"))
    CASES.add("wide/seed", lambda: explained(inputs.smooth, wide[:3], wide, budget=100, random_state=7))
    CASES.add("numbers/logit", lambda: explained(inputs.probability, X[:4], X, link="logit"))
    CASES.add("wide/logit", lambda: explained(inputs.probability, wide[:4], wide, link="logit", budget=100))
    CASES.add("numbers/rows of the background", lambda: explained(inputs.smooth, X[[0, 0, 3]], X[:3]))
    groups = {"work": ["hours", "income", "gains"], "home": ["town", "grade"]}
    for name, params in {
        "exact": {},
        "sampled": {"budget": 40},
        "groups": {"feature_groups": groups},
        "medoids": {"background": "medoids", "background_size": 15},
        "one output": {"outputs": "yes"},
        "logit": {"link": "logit", "outputs": "yes"},
        "predicted": {"explain_outputs": "predicted"},
    }.items():
        CASES.add(f"people/{name}", lambda p=params: explained(inputs.approval(), people[:5], people, **p))
    fit = {"sample_weight": inputs.weights()}
    for background in ("sample", "medoids", "all"):
        CASES.add(
            f"people/weights, {background}",
            lambda b=background: explained(
                inputs.spender(), people[:3], people[:60], _first(fit, 60), background=b
            ),
        )
    CASES.add("people/classes", lambda: explained(inputs.classes(), people[4:7], people, budget=60))
    CASES.add("frame/labels of rows", lambda: explained(inputs.forest(), inputs.frame()[:4], inputs.frame()))


def _first(fit: dict[str, Any], n: int) -> dict[str, Any]:
    return {name: value[:n] for name, value in fit.items()}


def _masks() -> None:
    color = inputs.color()
    for name, params in {
        "grid": ({"n_segments": 9}, {}),
        "grid, sampled": ({"n_segments": 20, "fill": "blur"}, {"budget": 120}),
        "slic, sampled": ({"segments": "slic", "n_segments": 18}, {"budget": 60}),
        "noise": ({"n_segments": 6, "fill": "noise", "n_draws": 3}, {}),
        "callable": ({"segments": own_segments, "fill": "segment_mean"}, {}),
    }.items():
        masker, more = params
        CASES.add(f"pictures/{name}", lambda m=masker, p=more: _masked(color, m, **p))
    for name, (masker, more) in {
        "exact": ({}, {}),
        "places": ({"bow": False}, {}),
        "row kernel": ({}, {"budget": 24, "kernel": "row"}),
        "no kernel": ({}, {"budget": 24, "kernel": "none"}),
        "tol": ({"bow": False}, {"tol": 0.1, "budget": 200}),
    }.items():
        CASES.add(f"texts/{name}", lambda m=masker, p=more: _words(m, **p))


def _masked(X: np.ndarray, masker: dict[str, Any], **params: Any) -> Any:
    explainer = KernelShapExplainer(inputs.look, masker=SegmentMasker(**masker), random_state=0, **params)
    explainer.fit(X)
    return {"explanation": explainer.explain(X), "cost": explainer.cost(X), "kernel": explainer.kernel_}


def _words(masker: dict[str, Any], **params: Any) -> Any:
    explainer = KernelShapExplainer(inputs.praise, masker=TextMasker(**masker), random_state=0, **params)
    explainer.fit(inputs.TEXTS)
    return {"explanation": explainer.explain(inputs.TEXTS), "cost": explainer.cost(inputs.TEXTS)}


_tables()
_masks()
