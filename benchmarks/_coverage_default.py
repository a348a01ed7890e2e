"""The default budget of KernelSHAP, which stops by the errors that it states: are they right?"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import numpy as np
from _coverage import Cell, seeds_of
from _coverage_shapley import cell_of, explained, promise_of
from _default_models import cases, probabilities, probabilities_of_some, sums_of_trees
from _shapley_step_games import TableModel

N_SEEDS, N_QUICK = 60, 8
TOL = 0.1
"""The default."""


def cells(args: Namespace) -> Iterator[Cell]:
    """Values of boosted trees of 8 and 20 columns, and the worst value of each row beside the tolerance."""
    seeds = seeds_of(args, N_SEEDS, N_QUICK)
    for model in _models():
        yield from _of_model(model, seeds)


def _models() -> Iterator[TableModel]:
    for case in cases(8):
        yield probabilities(case, n_rows=12)
    for case in cases(20):
        yield probabilities_of_some(case, n_read=10, n_rows=4)
    for case in cases(20):
        yield sums_of_trees(case, n_rows=4)


def _of_model(model: TableModel, seeds: range) -> Iterator[Cell]:
    found = [
        explained(model.predict, model.background, model.rows, seed, algorithm="kernel") for seed in seeds
    ]
    evaluations = np.stack([one.extras["evaluations"].array for one in found])
    errors = np.stack([np.abs(one.values[:, :, 0] - model.truth) for one in found])
    relative = (errors / np.abs(model.truth).max(axis=1)[:, None])[:, model.truth != 0.0]
    columns = f"{model.rows.shape[1]} columns"
    cost = f"{evaluations.mean():.0f} evaluations, error {np.median(relative):.2%} of the largest"
    name = f"{columns}, {model.name}: {cost}"
    yield cell_of("Shapley, default budget", name, found, model.truth)
    yield promise_of("Shapley, default tolerance", name, found, model.truth, TOL)
