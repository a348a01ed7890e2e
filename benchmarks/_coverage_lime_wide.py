"""LIME's intervals of wide tables, whose errors are a deterministic equivalent.

Truths are limits in closed form (values of a sum of columns) and means over the seeds. Columns are 0 but for
20 numbers of a row, or normal.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
from _coverage import Cell, seeds_of
from _coverage_lime import cell_of, cells_of, ends_of, errors_of, values_of

from agnostix import Explanation, LimeExplainer, as_predictor

N_ROWS, N_FITTED, N_SET = 2, 1_000, 20


def cells(args: Namespace) -> Iterator[Cell]:
    """All cells, narrow tables first."""
    seeds = seeds_of(args, 60, 8)
    for d in (600, 1_200) if args.quick else (600, 1_200, 2_500):
        yield from _cells(d, "20 set", seeds)
    yield from _cells(600, "normal", seeds)


def mostly_zero(n: int, d: int, seed: int) -> np.ndarray:
    """Rows (n, d) of zeros but for N_SET numbers, columns at the front oftener than those at the end."""
    rng = np.random.default_rng(seed)
    chances = 1.0 / (20.0 + np.arange(d))
    X = np.zeros((n, d))
    for row in X:
        row[rng.choice(d, N_SET, replace=False, p=chances / chances.sum())] = rng.integers(1, 6, N_SET)
    return X


def _cells(d: int, kind: str, seeds: range) -> Iterator[Cell]:
    rng = np.random.default_rng(d)
    X = mostly_zero(N_FITTED, d, d) if kind == "20 set" else rng.normal(size=(N_FITTED, d))
    slopes = rng.normal(size=d) * np.where(rng.random(d) < 0.2, 3.0, 0.3)
    scale = 1.0 / np.std(X @ slopes)

    def added(Z: Any) -> Any:
        return Z @ slopes

    def both(Z: Any) -> Any:
        sums = Z @ slopes
        bent = 1.0 / (1.0 + np.exp(-2.0 * scale * sums)) + 0.5 * (Z[:, 0] > 0) * (Z[:, 1] > 0)
        return np.stack([sums, bent], axis=1)

    rows, name = X[:N_ROWS], f"{d} columns, {kind}"
    pairs = [_both_outputs(_fitted(both, X, seed), rows) for seed in seeds]
    limits = values_of(_fitted(added, X, 0).explain_exact(rows, additive=True))
    sums, bent = map(list, zip(*pairs, strict=True))
    yield cell_of(f"{name}, sum: values, limit", values_of, errors_of, ends_of, sums, limits)
    yield from cells_of(f"{name}, sum", sums)
    yield from cells_of(f"{name}, logistic and a product", bent)


def _both_outputs(explainer: LimeExplainer, rows: np.ndarray) -> tuple[Explanation, Explanation]:
    return explainer.explain(rows, outputs=[0]), explainer.explain(rows, outputs=[1])


def _fitted(model: Any, X: np.ndarray, seed: int) -> LimeExplainer:
    return LimeExplainer(as_predictor(model, task="regression"), random_state=seed, verbose=0).fit(X)
