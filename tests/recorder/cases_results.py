"""What can be done with an Explanation: indexing, selection, aggregation, frames, storage."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from agnostix import (
    Explanation,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
)
from agnostix.lime import KernelSampling
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("results")


@cache
def results() -> dict[str, Any]:
    """Explanations of every kind, each of several rows."""
    people, X = inputs.people(), inputs.numbers(15)
    segments, words = SegmentMasker("slic", n_segments=10), TextMasker(bow=False)
    shap = {"random_state": 0, "background_size": 15}
    lime = {"random_state": 0, "n_samples": 512}
    windows = SlidingWindow(6, 4, fill="noise", n_draws=3)
    made = {
        "occlusion": (OcclusionExplainer(inputs.approval(), random_state=0), people),
        "shapley": (KernelShapExplainer(inputs.approval(), budget=40, **shap), people),
        "shapley of log-odds": (KernelShapExplainer(inputs.approval(), link="logit", **shap), people),
        "shapley of an array": (KernelShapExplainer(inputs.several, budget=80, **shap), X),
        "lime": (LimeExplainer(inputs.classes(), max_features=4, **lime), people),
        "lime without bins": (
            LimeExplainer(inputs.several, sampling=KernelSampling(discretizer=None), **lime),
            X,
        ),
        "mimic": (
            MimicTree(inputs.classes(), max_leaf_nodes=6, max_queries=500, random_state=0),
            people,
        ),
        "segments": (
            KernelShapExplainer(inputs.look, masker=segments, budget=60, **shap),
            inputs.color(),
        ),
        "lime of segments": (LimeExplainer(inputs.look, masker=segments, **lime), inputs.color()),
        "words": (LimeExplainer(inputs.praise, masker=words, **lime), inputs.TEXTS),
        "windows": (
            OcclusionExplainer(inputs.look, masker=windows, background_size=3, random_state=0),
            inputs.gray(),
        ),
        "rise": (RiseExplainer(inputs.look, n_masks=64, random_state=0), inputs.gray()),
    }
    return {name: explainer.fit(X).explain(X[:12]) for name, (explainer, X) in made.items()}


MAPS = ("windows", "rise")
NAMES = (
    "occlusion", "shapley", "shapley of log-odds", "shapley of an array", "lime", "lime without bins",
    "mimic", "segments", "lime of segments", "words", *MAPS,
)  # fmt: skip
TABLES = NAMES[:7]


def _add() -> None:
    for name in NAMES:
        CASES.add(
            f"{name}/rows",
            lambda n=name: {
                "one": results()[n][1],
                "turned": results()[n][::-1],
                "few": results()[n][[1, 0, 1]],
            },
        )
        CASES.add(f"{name}/outputs", lambda n=name: results()[n].sel(outputs=[1, 0]))
        CASES.add(f"{name}/stored", lambda n=name: _stored(results()[n]))
        if name not in MAPS:
            CASES.add(f"{name}/long frame", lambda n=name: results()[n].to_frame())
            CASES.add(f"{name}/features", lambda n=name: results()[n].sel(features=[2, 0]))
            CASES.add(f"{name}/wide frame", lambda n=name: results()[n].to_frame(layout="wide"))
    for name in TABLES:
        for how in ("mean_abs", "mean", "max_abs"):
            CASES.add(f"{name}/aggregate {how}", lambda n=name, h=how: results()[n].aggregate(how=h))
        CASES.add(
            f"{name}/aggregate by labels",
            lambda n=name: results()[n].aggregate(by=list("ababababcccc")),
        )
    CASES.add("occlusion/aggregate by a column", lambda: results()["occlusion"].aggregate(by="town"))
    for name in ("shapley", "shapley of log-odds", "shapley of an array"):
        CASES.add(f"{name}/additivity is small", lambda n=name: bool(results()[n].check_additivity() < 1e-8))
        CASES.add(f"{name}/to_shap", lambda n=name: _shap(results()[n]))


def _of_polars() -> Any:
    import polars as pl

    people = inputs.people().assign(grade=inputs.people()["grade"].astype(str))
    table = pl.from_pandas(people)

    def model(X: Any) -> Any:
        return X["age"].to_numpy() * 0.1 + X["hours"].fill_null(30).fill_nan(30).to_numpy()

    return OcclusionExplainer(model, random_state=0, background_size=20).fit(table).explain(table[:5])


def _of_dtypes() -> Any:
    people = inputs.people()
    table = pd.DataFrame(
        {
            "whole": people["age"].astype("Int64").where(people["age"] > 25),
            "small": people["age"].astype("int8"),
            "single": people["income"].astype("float32"),
            "text": people["town"].astype("string"),
            "flag": people["member"].astype("boolean"),
            "zone": people["joined"].dt.tz_localize("Europe/Berlin"),
            "span": people["joined"] - people["joined"].min(),
        }
    )

    def model(X: Any) -> Any:
        return X["small"].to_numpy() * 0.1 + (X["text"] == "north").fillna(False).to_numpy(dtype=float)

    return OcclusionExplainer(model, random_state=0, background_size=20).fit(table).explain(table[:5])


def _stored(exp: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npz"
        exp.save(path)
        return Explanation.load(path)


def _shap(exp: Any) -> Any:
    other = exp.to_shap()
    return {"values": other.values, "base_values": other.base_values, "names": list(other.feature_names)}


_add()
