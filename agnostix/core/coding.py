"""Which bin or level a value is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from agnostix.core.frames import column_at, is_frame, to_numbers
from agnostix.core.masking.duplicates import as_series, joined_values, value_codes
from agnostix.core.typing import Codes, Floats


def column_of(X: Any, position: int) -> Any:
    """A column of a table as a Series.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table.
    position : int
        From 0.

    Returns
    -------
    Series
    """
    return column_at(X, position) if is_frame(X) else as_series(X[:, position])


class Coding(Protocol):
    """Codes of values, equal where a feature is the same in the eyes of a neighbourhood."""

    @property
    def n_codes(self) -> int:
        """How many there are, from 0."""

    def codes(self, X: Any) -> Codes:
        """The code of each row of X, -1 for what is none of them."""

    def told(self, code: int) -> str:
        """What is true of values with a code."""


@dataclass(frozen=True)
class NumberCoding:
    """Intervals between edges, closed above; a bin of their own for missing values comes last.

    Attributes
    ----------
    position : int
        Of the column.
    name : str
        Of the column.
    edges : ndarray of shape (n_edges,)
        Ascending.
    words : tuple of str
        The edges as they are told.
    """

    position: int
    name: str
    edges: Floats
    words: tuple[str, ...]

    @property
    def n_codes(self) -> int:
        """The bins."""
        return self.edges.size + 2

    def codes(self, X: Any) -> Codes:
        """The bin of each row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        numbers = to_numbers(column_of(X, self.position))
        return np.where(np.isnan(numbers), self.edges.size + 1, np.searchsorted(self.edges, numbers))

    def told(self, code: int) -> str:
        """The interval in words.

        Parameters
        ----------
        code : int
            The bin.

        Returns
        -------
        str
        """
        if code == self.n_codes - 1:
            return f"{self.name} missing"
        if not self.words:
            return f"{self.name} any"
        if code == 0:
            return f"{self.name} <= {self.words[0]}"
        if code == len(self.words):
            return f"{self.name} > {self.words[-1]}"
        return f"{self.words[code - 1]} < {self.name} <= {self.words[code]}"


@dataclass(frozen=True)
class LevelCoding:
    """Values that are the same or not.

    Attributes
    ----------
    position : int
        Of the column.
    name : str
        Of the column.
    levels : DataFrame or ndarray of shape (n_levels, n_columns)
        A row for each level.
    """

    position: int
    name: str
    levels: Any

    @property
    def n_codes(self) -> int:
        """The levels."""
        return int(self.levels.shape[0])

    def codes(self, X: Any) -> Codes:
        """The level of each row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        joined = value_codes(as_series(joined_values(X, self.levels, self.position)))
        own, known = joined[: X.shape[0]], joined[X.shape[0] :]
        place = np.full(joined.max() + 2, -1)
        place[known + 1] = np.arange(known.size)
        return place[own + 1]

    def told(self, code: int) -> str:
        """The level in words.

        Parameters
        ----------
        code : int
            Its place; -1 for one that was never seen.

        Returns
        -------
        str
        """
        if code < 0:
            return f"{self.name} not seen in fit"
        value = column_of(self.levels, self.position).to_list()[code]
        is_missing = pd.api.types.is_scalar(value) and pd.isna(value)
        return f"{self.name} missing" if is_missing else f"{self.name} = {value}"


@dataclass(frozen=True)
class JointCoding:
    """Several columns together: the same where all of them are.

    Attributes
    ----------
    members : tuple of Coding
        Of the columns.
    known : ndarray of int of shape (n_codes, n_members)
        Codes of the columns that occur together.
    """

    members: tuple[Coding, ...]
    known: Codes

    @property
    def n_codes(self) -> int:
        """Combinations that occur."""
        return int(self.known.shape[0])

    def codes(self, X: Any) -> Codes:
        """The combination in each row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        own = np.column_stack([member.codes(X) for member in self.members])
        _, which = np.unique(np.vstack([self.known, own]), axis=0, return_inverse=True)
        place = np.full(which.max() + 1, -1)
        place[which.ravel()[: self.n_codes]] = np.arange(self.n_codes)
        return place[which.ravel()[self.n_codes :]]

    def told(self, code: int) -> str:
        """The combination in words.

        Parameters
        ----------
        code : int
            Its place; -1 for one that was never seen.

        Returns
        -------
        str
        """
        if code < 0:
            return "a combination not seen in fit"
        pairs = zip(self.members, self.known[code], strict=True)
        return " and ".join(member.told(int(one)) for member, one in pairs)
