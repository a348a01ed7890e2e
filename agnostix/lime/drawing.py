"""Values drawn within a bin or a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from agnostix.core.frames import column_values, take_rows
from agnostix.core.typing import Codes, Floats, Numbers

_NARROW = 1e-11
"""Added to the spread within a bin, so that it can be divided by: a share of its width."""


class Drawing(Protocol):
    """Makes columns of a feature."""

    def columns(self, codes: Codes, within: Floats) -> list[Any]:
        """Values of the bins `codes` at the shares `within` of their distributions, column by column."""


@dataclass(frozen=True)
class TruncatedNormals:
    """Normal distributions with the mean and spread of each bin, cut off at its ends.

    Attributes
    ----------
    mean, sd : ndarray of shape (n_codes,)
        Of the values in each bin.
    low, high : ndarray of shape (n_codes,)
        Its ends; where they are equal, or missing, the bin is a point.
    dtype : dtype
        Of the column.
    """

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    dtype: Any

    @classmethod
    def of(
        cls, numbers: Floats, codes: Codes, weights: Floats, edges: Floats, dtype: Any
    ) -> TruncatedNormals:
        """Measure the bins.

        Parameters
        ----------
        numbers : ndarray of shape (n_rows,)
            Values.
        codes : ndarray of int of shape (n_rows,)
            Their bins, the one of missing values last.
        weights : ndarray of shape (n_rows,)
            Their weights.
        edges : ndarray of shape (n_edges,)
            Between the bins; the first and the last end at the least and the largest value.
        dtype : dtype
            Of the column.

        Returns
        -------
        TruncatedNormals
        """
        n_codes, there = edges.size + 2, numbers[~np.isnan(numbers)]
        ends = (there.min(), there.max()) if there.size else (np.nan, np.nan)
        low, high = np.array([ends[0], *edges, np.nan]), np.array([*edges, ends[1], np.nan])
        total = np.maximum(np.bincount(codes, weights, n_codes), np.finfo(float).tiny)
        mean = np.bincount(codes, weights * numbers, n_codes) / total
        spread = np.bincount(codes, weights * (numbers - mean[codes]) ** 2, n_codes) / total
        return cls(mean, np.sqrt(spread) + _NARROW * (high - low), low, high, np.dtype(dtype))

    def columns(self, codes: Codes, within: Floats) -> list[Any]:
        """Invert the distribution functions.

        Parameters
        ----------
        codes : ndarray of int of shape (n,)
            Bins.
        within : ndarray of shape (n,)
            Shares, from 0 to 1.

        Returns
        -------
        list of one ndarray of shape (n,)
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            first, last = ((end - self.mean) / self.sd for end in (self.low, self.high))
            start, room = ndtr(first), ndtr(last) - ndtr(first)
            drawn = self.mean[codes] + self.sd[codes] * ndtri(start[codes] + within * room[codes])
            numbers = np.clip(drawn, self.low[codes], self.high[codes])
        points = ~(self.low < self.high)
        numbers = np.where(points[codes], self.low[codes], numbers)
        return [numbers.astype(self.dtype, copy=False)]


@dataclass(frozen=True)
class Resampling:
    """Values of rows that were seen, with all columns of a feature from one row.

    Attributes
    ----------
    rows : DataFrame or ndarray of shape (n_kept, n_columns_of_the_feature)
        Ordered by bin, and within it by value.
    ends : ndarray of shape (n_kept,)
        Ascending: the bin's code, and the share of its weight up to each row.
    """

    rows: Any
    ends: Numbers

    @classmethod
    def of(cls, rows: Any, codes: Codes, order_by: Numbers, weights: Floats) -> Resampling:
        """Keep rows in the order in which they are drawn.

        Parameters
        ----------
        rows : DataFrame or ndarray of shape (n_rows, n_columns_of_the_feature)
            What was seen.
        codes : ndarray of int of shape (n_rows,)
            Its bins.
        order_by : ndarray of shape (n_rows,)
            The order within a bin.
        weights : ndarray of shape (n_rows,)
            Weights.

        Returns
        -------
        Resampling
        """
        order = np.lexsort((order_by, codes))
        ordered, weight = codes[order], weights[order]
        sums = np.cumsum(weight)
        total = np.bincount(ordered, weight)
        before = np.concatenate([[0.0], np.cumsum(total)])[ordered]
        share = np.clip((sums - before) / total[ordered], 0.0, 1.0)
        last = np.append(ordered[1:] != ordered[:-1], True)
        return cls(take_rows(rows, order), ordered + np.where(last, 1.0, share))

    def columns(self, codes: Codes, within: Floats) -> list[Any]:
        """Take the rows at these shares.

        Parameters
        ----------
        codes : ndarray of int of shape (n,)
            Bins.
        within : ndarray of shape (n,)
            Shares, 0 or more and below 1.

        Returns
        -------
        list of Series or array of shape (n,)
            One for each column of the feature.
        """
        place = np.searchsorted(self.ends, codes + within, side="right")
        taken = take_rows(self.rows, np.minimum(place, self.ends.size - 1))
        return [column_values(taken, j) for j in range(self.rows.shape[1])]
