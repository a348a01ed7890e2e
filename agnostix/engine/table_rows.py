"""Rows of a table, put to the model as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnostix.core.frames import take_rows
from agnostix.core.typing import Codes


@dataclass(frozen=True)
class TableRows:
    """Some rows of a table.

    Attributes
    ----------
    table : DataFrame or ndarray of n rows
        The table.
    rows : ndarray of int of shape (n_rows,)
        Which of its rows.
    width : int
        Numbers in a row.
    name : str
        What they are called in errors.
    """

    table: Any
    rows: Codes
    width: int
    name: str = "rows"

    def opened(self) -> TableRows:
        """Keeps nothing.

        Returns
        -------
        TableRows
        """
        return self

    @property
    def n_rows(self) -> int:
        """How many there are."""
        return self.rows.size

    def build(self, part: slice) -> Any:
        """A copy of some of the rows.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        DataFrame or ndarray
        """
        return take_rows(self.table, self.rows[part])

    def told(self, part: slice) -> str:
        """What they are called.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        str
        """
        return f"{self.name} {self.rows[part.start]} to {self.rows[part.stop - 1]}"
