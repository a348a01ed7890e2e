"""What is averaged and moved: a number, or the indicator of a level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats, Numbers


@dataclass(frozen=True)
class Statistic:
    """A column's numbers, or the indicator of one of its values, standardised on the base weights.

    Attributes
    ----------
    feature : str
        The column.
    level : object or None
        The level, None for a number.
    values : ndarray of shape (n_rows,)
        Numbers, or the indicator.
    mean, scale : float
        Base mean and standard deviation, in the column's units; the scale is 1 where it is constant.
    """

    feature: str
    level: Any
    values: Numbers
    mean: float
    scale: float

    @classmethod
    def of_numbers(cls, feature: str, level: Any, values: Numbers, base: Floats) -> Statistic:
        """Standardise numbers.

        Parameters
        ----------
        feature : str
            The column.
        level : object or None
            What it is the average of, where that is not the column.
        values, base : ndarray of shape (n_rows,)
            Numbers, and base weights that sum to 1.

        Returns
        -------
        Statistic
        """
        z, mean, scale = standardise(values, base)
        found = cls(feature, level, values, mean, scale)
        found.__dict__["z"] = z  # known already
        return found

    @classmethod
    def of_level(cls, feature: str, level: Any, member: Bools, base: Floats) -> Statistic:
        """Standardise an indicator.

        Parameters
        ----------
        feature : str
            The column.
        level : object
            The level.
        member : ndarray of bool of shape (n_rows,)
            Which rows have it.
        base : ndarray of shape (n_rows,)
            Base weights, summing to 1.

        Returns
        -------
        Statistic
        """
        inside, outside = float(base[member].sum()), float(base[~member].sum())
        mean = inside / (inside + outside)
        return cls(feature, level, member, mean, float(np.sqrt(mean * (1.0 - mean))) or 1.0)

    @cached_property
    def z(self) -> Floats:
        """Standardised values."""
        low, high = self.to_z(0.0), self.to_z(1.0)
        return np.where(self.values, high, low)

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value, so that nothing can be moved."""
        return bool(self.values.min() == self.values.max())

    @property
    def label(self) -> str:
        """How it is written in a sentence."""
        return self.feature if self.level is None else f"{self.feature} = {self.level}"

    def to_z(self, target: Any) -> Any:
        """Column units to standard deviations from the mean.

        Parameters
        ----------
        target : float or ndarray
            In the column's units.

        Returns
        -------
        float or ndarray
        """
        return (target - self.mean) / self.scale

    def from_z(self, z: Any) -> Any:
        """Standard deviations from the mean to column units.

        Parameters
        ----------
        z : float or ndarray
            Standardised.

        Returns
        -------
        float or ndarray
        """
        return self.mean + z * self.scale


def standardise(values: Numbers, base: Floats) -> tuple[Floats, float, float]:
    """Shift and scale to base mean 0 and standard deviation 1, safely for large offsets.

    Parameters
    ----------
    values, base : ndarray of shape (n_rows,)
        Numbers, and base weights that sum to 1.

    Returns
    -------
    z : ndarray of shape (n_rows,)
        Zeros where the values are constant.
    mean, scale : float
        The scale is 1 where the values are constant.
    """
    origin = float(values.min())
    z = values - origin
    width = float(z.max())
    if width == 0.0:
        return z, origin, 1.0
    z /= width
    mean = float(base @ z)
    z -= mean
    scale = float(np.sqrt(base @ (z * z)))
    z /= scale
    z -= base @ z
    return z, origin + width * mean, width * scale
