"""How the work is cut up: batches that fit the working memory, in an order that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn import get_config

from agnostix.typing import Codes

MAX_BYTES = 256 * 2**20
"""Working memory, unless scikit-learn's was raised."""
BATCH_BYTES = 32 * 2**20
"""A batch's share of it: larger ones leave the processor's caches, smaller ones ask the model too often."""
_SKLEARN_DEFAULT = 1024 * 2**20
_COPIES = 4
"""Times a built row is held at once: built, converted by the model, its answers, our sums."""


@dataclass(frozen=True)
class Batch:
    """Some masks of some rows.

    Attributes
    ----------
    rows : slice
        Of the table.
    masks : slice
        Of the plan.
    """

    rows: slice
    masks: slice


def cut(n_rows: int, n_draws: Codes, n_columns: int, n_workers: int) -> list[Batch]:
    """Cut a plan for a table into batches.

    Parameters
    ----------
    n_rows : int
        Rows of the table.
    n_draws : ndarray of int of shape (n_masks,)
        Model rows that each mask takes for one row.
    n_columns : int
        Width of the table, or of the model's answers where they are wider.
    n_workers : int
        How many share the memory.

    Returns
    -------
    list of Batch
        Every mask of every row once.
    """
    room = min(_budget() // n_workers, BATCH_BYTES)
    most = max(1, room // (_COPIES * 8 * max(n_columns, 1)))
    if int(n_draws.sum()) <= most:
        n = max(1, most // int(n_draws.sum()))
        whole = slice(0, n_draws.size)
        return [Batch(slice(start, min(start + n, n_rows)), whole) for start in range(0, n_rows, n)]
    return [
        Batch(slice(row, row + 1), masks) for row in range(n_rows) for masks in _mask_slices(n_draws, most)
    ]


def _mask_slices(n_draws: Codes, most: int) -> list[slice]:
    out, start, held = [], 0, 0
    for j, size in enumerate(n_draws):
        if j > start and held + size > most:
            out.append(slice(start, j))
            start, held = j, 0
        held += int(size)
    return [*out, slice(start, n_draws.size)]


def _budget() -> int:
    """Bytes: scikit-learn's working memory where that was set, else 256 MB."""
    stated = int(get_config()["working_memory"] * 2**20)
    return MAX_BYTES if stated == _SKLEARN_DEFAULT else stated


def shares(batches: list[Batch], n_workers: int) -> list[list[Batch]]:
    """One contiguous share of the batches for each worker.

    Parameters
    ----------
    batches : list of Batch
        All of them.
    n_workers : int
        How many workers there are.

    Returns
    -------
    list of list of Batch
    """
    parts = np.array_split(np.arange(len(batches)), max(1, min(n_workers, len(batches))))
    return [[batches[j] for j in part] for part in parts]
