"""Four explainers of rows of tables compared: occlusion, KernelSHAP, LIME and paths of a surrogate tree."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from _clock import print_table
from _data import adult, described
from _models import pipeline
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer
from agnostix.metrics import ComparisonResult, avg_sensitivity, compare_explainers


@dataclass(frozen=True)
class Case:
    """A fitted model, rows that it was fitted on, rows to explain, and the output that is explained."""

    name: str
    model: Any
    train: Any
    rows: Any
    outputs: Any


def tables(args: Namespace) -> None:
    """One comparison for each data set."""
    for case in _cases(args):
        shared = {"outputs": case.outputs, "random_state": 0, "verbose": 0}
        explainers = {
            "occlusion": OcclusionExplainer(case.model, **shared),
            "KernelSHAP": KernelShapExplainer(case.model, **shared),
            "LIME": LimeExplainer(case.model, values="coef_x", **shared),
            "tree's paths": MimicTree(case.model, **shared),
        }
        fitted = {name: one.fit(case.train) for name, one in explainers.items()}
        metrics = ["deletion", "insertion", "infidelity", partial(avg_sensitivity, n_neighbors=4)]
        comparison = compare_explainers(
            case.model, case.rows, fitted, metrics=metrics, masker=case.train.iloc[:100], k=3, verbose=0
        )
        _print(case, comparison)


def _cases(args: Namespace) -> Iterator[Case]:
    n = 10 if args.small else 60
    X, rich = adult(args.adult)
    few = np.random.default_rng(0).permutation(len(X))[: 2_000 if args.small else 12_000]
    own, rest = few[: 3 * len(few) // 4], few[3 * len(few) // 4 :]
    model = pipeline(X.iloc[own], rich[own])
    title = f"{described(args.adult)}, boosted trees"
    yield Case(title, model, X.iloc[own[:2000]], X.iloc[rest[:n]], _last_name(model))
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    order = np.random.default_rng(1).permutation(len(X))
    forest = RandomForestClassifier(100, random_state=0).fit(X.iloc[order[:400]], y.iloc[order[:400]])
    yield Case("breast cancer, forest", forest, X.iloc[order[:400]], X.iloc[order[400:]].iloc[:n], "0")
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    order = np.random.default_rng(2).permutation(len(X))
    trees = HistGradientBoostingRegressor(max_iter=60, random_state=0)
    trees.fit(X.iloc[order[:350]], y.iloc[order[:350]])
    yield Case("diabetes, boosted trees", trees, X.iloc[order[:350]], X.iloc[order[350:]].iloc[:n], None)


def _last_name(model: Any) -> str:
    return str(model.classes_[-1])


def _print(case: Case, comparison: ComparisonResult) -> None:
    scores = comparison.to_frame("scores")
    cost = comparison.to_frame("cost").set_index("explainer")
    rows = []
    for name in comparison.explainers:
        own = scores[scores["explainer"] == name]
        cells = [f"{one.score:.3g} ({one.low:.3g} to {one.high:.3g})" for one in own.itertuples()]
        spent = cost.loc[name]
        fit = "" if np.isnan(spent["fit_model_rows"]) else f"{spent['fit_model_rows']:,.0f}"
        rows.append([name, *cells, fit, f"{spent['model_rows']:,.0f}", f"{spent['seconds']:.2f} s"])
    random = scores.drop_duplicates("metric")["random"]
    rows.append(["random", *("" if np.isnan(one) else f"{one:.3g}" for one in random), "", "", ""])
    header = ["", *comparison.metrics, "model rows, fit", "model rows, explain", "explain"]
    print_table(f"{case.name}, {len(case.rows)} rows", header, rows)
    print()
    for sentence in comparison.verdicts:
        print(f"- {sentence}")
    shared = comparison.to_frame("agreement")
    shared = shared[shared["measure"] == "top-k"].sort_values("mean")
    ends = [
        f"{one.mean:.0%} ({one.low:.0%} to {one.high:.0%}, {one.one} and {one.other})"
        for one in shared.itertuples()
    ]
    print(f"- Of the 3 most relevant columns two explanations share {ends[0]} to {ends[-1]}.")
    for note in comparison.notes:
        print(f"- {note}")
