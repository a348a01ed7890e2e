"""The rows at work: a table's rows, or some of them, with their weights and outcomes standardised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.population.column import Column
from agnostix.population.quantities import MeanQuantity, Quantity
from agnostix.population.statistic import Statistic, standardise
from agnostix.population.table import Table


@dataclass(frozen=True)
class Sample:
    """Some rows of a table, and what is measured on them.

    Attributes
    ----------
    table : Table
        All rows.
    rows : ndarray of bool of shape (n_rows,) or None
        Which ones; None for all.
    base : ndarray of shape (n_here,)
        Base weights of these rows, summing to 1.
    quantities : tuple of Quantity
        What is measured.
    outcomes : ndarray of shape (n_here, n_means)
        Standardised rows of the quantities that are means.
    centres, scales : ndarray of shape (n_means,)
        Their base means and standard deviations.
    """

    table: Table
    rows: Bools | None
    base: Floats
    quantities: tuple[Quantity, ...]
    outcomes: Floats
    centres: Floats
    scales: Floats

    @classmethod
    def of(cls, table: Table, quantities: Sequence[Quantity], rows: Bools | None = None) -> Sample:
        """Choose rows and standardise what is measured on them.

        Parameters
        ----------
        table : Table
            All rows.
        quantities : sequence of Quantity
            What is measured.
        rows : ndarray of bool of shape (n_rows,), default=None
            Which rows; all by default.

        Returns
        -------
        Sample
        """
        rows = None if rows is None or rows.all() else rows
        base = table.base if rows is None else table.base[rows] / table.base[rows].sum()
        means = [q for q in quantities if isinstance(q, MeanQuantity)]
        parts = [standardise(q.rows if rows is None else q.rows[rows], base) for q in means]
        outcomes = np.column_stack([part[0] for part in parts]) if parts else np.empty((base.size, 0))
        centres, scales = (np.array([part[i] for part in parts]) for i in (1, 2))
        return cls(table, rows, base, tuple(quantities), outcomes, centres, scales)

    def where(self, rows: Bools) -> Sample:
        """Fewer rows.

        Parameters
        ----------
        rows : ndarray of bool of shape (n_rows,)
            Of the whole table.

        Returns
        -------
        Sample
        """
        if rows.all():
            return self
        return Sample.of(self.table, self.quantities, rows if self.rows is None else rows & self.rows)

    def column(self, name: Any) -> Column:
        """A column, on these rows.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Column
        """
        column = self.table.column(name)
        return column if self.rows is None else column.take(np.flatnonzero(self.rows))

    def statistic(self, column: Column, level: Any = None) -> Statistic:
        """A number or a level's indicator, standardised on these rows.

        Parameters
        ----------
        column : Column
            On these rows, without missing values.
        level : object, default=None
            A level of the column.

        Returns
        -------
        Statistic
        """
        if level is None:
            values = np.asarray(column.values, dtype=float)
            return Statistic.of_numbers(column.name, None, values, self.base)
        member = column.values == (column.level_code(level) if column.levels else float(level))
        return Statistic.of_level(column.name, level, member, self.base)

    def full(self, weights: Floats) -> Floats:
        """Weights of these rows as weights of all the table's rows, 0 elsewhere.

        Parameters
        ----------
        weights : ndarray of shape (n_here,)
            Weights.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        if self.rows is None:
            return weights
        out = np.zeros(self.table.n_rows)
        out[self.rows] = weights
        return out

    def here(self, values: Floats) -> Floats:
        """One value a row of the table, on these rows.

        Parameters
        ----------
        values : ndarray of shape (n_rows, ...)
            On all rows.

        Returns
        -------
        ndarray of shape (n_here, ...)
        """
        return values if self.rows is None else values[self.rows]

    @property
    def base_ess(self) -> float:
        """Effective rows of the base weights."""
        return float(1.0 / (self.base @ self.base))
