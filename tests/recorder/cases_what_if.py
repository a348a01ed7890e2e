"""Curves, rankings, scenarios and maps of reweighted populations."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from agnostix import EntropicProjection, InfeasibleTargetError
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("what_if")


@cache
def fitted(kind: str, weighted: bool = False, **params: Any) -> Any:
    """A fitted projection of a model by name, or of stored predictions."""
    people, weights = inputs.people(), inputs.weights() if weighted else None
    params = {"n_targets": 7, "missing": "omit"} | params
    if kind == "observed":
        return EntropicProjection(**params).fit(people, inputs.spending(), weights)
    if kind == "predictions":
        predictions = inputs.approval().predict_proba(people)
        return EntropicProjection(**params).fit(people, None, weights, predictions=predictions)
    model, y = {
        "approval": (inputs.approval, inputs.approved()),
        "classes": (inputs.classes, inputs.segments_of_people()),
        "spender": (inputs.spender, inputs.spending()),
    }[kind]
    return EntropicProjection(model(), **params).fit(people, y, weights)


def own_metric(y_true: Any, y_pred: Any, sample_weight: Any) -> float:
    """Weighted accuracy, as a user would write it."""
    return float(np.average(y_true == y_pred, weights=sample_weight))


def _curves() -> None:
    for kind in ("approval", "classes", "spender", "observed", "predictions"):
        CASES.add(f"{kind}/explain", lambda k=kind: fitted(k).explain())
        CASES.add(f"{kind}/rank", lambda k=kind: fitted(k).rank())
        CASES.add(f"{kind}/baseline", lambda k=kind: fitted(k).baseline())
        CASES.add(
            f"{kind}/weights", lambda k=kind: fitted(k, weighted=True).explain(features=["age", "town"])
        )
    targets = {"age": [30, 45, 90], "town": {"north": [0.2, 0.6]}}
    CASES.add("approval/targets", lambda: fitted("approval").explain(targets=targets))
    CASES.add("approval/features", lambda: fitted("approval").explain(features=["gains", "grade"]))
    CASES.add("approval/by", lambda: fitted("approval").explain(features=["age", "hours"], by="grade"))
    CASES.add(
        "approval/by, metric",
        lambda: fitted("approval").explain(features=["age"], by="member", metric="accuracy"),
    )
    for kind, metrics in {
        "approval": ["accuracy", "error_rate", "log_loss", "brier_score", "roc_auc", "f1_macro", own_metric],
        "spender": [
            "mean_absolute_error",
            "mean_squared_error",
            "root_mean_squared_error",
            "r2",
            "neg_median_absolute_error",
        ],
    }.items():
        for metric in metrics:
            name = metric if isinstance(metric, str) else metric.__name__
            CASES.add(
                f"{kind}/metric {name}",
                lambda k=kind, m=metric: fitted(k).explain(features=["age", "grade"], metric=m),
            )
            CASES.add(
                f"{kind}/rank by {name}",
                lambda k=kind, m=metric: fitted(k).rank(metric=m, features=["age", "grade"]),
            )
            CASES.add(
                f"{kind}/baseline of {name}",
                lambda k=kind, m=metric: fitted(k).baseline(metric=m, by="member"),
            )
    CASES.add(
        "approval/several metrics",
        lambda: fitted("approval").explain(features="age", metric=["prediction", "accuracy"]),
    )
    CASES.add("approval/rank far", lambda: fitted("approval").rank(0.5))
    CASES.add("approval/rank, each by itself", lambda: fitted("approval").rank(simultaneous=False))
    CASES.add(
        "approval/rank by groups", lambda: fitted("approval").rank(features=["age", "income"], by="grade")
    )
    CASES.add(
        "approval/confidence",
        lambda: fitted("approval", confidence_level=0.8, quantiles=(0.1, 0.9)).explain(features=["age"]),
    )
    CASES.add("approval/thin", lambda: fitted("approval", min_ess_fraction=0.9).explain(features=["age"]))


def _scenarios() -> None:
    for name, constraints in {
        "number": {"age": 50},
        "range": {"age": (52, 60)},
        "idle range": {"age": (20, 79)},
        "labels": {"town": {"north": 0.5}},
        "several": {"age": 50, "grade": {"low": 0.2, "high": 0.4}, "member": {True: 0.5}},
        "missing": {"hours": 41},
        "far": {"age": 75},
    }.items():
        CASES.add(f"approval/what_if {name}", lambda c=constraints: fitted("approval").what_if(c))
        CASES.add(
            f"spender/what_if {name}", lambda c=constraints: fitted("spender", weighted=True).what_if(c)
        )
    for name, params in {
        "prediction": {"prediction": 0.6},
        "prediction range": {"prediction": (0.6, 0.7)},
        "prediction by name": {"prediction": {"no": 0.3}},
        "error rate": {"error_rate": 0.1},
        "prediction and age": {"constraints": {"age": 50}, "prediction": 0.6},
        "metric": {"constraints": {"age": 50}, "metric": ["roc_auc", "log_loss"]},
    }.items():
        CASES.add(f"approval/what_if {name}", lambda p=params: fitted("approval").what_if(**p))
    for name, params in {
        "age": {"constraints": {"age": 200}},
        "prediction": {"prediction": 0.999},
        "several": {"constraints": {"age": 78, "income": 5000.0}},
    }.items():
        CASES.add(f"approval/infeasible {name}", lambda p=params: _refused(**p))


def _edges() -> None:
    people = inputs.people()
    for name, params in {
        "oldest": {"constraints": {"age": int(people["age"].max())}},
        "nearly the oldest": {"constraints": {"age": float(people["age"].max()) - 1e-6}},
        "one town": {"constraints": {"town": {"north": 1.0}}},
        "all labels": {"constraints": {"grade": {"low": 0.2, "mid": 0.3, "high": 0.5}}},
        "labels that contradict": {"constraints": {"grade": {"low": 0.5, "mid": 0.5, "high": 0.5}}},
        "too many of a label": {"constraints": {"town": {"north": 1.2}}},
        "old and without errors": {"constraints": {"age": 78}, "error_rate": 0.0},
        "old and refused": {"constraints": {"age": 76}, "prediction": 0.01},
        "ranges": {"constraints": {"age": (50, 60), "income": (20_000, 60_000), "gains": (0, 50)}},
        "ranges out of reach": {"constraints": {"age": (79.5, 90), "income": (10, 20)}},
        "own metric": {"constraints": {"age": 55}, "metric": [own_metric, "f1_macro"]},
    }.items():
        CASES.add(f"approval/edge {name}", lambda p=params: _refused(**p))
    for kl in (2.0, 9.0):
        CASES.add(
            f"approval/rank at {kl}",
            lambda k=kl: fitted("approval").rank(k, features=["age", "gains", "member"]),
        )
    for name, constraints in {
        "copies": {"x0": 0.5, "copy": 0.5},
        "copies that contradict": {"x0": 0.5, "copy": 0.2},
        "far corner": {"x0": 2.0, "x1": -2.5},
        "three": {"x0": 0.3, "x1": -0.3, "x4": 0.5},
    }.items():
        CASES.add(f"numbers/what_if {name}", lambda c=constraints: _refused("numbers", constraints=c))
    CASES.add(
        "numbers/levels of a number", lambda: fitted("approval").explain(targets={"gains": {0.0: [0.3, 0.9]}})
    )
    CASES.add("labels/explain", lambda: _of_labels().explain(features=["age", "town"]))
    CASES.add("labels/what_if", lambda: _of_labels().what_if({"age": 50}))
    CASES.add("predictions with labels/what_if", lambda: _stored(inputs.approved()).what_if({"age": 50}))
    CASES.add(
        "predictions with labels/rank",
        lambda: _stored(inputs.approved()).rank(metric="log_loss", features=["age"]),
    )
    CASES.add("predictions with numbers/what_if", lambda: _stored_numbers().what_if({"age": 50}))
    CASES.add("many rows/explain", lambda: _many().explain())
    CASES.add("many rows/rank", lambda: _many().rank(0.4))
    CASES.add("many rows/what_if", lambda: _many().what_if({"a": 0.5, "b": 1.5}))
    CASES.add("many rows/joint", lambda: _many().joint("a", "b", n_targets=3))


@cache
def _many() -> Any:
    rng = np.random.default_rng(9)
    X = pd.DataFrame(
        {"a": rng.normal(size=9000), "b": rng.lognormal(size=9000), "c": rng.standard_t(3, 9000)}
    )
    return EntropicProjection(lambda table: inputs.smooth(table.to_numpy()), n_targets=9).fit(X)


@cache
def _of_labels() -> Any:
    return EntropicProjection(n_targets=5, missing="omit").fit(inputs.people(), inputs.approved())


def _stored(y: Any) -> Any:
    predictions = inputs.approval().predict_proba(inputs.people())
    return EntropicProjection(n_targets=5).fit(inputs.people(), y, predictions=predictions)


def _stored_numbers() -> Any:
    predictions = inputs.spender().predict(inputs.people())
    return EntropicProjection(n_targets=5).fit(inputs.people(), inputs.spending(), predictions=predictions)


@cache
def _of_numbers() -> Any:
    X = inputs.frame().assign(copy=inputs.frame()["x0"])
    return EntropicProjection(lambda table: inputs.several(table.to_numpy()[:, :6]), n_targets=5).fit(X)


def _refused(kind: str = "approval", **params: Any) -> Any:
    try:
        return (_of_numbers() if kind == "numbers" else fitted(kind)).what_if(**params)
    except InfeasibleTargetError as error:
        return {"message": str(error), "nearest": error.nearest}
    except ValueError as error:
        return {"refused": type(error).__name__}


def _maps() -> None:
    CASES.add("approval/joint", lambda: fitted("approval").joint("age", "income", n_targets=4))
    CASES.add(
        "approval/joint with a label", lambda: fitted("approval").joint("age", ("town", "north"), n_targets=3)
    )
    CASES.add("classes/joint", lambda: fitted("classes").joint("age", "income", n_targets=3))
    CASES.add(
        "numbers/explain",
        lambda: EntropicProjection(inputs.several, n_targets=5).fit(inputs.numbers()).explain(),
    )
    CASES.add("approval/selected", _selected)


def _selected() -> Any:
    curves = fitted("approval").explain()
    return {
        "sel": curves.sel(features=["age"], outputs="yes"),
        "frame": curves.to_frame(),
        "distributions": curves.distributions,
    }


_curves()
_scenarios()
_edges()
_maps()
