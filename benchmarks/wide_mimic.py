"""MimicTree of wide tables beside one tree of scikit-learn on the model's labels: CPU time and memory.

Tables of 1,000 rows have 20 numbers other than 0 in each, or normal columns; the models are a linear and a
logistic function in numpy, and a boosted tree. Each side runs in a fresh process, in turn. The tree of
scikit-learn has as many leaves at most, and neither synthetic rows, nor a size chosen on held-out rows, nor a
fidelity: of MimicTree's trees it is one of eleven (numbers) or twenty-one (probabilities).
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

N_ROWS, N_NEW = 1_000, 1_000
N_TELLING = 8
"""Columns that the boosted tree is trained on a sum of."""


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", default="300,1200,2500,5000")
    parser.add_argument("--kinds", default="20 set,normal", help="of columns")
    parser.add_argument("--models", default="linear,logistic,boosted")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which medians are shown")
    parser.add_argument("--sides", default="ours,tree")
    args = parser.parse_args()
    lines = []
    for kind in args.kinds.split(","):
        for d in map(int, args.columns.split(",")):
            for model in args.models.split(","):
                sides = {name: SIDES[name] for name in args.sides.split(",")}
                rounds = [
                    {name: in_a_process(_measured, side, d, kind, model) for name, side in sides.items()}
                    for _ in range(args.repeats)
                ]
                for name in sides:
                    fit, memory, r2, leaves = np.median([one[name] for one in rounds], axis=0)
                    line = (f"{fit:.2f} s", f"{memory:.0f} MB", f"{r2:.3f}", f"{leaves:.0f}")
                    lines.append((f"{d:,} columns, {kind}, {model}, {name}", *line))
                    print(" | ".join(lines[-1]), flush=True)
    print_table("MimicTree of wide tables", ("", "fit", "peak memory", "R2 on new rows", "leaves"), lines)


def _measured(side: Callable[..., Any], d: int, kind: str, name: str) -> tuple[float, ...]:
    """CPU seconds of fit, peak of memory above the start in MB, R2 on new rows, and leaves."""
    X = _rows(N_ROWS + N_NEW, d, kind)
    X, new = X[:N_ROWS].copy(), X[N_ROWS:].copy()
    side(MODELS[name](X[:100, :N_TELLING]), X[:100, :N_TELLING])  # imports and first calls are no part of it
    model, start = MODELS[name](X), rss_mb()
    forget_peak()
    begin = time.process_time()
    predict, leaves = side(model, X)
    taken, memory = time.process_time() - begin, peak_rss_mb() - start
    truth, outputs = (np.asarray(one(new)).reshape(len(new), -1) for one in (model.predict_batch, predict))
    return taken, memory, 1.0 - ((truth - outputs) ** 2).mean() / truth.var(axis=0).mean(), leaves


def _rows(n: int, d: int, kind: str) -> np.ndarray:
    return mostly_zero(n, d, 0) if kind == "20 set" else np.random.default_rng(0).normal(size=(n, d))


def _linear(X: np.ndarray) -> Any:
    """A sum of all columns, a tenth of which make up most of it."""
    from agnostix import as_predictor

    slopes = _slopes(X)
    return as_predictor(lambda Z: Z @ slopes, task="regression")


def _logistic(X: np.ndarray) -> Any:
    """Two probabilities, from such a sum."""
    from agnostix import as_predictor

    slopes = _slopes(X)

    def model(Z: Any) -> Any:
        p = 1.0 / (1.0 + np.exp(-Z @ slopes))
        return np.stack([1.0 - p, p], axis=1)

    return as_predictor(model, task="classification")


def _boosted(X: np.ndarray) -> Any:
    """A boosted tree, trained on a sum of few columns and noise."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from agnostix import as_predictor

    noise = np.random.default_rng(3).normal(size=len(X))
    truth = X[:, :N_TELLING].sum(axis=1) + 0.1 * noise
    return as_predictor(HistGradientBoostingRegressor(max_iter=50, random_state=0).fit(X, truth))


def _slopes(X: np.ndarray) -> np.ndarray:
    slopes = np.random.default_rng(1).normal(size=X.shape[1])
    slopes[N_TELLING:] *= 0.02
    return slopes * 2.0 / np.std(X @ slopes)


def _ours(model: Any, X: np.ndarray) -> tuple[Callable[[Any], Any], int]:
    """MimicTree by its defaults."""
    from agnostix import MimicTree

    mimic = MimicTree(model, random_state=0, verbose=0).fit(X)
    leaf_values = mimic.rule_tree_.values
    return lambda rows: leaf_values[mimic.apply(rows)], len(mimic.leaves_)


def _tree(model: Any, X: np.ndarray) -> tuple[Callable[[Any], Any], int]:
    """One tree of scikit-learn, trained on the model's labels or numbers."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    outputs = np.asarray(model.predict_batch(X))
    settings = {"max_leaf_nodes": 16, "random_state": 0}
    if model.task == "classification":
        tree = DecisionTreeClassifier(**settings).fit(X, outputs.argmax(axis=1))
        return tree.predict_proba, tree.get_n_leaves()
    tree = DecisionTreeRegressor(**settings).fit(X, outputs.ravel())
    return tree.predict, tree.get_n_leaves()


MODELS = {"linear": _linear, "logistic": _logistic, "boosted": _boosted}
SIDES = {"ours": _ours, "tree": _tree}


if __name__ == "__main__":
    main()
