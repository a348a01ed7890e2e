"""Which of many columns a node can be split on best, as far as bins of their values tell.

scikit-learn sorts every column in every node. Here each column is cut into bins once; in a node, sums over
the rows of each bin give what a split between two bins would reduce the loss by. The columns where that is
most are few, and are then searched for the best threshold. A split of rows within one bin is overlooked where
no split between two bins of its column is among the best.

Of a column that is mostly the same, the other rows alone are kept and summed: a table of zeros with few
numbers costs as much as these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from agnostix.core.typing import Bools, Codes, Floats, Numbers

N_BINS = 32
"""Bins of a column, besides the one of missing values; columns of fewer values have a bin for each."""
N_SCREENED = 16
"""Columns that are searched for the best threshold."""
_USUAL = 0.8
"""Fraction of the rows in one bin from which the others alone are kept."""
_BLOCK = 2**18
"""Cells that are summed at once."""


@dataclass(frozen=True)
class BinnedColumns:
    """Columns of a table in bins, in the order of their values; N_BINS where they are missing."""

    bins: Numbers  # (n_full, n_rows) of uint8
    full: Codes  # (n_full,), positions of these columns
    others: Any  # csr_array (n_rows, n_usual) of uint8: 1 + the bin, where it is not the usual one
    usual: Codes  # (n_usual,), the usual bins
    mostly: Codes  # (n_usual,), positions of the columns that are mostly in these
    left_out: frozenset[int] = field(default=frozenset())  # positions that are not split on

    @classmethod
    def from_encoded(cls, encoded: Floats, always_full: Iterable[int] = ()) -> BinnedColumns:
        """Bins of encoded rows (n_rows, n_columns); columns at some positions with those of every row."""
        in_full = set(always_full)
        n_rows, n_columns = encoded.shape
        full: list[Numbers] = []
        others: list[tuple[Numbers, Numbers]] = []
        usual: dict[int, int] = {}
        for position, column in enumerate(encoded.T):
            bins = bin_values(column)
            counts = np.bincount(bins)
            if position in in_full or counts.max() < _USUAL * n_rows:
                full.append(bins)
                continue
            usual[position] = int(counts.argmax())
            rows = np.flatnonzero(bins != usual[position])
            others.append((rows.astype(np.int32), bins[rows] + np.uint8(1)))
        mostly = np.fromiter(usual, dtype=np.intp, count=len(usual))
        return cls(
            bins=np.array(full, dtype=np.uint8).reshape(len(full), n_rows),
            full=np.setdiff1d(np.arange(n_columns), mostly),
            others=_rows_of(others, n_rows),
            usual=np.fromiter(usual.values(), dtype=np.intp, count=len(usual)),
            mostly=mostly,
        )

    def with_levels(self, encoded: Floats, ranks: Mapping[int, Floats]) -> BinnedColumns:
        """With columns of levels, by position, in bins of their ranks (n_levels,)."""
        if not ranks:
            return self
        bins = self.bins.copy()
        for position, by_level in ranks.items():
            bins[np.searchsorted(self.full, position)] = bin_values(
                rank_codes(encoded[:, position], by_level)
            )
        return replace(self, bins=bins)

    def screen(
        self, rows: Codes, targets: Floats, weights: Floats, is_observed: Bools, min_samples_leaf: int
    ) -> Codes:
        """Positions, ascending, of the columns in which a split of rows (n,) is to be searched.

        Both sides of a split must hold observed rows, and `min_samples_leaf` rows.
        """
        weighted = weights[:, None] * targets
        centered = weighted - weights[:, None] * (weighted.sum(axis=0) / weights.sum())
        node = _Node(centered, weights, is_observed, min_samples_leaf)
        pairs = [*self._full_gains(rows, node), self._mostly_gains(rows, node)]
        positions, gains = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        gains[np.isin(positions, list(self.left_out))] = 0.0
        best = np.lexsort((positions, -gains))[:N_SCREENED]
        return np.sort(positions[best[gains[best] > 0.0]])

    def _full_gains(self, rows: Codes, node: _Node) -> Iterator[tuple[Codes, Floats]]:
        """Positions (n,) and gains (n,) of columns with a bin for every row, block by block."""
        n_together = max(1, _BLOCK // rows.size)
        for start in range(0, self.full.size, n_together):
            block = slice(start, start + n_together)
            bins = self.bins[block][:, rows]
            sums = node.sum_cells(_cells(bins), partial(np.tile, reps=len(bins)), len(bins))
            yield self.full[block], node.gains(sums)

    def _mostly_gains(self, rows: Codes, node: _Node) -> tuple[Codes, Floats]:
        """Positions (n,) and gains (n,) of those mostly equal columns that differ in a row of the node."""
        others = self.others[rows]
        columns, place = np.unique(others.indices, return_inverse=True)
        row = np.repeat(np.arange(rows.size), np.diff(others.indptr))
        cells = place.ravel() * (N_BINS + 1) + others.data - 1
        sums = node.sum_cells(cells, lambda one: one[row], columns.size)
        sums[:, np.arange(columns.size), self.usual[columns]] += node.totals[:, None] - sums.sum(axis=2)
        return self.mostly[columns], node.gains(sums)


@dataclass(frozen=True)
class _Node:
    """Rows of a node, and what is summed of them."""

    centered: Floats  # (n, n_targets), weighted targets less their mean
    weights: Floats  # (n,)
    is_observed: Bools  # (n,)
    min_samples_leaf: int

    @property
    def totals(self) -> Floats:
        """Rows, observed rows, weight, and sums of targets, 0 each, (3 + n_targets,)."""
        sums = [self.weights.size, self.is_observed.sum(), self.weights.sum()]
        return np.array([*sums, *np.zeros(self.centered.shape[1])], dtype=float)

    def sum_cells(self, cells: Codes, to_cells: Callable[[Any], Any], n_columns: int) -> Floats:
        """`totals` by bin, (3 + n_targets, n_columns, N_BINS + 1), of cells (n_cells,).

        `to_cells` makes values (n_cells,) of cells from those (n,) of their rows.
        """
        n = n_columns * (N_BINS + 1)
        counts = np.bincount(cells, minlength=n)
        observed = np.bincount(cells[to_cells(self.is_observed)], minlength=n)
        sums = [counts, observed, *(np.bincount(cells, to_cells(one), n) for one in self.centered.T)]
        own, synthetic = self.weights[self.is_observed], self.weights[~self.is_observed]
        if (own == own[:1]).all() and (synthetic == synthetic[:1]).all():  # then no sum is needed
            weight = observed * own[0] + (counts - observed) * (synthetic[0] if synthetic.size else 0.0)
        else:
            weight = np.bincount(cells, to_cells(self.weights), n)
        sums.insert(2, weight)
        return np.array(sums, dtype=float).reshape(len(sums), n_columns, N_BINS + 1)

    def gains(self, sums: Floats) -> Floats:
        """Largest reduction of the loss by a split between bins (n_columns,), from sums by bin."""
        below = np.cumsum(sums[:, :, :N_BINS], axis=2)
        missing = sums[:, :, N_BINS:]
        best = self._gains(below, below[:, :, -1:] + missing)
        if missing[0].any():
            best = np.maximum(best, self._gains(below + missing, below[:, :, -1:] + missing))
        return best

    def _gains(self, left: Floats, total: Floats) -> Floats:
        """Largest reduction (n_columns,), from sums of the left side, (3 + n_targets, n_columns, N_BINS)."""
        right = total[:3] - left[:3]
        is_split = (np.minimum(left[1], right[1]) > 0.5) & (
            np.minimum(left[0], right[0]) > self.min_samples_leaf - 0.5
        )
        squares = np.square(left[3:]).sum(axis=0)  # on the right the same, since sums of all rows are 0
        gains = np.zeros(is_split.shape)
        np.divide(squares * total[2], left[2] * right[2], out=gains, where=is_split)
        return gains.max(axis=1)


def bin_values(values: Floats) -> Numbers:
    """Bins (n,) of values in their order; N_BINS for NaN."""
    # Halfway between equal numbers of rows and equal numbers of distinct values: the first alone would put
    # the few numbers of a column that is mostly 0 into one bin, the second would leave most rows in few.
    present = ~np.isnan(values)
    _, index, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    bins = np.full(values.size, N_BINS, dtype=np.uint8)
    code = np.arange(counts.size)
    if counts.size > N_BINS:
        by_rows = (np.cumsum(counts) - counts / 2.0) / counts.sum()
        code = (N_BINS * (by_rows + (code + 0.5) / counts.size) / 2.0).astype(np.intp)
    bins[present] = code[index.ravel()]
    return bins


def rank_codes(codes: Floats, ranks: Floats) -> Floats:
    """Codes (n_rows,) of levels as their ranks; NaN where a code is, and for levels without a rank."""
    return np.append(ranks, np.nan)[np.where(np.isnan(codes), -1, codes).astype(np.intp)]


def _cells(bins: Numbers) -> Codes:
    """Cells (n_columns * n_rows,) of sums by column and bin, of bins (n_columns, n_rows)."""
    starts = np.arange(len(bins), dtype=np.intp)[:, None] * (N_BINS + 1)
    return np.add(bins, starts, dtype=np.intp).ravel()


def _rows_of(columns: list[tuple[Numbers, Numbers]], n_rows: int) -> Any:
    """Columns, each as rows and what they hold, as a csr_array (n_rows, n_columns) of uint8."""
    rows, values = zip(*columns, strict=True) if columns else ((np.zeros(0, int),), (np.zeros(0, np.uint8),))
    sizes = [one.size for one in rows]
    of_column = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    data = (np.concatenate(values), (np.concatenate(rows), of_column))
    return csr_array(data, shape=(n_rows, len(columns)))
