"""Units of numbers: an origin and a scale that bring them to unit spread, and back.

Sums of squares lose a spread that is small beside an offset, and overflow beyond 1e154; scikit-learn's trees
stop where a variance is below 2e-16. Numbers of unit spread have neither problem. A scale that is a power of
2, and an origin within a factor of 2 of all numbers, change no bit that the numbers hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from agnostix.core.typing import Codes, Floats

CONSTANT = 1e-12
"""Spread, relative to the largest number, below which numbers are constant up to rounding."""


@dataclass(frozen=True)
class Units:
    """Origin and scale, factor * 2**exponent, of each column of numbers."""

    origin: Floats  # (n_columns,)
    factor: Floats  # (n_columns,), 1 where the scale is a power of 2
    exponent: Codes  # (n_columns,)

    @classmethod
    def identity(cls, n_columns: int) -> Self:
        """Numbers as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns, dtype=int))

    @classmethod
    def from_values(cls, values: Floats, shared: bool = False) -> Self:
        """Unit spread of each column of values (n_rows, n_columns), or of all together."""
        n_columns = values.shape[1]
        parts = [values.ravel()] if shared else list(values.T)
        measured = [_Spread.from_values(part) for part in parts]
        # One scale is a power of 2, which keeps ties. Several are exact, or units would weigh the columns.
        factors = [one.factor if len(parts) > 1 and one.varies else 1.0 for one in measured]
        return cls(
            np.broadcast_to([one.origin for one in measured], n_columns),
            np.broadcast_to(factors, n_columns),
            np.broadcast_to([one.exponent for one in measured], n_columns),
        )

    def encode(self, values: Floats) -> Floats:
        """Values (..., n_columns) in these units."""
        return np.asarray(np.ldexp(values - self.origin, -self.exponent) / self.factor)

    def decode(self, values: Floats) -> Floats:
        """Values (..., n_columns) from these units."""
        return self.decode_differences(values) + self.origin

    def decode_differences(self, values: Floats) -> Floats:
        """Differences, or standard errors, (..., n_columns) from these units."""
        return np.asarray(np.ldexp(values * self.factor, self.exponent))

    def decode_squares(self, values: Floats) -> Floats:
        """Squares summed over columns, where these have one unit; as they are where each has its own."""
        is_single = (self.factor == 1.0).all() and (self.exponent == self.exponent[0]).all()
        with np.errstate(over="ignore"):  # squares beyond the largest float are infinite
            return np.asarray(np.ldexp(values, 2 * self.exponent[0])) if is_single else values

    def decode_root_mean_squares(self, differences: Floats, rows: Codes, n: int, weights: Floats) -> Floats:
        """Root mean squares (n,) over columns and groups `rows` of differences (n_rows, n_columns)."""
        exponent = int(self.exponent.max())
        relative = np.ldexp(self.factor, self.exponent - exponent)
        squares = np.bincount(rows, weights * ((differences * relative) ** 2).mean(axis=1), n)
        counts = np.bincount(rows, weights, n)
        means = squares / np.where(counts > 0, counts, np.nan)
        return np.asarray(np.ldexp(np.sqrt(means), exponent))


def to_common_spread(values: Floats) -> Floats:
    """Columns (n_rows, n_columns), each less an origin, all times one power of 2, with unit spread."""
    measured = [_Spread.from_values(part) for part in values.T]
    exponents = [one.exponent for one in measured if one.varies]
    if not exponents:
        return values
    return np.asarray(np.ldexp(values - [one.origin for one in measured], -max(exponents)))


def spread(values: Floats) -> float:
    """Standard deviation of values (n_rows,), at least one, also where their squares overflow or vanish."""
    exponent = _exponent(np.abs(values).max())
    return float(np.ldexp(np.ldexp(values, -exponent).std(), exponent))


def ranks(values: Floats) -> Floats:
    """Ranks of values (n_rows,) from 0, equal where they are; NaN stays."""
    ranked = np.unique(values, return_inverse=True)[1].ravel().astype(float)
    ranked[np.isnan(values)] = np.nan
    return ranked


def halfway(low: float, high: float) -> float:
    """A number from `low` (included) to `high` (excluded), in the middle but for rounding."""
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low


def format_number(number: float, error: float, n_digits: int) -> str:
    """A number as text of `n_digits` digits, or of as many as an error of at most `error` takes."""
    texts = (f"{number:.{digits}g}" for digits in range(n_digits, 18))
    return next((text for text in texts if abs(float(text) - number) <= error), repr(number))


class _Spread(NamedTuple):
    """Origin and spread, factor * 2**exponent, of numbers; of a constant the exponent of its size."""

    origin: float
    factor: float  # from 1/2 to 1
    exponent: int
    varies: bool

    @classmethod
    def from_values(cls, values: Floats) -> _Spread:
        """Measure numbers (n,), at least one."""
        low, high = float(values.min()), float(values.max())
        # Within a factor of 2 of all numbers, so that the differences are exact.
        is_far = (low > 0 and high / 2 <= low) or (high < 0 and high <= low / 2)
        origin = low / 2 + high / 2 if is_far else 0.0
        deviations = values - origin
        exponent = _exponent(np.abs(deviations).max())
        deviation = float(np.ldexp(deviations, -exponent).std())
        largest = max(abs(low), abs(high))
        if deviation <= CONSTANT * np.ldexp(largest, -exponent):
            return cls(0.0, 1.0, _exponent(largest), False)
        factor, shift = np.frexp(deviation)
        return cls(origin, float(factor), exponent + int(shift), True)


def _exponent(number: float) -> int:
    return int(np.frexp(number)[1])
