"""Wide sparse rows, 20 columns set of many, beside shap's KernelExplainer in the same run.

CPU seconds for five rows, fit included, the least of some rounds in alternation; a background row of zeros.
Errors are relative to the norm of the values of all 2**20 coalitions of the set columns. Peak memory is that
of a fresh process, with the imports. Nothing is asserted.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from math import comb
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from _clock import in_a_process, peak_rss_mb, print_table

from agnostix import KernelShapExplainer

N_ROWS, N_SET = 5, 20


def sparse_rows(n_rows: int, n_columns: int, seed: int) -> np.ndarray:
    """Rows with 20 columns set."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n_rows, n_columns))
    for row in X:
        row[rng.choice(n_columns, N_SET, replace=False)] = rng.random(N_SET) + 0.5
    return X


Model = Callable[[np.ndarray], np.ndarray]


def models(n_columns: int) -> dict[str, Model]:
    """A linear model, and one whose features interact."""
    weights = np.random.default_rng(0).normal(size=n_columns)
    return {
        "linear": lambda X: X @ weights,
        "logistic": lambda X: 1.0 / (1.0 + np.exp(-(X @ weights))),
    }


def exact(kind: str, row: np.ndarray) -> np.ndarray:
    """Shapley values of the set columns behind zeros, by all coalitions."""
    (used,) = np.nonzero(row)
    sums, sizes = np.zeros(1), np.zeros(1, dtype=int)
    for term in models(row.size)["linear"](np.diag(row)[used]):
        sums, sizes = np.r_[sums, sums + term], np.r_[sizes, sizes + 1]
    values = sums if kind == "linear" else 1.0 / (1.0 + np.exp(-sums))
    weights = np.array([1.0 / (N_SET * comb(N_SET - 1, size)) for size in range(N_SET)])
    found = np.zeros(row.size)
    for j in range(N_SET):
        both, before = values.reshape(-1, 2, 2**j), sizes.reshape(-1, 2, 2**j)[:, 0]
        found[used[j]] = (weights[before] * (both[:, 1] - both[:, 0])).sum()
    return found


def ours(model: Any, background: np.ndarray, X: np.ndarray, **params: Any) -> np.ndarray:
    """Values (n_rows, n_columns)."""
    explainer = KernelShapExplainer(model, random_state=0, verbose=0, **params).fit(background)
    return np.asarray(explainer.explain(X).values[:, :, 0])


def theirs(model: Any, background: np.ndarray, X: np.ndarray, n_samples: Any) -> np.ndarray:
    """Values of KernelExplainer, without a selection of features."""
    from shap import KernelExplainer

    return np.asarray(
        KernelExplainer(model, background).shap_values(X, silent=True, l1_reg=0, nsamples=n_samples)
    )


CALLS: dict[str, Callable[..., np.ndarray]] = {
    "agnostix, the default": ours,
    'agnostix, kernel="none"': lambda *args: ours(*args, kernel="none"),
    "agnostix, without a kernel, 2,088 coalitions": lambda *args: ours(*args, kernel="none", budget=2088),
    "shap, 512 samples": lambda *args: theirs(*args, 512),
    "shap, auto (2,088)": lambda *args: theirs(*args, "auto"),
}


def peak(name: str, kind: str, n_columns: int) -> float:
    """Peak memory of one call, in MB."""
    X = sparse_rows(N_ROWS, n_columns, 0)
    CALLS[name](models(n_columns)[kind], np.zeros((1, n_columns)), X)
    return peak_rss_mb()


def compare(kind: str, n_columns: int, rounds: int) -> list[list[str]]:
    """A row of the table for each call."""
    model, X = models(n_columns)[kind], sparse_rows(N_ROWS, n_columns, 0)
    background, truth = np.zeros((1, n_columns)), [exact(kind, row) for row in X]
    taken: dict[str, float] = dict.fromkeys(CALLS, np.inf)
    errors = {}
    for _ in range(rounds):
        for name, call in CALLS.items():
            start = time.process_time()
            values = call(model, background, X)
            taken[name] = min(taken[name], time.process_time() - start)
            errors[name] = np.mean(np.linalg.norm(values - truth, axis=1) / np.linalg.norm(truth, axis=1))
    last = taken["shap, auto (2,088)"]
    return [
        [
            f"{kind}, {n_columns:,}",
            name,
            f"{taken[name]:.2f}",
            f"{taken[name] / last:.2f}",
            f"{errors[name]:.1e}",
            f"{in_a_process(peak, name, kind, n_columns):.0f}",
        ]
        for name in CALLS
    ]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, nargs="+", default=[300, 1200, 2500, 5000])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows = [row for n in args.columns for kind in models(1) for row in compare(kind, n, args.rounds)]
    header = ["model, columns", "", "CPU s", "of shap's", "relative error", "peak, MB"]
    print_table("Wide sparse rows: five rows, 20 columns set", header, rows)


if __name__ == "__main__":
    main()
