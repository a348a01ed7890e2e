"""LIME of wide tables beside the lime package: CPU time and memory of fit and of one row's explanation.

Tables of 2,000 rows have 20 numbers other than 0 in each, or normal columns; the model is a logistic function
of their sum in numpy. Each side runs in a fresh process, in turn, by its defaults, but lime is asked for all
features: it takes 5,000 samples whatever the number of columns, ours about ten for each.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from _clock import forget_peak, in_a_process, peak_rss_mb, print_table, rss_mb
from _coverage_lime_wide import mostly_zero

N_ROWS = 2_000


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", default="300,1200,2500,5000")
    parser.add_argument("--kinds", default="20 set,normal", help="of columns")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which medians are shown")
    parser.add_argument("--sides", default="ours,lime")
    args = parser.parse_args()
    lines = []
    for kind in args.kinds.split(","):
        for d in map(int, args.columns.split(",")):
            sides = {name: SIDES[name] for name in args.sides.split(",")}
            rounds = [
                {name: in_a_process(_measured, side, d, kind) for name, side in sides.items()}
                for _ in range(args.repeats)
            ]
            for name in sides:
                fit, explain, memory, n = np.median([one[name] for one in rounds], axis=0)
                line = (f"{fit:.2f} s", f"{explain:.2f} s", f"{memory:.0f} MB", f"{n:,.0f}")
                lines.append((f"{d:,} columns, {kind}, {name}", *line))
                print(" | ".join(lines[-1]), flush=True)
    print_table("LIME of wide tables", ("", "fit", "explain one row", "peak memory", "samples"), lines)


def _measured(side: Callable[..., tuple[float, float, int]], d: int, kind: str) -> tuple[float, ...]:
    """CPU seconds of fit and of one row's explanation, peak of memory above the start in MB, and samples."""
    X = mostly_zero(N_ROWS, d, 0) if kind == "20 set" else np.random.default_rng(0).normal(size=(N_ROWS, d))
    side(_logistic(X[:, :8]), X[:100, :8])  # imports and first calls are no part of it
    model, start = _logistic(X), rss_mb()
    forget_peak()
    fit, explain, n = side(model, X)
    return fit, explain, peak_rss_mb() - start, n


def _logistic(X: np.ndarray) -> Callable[[Any], Any]:
    """Two probabilities, from a sum of all columns."""
    slopes = np.random.default_rng(1).normal(size=X.shape[1])
    scale = 2.0 / np.std(X @ slopes)

    def model(Z: Any) -> Any:
        p = 1.0 / (1.0 + np.exp(-scale * (Z @ slopes)))
        return np.stack([1.0 - p, p], axis=1)

    return model


def _ours(model: Callable[[Any], Any], X: np.ndarray) -> tuple[float, float, int]:
    """LimeExplainer, of the predicted output."""
    from agnostix import LimeExplainer, as_predictor

    begin = time.process_time()
    predictor = as_predictor(model, task="classification")
    explainer = LimeExplainer(predictor, outputs="predicted", random_state=0, verbose=0).fit(X)
    middle = time.process_time()
    exp = explainer.explain(X[:1])
    return middle - begin, time.process_time() - middle, int(exp.extras["n_samples"].array[0])


def _lime(model: Callable[[Any], Any], X: np.ndarray) -> tuple[float, float, int]:
    """LimeTabularExplainer, of the second output and all features."""
    from lime.lime_tabular import LimeTabularExplainer

    begin = time.process_time()
    explainer = LimeTabularExplainer(X, random_state=0)
    middle = time.process_time()
    explainer.explain_instance(X[0], model, num_features=X.shape[1])
    return middle - begin, time.process_time() - middle, 5_000


SIDES = {"ours": _ours, "lime": _lime}


if __name__ == "__main__":
    main()
