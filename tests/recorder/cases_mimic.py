"""Surrogate trees of classifiers and regressors, and their exports."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from agnostix import MimicTree
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("mimic")


@cache
def fitted(model: str, **params: Any) -> Any:
    """A fitted tree of a model by name."""
    frames = {"forest": inputs.frame(), "tree": inputs.frame()}
    models = {
        "approval": inputs.approval,
        "classes": inputs.classes,
        "spender": inputs.spender,
        "forest": inputs.forest,
    }
    params = {"random_state": 0, "max_leaf_nodes": 8, "max_queries": 1200} | params
    return MimicTree(models[model](), **params).fit(frames.get(model, inputs.people()))


def results(mimic: Any, X: Any, y: Any = None) -> dict[str, Any]:
    """All results of a fitted tree."""
    read = {
        "explanation": mimic.explain(X),
        "predict": mimic.predict(X),
        "apply": mimic.apply(X),
        "decision_path": mimic.decision_path(X).toarray(),
        "fidelity_": mimic.fidelity_,
        "fidelity": mimic.fidelity(X, y),
        "leaves_": mimic.leaves_,
        "pruning_path_": mimic.pruning_path_,
        "targets_": mimic.targets_,
        "synthetic_": mimic.synthetic_,
        "n_model_rows_": mimic.n_model_rows_,
        "importances": mimic.feature_importances_,
        "to_text": mimic.to_text(),
        "to_json": json.loads(mimic.to_json()),
        "to_sql": _or_error(mimic.to_sql),
        "to_sql of a table": _or_error(mimic.to_sql, table="people"),
        "to_python": _or_error(mimic.to_python),
    }
    if hasattr(mimic, "predict_proba"):
        name = mimic.output_names_[-1]
        read |= {
            "predict_proba": mimic.predict_proba(X),
            "to_sql of an output": mimic.to_sql(output=name),
            "to_python of an output": mimic.to_python(output=name, name="probability"),
        }
    return read


def _or_error(export: Any, **params: Any) -> str:
    try:
        return export(**params)
    except ValueError as error:
        return type(error).__name__


def _trees() -> None:
    people = inputs.people()
    for synthetic in ("auto", "none", "bootstrap", "leaf"):
        CASES.add(
            f"approval/{synthetic}",
            lambda s=synthetic: results(fitted("approval", synthetic=s), people[:40], inputs.approved()[:40]),
        )
        CASES.add(
            f"spender/{synthetic}",
            lambda s=synthetic: results(fitted("spender", synthetic=s), people[:40], inputs.spending()[:40]),
        )
    for targets in ("soft", "hard"):
        CASES.add(
            f"approval/{targets}", lambda t=targets: results(fitted("approval", targets=t), people[:30])
        )
    for name, params in {
        "selection": {"selection": "r2"},
        "large leaves": {"min_samples_leaf": 20},
        "one leaf": {"max_leaf_nodes": 1},
        "few queries": {"max_queries": 150},
        "seed": {"random_state": 9},
    }.items():
        CASES.add(f"classes/{name}", lambda p=params: results(fitted("classes", **p), people[:30]))
    CASES.add("forest/numbers", lambda: results(fitted("forest"), inputs.frame()[:30]))
    CASES.add("several/outputs", _several)
    CASES.add("several/own rows", _own_rows)
    CASES.add("unfitted/model", _unfitted)
    CASES.add("many rows/held out", _held_out)
    CASES.add("approval/stability", lambda: fitted("approval").stability(3))
    CASES.add("spender/stability", lambda: fitted("spender").stability(3))
    CASES.add("approval/one output", lambda: fitted("approval").explain(people[:5], outputs="yes"))


def _several() -> Any:
    X = inputs.numbers()
    return results(
        MimicTree(inputs.several, random_state=0, max_leaf_nodes=6, max_queries=800).fit(X), X[:20]
    )


def _own_rows() -> Any:
    X = inputs.numbers()
    params = {"synthetic": _normal_rows, "random_state": 0, "max_leaf_nodes": 6, "max_queries": 600}
    return results(MimicTree(inputs.smooth, **params).fit(X), X[:20])


def _normal_rows(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(n, 6))


def _unfitted() -> Any:
    from sklearn.tree import DecisionTreeClassifier

    X, y = inputs.frame(), np.where(inputs.numbers()[:, 0] > 0, "up", "down")
    model = DecisionTreeClassifier(max_depth=3, random_state=0)
    return results(MimicTree(model, random_state=0, max_leaf_nodes=5, max_queries=600).fit(X, y), X[:20])


def _held_out() -> Any:
    X = np.random.default_rng(8).normal(size=(5200, 4))
    params = {"random_state": 0, "max_leaf_nodes": 6, "synthetic": "none"}
    return results(MimicTree(inputs.smooth, **params).fit(X), X[:20])


_trees()
