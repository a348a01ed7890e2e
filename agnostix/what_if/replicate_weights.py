"""Replicate weights: the weights of a scenario solved again for replicates of the rows, for use elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from joblib import Parallel, delayed

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.inference.design import Design
from agnostix.what_if.inference.resampling import BLOCK, Resampling
from agnostix.what_if.table import Table

Method = Literal["bootstrap", "jackknife"]


class ManySolver(Protocol):
    """Solves a scenario for many draws of the rows."""

    def solve(self, counts: Floats) -> tuple[Floats, Floats, Bools]:
        """Weights and base weights (n_draws, n_rows) for how often rows count, and which draws are solved."""
        ...


@dataclass(frozen=True)
class ReplicateWeights:
    """Makes replicate weights of one scenario."""

    table: Table
    rows: Bools | None  # (n_rows,), rows of the table that took part; None for all
    solver: ManySolver

    def make(self, n_replicates: int, method: Method, seed: int, n_jobs: int | None) -> Floats:
        """Weights (n_given, n_replicates) in the user's order of rows, of mean 1 over them."""
        table = self.table
        resampling = Resampling(table.n_rows, table.design, n_replicates, seed)
        blocks = resampling.blocks()
        counts: Iterator[Floats] = (resampling.of_clusters(*block) for block in blocks)
        if method == "jackknife":
            factors = leave_out_groups(resampling.own_design, n_replicates)
            counts = (factors[start : start + BLOCK] for start in range(0, len(factors), BLOCK))
        parts = Parallel(n_jobs=n_jobs)(delayed(_solve_block)(self, resampling, block) for block in counts)
        reached = np.concatenate([part[1] for part in parts])
        n_lost = int((~reached).sum())
        if n_lost == reached.size:
            raise DataError(
                f"None of {reached.size} replicates of the rows reaches the targets, which only few rows do. "
                "Move the targets towards the data's averages."
            )
        if n_lost:
            warnings.warn(
                f"{n_lost} of {reached.size} replicates of the rows cannot reach the targets and are left "
                "out; variances over the others are too small if they are many.",
                UserWarning,
                stacklevel=4,
            )
        weights = np.concatenate([part[0] for part in parts])[reached]
        full = np.zeros((table.n_given, weights.shape[0]))
        rows = table.order if self.rows is None else table.order[self.rows]
        full[rows] = weights.T * table.n_given
        return full


@one_blas_thread
def _solve_block(
    maker: ReplicateWeights, resampling: Resampling, of_clusters: Floats
) -> tuple[Floats, Bools]:
    counts = resampling.of_rows(of_clusters, maker.rows)
    reached = counts.max(axis=1) > 0.0
    weights = np.zeros_like(counts)
    weights[reached], _, solved = maker.solver.solve(counts[reached])
    reached[reached] = solved
    return weights, reached


def leave_out_groups(design: Design, n_groups: int) -> Floats:
    """Factors (n_groups, n_clusters) of a jackknife that leaves out one group of clusters after the other.

    Groups have clusters of every stratum. Where a stratum has fewer clusters than there are groups, its
    cluster is not left out but weighs less, so that (n_groups - 1) / n_groups times the sum of squares is
    the variance (Kott, 2001, The delete-a-group jackknife, Journal of Official Statistics 17).
    """
    order = np.argsort(design.stratum, kind="stable")
    n_groups = min(n_groups, design.n_clusters)
    group = np.empty(design.n_clusters, dtype=np.intp)
    group[order] = np.arange(design.n_clusters) % n_groups
    factors = np.ones((n_groups, design.n_clusters))
    for stratum, size in enumerate(design.sizes):
        own = np.flatnonzero(design.stratum == stratum)
        gone = group[own] == np.arange(n_groups)[:, None]
        n_gone = gone.sum(1)
        hit = n_gone > 0
        if size >= n_groups:
            rest = size / (size - n_gone)
            factors[:, own] = np.where(gone, 0.0, rest[:, None])
        else:
            z = np.sqrt(n_groups / ((n_groups - 1.0) * size * (size - 1.0)))
            changed = np.where(gone, 1.0 - (size - 1.0) * z, 1.0 + z)
            factors[:, own] = np.where(hit[:, None], changed, 1.0)
    return factors
