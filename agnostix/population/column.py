"""One column of the table, as a population sees it: averages of numbers, proportions of levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from agnostix.core.frames import kind_of, to_codes, to_floats
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Column:
    """A column in the table's own order of rows.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"numeric", "categorical", "date"}
        What it holds.
    values : ndarray of float or int of shape (n_rows,)
        The numbers, NaN where missing; for labels their codes, -1 where missing.
    levels : tuple
        The labels; empty for numbers.
    """

    name: str
    kind: Literal["numeric", "categorical", "date"]
    values: Floats | Codes
    levels: tuple[Any, ...] = ()

    @classmethod
    def read(cls, name: str, series: Any) -> Column:
        """Take a column out of a frame.

        Parameters
        ----------
        name : str
            Its name.
        series : Series
            Its contents.

        Returns
        -------
        Column

        Raises
        ------
        DataError
            If a number is infinite or complex.
        """
        if getattr(getattr(series, "dtype", None), "kind", "") == "c":
            raise DataError(f"Complex data not supported: column {name!r} holds complex numbers.")
        kind = kind_of(series)
        if kind == "numeric":
            values = to_floats(series)
            if np.isinf(values).any():
                raise DataError(
                    f"Column {name!r} holds infinite values, which have no average. "
                    "Replace them by missing values or by a bound."
                )
            return cls(name, "numeric", values)
        if kind == "date":
            return cls(name, "date", np.zeros(len(series)))
        codes, levels = to_codes(series)
        return cls(name, "categorical", codes, levels)

    @cached_property
    def distinct(self) -> tuple[Codes, Codes]:
        """A row of each distinct number, in increasing order, and which of them every row has."""
        _, first, code = np.unique(self.values, return_index=True, return_inverse=True)
        return first, code.ravel().astype(np.int32)

    @property
    def missing(self) -> Bools:
        """Where the column has no value."""
        return np.isnan(self.values) if self.kind == "numeric" else self.values < 0

    def obstacle(self) -> str | None:
        """Say why the column's average cannot be moved, if so.

        Returns
        -------
        str or None
        """
        if self.kind == "date":
            return "it holds dates; turn it into a number first, such as days since a day"
        there = self.values[~self.missing]
        if there.size == 0:
            return "all its values are missing"
        if there.min() == there.max():
            only = self.levels[int(there[0])] if self.levels else f"{there[0]:g}"
            return f"it is constant: every row has {only}"
        return None

    def take(self, rows: Codes) -> Column:
        """The same column with its rows in another order, or fewer of them.

        Parameters
        ----------
        rows : ndarray of int
            Which rows.

        Returns
        -------
        Column
        """
        return Column(self.name, self.kind, self.values[rows], self.levels)

    def number(self, value: Any) -> float:
        """Find a value of a numeric column by itself or by its text.

        Parameters
        ----------
        value : object
            The value, or how it prints.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no row has it.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"Column {self.name!r} holds numbers, and {value!r} is none of them.") from None
        if not (self.values == number).any():
            raise ValueError(f"Column {self.name!r} has no row with the value {value!r}.")
        return number

    def level_code(self, level: Any) -> int:
        """Find a level by itself or by its text.

        Parameters
        ----------
        level : object
            The level, or how it prints.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If there is no such level.
        """
        for code, known in enumerate(self.levels):
            if known == level or str(known) == str(level):
                return code
        shown = ", ".join(repr(known) for known in self.levels[:12])
        more = f", ... ({len(self.levels)} in all)" if len(self.levels) > 12 else ""
        raise ValueError(f"Column {self.name!r} has no level {level!r}. Its levels: {shown}{more}.")
