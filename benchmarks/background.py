"""Chosen backgrounds against 100 random rows: squared error of values, six tables, three kinds of model.

    python benchmarks/background.py --adult adult.data [--seeds 4] [--peer /path/to/python]

Shapley values (exact up to 8 columns, else of the same sampled coalitions for every background) of six rows,
about those with the whole table as background. Tables are redrawn. `--peer` is a Python with shap, whose
`shap.kmeans` chooses weighted centroids of the tables as arrays of numbers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _background_tables import as_numbers, models, tables
from _clock import print_table
from _data import add_adult_argument, described

from agnostix import KernelShapExplainer, representative_sample

N_EXPLAINED = 6
RANDOM = 100
SIZES = (25, 50, 100)
_KMEANS = """
import json, sys, numpy as np, shap
X = np.load(sys.argv[1]); found = shap.kmeans(X, int(sys.argv[2]))
weights = np.asarray(found.weights, dtype=float)
weights /= weights.sum()
json.dump({"rows": np.asarray(found.data).tolist(), "weights": weights.tolist()}, sys.stdout)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_adult_argument(parser)
    parser.add_argument("--seeds", type=int, default=4, help="tables of each kind")
    parser.add_argument("--n-random", type=int, default=10, help="random backgrounds of each table")
    parser.add_argument("--peer", default=None, help="a Python that has shap")
    parser.add_argument("--only", default="", help="tables whose name has this text")
    args = parser.parse_args()
    lines = []
    for name, draw in tables(args.adult).items():
        if args.only in name:
            for line in _lines(name, draw, args):
                lines.append(line)
                print(" | ".join(line), flush=True)
    names = [*(f"chosen {size}" for size in SIZES), *(f"shap.kmeans {size}" for size in SIZES[1:])]
    header = ("table", "model", *(f"{one}: pooled, worst column" for one in names))
    print_table(f"Squared error of values, of {RANDOM} random rows' ({described(args.adult)})", header, lines)


def _lines(name: str, draw: Any, args: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    errors: dict[str, dict[str, list[np.ndarray]]] = {}
    for seed in range(args.seeds):
        table, y = draw(seed)
        chosen = dict(_backgrounds(table, seed, args))
        for kind, model in models(table, y).items():
            own = errors.setdefault(kind, {})
            for key, squares in _squares(model, as_numbers(table), chosen, seed, args.n_random):
                own.setdefault(key, []).append(squares)
    for kind, own in errors.items():
        mean = {key: np.mean(parts, axis=0) for key, parts in own.items()}
        base = mean.pop("random")
        ratios = [(one.sum() / base.sum(), _worst(one, base)) for one in mean.values()]
        yield name, kind, *(f"{pooled:.3f}, {worst:.2f}" for pooled, worst in ratios)


def _worst(squares: np.ndarray, base: np.ndarray) -> float:
    """Largest ratio of a column, of those that matter at all."""
    matters = base > 1e-6 * base.max()
    return float((squares[matters] / base[matters]).max())


def _backgrounds(
    table: pd.DataFrame, seed: int, args: argparse.Namespace
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    X = as_numbers(table)
    for size in SIZES:
        sample = representative_sample(table, size, random_state=seed)
        yield f"chosen {size}", (X[sample.indices], sample.weights)
    if args.peer:
        for size in SIZES[1:]:
            yield f"shap.kmeans {size}", _kmeans(args.peer, X, size)


def _kmeans(python: str, X: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        np.save(path, X)
        command = [python, "-W", "ignore", "-c", _KMEANS, str(path), str(size)]
        found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return np.array(found["rows"]), np.array(found["weights"])


def _squares(
    model: Any, X: np.ndarray, chosen: dict[str, Any], seed: int, n_random: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Squared errors (n_columns,) of each background, of random ones the mean."""
    rng = np.random.default_rng([seed, 1])
    rows = X[rng.choice(len(X), N_EXPLAINED, replace=False)]
    truth = _values(model, rows, X, None)
    drawn = [X[rng.choice(len(X), RANDOM, replace=False)] for _ in range(n_random)]
    apart = [np.square(_values(model, rows, one, None) - truth).sum(axis=0) for one in drawn]
    yield "random", np.mean(apart, axis=0)
    for name, (background, weights) in chosen.items():
        yield name, np.square(_values(model, rows, background, weights) - truth).sum(axis=0)


def _values(model: Any, rows: np.ndarray, background: np.ndarray, weights: Any) -> np.ndarray:
    """Shapley values (n_rows, n_columns); coalitions depend on the seed alone."""
    d = rows.shape[1]
    budget = min(2**d, max(256, 8 * d))
    explainer = KernelShapExplainer(
        model, background="all", budget=budget, kernel="none", random_state=0, verbose=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return explainer.fit(background, None, weights).explain(rows).values[:, :, 0]


if __name__ == "__main__":
    main()
