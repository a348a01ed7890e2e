"""Batches that fit the working memory, in an order that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn import get_config

from agnostix.core.typing import Codes

MAX_BYTES = 256 * 2**20
"""Working memory, unless scikit-learn's setting was changed."""
BATCH_BYTES = 40 * 2**20
"""A batch's part of it: larger ones leave the processor's caches, smaller ones call the model too often."""
MERGED_NUMBERS = 2**17
"""Predictions of one row among which equal perturbed rows are merged, whatever the working memory."""
_SKLEARN_DEFAULT = 1024 * 2**20
_COPIES = 5
"""Times a built row is held at once: built, converted by the model, predictions, our sums, what is kept."""


@dataclass(frozen=True)
class BatchPlan:
    """Rows and masks that are evaluated together.

    Attributes
    ----------
    n_rows : int
        Rows that go together.
    masks : tuple of slice
        Masks that go together, all of them in order.
    capacity : int
        Perturbed rows of the largest block, if a batch holds it; 0 where blocks are cut into batches.
    """

    n_rows: int
    masks: tuple[slice, ...]
    capacity: int

    @classmethod
    def from_sizes(
        cls,
        n_rows: int,
        n_draws: Codes,
        n_columns: int,
        n_outputs: int,
        n_kept: int,
        n_workers: int,
        *,
        merges: bool,
        n_whole: int = 0,
    ) -> BatchPlan:
        """Plan for n_rows rows under masks that take n_draws (n_masks,) model rows each.

        `n_kept` numbers are kept for each mask and output, and `n_whole` numbers are held for each row beside
        its batches, for a model that composes masked rows itself.
        """
        batch_size = batch_rows(n_columns, n_outputs, n_workers)
        n_bytes = 8 * n_draws.size * n_kept * n_outputs + _COPIES * 8 * n_whole
        n_together = min(n_rows, max(1, _batch_bytes(n_workers) // n_bytes), -(-n_rows // n_workers))
        if merges:
            # Which masks go together decides what is merged, so it must not depend on the memory.
            masks = _slice_masks(n_draws, max(1, MERGED_NUMBERS // n_outputs))
            largest = max(int(n_draws[part].sum()) for part in masks)
            n_together = min(n_together, max(1, batch_size // largest))
        else:
            n_together = min(n_together, max(1, batch_size // int(n_draws.max())))
            masks = _slice_masks(n_draws, batch_size // n_together)
            largest = max(int(n_draws[part].sum()) for part in masks)
        n_cells = n_together * largest
        return cls(n_together, tuple(masks), n_cells if n_cells <= batch_size else 0)


def batch_rows(n_columns: int, n_outputs: int, n_workers: int) -> int:
    """Largest number of rows in one call of the model."""
    return max(1, _batch_bytes(n_workers) // (_COPIES * 8 * max(n_columns, n_outputs, 1)))


def working_memory() -> int:
    """Bytes that all workers together may hold: scikit-learn's setting where it was changed, else 256 MB."""
    setting = int(get_config()["working_memory"] * 2**20)
    return MAX_BYTES if setting == _SKLEARN_DEFAULT else setting


def split_evenly(n_tasks: int, n_workers: int) -> list[range]:
    """One contiguous share of the tasks for each worker, none of them empty."""
    ends = np.cumsum([part.size for part in np.array_split(np.arange(n_tasks), min(n_workers, n_tasks))])
    return [range(start, end) for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]


def _batch_bytes(n_workers: int) -> int:
    return min(working_memory() // n_workers, BATCH_BYTES)


def _slice_masks(n_draws: Codes, most: int) -> list[slice]:
    """Cut the masks so that no slice of several takes more than `most` model rows for a row."""
    slices, start, held = [], 0, 0
    for j, size in enumerate(n_draws):
        if j > start and held + size > most:
            slices.append(slice(start, j))
            start, held = j, 0
        held += int(size)
    return [*slices, slice(start, n_draws.size)]
