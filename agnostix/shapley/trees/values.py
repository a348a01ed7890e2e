"""Interventional Shapley values of tree ensembles, exactly, from patterns of rows and background at leaves.

Trees go in groups that depend on the ensemble alone, whose values are added up in their order, so that
workers give the same to the bit.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from agnostix.core.evaluate import ProgressBar, WorkerProgress, open_bar, run_in_shares
from agnostix.core.frames import take_rows
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import working_memory
from agnostix.core.trees.reading import TreeModel
from agnostix.core.typing import Floats, Numbers
from agnostix.shapley.trees.background import TreeBackground
from agnostix.shapley.trees.sums import SHAPLEY, TreeSums
from agnostix.shapley.trees.weights import LeafGains

_MOST_GROUPS = 16
"""Groups of trees, of which each is one worker's."""
_COPIES = 8
"""Arrays as large as a part of the rows that a worker holds, at most."""


def tree_values(
    model: TreeModel,
    table: Any,
    background: Any,
    weights: Floats,
    n_players: int,
    verbose: int = 0,
    gains: LeafGains = SHAPLEY,
    n_jobs: int | None = None,
) -> Floats:
    """Shapley values (n_rows, n_players, n_outputs) of rows of a table over weighted background rows.

    With other gains, those of their targets.
    """
    prepared = TreeBackground(model, background, weights, n_players)
    prepared.prepare(verbose)
    return values_over(prepared, table, verbose, gains, n_jobs)


@one_blas_thread
def values_over(
    background: TreeBackground,
    table: Any,
    verbose: int | ProgressBar = 0,
    gains: LeafGains = SHAPLEY,
    n_jobs: int | None = None,
) -> Floats:
    """The same over a background that may be kept between calls."""
    n_targets, ensemble = gains.n_targets(background.n_players), background.ensemble
    n_rows, step = int(table.shape[0]), background.rows_at_once(n_targets)
    values = np.zeros((n_rows, n_targets, background.model.ensemble.n_outputs))
    n_left = ensemble.n_outputs
    with open_bar(verbose, n_rows * background.n_passes) as bar:
        for start in range(0, n_rows, step):
            part = slice(start, min(start + step, n_rows))
            read = ensemble.read(background.model.matrix(take_rows(table, part)))
            values[part, :, :n_left] = _values_of(background, read, gains, n_jobs, bar).transpose(2, 1, 0)
    if n_left < background.model.ensemble.n_outputs:
        values[:, :, -1] = -values[:, :, :-1].sum(axis=2)
    return values


def _values_of(
    background: TreeBackground, read: Numbers, gains: LeafGains, n_jobs: int | None, bar: ProgressBar
) -> Floats:
    """Values (n_outputs, n_targets, n_rows) of rows, from the columns (n_columns, n_rows) splits compare."""
    groups = np.array_split(
        np.arange(background.ensemble.n_trees), min(_MOST_GROUPS, background.ensemble.n_trees)
    )
    n_targets = gains.n_targets(background.n_players)
    total = np.zeros((background.ensemble.n_outputs, n_targets, read.shape[1]))
    size = read.shape[1] * background.n_passes
    n_bytes = _COPIES * (background.part_bytes(read.shape[1]) + total.nbytes) + background.n_bytes
    n_workers = int(np.clip(working_memory() // n_bytes, 1, effective_n_jobs(n_jobs)))
    if n_workers == 1:
        for group in groups:
            total += _sum_group(background, read, gains, group)
            bar.advance(size / len(groups))
        return total
    shares = run_in_shares(
        partial(_sum_groups, background, read, gains, groups),
        len(groups),
        lambda group: f"trees {groups[group][0]} to {groups[group][-1]} of {background.model.name}",
        size=size,
        n_jobs=n_workers,
        verbose=bar,
    )
    for one in (one for share in shares for one in share):
        total += one
    return total


@one_blas_thread
def _sum_groups(
    background: TreeBackground,
    read: Numbers,
    gains: LeafGains,
    groups: list[Any],
    progress: WorkerProgress,
    worker: int,
    share: range,
) -> list[Floats]:
    return [_sum_group(background, read, gains, groups[group]) for group in progress.follow(worker, share)]


def _sum_group(background: TreeBackground, read: Numbers, gains: LeafGains, group: Any) -> Floats:
    """What some trees give, (n_outputs, n_targets, n_rows)."""
    sums = TreeSums(background.ensemble, background.model.owner, background.n_players, read.shape[1], gains)
    for number in group:
        if number in background.trees:
            sums.add_prepared(background.trees[number], read)
    rest = [number for number in group if number not in background.trees]
    for other, weight in background if rest else ():
        for number in rest:
            sums.add_tree(int(number), read, other, weight)
    return sums.total
