"""Columns that are nearly always 0, in wide tables: encoded and sampled by what is not 0.

A cell of a sample is not 0 with a probability of its column's own, independently of all others. Points of a
Poisson process over all cells, of the rate -log(1 - probability), hit a cell with just that probability, so
that sampling takes as long as there are numbers other than 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack, issparse

from agnostix.core.designs import Design
from agnostix.core.features import NumberCoding
from agnostix.core.frames import build_table, column_values, is_frame
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.features import BinnedFeature, Resampling

LEAST_ZEROS = 0.9
"""Share of zeros from which on a column of a wide table is stored and sampled as sparse."""
_MOST_LIKELY = 1.0 - 1e-12
"""Largest probability of a number other than 0."""


class _Stored(NamedTuple):
    """Numbers other than 0 of all columns, one column after the other."""

    values: Any  # (n_stored,)
    changes: Codes  # (n_stored,), their bins less that of 0
    ends: Floats  # (n_stored,), the column's number and the cumulative probability among its numbers
    last: Codes  # (n_columns,), place of each column's last
    rates: Floats  # (n_columns,), -log of the probability of 0


@dataclass(frozen=True)
class SparseColumns:
    """Features of columns that are nearly always 0, whose usual bin is that of 0.

    Attributes
    ----------
    places : int (n_columns,)
        Of the features among all.
    features : tuple of BinnedFeature
        With a `NumberCoding` and a `Resampling` of numbers, 0 among them once.
    """

    places: Codes
    features: tuple[BinnedFeature, ...]

    @cached_property
    def positions(self) -> Codes:
        """Of the columns in the table, (n_columns,)."""
        return np.array([one.positions[0] for one in self.features])

    @cached_property
    def usual(self) -> Codes:
        """The bins (n_columns,) of 0."""
        return np.array([np.searchsorted(edges, 0.0) for edges in self._all_edges])

    def encode(self, table: Any) -> csc_array:
        """Bins of a table less those of 0, (n_rows, n_columns), the last ones for missing values."""
        cells = sparse_cells(table, self.positions)
        columns = np.repeat(np.arange(self.positions.size), np.diff(cells.indptr))
        codes = np.zeros(columns.size, dtype=np.int32)
        for edges in self._edges.T:
            codes += ~(cells.data <= edges[columns])
        changes = np.where(np.isnan(cells.data), self._n_codes[columns] - 1, codes) - self.usual[columns]
        coded = csc_array((changes, cells.indices, cells.indptr), shape=cells.shape)
        coded.eliminate_zeros()
        return coded

    def sample(self, points: Design, number: int) -> tuple[csc_array, csc_array]:
        """Values, and bins less those of 0, (n_runs, n_columns), of the samples that are drawn together."""
        rng, n, stored = points.generator(number), points.draw.n_runs, self._stored
        ends = np.cumsum(n * stored.rates)
        hits = np.sort(rng.random(rng.poisson(ends[-1]))) * ends[-1]
        columns = np.minimum(np.searchsorted(ends, hits, side="right"), ends.size - 1)
        before = (ends[columns] - hits) / np.where(stored.rates > 0, stored.rates, 1.0)[columns]
        rows = np.clip(n - np.ceil(before), 0, n - 1).astype(np.int32)
        is_new = np.ones(hits.size, dtype=bool)
        is_new[1:] = (np.diff(columns) != 0) | (np.diff(rows) != 0)
        columns, rows = columns[is_new], rows[is_new]
        which = np.searchsorted(stored.ends, columns + rng.random(columns.size), side="right")
        which = np.minimum(which, stored.last[columns])
        starts = np.searchsorted(columns, np.arange(self.positions.size + 1))
        shape = (n, self.positions.size)
        values = csc_array((stored.values[which], rows, starts), shape=shape)
        codes = csc_array((stored.changes[which], rows.copy(), starts.copy()), shape=shape)
        codes.eliminate_zeros()
        return values, codes

    def log_weights(self, codes: csr_array) -> Floats:
        """Sums (n,) over columns of logarithms of the importance weights of bins less those of 0."""
        ratios, usual = self._ratios
        changes = ratios[codes.indices, self.usual[codes.indices] + codes.data] - usual[codes.indices]
        rows = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
        return np.asarray(usual.sum() + np.bincount(rows, changes, codes.shape[0]))

    @cached_property
    def _n_codes(self) -> Codes:
        return np.array([one.coding.n_codes for one in self.features])

    @cached_property
    def _all_edges(self) -> list[Floats]:
        return [one.coding.edges for one in self.features if isinstance(one.coding, NumberCoding)]

    @cached_property
    def _edges(self) -> Floats:
        """Ascending edges (n_columns, most), filled up with infinity."""
        filled = np.full((len(self._all_edges), max(one.size for one in self._all_edges)), np.inf)
        for row, one in zip(filled, self._all_edges, strict=True):
            row[: one.size] = one
        return filled

    @cached_property
    def _ratios(self) -> tuple[Floats, Floats]:
        """Logarithms of importance weights (n_columns, most codes), and those of 0 (n_columns,)."""
        ratios = np.zeros((self.usual.size, int(self._n_codes.max())))
        for row, one in zip(ratios, self.features, strict=True):
            row[: one.frequencies.size] = one.log_ratios
        return ratios, ratios[np.arange(self.usual.size), self.usual]

    @cached_property
    def _stored(self) -> _Stored:
        parts = [
            _other_numbers(one, edges) for one, edges in zip(self.features, self._all_edges, strict=True)
        ]
        totals = np.array([shares.sum() for _, _, shares in parts])
        ends = [
            number + np.cumsum(shares) / max(total, 1e-300)
            for number, ((_, _, shares), total) in enumerate(zip(parts, totals, strict=True))
        ]
        return _Stored(
            np.concatenate([values for values, _, _ in parts]),
            np.concatenate([codes - usual for (_, codes, _), usual in zip(parts, self.usual, strict=True)]),
            np.concatenate(ends),
            np.maximum(np.cumsum([one.size for one in ends]) - 1, 0),
            -np.log1p(-np.minimum(totals, _MOST_LIKELY)),
        )


def sparse_cells(table: Any, positions: Codes) -> csc_array:
    """Some columns of a table of numbers, (n_rows, n_columns), by what is not 0."""
    if issparse(table):
        cells = csc_array(table[:, positions])
        cells.eliminate_zeros()
        return cells
    if not is_frame(table):
        return csc_array(table[:, positions])
    columns = [np.asarray(column_values(table, int(position))) for position in positions]
    stored = [np.flatnonzero(column) for column in columns]
    data = [column[rows] for column, rows in zip(columns, stored, strict=True)]
    starts = np.cumsum([0, *(rows.size for rows in stored)])
    return csc_array((np.concatenate(data), np.concatenate(stored), starts), (table.shape[0], positions.size))


def build_mixed(like: Any, columns: dict[int, Any], positions: Any = None, cells: Any = None) -> Any:
    """A table as `build_table` makes it, of columns and of sparse cells (n, n_positions)."""
    if positions is None and not issparse(like):
        return build_table(like, columns)
    if is_frame(like):
        return build_table(like, columns | dict(zip(positions.tolist(), cells.toarray().T, strict=True)))
    if not issparse(like):
        table = np.zeros((cells.shape[0], like.shape[1]), dtype=like.dtype, order="F")
        for position, column in columns.items():
            table[:, position] = column
        table[cells.indices, np.repeat(positions, np.diff(cells.indptr))] = cells.data
        return table
    parts, places = [], []
    if columns:
        parts.append(csc_array(np.stack([columns[position] for position in columns], axis=1)))
        places.append(np.array(list(columns)))
    if positions is not None:
        parts.append(cells)
        places.append(positions)
    order = np.argsort(np.concatenate(places))
    table = hstack(parts, format="csc")[:, order].astype(like.dtype)
    return type(like)(table.tocsr())


def are_mostly_zero(table: Any, weights: Floats) -> Bools:
    """Columns (n_columns,) of plain finite numbers whose share of zeros, by weights (n_rows,), is large."""
    least = LEAST_ZEROS * weights.sum()
    if issparse(table):
        rows = table.tocsr()
        stored = np.repeat(weights, np.diff(rows.indptr)) * (rows.data != 0)
        lost = np.bincount(rows.indices, stored, table.shape[1])
        bad = np.bincount(rows.indices, ~np.isfinite(rows.data), table.shape[1])
        return (weights.sum() - lost >= least) & (bad == 0)
    if not is_frame(table):
        if table.dtype.kind not in "fiu":
            return np.zeros(table.shape[1], dtype=bool)
        zeros = np.array([weights @ (column == 0) for column in table.T])
        return (zeros >= least) & np.array([bool(np.isfinite(column).all()) for column in table.T])
    found = np.zeros(table.shape[1], dtype=bool)
    for position in range(table.shape[1]):
        column = column_values(table, position)
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiu":
            numbers = np.asarray(column)
            found[position] = weights @ (numbers == 0) >= least and bool(np.isfinite(numbers).all())
    return found


def _other_numbers(feature: BinnedFeature, edges: Floats) -> tuple[Any, Codes, Floats]:
    """Numbers of a column other than 0, their bins and probabilities."""
    assert isinstance(feature.distribution, Resampling)
    values, ends = feature.distribution.rows[:, 0], feature.distribution.ends
    codes = np.searchsorted(edges, values)
    within = ends - np.maximum(np.concatenate([[0.0], ends[:-1]]), codes)
    is_other = values != 0
    shares = (feature.proposal[codes] * within)[is_other]
    return values[is_other], codes[is_other], shares
