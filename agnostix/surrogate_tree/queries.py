"""Rows that are drawn, so that the model can be asked about more than is given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.frames import build_table
from agnostix.core.typing import Codes
from agnostix.surrogate_tree.query_column import QueryColumn

SWAPS = 0.15
"""Share of values that are taken from another row."""


@dataclass(frozen=True)
class SmoothedBootstrap:
    """Given rows drawn again, some values taken from others of them and numbers moved a little.

    Attributes
    ----------
    table : DataFrame or ndarray of shape (n_rows, n_columns)
        The given rows.
    """

    table: Any

    @cached_property
    def columns(self) -> tuple[QueryColumn, ...]:
        """What can be moved."""
        return tuple(QueryColumn.learn(self.table, position) for position in range(self.table.shape[1]))

    def draw(self, parents: Codes, groups: Codes, rng: np.random.Generator) -> Any:
        """Draw a row near each of some.

        Parameters
        ----------
        parents : ndarray of int of shape (n,)
            Given rows near which is drawn.
        groups : ndarray of int of shape (n_rows,)
            Of the given rows; values are taken from rows of the parent's group alone.
        rng : numpy.random.Generator
            What draws.

        Returns
        -------
        DataFrame or ndarray of shape (n, n_columns)
            Of the table's make and types.
        """
        mates = _Mates.of(groups)
        columns: dict[int, Any] = {}
        for position, column in enumerate(self.columns):
            swapped = rng.random(parents.size) < SWAPS
            others = mates.one_of(groups[parents], rng)
            columns[position] = column.drawn(np.where(swapped, others, parents), rng)
        return build_table(self.table, columns)


@dataclass(frozen=True)
class _Mates:
    """Rows by their groups."""

    in_order: Codes
    starts: Codes
    sizes: Codes

    @classmethod
    def of(cls, groups: Codes) -> _Mates:
        sizes = np.bincount(groups)
        return cls(np.argsort(groups, kind="stable"), np.cumsum(sizes) - sizes, sizes)

    def one_of(self, groups: Codes, rng: np.random.Generator) -> Codes:
        """A row of each group at random."""
        places = (rng.random(groups.size) * self.sizes[groups]).astype(np.intp)
        return self.in_order[self.starts[groups] + places]
