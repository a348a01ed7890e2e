"""Every Display on results of every kind: its frame and its picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix import OcclusionExplainer, plotting
from tests.recorder import cases_lime, cases_mimic, cases_what_if, inputs
from tests.recorder.cases_results import MAPS, TABLES, results
from tests.recorder.registry import Cases

CASES = Cases("displays")


THREE_OUTPUTS = ("shapley of an array", "lime", "lime without bins", "mimic")


def _from(display: str, name: str, *args: Any, **params: Any) -> dict[str, Any]:
    if name in THREE_OUTPUTS:
        params.setdefault("output", 2)
    return {"display": getattr(plotting, display).from_explanation(results()[name], *args, **params)}


def _attributions() -> None:
    for name in (*TABLES, "segments", "lime of segments", "words"):
        CASES.add(
            f"bar/{name}",
            lambda n=name: _from("BarDisplay", n, row=0) if n not in TABLES else _from("BarDisplay", n),
        )
        CASES.add(f"waterfall/{name}", lambda n=name: _from("WaterfallDisplay", n, row=1))
    for name in TABLES:
        CASES.add(
            f"bar of a row/{name}", lambda n=name: _from("BarDisplay", n, row=3, output=0, max_features=4)
        )
        CASES.add(f"beeswarm/{name}", lambda n=name: _from("BeeswarmDisplay", n))
        CASES.add(f"heatmap/{name}", lambda n=name: _from("HeatmapDisplay", n))
        CASES.add(f"scatter/{name}", lambda n=name: _from("ScatterDisplay", n, 0))
    CASES.add("bar by groups/occlusion", lambda: _from("BarDisplay", "occlusion", by="grade"))
    CASES.add(
        "bar by labels/shapley",
        lambda: _from("BarDisplay", "shapley", by=list("ababababcccc"), max_features=5),
    )
    CASES.add("bar confidence/shapley", lambda: _from("BarDisplay", "shapley", row=2, confidence_level=0.5))
    CASES.add(
        "waterfall confidence/shapley",
        lambda: _from("WaterfallDisplay", "shapley", row=2, output=0, max_features=3),
    )
    CASES.add(
        "waterfall one row/lime without bins",
        lambda: _from("WaterfallDisplay", "lime without bins", output=0),
    )
    CASES.add(
        "heatmap by output/shapley of an array",
        lambda: _from("HeatmapDisplay", "shapley of an array", order="output", max_features=6),
    )
    for feature in ("hours", "grade", "town", "joined", "member"):
        CASES.add(f"scatter of a column/{feature}", lambda f=feature: _from("ScatterDisplay", "shapley", f))
    CASES.add("scatter of many labels/occlusion", _many_labels)
    CASES.add("beeswarm few/shapley", lambda: _from("BeeswarmDisplay", "shapley", output=0, max_features=3))
    CASES.add("beeswarm many rows/lime", _many)
    CASES.add("bar from an explainer/occlusion", lambda: _from_explainer("BarDisplay"))
    CASES.add("waterfall from an explainer/occlusion", lambda: _from_explainer("WaterfallDisplay"))
    CASES.add("heatmap from an explainer/occlusion", lambda: _from_explainer("HeatmapDisplay"))
    CASES.add("scatter from an explainer/occlusion", lambda: _from_explainer("ScatterDisplay", "age"))
    CASES.add("beeswarm from an explainer/occlusion", lambda: _from_explainer("BeeswarmDisplay"))


def _many_labels() -> Any:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"city": [f"city number {k}" for k in rng.integers(0, 30, 150)], "x": rng.normal(size=150)}
    )

    def model(X: Any) -> Any:
        return X["city"].str.len().to_numpy() + X["city"].str[-1].astype(int).to_numpy() * X["x"].to_numpy()

    exp = OcclusionExplainer(model, random_state=0, background_size=20).fit(table).explain(table)
    return {"display": plotting.ScatterDisplay.from_explanation(exp, "city")}


def _many() -> Any:
    X = inputs.numbers()
    exp = cases_lime.fitted(inputs.smooth, X, n_samples=256).explain(X[:80])
    return {"display": plotting.BeeswarmDisplay.from_explanation(exp)}


def _from_explainer(display: str, *args: Any) -> Any:
    people = inputs.people()
    explainer = OcclusionExplainer(inputs.classes(), background_size=10, random_state=0).fit(people)
    return {"display": getattr(plotting, display).from_explainer(explainer, people[:8], *args, output="rich")}


def _pictures_and_texts() -> None:
    for name in MAPS:
        CASES.add(f"pixels/{name}", lambda n=name: _from("PixelsDisplay", n))
        CASES.add(
            f"pixels of an output/{name}",
            lambda n=name: _from("PixelsDisplay", n, row=1, outputs=1, confidence_level=0.5),
        )
    for name in ("segments", "lime of segments"):
        CASES.add(f"segments/{name}", lambda n=name: _from("SegmentsDisplay", n))
        CASES.add(
            f"segments few/{name}",
            lambda n=name: _from("SegmentsDisplay", n, row=1, outputs=[0], max_features=3),
        )
    CASES.add("text/words", lambda: _from("TextDisplay", "words", output=0) | {"html": _html(0)})
    CASES.add(
        "text few/words",
        lambda: _from("TextDisplay", "words", row=2, output=1, max_features=2) | {"html": _html(1)},
    )


def _html(row: int) -> str:
    return plotting.TextDisplay.from_explanation(results()["words"], row=row, output=0).html()


def _trees() -> None:
    for model in ("approval", "spender", "classes", "forest"):
        for display in ("TreeDisplay", "LeavesDisplay", "PruningPathDisplay"):
            CASES.add(
                f"{display}/{model}",
                lambda m=model, d=display: {
                    "display": getattr(plotting, d).from_estimator(cases_mimic.fitted(m))
                },
            )


def _what_if() -> None:
    def curve(kind: str, feature: str, explain: dict[str, Any] | None = None, **params: Any) -> Any:
        curves = cases_what_if.fitted(kind).explain(**(explain or {}))
        return {"display": plotting.WhatIfCurveDisplay.from_explanation(curves, feature, **params)}

    CASES.add("curve/number", lambda: curve("approval", "age"))
    CASES.add("curve/label", lambda: curve("approval", "town", level="north"))
    CASES.add("curve/zeros", lambda: curve("spender", "gains"))
    CASES.add("curve/output", lambda: curve("classes", "income", output="rich"))
    CASES.add("curve/groups", lambda: curve("approval", "age", {"features": ["age"], "by": "grade"}))
    CASES.add("curve/metric", lambda: curve("approval", "age", {"features": ["age"], "metric": "accuracy"}))
    for kind in ("approval", "spender", "classes"):
        CASES.add(
            f"ranking/{kind}",
            lambda k=kind: {"display": plotting.WhatIfRankingDisplay.from_explainer(cases_what_if.fitted(k))},
        )
    CASES.add(
        "ranking/metric",
        lambda: {
            "display": plotting.WhatIfRankingDisplay.from_explainer(
                cases_what_if.fitted("approval"), metric="accuracy", max_features=4
            )
        },
    )
    CASES.add(
        "map/approval",
        lambda: {
            "display": plotting.WhatIfMapDisplay.from_explainer(
                cases_what_if.fitted("approval"), "age", "income", n_targets=4
            )
        },
    )
    for display in ("ShiftDisplay", "WeightConcentrationDisplay"):
        for name, constraints in {"age": {"age": 52}, "several": {"age": 50, "town": {"north": 0.5}}}.items():
            CASES.add(
                f"{display}/{name}",
                lambda d=display, c=constraints: {
                    "display": getattr(plotting, d).from_explanation(
                        cases_what_if.fitted("approval").what_if(c)
                    )
                },
            )


_attributions()
_pictures_and_texts()
_trees()
_what_if()
