"""A column as a tree of rules reads it: numbers, or labels of which it knows some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import kind_of, to_codes, to_numbers
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError

LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond are none to a tree, which compares in single precision."""


@dataclass(frozen=True)
class RuleFeature:
    """A column of numbers, dates or labels.

    Attributes
    ----------
    name : str
        Of the column.
    levels : tuple or None
        The labels that were seen, in the order of their text or of their type; None for numbers and dates.
    origin : float
        What is taken from dates, in the ticks of their type, so that single precision can tell them apart;
        0 for numbers.
    dtype : dtype or None
        Of dates, which are told as such; None for numbers and labels.
    gaps : bool
        Whether values were missing where it was learned.
    """

    name: str
    levels: tuple[Any, ...] | None = None
    origin: float = 0.0
    dtype: Any = None
    gaps: bool = False

    @classmethod
    def learn(cls, name: str, column: Any) -> RuleFeature:
        """See what a column holds.

        Parameters
        ----------
        name : str
            Its name.
        column : Series
            Its values.

        Returns
        -------
        RuleFeature
        """
        kind = kind_of(column)
        if kind == "categorical":
            codes, levels = to_codes(column)
            return cls(name, levels, gaps=bool((codes < 0).any()))
        numbers = to_numbers(column)
        gone = np.isnan(numbers)
        if kind == "numeric":
            return cls(name, gaps=bool(gone.any()))
        origin = 0.0 if gone.all() else float(numbers[~gone].min())
        return cls(name, origin=origin, dtype=column.dtype, gaps=bool(gone.any()))

    def read(self, column: Any) -> Floats:
        """A column as numbers.

        Parameters
        ----------
        column : Series
            Its values.

        Returns
        -------
        ndarray of shape (n_rows,)
            Numbers, dates counted from the origin, places of labels among the levels; NaN where a value is
            missing, or a label was not seen.

        Raises
        ------
        DataError
            If a number is infinite, or too large for single precision.
        """
        if self.levels is not None:
            codes, found = to_codes(column)
            place = {level: float(k) for k, level in enumerate(self.levels)}
            return np.array([*(place.get(level, np.nan) for level in found), np.nan])[codes]
        numbers = to_numbers(column) - self.origin
        if (np.abs(numbers) > LARGEST).any():
            raise DataError(
                f"Column {self.name!r} holds infinite values, or numbers beyond {LARGEST:.4g}, which single "
                "precision cannot hold. Replace them, for example with missing ones."
            )
        return numbers

    def said(self, number: float) -> str:
        """A number or date in words.

        Parameters
        ----------
        number : float
            As `read` gives it.

        Returns
        -------
        str
            Its shortest form that single precision tells from its neighbours.
        """
        if self.dtype is None:
            short = str(np.float32(number))
            return short.removesuffix(".0")
        return _date(number + self.origin, self.dtype)

    def told(self, places: Iterable[int]) -> str:
        """Labels as a set, or the only one.

        Parameters
        ----------
        places : iterable of int
            Among the levels.

        Returns
        -------
        str
        """
        assert self.levels is not None
        labels = [str(self.levels[k]) for k in sorted(places)]
        return f"= {labels[0]}" if len(labels) == 1 else f"in {{{', '.join(labels)}}}"


def _date(ticks: float, dtype: Any) -> str:
    if isinstance(dtype, np.dtype | pd.api.extensions.ExtensionDtype):  # pandas: always read in nanoseconds
        is_span = getattr(dtype, "kind", "M") == "m"
        moment: Any = pd.Timedelta(int(ticks // 1), "ns") if is_span else pd.Timestamp(int(ticks // 1))
        return str(moment.floor("s")).removesuffix(" 00:00:00")
    import polars as pl

    told = pl.Series([int(ticks // 1)]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    return str(told[0]).removesuffix(" 00:00:00")
