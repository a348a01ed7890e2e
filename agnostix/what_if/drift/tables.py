"""Two tables side by side: the columns that both have, their levels, and the rows that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Where
from agnostix.what_if.drift.rates import RateQuantity
from agnostix.what_if.inference import Design
from agnostix.what_if.sample import Sample
from agnostix.what_if.table import Column, Table

N_FOLDS = 5
LEAST_ROWS = 10
"""Rows that a table needs."""


@dataclass(frozen=True)
class Side:
    """The rows of one table that are compared."""

    name: str  # "A" or "B"
    columns: dict[str, Column]
    base: Floats  # (n_rows,), base weights, summing to 1
    quantity: RateQuantity
    predictions: Floats  # (n_rows, n_outputs)
    design: Design | None = None  # clusters and strata of the rows

    @classmethod
    def from_table(
        cls, name: str, table: Table, quantity: RateQuantity, predictions: Floats, rows: Bools
    ) -> Side:
        """Some rows (n_rows,) of a table, with the metric there."""
        places = np.flatnonzero(rows)
        if places.size < LEAST_ROWS:
            raise DataError(
                f"Table {name} has {places.size} rows to compare, and explain_gap needs at least "
                f"{LEAST_ROWS} of each. Pass more rows, or a wider where=."
            )
        columns = {key: column.take(places) for key, column in table.columns.items()}
        base = table.base[rows] / table.base[rows].sum()
        design = None if table.design is None else table.design.restrict(rows)
        return cls(name, columns, base, quantity.take(rows), predictions[rows], design)

    @property
    def n_rows(self) -> int:
        """How many rows."""
        return self.base.size

    @property
    def base_ess(self) -> float:
        """Effective rows of the base weights."""
        return float(1.0 / (self.base @ self.base))

    @property
    def degrees(self) -> float:
        """Most degrees of freedom of an interval."""
        return np.inf if self.design is None else self.design.degrees

    @property
    def folds(self) -> Codes:
        """Folds (n_rows,) of cross-fitting; rows of one cluster are in one."""
        # Rows are in the order of a hash, so every fifth row, or cluster, is as good as a random one.
        units = np.arange(self.n_rows) if self.design is None else self.design.cluster
        return np.unique(units, return_inverse=True)[1] % N_FOLDS


@dataclass(frozen=True)
class SharedColumn:
    """A column of both tables, with one list of levels."""

    name: str
    levels: tuple[Any, ...]  # none of a numeric column
    a: Floats | Codes  # (n_rows_a,), numbers or places in levels; NaN or -1 where missing
    b: Floats | Codes  # (n_rows_b,)

    @classmethod
    def from_columns(cls, a: Column, b: Column) -> SharedColumn:
        """Two columns of one name; their levels are put together."""
        if (a.kind == "numeric") != (b.kind == "numeric"):
            labels = "A" if a.kind != "numeric" else "B"
            raise DataError(
                f"Column {a.name!r} holds labels in {labels} and numbers in the other table. Convert one of "
                f"them: X[{a.name!r}].astype(str), or pandas.to_numeric(X[{a.name!r}])."
            )
        if a.kind == "numeric":
            return cls(a.name, (), np.asarray(a.values, dtype=float), np.asarray(b.values, dtype=float))
        levels = list(a.levels)
        place = {_level_key(level): j for j, level in enumerate(levels)}
        for level in b.levels:
            if _level_key(level) not in place:
                place[_level_key(level)] = len(levels)
                levels.append(level)
        translate = np.array([place[_level_key(level)] for level in b.levels] + [-1], dtype=np.intp)
        return cls(a.name, tuple(levels), np.asarray(a.values, dtype=np.intp), translate[b.values])


def _level_key(level: Any) -> tuple[bool, Any]:
    """What makes levels of two tables one: 1 and 1.0, but not 1 and True, nor 1 and "1"."""
    return isinstance(level, bool | np.bool_), level


def rows_where(where: Where | None, table: Table, name: str) -> Bools:
    """Rows (n_rows,) of a table that meet a condition; DataError if none does."""
    if where is None:
        return np.ones(table.n_rows, dtype=bool)
    try:
        return where.members(Sample.from_table(table, []))
    except DataError as error:
        raise DataError(f"In table {name}: {error}") from None


def share_columns(a: Table, b: Table) -> tuple[list[str], list[str]]:
    """Names of the columns that both tables have, in A's order, and of those that one of them lacks."""
    both = [name for name in a.columns if name in b.columns]
    if not both:
        raise DataError(
            f"A and B have no column in common. A's: {', '.join(list(a.columns)[:8])}; "
            f"B's: {', '.join(list(b.columns)[:8])}."
        )
    return both, [name for name in (*a.columns, *b.columns) if name not in both]


def choose_columns(columns: Any, shared: Sequence[str], a: Table, b: Table) -> list[str]:
    """The columns whose margins are explained, all that both tables have by default."""
    if columns is None:
        return list(shared)
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise ValueError("The 'columns' parameter is an empty list: name at least one, or pass None.")
    for name in names:
        for table in (a, b):
            table.column(name)
    return list(dict.fromkeys(map(str, names)))
