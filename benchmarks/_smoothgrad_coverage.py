"""Coverage of SmoothGrad's intervals, over seeds, on small networks of which the truth is known well."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from agnostix import SaliencyExplainer, as_predictor

N_TRUE = 200_000
"""Noisy copies of the truth: its error is 1 to 2 % of that of 50 copies."""


def networks():
    """A network with ReLU and a smooth one, of five columns, by name."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {
            "ReLU": nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2)).double(),
            "tanh": nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2)).double(),
        }


def coverage(module, n_seeds, *, method="gradient", form="signed", n_samples=50, level=0.95):
    """Share of intervals that hold the mean over the noise: (n_columns, n_outputs), of three rows."""
    X = np.random.default_rng(0).normal(size=(50, 5))
    rows, predictor = X[:3], as_predictor(module, activation="none")

    def explain(n, seed):
        explainer = SaliencyExplainer(
            predictor, method=method, form=form, n_samples=n, noise=0.15, random_state=seed
        )
        return explainer.fit(X).explain(rows)

    truth = explain(N_TRUE, 10**6).values
    inside = np.zeros(truth.shape)
    for seed in range(n_seeds):
        low, high = explain(n_samples, seed).interval(level)
        inside += (low <= truth) & (truth <= high)
    return inside.mean(axis=0) / n_seeds


def coverage_table(n_seeds=1000):
    """Least, mean and largest coverage of the columns and outputs, by network, method and form."""
    cases = [("gradient", "signed"), ("gradient", "absolute"), ("gradient", "squared")]
    cases += [("gradient_x_input", "signed"), ("guided", "signed")]
    lines = ["| network | method | form | least | mean | largest |", "|---|---|---|---:|---:|---:|"]
    for name, module in networks().items():
        for method, form in cases:
            shares = coverage(module, n_seeds, method=method, form=form)
            numbers = " | ".join(f"{one:.3f}" for one in (shares.min(), shares.mean(), shares.max()))
            lines.append(f"| {name} | {method} | {form} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(coverage_table())
