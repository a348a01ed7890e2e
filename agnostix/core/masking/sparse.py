"""Hiding columns of sparse tables behind the values of background rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from agnostix.core.explanation import Detail
from agnostix.core.features import Features, comparable, first_of_each
from agnostix.core.frames import as_table, is_frame
from agnostix.core.masking.builders import ArrayBuilder, FrameBuilder
from agnostix.core.masking.masker import Builder, MaskBlock
from agnostix.core.masking.tabular import TabularMasker, by_feature
from agnostix.core.sparse_rows import as_sparse, is_sparse, row_keys
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError

_CELLS = 2**21
"""Numbers of rows that are compared at once."""


@dataclass(frozen=True)
class SparseMasker(TabularMasker):
    """Replaces columns of sparse rows by those of background rows, which are an array."""

    make: Callable[..., Any] | None = None  # the class of sparse rows that the model takes; None for arrays

    def read(self, X: Any) -> Any:
        """Sparse rows, or arrays of numbers as such, that must have the background's columns."""
        if is_frame(X):
            raise DataError(
                "fit saw sparse rows and X is a DataFrame. Pass both in the same form, such as "
                "scipy.sparse.csr_array(X)."
            )
        if not is_sparse(X):
            X = as_table(X)
            if X.dtype.kind not in "biuf":
                raise DataError(f"fit saw sparse rows, so X must hold numbers, got {X.dtype}.")
            X = csr_array(X)
        table, n_columns = as_sparse(X), self.background.shape[1]
        if table.shape[1] != n_columns:
            raise DataError(f"X has {table.shape[1]} columns, and the rows that fit saw have {n_columns}.")
        return MaskedSparse(table, self)

    def single(self, place: int) -> SparseMasker:
        """A masker with one of the background rows alone."""
        return SparseMasker(self.background[[place]], np.ones(1), self.features, make=self.make)


@dataclass(frozen=True)
class MaskedSparse:
    """Sparse rows (n_rows, n_columns) and the masker that has read them."""

    table: Any
    masker: Any

    def __len__(self) -> int:
        return int(self.table.shape[0])

    def __getitem__(self, places: Any) -> MaskedSparse:
        return MaskedSparse(self.table[places], self.masker)

    def narrow(self, features: Codes) -> MaskedSparse:
        """The rows with some of the features (n_narrow,), to hide these alone."""
        return MaskedSparse(self.table, self.masker.narrow(features))

    def behind(self, place: int) -> MaskedSparse:
        """The rows before one of the background rows alone."""
        return MaskedSparse(self.table, self.masker.single(place))

    @property
    def features(self) -> Features:
        """The masker's: columns are the same in every row."""
        features: Features = self.masker.features
        return features

    @property
    def present(self) -> Bools:
        """Every feature in every row, (n_rows, n_features)."""
        return np.ones((len(self), len(self.features.names)), dtype=bool)

    @property
    def varying(self) -> Bools:
        """False where the row and all background rows agree in all of the feature's columns."""
        together = max(1, _CELLS // self.table.shape[1])
        parts = [self[start : start + together] for start in range(0, max(len(self), 1), together)]
        return np.concatenate([part._varying for part in parts])

    @property
    def _varying(self) -> Bools:
        numbers, background = self._comparable()
        is_constant = (background == background[0]).all(axis=0)
        return by_feature(self.features, ~is_constant | (numbers != background[0]))

    @property
    def differing(self) -> Bools:
        """Features in which each row differs from each background row, (n_rows, n_background, n_features)."""
        numbers, background = self._comparable()
        return by_feature(self.features, numbers[:, None] != background[None])

    def _comparable(self) -> tuple[Any, Any]:
        common = np.result_type(self.table.dtype, self.masker.background.dtype)
        parts = (self.table.toarray(), self.masker.background)
        own, other = (comparable(part.astype(common, copy=False)) for part in parts)
        return own, other

    @property
    def unmasked(self) -> Any:
        """The rows, sparse."""
        return self.table

    @property
    def data(self) -> Any:
        """The rows as an array, as large as their values."""
        return self.table.toarray()

    @property
    def n_values(self) -> int:
        """Columns that a perturbed row is built of; where it is made sparse again, those not 0, twice."""
        if self.masker.make is None:
            return int(self.table.shape[1])
        return max(1, 2 * self._columns.size)

    @property
    def _columns(self) -> Codes:
        """Columns (n,) that are not 0 in a row or a background row."""
        is_used = (self.masker.background != 0).any(axis=0)
        is_used[self.table.indices] = True
        return np.flatnonzero(is_used)

    def details(self) -> dict[str, Detail]:
        """Nothing: columns have their names."""
        return {}

    def distinct(self) -> tuple[Codes, Codes]:
        """First row of each kind, and kind of each row."""
        return first_of_each(row_keys(self.table))

    def builder(self, rows: Codes, capacity: int) -> Builder:
        """Builds the columns that are not 0 as an array, and sparse rows of it if the model takes these."""
        own, masker = self[rows], self.masker
        if masker.make is None:
            return _build_arrays(own.table.toarray(), masker.background, masker, self.features, capacity)
        columns = own._columns
        place = np.full(self.table.shape[1], -1)
        place[columns] = np.arange(columns.size)
        kept = tuple(tuple(int(place[j]) for j in one if place[j] >= 0) for one in self.features.columns)
        features = replace(self.features, columns=kept)
        dense, background = own.table[:, columns].toarray(), masker.background[:, columns]
        inner = _build_arrays(dense, background, masker, features, capacity)
        return SparseBuilder(inner, columns, self.table.shape[1], masker.make)

    def compose(self, rows: Codes) -> None:
        """None: sparse rows are no arrays."""
        return


def _build_arrays(own: Any, background: Any, masker: Any, features: Features, capacity: int) -> Any:
    common = np.result_type(own.dtype, background.dtype)
    own, background = own.astype(common, copy=False), background.astype(common, copy=False)
    if capacity and not masker.merges:
        return ArrayBuilder(own, background, features, capacity)
    return FrameBuilder(own, background, features, masker.merges)


@dataclass(frozen=True)
class SparseBuilder:
    """Builds sparse rows by another builder of the columns (n,) that are not all 0."""

    inner: Any
    columns: Codes
    n_columns: int
    make: Callable[..., Any]

    def distinct(self, block: MaskBlock) -> tuple[Codes, Codes] | None:
        """First cell of each kind and kind of each cell, if any are merged."""
        found: tuple[Codes, Codes] | None = self.inner.distinct(block)
        return found

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Sparse rows (n_cells, n_columns), which the model may write to."""
        dense = np.ascontiguousarray(self.inner.build(block, cells))
        n_cells, n_kept = dense.shape
        starts = np.arange(0, n_cells * n_kept + 1, max(n_kept, 1))[: n_cells + 1]
        indices = np.tile(self.columns, n_cells)
        if n_kept == 0:
            starts = np.zeros(n_cells + 1, dtype=int)
        rows = self.make((dense.ravel(), indices, starts), shape=(n_cells, self.n_columns))
        rows.eliminate_zeros()
        return rows

    def is_whole(self, table: Any) -> bool:
        """True: nothing else holds the rows."""
        return True
