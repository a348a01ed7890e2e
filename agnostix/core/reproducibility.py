"""Results that depend on seed and data alone: not on threads, batches, row order or global random state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from threadpoolctl import ThreadpoolController

from agnostix.core.typing import Codes, Floats

P = ParamSpec("P")
R = TypeVar("R")
WIDTH = 64
"""Right-hand sides in a product; the last one is padded with zeros."""


def seed_of(random_state: Any) -> int:
    """A seed from a random_state, or from the machine's entropy for None; the global state is left alone."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def own_order(keys: list[np.ndarray]) -> Codes:
    """Rows sorted by a hash of all that they hold, keys (n_rows,) by column; equal ones as they came."""
    mixed = np.zeros(keys[0].size, dtype=np.uint64)
    for key in keys:
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= pd.util.hash_array(np.ascontiguousarray(key))
    return np.argsort(mixed, kind="stable")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's matrix products run in one thread, with the same bits on every machine."""

    # Products over many threads sum in another order, and for the small products here waiting for threads
    # costs more than they save.
    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@one_blas_thread
def multiply(matrix: Floats, columns: Floats) -> Floats:
    """Product of matrix (n_results, n_terms) and columns (n_terms, n_columns), each column's bits its own."""
    result = np.empty((matrix.shape[0], columns.shape[1]))
    for part, block in _blocks(columns):
        result[:, part] = (matrix @ block)[:, : part.stop - part.start]
    return result


def sums_of_squares(columns: Floats) -> Floats:
    """Squared length (n_columns,) of each column, with the bits of each its own."""
    result = np.empty(columns.shape[1])
    for part, block in _blocks(columns):
        result[part] = np.square(block).sum(0)[: part.stop - part.start]
    return result


def _blocks(columns: Floats) -> Iterator[tuple[slice, Floats]]:
    """Columns in blocks of one shape and one order in memory."""
    n_terms, n_columns = columns.shape
    for start in range(0, n_columns, WIDTH):
        part = slice(start, min(start + WIDTH, n_columns))
        block = np.zeros((n_terms, WIDTH))
        block[:, : part.stop - start] = columns[:, part]
        yield part, block
