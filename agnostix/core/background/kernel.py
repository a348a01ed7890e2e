"""The kernel of rows that a background must match: one for each column, and one for all together.

With distances d and the table's weights p, the kernel centered at the table is

    K(a, b) = (m(a) + m(b) - d(a, b) - M) / 2,   m(a) = sum_i p_i d(a, i),   M = sum_i p_i m(i).

Weights w that sum to 1 then have the squared maximum mean discrepancy w' K w from the table: half their
energy distance (Sejdinovic et al., 2013, https://doi.org/10.1214/13-AOS1140).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.background.coordinates import ColumnValues, Coordinate, Labels, coordinates_of
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats

MOST_REFERENCE = 1_000
"""Rows that stand for the table in distances of all columns together; a single column's are from all rows."""

MEANS = 0.3
"""How much the means of columns, in standard deviations, count beside their distributions."""


@dataclass(frozen=True)
class TableKernel:
    """The kernel of a table of n_rows with weights (n_rows,) that sum to 1."""

    coordinates: list[Coordinate]
    weights: Floats
    reference: Codes  # rows for the distances of all columns together

    @classmethod
    def from_columns(
        cls, values: Sequence[ColumnValues], weights: Floats, rng: np.random.Generator
    ) -> TableKernel:
        """The kernel of columns; `rng` draws the reference rows of large tables."""
        n_rows = weights.size
        reference = np.arange(n_rows)
        if n_rows > MOST_REFERENCE:
            reference = np.sort(rng.choice(n_rows, MOST_REFERENCE, replace=False))
        return cls(coordinates_of(values, weights), weights, reference)

    def parts_of_column(self, column: int, rows: Codes) -> tuple[Floats, Floats, float, float]:
        """Distances (n, n) of some rows in a column, (n,) from all rows, their mean, and the kernel's size."""
        own = [one for one in self.coordinates if one.column == column]
        between, from_all = np.zeros((rows.size, rows.size)), np.zeros(rows.size)
        for one in own:
            between += one.between(rows)
            from_all += one.from_all(rows)
        overall = sum(one.overall for one in own)
        return between, from_all, overall, 0.5 * overall

    @one_blas_thread
    def of_rows(self, rows: Codes) -> Floats:
        """Centered kernel (n, n) of some rows: the sum over columns, and of all together."""
        return self._columns(rows) + self._joint(rows)

    def of_means(self, rows: Codes) -> Floats:
        """Kernel (n, n) of some rows by the numbers and labels whose means a weighted sample should have."""
        kernel = np.zeros((rows.size, rows.size))
        for one in self.coordinates:
            kernel += one.of_means(rows, self.weights)
        return MEANS * kernel

    @property
    def columns(self) -> list[int]:
        """Those that tell rows apart."""
        return sorted({one.column for one in self.coordinates})

    @property
    def size(self) -> float:
        """Mean of the kernel's diagonal over the table."""
        return 0.5 * (sum(one.overall for one in self.coordinates) + self._joint_overall)

    @property
    def size_of_means(self) -> float:
        """About the mean of the diagonal of `of_means` over the table."""
        return MEANS * len(self.columns)

    @property
    def unknown(self) -> float:
        """What the reference rows leave open of the squared discrepancy."""
        share = self.weights[self.reference] / self.weights[self.reference].sum()
        of_all = float(self.weights @ self.weights)
        return 0.5 * self._joint_overall * max(float(share @ share) - of_all, 0.0)

    def _columns(self, rows: Codes) -> Floats:
        between, from_all = np.zeros((rows.size, rows.size)), np.zeros(rows.size)
        for one in self.coordinates:
            between += one.between(rows)
            from_all += one.from_all(rows)
        return center(between, from_all, sum(one.overall for one in self.coordinates))

    def _joint(self, rows: Codes) -> Floats:
        own, others = self._places(rows), self._places(self.reference)
        between = _distances(own, own)
        np.fill_diagonal(between, 0.0)
        return center(between, _distances(own, others) @ self._reference_shares, self._joint_overall)

    def _places(self, rows: Codes) -> Floats:
        """Numbers (n, n_numbers) of some rows; those of a large table with many labels take gigabytes."""
        parts = [one.embedded(rows) for one in self.coordinates]
        return np.hstack(parts) if parts else np.zeros((rows.size, 1))

    @cached_property
    def _reference_shares(self) -> Floats:
        own = self.weights[self.reference]
        return own / own.sum()

    @cached_property
    def _joint_overall(self) -> float:
        others = self._places(self.reference)
        distances = _distances(others, others)
        np.fill_diagonal(distances, 0.0)
        return float(self._reference_shares @ distances @ self._reference_shares)


def center(between: Floats, from_all: Floats, overall: float) -> Floats:
    """Centered kernel (n, n) of rows, from their distances, and their mean and its mean from all rows."""
    return 0.5 * (from_all[:, None] + from_all[None] - between - overall)


def _distances(one: Floats, other: Floats) -> Floats:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None]
    squares -= 2.0 * one @ other.T
    return np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
