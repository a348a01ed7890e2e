"""The observed rows, in an order of their own.

Rows are sorted by a hash of all that they hold, so that every sum runs over
them in the same order however the table was handed in: results are the same
to the last bit for any order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import columns as series_of
from agnostix.core.order import own_order
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.population.column import Column


@dataclass(frozen=True)
class Table:
    """Rows with base weights.

    Attributes
    ----------
    columns : dict of str to Column
        By name, rows in the table's order.
    base : ndarray of shape (n_rows,)
        Base weights, summing to 1.
    order : ndarray of int of shape (n_rows,)
        The user's row at each of the table's places; rows of weight 0 are left out.
    n_given : int
        How many rows the user gave.
    """

    columns: dict[str, Column]
    base: Floats
    order: Codes
    n_given: int

    @classmethod
    def read(cls, X: Any, sample_weight: Any, others: Iterable[np.ndarray]) -> Table:
        """Take in a frame.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows.
        sample_weight : array-like of shape (n_rows,) or None
            Base weights; equal ones by default.
        others : iterable of ndarray of shape (n_rows,) or (n_rows, n)
            What else belongs to a row, such as the model's answers.

        Returns
        -------
        Table
        """
        n_rows = X.shape[0]
        if n_rows < 2:
            raise DataError("X has a single row (n_samples=1); a population needs at least two.")
        weight = _checked_weight(sample_weight, n_rows)
        if (weight > 0).sum() < 2:
            raise DataError("A single row has a sample_weight above 0; a population needs at least two.")
        columns = {name: Column.read(name, series) for name, series in series_of(X).items()}
        keys = [column.values for column in columns.values()] + [weight]
        for other in others:
            keys.extend(other.T if other.ndim == 2 else [other])
        order = own_order(keys)
        order = order[weight[order] > 0]
        base = weight[order]
        in_order = {name: column.take(order) for name, column in columns.items()}
        return cls(in_order, base / base.sum(), order, n_rows)

    @property
    def n_rows(self) -> int:
        """How many rows carry weight."""
        return self.base.size

    @property
    def base_ess(self) -> float:
        """Effective rows of the base weights."""
        return float(1.0 / (self.base @ self.base))

    def column(self, name: Any) -> Column:
        """A column by name.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Column

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if str(name) not in self.columns:
            raise ValueError(f"There is no column {name!r}. The columns: {', '.join(self.columns)}.")
        return self.columns[str(name)]

    def to_user_order(self, values: Floats) -> Floats:
        """Put one value a row back into the order of the user's rows.

        Parameters
        ----------
        values : ndarray of shape (n_rows,)
            In the table's order.

        Returns
        -------
        ndarray of shape (n_given,)
            0 for rows of weight 0.
        """
        out = np.zeros(self.n_given)
        out[self.order] = values
        return out


def _checked_weight(sample_weight: Any, n_rows: int) -> Floats:
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=float).ravel()
    if weight.shape != (n_rows,):
        raise DataError(
            f"sample_weight must have one value for each of the {n_rows} rows, got {weight.size}."
        )
    lacking = int(np.isnan(weight).sum())
    if lacking:
        raise DataError(f"sample_weight misses {lacking} of {n_rows} values.")
    if np.isinf(weight).any() or weight.min() < 0.0 or weight.max() <= 0.0:
        raise DataError(
            "sample_weight must be finite, nowhere negative and not zero everywhere, got values from "
            f"{weight.min():g} to {weight.max():g}."
        )
    return weight
