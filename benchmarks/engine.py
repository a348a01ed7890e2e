"""How much of the time the engine leaves to the model, and how much memory it takes.

Feature occlusion is the client: every column of every row hidden behind 100 background rows. The
model's own time is measured by a clock around its call, in the same run.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import time
from argparse import ArgumentParser
from typing import Any

import numpy as np
import pandas as pd
from _clock import peak_mb, print_table, shown
from _data import add_adult_argument, adult, described
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from agnostix import OcclusionExplainer, as_predictor


class Clock:
    """A model, and the time spent in it."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.taken = 0.0

    def __call__(self, X: Any) -> Any:
        start = time.perf_counter()
        answers = self.function(X)
        self.taken += time.perf_counter() - start
        return answers


def main() -> None:
    """Run all tables."""
    parser = ArgumentParser(description=__doc__)
    add_adult_argument(parser)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000, 20))
    y = X[:, 0] + X[:, 1] * X[:, 2] > 0
    rows = [
        _share("logistic regression, 20 columns, 1,000 rows", LogisticRegression().fit(X, y), X),
        _share(
            "boosted trees, 20 columns, 1,000 rows",
            HistGradientBoostingClassifier(random_state=0).fit(X, y),
            X,
        ),
        _adult(args),
    ]
    print_table(
        "Share of the wall time inside the model",
        ["", "model rows", "wall", "in the model", "share"],
        rows,
    )
    _memory(rng)


def _share(title: str, model: Any, X: Any) -> list[str]:
    clock = Clock(model.predict_proba)
    predictor = as_predictor(clock, task="classification")
    explainer = OcclusionExplainer(predictor, random_state=0).fit(X)
    taken = []
    for _ in range(5):
        clock.taken, start = 0.0, time.perf_counter()
        exp = explainer.explain(X)
        taken.append((time.perf_counter() - start, clock.taken))
    wall, inside = sorted(taken)[2]
    return [title, f"{exp.n_model_rows:,}", shown(wall), shown(inside), f"{inside / wall:.0%}"]


def _adult(args: Any) -> list[str]:
    table, rich = adult(args.adult)
    labels = make_column_selector(dtype_exclude="number")
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), labels),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(random_state=0)).fit(
        table[:20_000], rich[:20_000]
    )
    rows = table.tail(500)
    line = _share(f"Pipeline on {described(args.adult)}, 500 rows", model, rows)
    n = int(line[1].replace(",", ""))
    same = pd.concat([rows] * (n // len(rows) + 1), ignore_index=True)[:n]
    start = time.perf_counter()
    model.predict_proba(same)
    line[0] += f" (one plain call on as many rows: {shown(time.perf_counter() - start)})"
    return line


def _memory(rng: np.random.Generator) -> None:
    X = rng.normal(size=(500, 784))
    explainer = OcclusionExplainer(lambda X: X[:, :3].sum(1), random_state=0).fit(X)
    exp, peak = peak_mb(lambda: explainer.explain(X))
    held = (exp.values.nbytes + exp.std_errors.nbytes) / 1e6
    print_table(
        "Memory: 784 columns x 100 background rows x 500 rows",
        ["model rows", "peak above the inputs", "of which the result"],
        [[f"{exp.n_model_rows:,}", f"{peak:.0f} MB", f"{held:.0f} MB"]],
    )


if __name__ == "__main__":
    main()
