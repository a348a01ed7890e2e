"""Default KernelSHAP on 2,000 rows of boosted trees: CPU seconds and errors, beside shap's defaults.

    python benchmarks/shapley_default.py [--rows 200] [--columns 8 20] [--only "pairs"]

Probabilities of `HistGradientBoostingClassifier`. Everyone gets the 50 background rows that ours chose, shap
without their weights, and is compared with the truth of its own background: of 8 columns by all coalitions,
of 20 by ours with 2,048 coalitions, whose stated error is in the table. shap explains few rows; CPU seconds
are scaled to 2,000. "at 250,000 / s" has the time that the model's rows would take at that speed, plus what
is spent outside the model. Errors are medians over values, in units of the largest value of their row.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
import shap
from _clock import print_table
from _default_models import Case, cases, classifier
from _shapley_step_games import all_masks, shapley_values

from agnostix import KernelShapExplainer

N_ALL, SPEED = 2_000, 250_000.0
N_PEER_ROWS = {8: 10, 20: 8}
"""Rows that shap explains and errors are measured on."""
BUDGET_OF_TRUTH = 2_048
HEADER = (
    "",
    "CPU s",
    "at 250,000 / s",
    "model rows / CPU s",
    "evaluations",
    "error made",
    "error stated",
)


class CpuClock:
    """A model that notes its rows and CPU seconds."""

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        self.rows, self.seconds = 0, 0.0
        self._predict = predict  # under this name: explainers take what has a predict for an estimator

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Predict."""
        start = time.process_time()
        predictions = self._predict(np.asarray(rows, dtype=float))
        self.seconds += time.process_time() - start
        self.rows += len(rows)
        return predictions


@dataclass(frozen=True)
class Taken:
    """What an explanation of some rows took, and what it is."""

    n_rows: int
    cpu: float
    clock: CpuClock
    fit: float  # CPU seconds, once
    values: np.ndarray
    evaluations: float
    stated: float = float("nan")

    def line(self, name: str, truth: np.ndarray) -> tuple[str, ...]:
        """A line of the table, scaled to all rows."""
        scale = N_ALL / self.n_rows
        outside = self.cpu - self.clock.seconds
        return (
            name,
            f"{self.fit + scale * self.cpu:.1f}",
            f"{self.fit + scale * (outside + self.clock.rows / SPEED):.1f}",
            f"{self.clock.rows / self.clock.seconds:,.0f}",
            f"{self.evaluations:.0f}",
            f"{_relative(np.abs(self.values[: len(truth)] - truth), truth):.2%}",
            "" if np.isnan(self.stated) else f"{self.stated:.2%}",
        )


def _relative(errors: np.ndarray, values: np.ndarray) -> float:
    return float(np.median(errors / np.abs(values).max(axis=1, keepdims=True)))


def ours(predict: Callable, X: np.ndarray, n_rows: int, **params: Any) -> tuple[KernelShapExplainer, Taken]:
    """By default settings, for a function, which has no trees to read."""
    clock = CpuClock(predict)
    start = time.process_time()
    explainer = KernelShapExplainer(clock, algorithm="kernel", random_state=0, verbose=0, **params).fit(X)
    fit = time.process_time() - start
    clock.rows, clock.seconds = 0, 0.0
    start = time.process_time()
    exp = explainer.explain(X[:n_rows])
    cpu = time.process_time() - start
    values = exp.values[:, :, 0]
    stated = _relative(exp.extras["coalition_std_errors"].array[:, :, 0], values)
    return explainer, Taken(n_rows, cpu, clock, fit, values, exp.extras["evaluations"].array.mean(), stated)


def shap_kernel(predict: Callable, background: np.ndarray, rows: np.ndarray) -> Taken:
    """shap.KernelExplainer by its defaults."""
    np.random.seed(0)  # noqa: NPY002, shap draws from numpy's global state
    clock = CpuClock(predict)
    start = time.process_time()
    explainer = shap.KernelExplainer(clock, background)
    fit = time.process_time() - start
    return _explained(clock, fit, len(background), rows, lambda: explainer.shap_values(rows, silent=True))


def shap_permutation(predict: Callable, background: np.ndarray, rows: np.ndarray) -> Taken:
    """shap.PermutationExplainer by its defaults."""
    clock = CpuClock(predict)
    start = time.process_time()
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.PermutationExplainer(clock, masker, seed=0)
    fit = time.process_time() - start
    explainer(rows[:1], silent=True)  # the first call compiles
    return _explained(clock, fit, len(background), rows, lambda: explainer(rows, silent=True).values)


def _explained(
    clock: CpuClock, fit: float, n_background: int, rows: np.ndarray, explain: Callable[[], np.ndarray]
) -> Taken:
    clock.rows, clock.seconds = 0, 0.0
    start = time.process_time()
    values = explain()
    cpu = time.process_time() - start
    return Taken(len(rows), cpu, clock, fit, values, clock.rows / len(rows) / n_background)


def enumerated(
    predict: Callable, background: np.ndarray, weights: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Shapley values by all coalitions."""
    masks = all_masks(rows.shape[1])
    tables = [weights @ [predict(np.where(masks, row, other)) for other in background] for row in rows]
    return np.array([shapley_values(table) for table in tables])


def compare(case: Case, n_rows: int) -> list[tuple[str, ...]]:
    """The lines of one table."""
    predict, n = classifier(case), N_PEER_ROWS[case.X.shape[1]]
    name, rows = f"{case.X.shape[1]} columns, {case.name}", case.X[:n]
    explainer, taken = ours(predict, case.X, min(n_rows, len(case.X)))
    background = np.asarray(explainer.background_)
    peers = {
        "shap.KernelExplainer": shap_kernel(predict, background, rows),
        "shap.PermutationExplainer": shap_permutation(predict, background, rows),
    }
    equal = np.full(len(background), 1.0 / len(background))
    if case.X.shape[1] <= 10:
        truth = enumerated(predict, background, explainer.background_weights_, rows)
        truth_of_peers = enumerated(predict, background, equal, rows)
    else:
        _, of_truth = ours(predict, case.X, n, budget=BUDGET_OF_TRUTH)
        unweighted = KernelShapExplainer(
            predict, budget=BUDGET_OF_TRUTH, background="all", random_state=0, verbose=0
        )
        truth, truth_of_peers = of_truth.values, unweighted.fit(background).explain(rows).values[:, :, 0]
        name += f" (truth ±{of_truth.stated:.3%})"
    lines = [taken.line(f"{name}: agnostix", truth)]
    return lines + [one.line(f"{name}: {peer}", truth_of_peers) for peer, one in peers.items()]


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=N_ALL, help="rows that ours explains, scaled to 2,000")
    parser.add_argument("--columns", type=int, nargs="+", default=[8, 20], choices=N_PEER_ROWS)
    parser.add_argument("--only", action="append", help="names of tables")
    args = parser.parse_args()
    lines = []
    for case in (case for d in args.columns for case in cases(d)):
        if args.only is None or case.name in args.only:
            lines += compare(case, args.rows)
            print(" | ".join(lines[-3]), flush=True)
    print_table(f"{N_ALL:,} rows, default settings", HEADER, lines)


if __name__ == "__main__":
    main()
