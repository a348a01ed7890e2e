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

from agnostix.core.background.coordinates import ColumnValues, Coordinate, Line, coordinates_of
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats

MOST_REFERENCE = 1_000
"""Rows that stand for the table in distances of all columns together; a single column's are from all rows."""

MEANS = 0.3
"""How much the means of columns, in standard deviations, count beside their distributions."""
PRODUCTS = 0.1
"""The same of products of two columns of numbers."""
MOST_DEVIATIONS = 3.0
"""Standard deviations at which numbers are cut for these."""


@dataclass(frozen=True)
class ColumnKernel:
    """How some rows (n,) of a table differ in one column."""

    column: int
    distances: Floats  # (n, n)
    from_all: Floats  # (n,)
    overall: float
    curve: Floats  # (n, 2): numbers and their squares, in standard deviations, less their means; or (n, 0)

    @property
    def size(self) -> float:
        """Mean of the kernel's diagonal over the table."""
        return 0.5 * self.overall

    def kernel(self, smooth: float = 0.0) -> Floats:
        """Centered kernel (n, n), with the part that a line and a parabola have in it."""
        rough = center(self.distances, self.from_all, self.overall)
        return np.asarray(rough + smooth * self.size * self.curve @ self.curve.T)


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

    def column_of_rows(self, column: int, rows: Codes) -> ColumnKernel:
        """The kernel of some rows in one column."""
        own = [one for one in self.coordinates if one.column == column]
        between, from_all = np.zeros((rows.size, rows.size)), np.zeros(rows.size)
        for one in own:
            between += one.between(rows)
            from_all += one.from_all(rows)
        numbers, second = self._numbers
        curve = np.zeros((rows.size, 0))
        if column in self._lines:
            place = self._lines.index(column)
            squares = np.square(numbers[rows, place]) - second[place, place]
            curve = np.column_stack([numbers[rows, place], squares])
        return ColumnKernel(column, between, from_all, sum(one.overall for one in own), curve)

    @one_blas_thread
    def of_rows(self, rows: Codes) -> Floats:
        """Centered kernel (n, n) of some rows: the sum over columns, and of all together."""
        return self._columns(rows) + self._joint(rows)

    def of_means(self, rows: Codes) -> Floats:
        """Kernel (n, n) of some rows by the numbers and labels whose means a weighted sample should have."""
        kernel = np.zeros((rows.size, rows.size))
        for one in self.coordinates:
            kernel += one.of_means(rows, self.weights)
        return MEANS * kernel + PRODUCTS * self.of_products(rows)

    def of_products(self, rows: Codes) -> Floats:
        """The same by products of two numbers, whose means are not matched by those of columns."""
        numbers, second = self._numbers
        own = numbers[rows]
        between, alone = np.square(own @ own.T), np.einsum("ij,jk,ik->i", own, second, own)
        return np.asarray(between - alone[:, None] - alone[None] + np.square(second).sum())

    @cached_property
    def _lines(self) -> list[int]:
        """Columns of numbers."""
        return [one.column for one in self.coordinates if isinstance(one, Line) and not one.is_rank]

    @cached_property
    def _numbers(self) -> tuple[Floats, Floats]:
        """Columns of numbers in standard deviations, tails cut, and their second moments."""
        lines = [one for one in self.coordinates if isinstance(one, Line) and not one.is_rank]
        if not lines:
            return np.zeros((self.weights.size, 1)), np.zeros((1, 1))
        numbers = np.column_stack([one.places for one in lines])
        for _ in range(2):  # what is cut moves mean and deviation
            numbers = numbers - self.weights @ numbers
            numbers = numbers / np.maximum(np.sqrt(self.weights @ np.square(numbers)), 1e-300)
            numbers = np.clip(numbers, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return numbers, (numbers * self.weights[:, None]).T @ numbers

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
        numbers, second = self._numbers
        squares = float(self.weights @ np.square(np.square(numbers).sum(axis=1)))
        return MEANS * len(self.columns) + PRODUCTS * (squares - float(np.square(second).sum()))

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
