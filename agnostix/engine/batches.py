"""How the work is cut up: batches that fit the working memory, in an order that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn import get_config

from agnostix.core.typing import Codes

MAX_BYTES = 256 * 2**20
"""Working memory, unless scikit-learn's was raised."""
BATCH_BYTES = 40 * 2**20
"""A batch's share of it: larger ones leave the processor's caches, smaller ones ask the model too often."""
MERGED_NUMBERS = 2**17
"""Answers of one row among which equal perturbed rows are looked for, whatever the working memory."""
_SKLEARN_DEFAULT = 1024 * 2**20
_COPIES = 5
"""Times a built row is held at once: built, converted by the model, its answers, our sums, what is kept."""


@dataclass(frozen=True)
class Demand:
    """What a stage of a plan asks of the memory.

    Attributes
    ----------
    n_rows : int
        Rows to be explained.
    n_draws : ndarray of int of shape (n_masks,)
        Model rows that each mask takes for one row.
    width : int
        Numbers in a row.
    n_outputs : int
        The model's.
    kept : int
        Numbers that are kept of each mask and output.
    merges : bool
        Whether equal perturbed rows are looked for.
    whole : int, default=0
        Numbers in a row that is held besides, for a model that puts masked rows together itself.
    """

    n_rows: int
    n_draws: Codes
    width: int
    n_outputs: int
    kept: int
    merges: bool
    whole: int = 0


@dataclass(frozen=True)
class Layout:
    """How a stage is cut.

    Attributes
    ----------
    n_rows : int
        Rows that go together.
    masks : tuple of slice
        Masks that go together, all of them in order.
    most : int
        Cells in one call of the model.
    fits : bool
        Whether each part is one call.
    """

    n_rows: int
    masks: tuple[slice, ...]
    most: int
    fits: bool


@dataclass(frozen=True)
class Task:
    """Some rows under some parts of the masks: what a worker does in one go.

    Attributes
    ----------
    rows : slice
        Of the rows.
    parts : slice
        Of the layout's masks.
    """

    rows: slice
    parts: slice


def lay_out(demand: Demand, n_workers: int) -> Layout:
    """Say which rows and which masks go together.

    Parameters
    ----------
    demand : Demand
        What is asked.
    n_workers : int
        How many share the memory.

    Returns
    -------
    Layout
    """
    room = _room(n_workers)
    most = batch_rows(demand.width, demand.n_outputs, n_workers)
    held = 8 * demand.n_draws.size * demand.kept * demand.n_outputs
    held += _COPIES * 8 * demand.whole
    n_rows = min(demand.n_rows, max(1, room // held), -(-demand.n_rows // n_workers))
    if demand.merges:
        masks = _mask_slices(demand.n_draws, max(1, MERGED_NUMBERS // demand.n_outputs))
        biggest = max(int(demand.n_draws[part].sum()) for part in masks)
        n_rows = min(n_rows, max(1, most // biggest))
    else:
        n_rows = min(n_rows, max(1, most // int(demand.n_draws.max())))
        masks = _mask_slices(demand.n_draws, most // n_rows)
        biggest = max(int(demand.n_draws[part].sum()) for part in masks)
    return Layout(n_rows, tuple(masks), most, n_rows * biggest <= most)


def batch_rows(width: int, n_outputs: int, n_workers: int) -> int:
    """Rows in one call of the model at most.

    Parameters
    ----------
    width : int
        Numbers in a row.
    n_outputs : int
        The model's.
    n_workers : int
        How many share the memory.

    Returns
    -------
    int
    """
    return max(1, _room(n_workers) // (_COPIES * 8 * max(width, n_outputs, 1)))


def _room(n_workers: int) -> int:
    """Bytes that a worker's batch may take."""
    return min(working_memory() // n_workers, BATCH_BYTES)


def tasks_of(layout: Layout, n_rows: int, n_workers: int) -> list[Task]:
    """Share the work out: by rows, and where those are few by masks too.

    Parameters
    ----------
    layout : Layout
        How it is cut.
    n_rows : int
        Rows in all.
    n_workers : int
        How many there are to work.

    Returns
    -------
    list of Task
        Each row's tasks follow each other.
    """
    starts = range(0, n_rows, layout.n_rows)
    n_parts = len(layout.masks)
    pieces = np.array_split(np.arange(n_parts), min(n_parts, -(-n_workers // len(starts))))
    return [
        Task(slice(start, min(start + layout.n_rows, n_rows)), slice(piece[0], piece[-1] + 1))
        for start in starts
        for piece in pieces
    ]


def _mask_slices(n_draws: Codes, most: int) -> list[slice]:
    out, start, held = [], 0, 0
    for j, size in enumerate(n_draws):
        if j > start and held + size > most:
            out.append(slice(start, j))
            start, held = j, 0
        held += int(size)
    return [*out, slice(start, n_draws.size)]


def working_memory() -> int:
    """What all workers together may hold: scikit-learn's setting where it was made, else 256 MB.

    Returns
    -------
    int
        In bytes.
    """
    stated = int(get_config()["working_memory"] * 2**20)
    return MAX_BYTES if stated == _SKLEARN_DEFAULT else stated
