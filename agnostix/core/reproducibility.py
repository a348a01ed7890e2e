"""Results that depend on seed and data alone: not on threads, batches, row order or global random state."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from scipy.stats import qmc
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


MIN_BLOCKS = 16
"""Blocks at least; their spread is the standard error."""
_MOST_DIMS = qmc.Sobol.MAXDIM
_STREAM = 3
"""Apart from the streams that draw backgrounds and coalitions."""
_INSIDE = 1e-9
"""Share of a cell's width by which points stay inside it: none lies on the cube's border."""
_MANY = 8
"""Columns from which on they are chosen."""
_SPREAD = (
    0, 1, 22, 111, 72, 3, 132, 4, 77, 121, 172, 199, 194, 159, 42, 177, 178, 15, 116, 62, 193, 71, 49, 158,
    99, 98, 145, 195, 10, 31, 151, 85, 41, 105, 47, 130, 142, 127, 33, 65, 144, 13, 129, 75, 168, 170, 46,
    84, 25, 102, 175, 38, 6, 11, 161, 124, 45, 86, 119, 14, 131, 34, 44, 140,
)  # fmt: skip
"""Columns of Sobol's net that go well together, two by two, in blocks of 256 points.

Chosen one after the other among the first 200, each the one with the least sum over those before it, where
two columns have 4^-b for each of the first two digits of one beside which b digits of the other are still
balanced. In blocks that are so short some neighboring columns are far from even, whatever the scrambling.
"""


@dataclass(frozen=True)
class SobolBlocks:
    """Points of a Sobol net in a unit cube of n_dims, each block scrambled anew."""

    n_dims: int
    size: int  # points in a block, a power of 2
    n_blocks: int
    seed: int  # more blocks of the same seed begin with the same ones

    @classmethod
    def from_n_points(cls, n_dims: int, n_points: int, seed: int) -> SobolBlocks:
        """At most n_points points, in as large blocks as leave 16 of them."""
        size = 1 << (int(n_points) // MIN_BLOCKS).bit_length() - 1
        return cls(n_dims, size, n_points // size, seed)

    def longer(self, factor: int) -> SobolBlocks:
        """So many times as many blocks, of which the first are the same."""
        return replace(self, n_blocks=self.n_blocks * factor)

    @property
    def n_points(self) -> int:
        """In all blocks."""
        return self.size * self.n_blocks

    def points(self, part: slice) -> Floats:
        """Some of the points (n, n_dims), above 0 and below 1."""
        first, last = part.start // self.size, -(-part.stop // self.size)
        blocks = np.concatenate([self._block(number) for number in range(first, last)])
        return blocks[part.start - first * self.size : part.stop - first * self.size]

    def _block(self, number: int) -> Floats:
        rng = np.random.default_rng([self.seed, _STREAM, number])
        if self._net is None:
            return rng.random((self.size, self.n_dims))
        return _scrambled(self._net, int(np.log2(self.size)), rng)

    @cached_property
    def _net(self) -> Codes | None:
        """Points before scrambling, as whole numbers below `size`; None where columns are too many."""
        if self.n_dims > _MOST_DIMS:
            return None
        dims = np.arange(self.n_dims)
        if self.n_dims >= _MANY:
            others = np.setdiff1d(np.arange(max(self.n_dims, max(_SPREAD) + 1)), _SPREAD)
            dims = np.concatenate([_SPREAD, others])[: self.n_dims]
        net = qmc.Sobol(int(dims.max()) + 1, scramble=False).random(self.size)[:, dims]
        return (net * self.size).astype(np.intp)


def _scrambled(net: Codes, n_bits: int, rng: np.random.Generator) -> Floats:
    """Owen's scrambling: a digit is flipped at random for what stands before it; what is below is random."""
    columns = np.arange(net.shape[1])
    digits = np.zeros_like(net)
    for level in range(n_bits):
        flips = rng.integers(0, 2, (2**level, net.shape[1]))
        digit = (net >> (n_bits - 1 - level)) & 1
        digits = 2 * digits + (digit ^ flips[net >> (n_bits - level), columns])
    within = np.clip(rng.random(net.shape), _INSIDE, 1.0 - _INSIDE)
    return (digits + within) / 2.0**n_bits
