"""A column of rows that are drawn: values that were seen, numbers among them moved a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.features import column_of
from agnostix.core.frames import column_values, kind_of, to_floats
from agnostix.core.typing import Bools, Codes, Floats

JITTER = 0.15
"""Standard deviation by which numbers are moved, in those of their column."""
FEW = 10
"""Numbers of a column up to which it holds levels rather than measurements."""
POINT_SHARE = 0.05
"""Share of a column's rows from which on a repeated number stays where it is."""


@dataclass(frozen=True)
class QueryColumn:
    """A column, and which of its values can be moved, by how much.

    Attributes
    ----------
    values : Series or array of shape (n_rows,)
        As `build_table` takes them.
    numbers : ndarray of shape (n_rows,) or None
        The same as floats; None where nothing moves.
    moves : ndarray of bool of shape (n_rows,)
        Which of them move.
    step : float
        Standard deviation of the moves.
    whole : bool
        Whether all are whole numbers.
    dtype : dtype
        Of the column.
    """

    values: Any
    numbers: Floats | None
    moves: Bools
    step: float
    whole: bool
    dtype: Any

    @classmethod
    def learn(cls, table: Any, position: int) -> QueryColumn:
        """See what can be moved in a column.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows.
        position : int
            Of the column.

        Returns
        -------
        QueryColumn
        """
        values, column = column_values(table, position), column_of(table, position)
        still = np.zeros(len(column), dtype=bool)
        if kind_of(column) != "numeric":
            return cls(values, None, still, 0.0, False, column.dtype)
        numbers = to_floats(column)
        there = ~np.isnan(numbers)
        distinct, which, counts = np.unique(numbers[there], return_inverse=True, return_counts=True)
        if distinct.size <= FEW:
            return cls(values, None, still, 0.0, False, column.dtype)
        still[there] = counts[which.ravel()] < POINT_SHARE * there.sum()
        whole = bool((distinct == np.rint(distinct)).all())
        return cls(values, numbers, still, JITTER * float(numbers[there].std()), whole, column.dtype)

    def drawn(self, places: Codes, rng: np.random.Generator) -> Any:
        """Values of some rows, moved.

        Parameters
        ----------
        places : ndarray of int of shape (n,)
            The rows.
        rng : numpy.random.Generator
            What draws.

        Returns
        -------
        Series or array of shape (n,)
            Of the column's type, within its range.
        """
        found = self.values[places]
        noise = rng.normal(size=places.size)  # drawn in any case, so that columns do not hang together
        if self.numbers is None:
            return found
        moved = self.numbers[places] + self.step * noise
        moved = np.rint(moved) if self.whole else moved
        moved = np.clip(moved, np.nanmin(self.numbers), np.nanmax(self.numbers))
        moves = self.moves[places]
        return self._put(found, np.where(moves, moved, self.numbers[places]), moves)

    def _put(self, found: Any, numbers: Floats, moves: Bools) -> Any:
        """Numbers in place of values, in the type that these have."""
        if isinstance(found, np.ndarray):
            out = found.copy()
            out[moves] = numbers[moves].astype(self.dtype)
            return out
        if isinstance(found, pd.api.extensions.ExtensionArray):
            return pd.Series(numbers).astype(self.dtype).array
        return type(found)(found.name, numbers).fill_nan(None).cast(self.dtype)
