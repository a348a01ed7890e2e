"""How often the intervals of expected gradients and SmoothGrad hold the truth.

What is compared: over seeds, the share of the nominal 95 % intervals that hold
the mean which the draws estimate, for each column and output of three rows, on
small networks with ReLU and with tanh. Of expected gradients that is the mean of
integrated gradients over all rows seen in `fit`, by Gauss-Legendre quadrature;
of SmoothGrad the mean over the noise, by 200,000 draws. A last column has the
mean interval's half width as a share of the largest value.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

from argparse import ArgumentParser
from typing import Any

import numpy as np
from _clock import print_table
from _smoothgrad_coverage import coverage_table, networks

from agnostix import IntegratedGradientsExplainer, as_predictor

N_STEPS = 2_000
"""Of the truth: its error is below a hundredth of an interval."""


def data(n_rows: int = 50) -> Any:
    """Rows (n_rows, 5), of which the last column is skewed."""
    X = np.random.default_rng(0).normal(size=(n_rows, 5))
    X[:, 4] = np.exp(X[:, 4])
    return X


def expected_gradients(module: Any, X: Any, rows: Any) -> Any:
    """Mean of integrated gradients (n_rows, n_columns, n_outputs) over all rows of X as baselines."""
    model = as_predictor(module, activation="none", batch_size=4_096)
    total = 0.0
    for baseline in X:
        explainer = IntegratedGradientsExplainer(
            model, baseline=baseline, method="gauss-legendre", n_steps=N_STEPS
        )
        total = total + explainer.fit(X).explain(rows).values
    return total / len(X)


def coverage(
    module: Any, n_seeds: int, *, n_rows: int = 50, n_samples: int = 256, level: float = 0.95
) -> tuple[Any, float]:
    """Share of intervals that hold the truth (n_rows, n_columns, n_outputs), and their mean half width."""
    X = data(n_rows)
    rows = X[:3]
    truth = expected_gradients(module, X, rows)
    model = as_predictor(module, activation="none", batch_size=4_096)
    inside, width = np.zeros(truth.shape), 0.0
    for seed in range(n_seeds):
        explainer = IntegratedGradientsExplainer(
            model, baseline="data", n_samples=n_samples, random_state=seed
        )
        low, high = explainer.fit(X).explain(rows).interval(level)
        inside += (low <= truth) & (truth <= high)
        width += float(np.mean(high - low)) / 2
    return inside / n_seeds, width / n_seeds / float(np.abs(truth).max())


def main() -> None:
    """Print both tables."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1_000)
    n_seeds = parser.parse_args().seeds
    rows = []
    for name, module in networks().items():
        for n_rows, n_samples in ((50, 256), (50, 32), (5, 256)):
            shares, width = coverage(module, n_seeds, n_rows=n_rows, n_samples=n_samples)
            numbers = (shares.min(), shares.mean(), shares.max())
            case = f"{name}, {n_rows} rows in fit, {n_samples} draws"
            rows.append([case, *(f"{one:.3f}" for one in numbers), f"{width:.3f}"])
    header = ["", "least", "mean", "largest", "half width"]
    print_table(f"Expected gradients, 95 % intervals, {n_seeds:,} seeds", header, rows)
    print(f"\nSmoothGrad, 95 % intervals, {n_seeds:,} seeds\n")
    print(coverage_table(n_seeds))


if __name__ == "__main__":
    main()
