"""Occlusion of tables, pictures and texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix import OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("occlusion")


def explained(
    model: Any, X: Any, seen: Any, fit: dict[str, Any] | None = None, **params: Any
) -> dict[str, Any]:
    """Fit on `seen`, explain X by occlusion."""
    outputs = params.pop("explain_outputs", None)
    explainer = OcclusionExplainer(model, **({"random_state": 0} | params))
    return _explained_by(explainer.fit(seen, **(fit or {})), X, outputs)


def _explained_by(explainer: Any, X: Any, outputs: Any = None) -> dict[str, Any]:
    return {
        "explanation": explainer.explain(X, outputs=outputs),
        "cost": explainer.cost(X),
        "fitted": _fitted(explainer),
    }


def _by_rise(X: Any, **params: Any) -> dict[str, Any]:
    return _explained_by(RiseExplainer(inputs.look, random_state=0, **params).fit(X), X)


def _fitted(explainer: Any) -> dict[str, Any]:
    return {name: getattr(explainer, name, None) for name in ("base_values_", "output_names_", "background_")}


def _tables() -> None:
    X, people = inputs.numbers(), inputs.people()
    groups = {"work": ["hours", "income", "gains"], "home": ["town", "grade"]}
    for name, params in {
        "all rows": {"background_size": 500},
        "some rows": {"background_size": 30},
        "one row": {"background_size": 1},
        "constants": {"fill": np.zeros(6)},
    }.items():
        CASES.add(f"numbers/{name}", lambda p=params: explained(inputs.smooth, X[:5], X, **p))
    CASES.add(
        "numbers/weights", lambda: explained(inputs.smooth, X[:5], X, {"sample_weight": np.arange(120.0)})
    )
    CASES.add("numbers/several outputs", lambda: explained(inputs.several, X[:5], X))
    CASES.add("numbers/linear", lambda: explained(inputs.linear(), X[:5], X))
    constants = {name: people[name].iloc[3] for name in people.columns}
    for name, params in {
        "draws": {},
        "explicit draws": {"fill": "draws", "background_size": 40},
        "groups": {"feature_groups": groups},
        "constants": {"fill": constants},
        "one output": {"outputs": "yes"},
        "predicted": {"outputs": "predicted"},
        "outputs of explain": {"explain_outputs": [1, 0]},
    }.items():
        CASES.add(f"people/{name}", lambda p=params: explained(inputs.approval(), people[:6], people, **p))
    CASES.add(
        "people/weights",
        lambda: explained(inputs.approval(), people[:6], people, {"sample_weight": inputs.weights()}),
    )
    CASES.add("people/classes", lambda: explained(inputs.classes(), people[6:12], people, background_size=50))
    CASES.add(
        "people/regression", lambda: explained(inputs.spender(), people[6:12], people, background_size=50)
    )
    CASES.add("frame/unfitted model", _unfitted)
    CASES.add("frame/labels of rows", lambda: explained(inputs.forest(), inputs.frame()[:4], inputs.frame()))
    CASES.add("frame/polars", _polars)
    CASES.add("people/transform", _transformed)
    for output in ("decision_function", "predict"):
        CASES.add(f"frame/{output}", lambda o=output: _by_response(o))
    CASES.add("frame/names of outputs", lambda: explained(_named(), X[:4], X))
    CASES.add("rows/objects", lambda: explained(_of_objects, _objects()[:4], _objects()))


def _by_response(output: str) -> Any:
    from sklearn.linear_model import LogisticRegression

    X, y = inputs.frame(), inputs.numbers()[:, 0] + inputs.numbers()[:, 1] ** 2 > 0.5
    model = as_predictor(LogisticRegression().fit(X, y.astype(int)), output=output)
    return explained(model, X[:4], X, background_size=30)


def _named() -> Any:
    return as_predictor(inputs.several, task="regression", output_names=["one", "two", "three"])


def _objects() -> np.ndarray:
    """Numbers and labels in an array of objects."""
    return inputs.dateless()[["age", "town", "member"]].to_numpy(dtype=object)


def _of_objects(X: Any) -> np.ndarray:
    known = {"north": 1.0, "south": 3.0, "west": 4.0}
    return np.array([0.1 * age * (1 + member) + known.get(town, 0.0) for age, town, member in X])


def _unfitted() -> Any:
    from sklearn.tree import DecisionTreeClassifier

    X, y = inputs.frame(), inputs.numbers()[:, 0] > 0
    return explained(DecisionTreeClassifier(max_depth=3, random_state=0), X[:4], X, {"y": y})


def _polars() -> Any:
    import polars as pl

    X = pl.DataFrame({name: inputs.frame()[name].to_numpy() for name in inputs.frame().columns})
    return explained(lambda table: inputs.smooth(table.to_numpy()), X[:4], X, background_size=40)


def _transformed() -> Any:
    people = inputs.people()
    explainer = OcclusionExplainer(inputs.approval(), random_state=0, background_size=20).fit(people)
    return {"values": explainer.transform(people[:5]), "names": list(explainer.get_feature_names_out())}


def _pictures() -> None:
    gray, color = inputs.gray(), inputs.color()
    stack = inputs.gray(5)[2:]
    for fill in ("mean", "blur", "inpaint", "noise", 0.25, stack):
        name = f"{len(fill)} pictures" if isinstance(fill, np.ndarray) else str(fill)
        _add_hidden(f"window/{name}", SlidingWindow((6, 5), (4, 3), fill=fill, n_draws=3))
        if isinstance(fill, str) and fill != "mean":
            _add_hidden(f"segments/{name}", SegmentMasker(fill=fill, n_draws=3))
    # Draws are the explainer's: pictures of the background.
    _add_hidden("window/draws", SlidingWindow((6, 5), (4, 3)), fill="draws")
    _add_hidden("segments/draws", SegmentMasker(), fill="draws")
    for fill in ("mean", "blur", "inpaint", "noise", [10, 200, 30]):
        masker = SlidingWindow(5, 5, fill=fill, sigma=2.0, n_draws=2)
        CASES.add(
            f"color/window/{fill}",
            lambda m=masker: explained(inputs.look, color, color, masker=m, background_size=2),
        )
    for name, params in {
        "mean": {},
        "blur": {"fill": "blur", "sigma": 3.0},
        "noise": {"fill": "noise"},
        "number": {"fill": 0.1},
        "picture": {"fill": stack[:1]},
        "p_keep": {"p_keep": 0.3, "n_cells": 4},
        "one output": {"outputs": [1]},
    }.items():
        CASES.add(f"gray/rise/{name}", lambda p=params: _by_rise(gray, n_masks=256, **p))
    CASES.add("color/rise", lambda: _by_rise(color, n_masks=128, n_cells=5))


def _add_hidden(name: str, masker: Any, **params: Any) -> None:
    params = {"masker": masker, "background_size": 3} | params
    CASES.add(f"gray/{name}", lambda: explained(inputs.look, inputs.gray(), inputs.gray(5), **params))


def _maskers() -> None:
    color, gray = inputs.color(), inputs.gray()
    labels = np.arange(20)[:, None] // 7 * 3 + np.arange(24) // 8
    for name, params in {
        "grid": {"n_segments": 12},
        "slic": {"segments": "slic", "n_segments": 8},
        "quickshift": {"segments": "quickshift"},
        "segment mean": {"n_segments": 9, "fill": "segment_mean"},
        "noise": {"n_segments": 9, "fill": "noise", "n_draws": 4, "random_state": 3},
        "inpaint": {"n_segments": 9, "fill": "inpaint"},
        "blur": {"n_segments": 9, "fill": "blur", "sigma": 3.0},
        "channels": {"n_segments": 9, "fill": [0.0, 128.0, 255.0]},
        "callable": {"segments": own_segments, "fill": 0},
    }.items():
        CASES.add(f"color/masker/{name}", lambda p=params: _masked(color, **p))
    CASES.add("gray/masker/map", lambda: _masked(gray, segments=labels))
    for name, params in {
        "bag of words": {},
        "places": {"bow": False},
        "token": {"mask_token": "something"},
        "pattern": {"pattern": r"[ ,.!]+"},
    }.items():
        CASES.add(f"texts/{name}", lambda p=params: _words(**p))


def own_segments(picture: Any) -> np.ndarray:
    """Segments that depend on the picture."""
    bright = picture.reshape(*picture.shape[:2], -1).mean(axis=2)
    return (bright > bright.mean()).astype(int) + 2 * (np.arange(bright.shape[1]) > 7)


def _masked(X: Any, **params: Any) -> Any:
    return explained(inputs.look, X, X, masker=SegmentMasker(**params))


def _words(**params: Any) -> Any:
    return explained(inputs.praise, inputs.TEXTS, inputs.TEXTS, masker=TextMasker(**params))


_tables()
_pictures()
_maskers()
