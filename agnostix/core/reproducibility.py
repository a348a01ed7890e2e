"""Results that depend on seed and data alone: not on threads, batches, row order or global random state."""

from __future__ import annotations

import os
import threading
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
_HASHED = 2**20
"""Values that are hashed at once."""


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
    for hashes in _hashes(keys):
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= hashes
    return np.argsort(mixed, kind="stable")


def _hashes(keys: list[np.ndarray]) -> Iterator[np.ndarray]:
    """A hash of each value, (n_rows,) for each key; keys of one type are hashed together."""
    n_together = max(1, _HASHED // max(keys[0].size, 1))
    for start in range(0, len(keys), n_together):
        some = keys[start : start + n_together]
        if len({key.dtype for key in some}) > 1:
            yield from (pd.util.hash_array(np.ascontiguousarray(key)) for key in some)
        else:
            yield from pd.util.hash_array(np.concatenate(some)).reshape(len(some), -1)


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's matrix products run in one thread, with the same bits on every machine."""

    # Products over many threads sum in another order, and for the small products here waiting for threads
    # costs more than they save.
    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _LIMIT:
            return function(*args, **kwargs)

    return limited


class _OneThread:
    """The limit to one thread of BLAS: set by the first to enter, and taken off by the last to leave."""

    # The number is the process's: a second thread that restored what it found would leave the limit behind.
    # threadpoolctl lets one thread alone change it until that thread releases it, and the last to leave may
    # be another.

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._n_before: list[tuple[Any, int]] = []  # of each library that had more than one

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                libraries = [(one, one.get_num_threads()) for one in _blas_libraries()]
                self._n_before = [(one, n_threads) for one, n_threads in libraries if n_threads != 1]
                self._set([(one, 1) for one, _ in self._n_before])
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:  # a library that has another number by now had it from somebody else
                self._set([(one, n) for one, n in self._n_before if one.get_num_threads() == 1])

    def _set(self, libraries: list[tuple[Any, int]]) -> None:
        for library, n_threads in libraries:
            library.set_num_threads(n_threads)
            getattr(library, "clear_controlling_thread", lambda: None)()

    def unlock(self) -> None:
        """Give a forked process a lock of its own, since another thread may have held this one."""
        self._lock = threading.Lock()


_LIMIT = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LIMIT.unlock)


@lru_cache(maxsize=1)
def _blas_libraries() -> list[Any]:
    return [one for one in ThreadpoolController().lib_controllers if one.user_api == "blas"]


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
