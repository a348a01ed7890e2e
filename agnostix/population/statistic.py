"""What is averaged and moved: a number, or the indicator of a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.typing import Floats


@dataclass(frozen=True)
class Statistic:
    """A column's numbers, or a level's indicator, standardised on the base weights.

    Attributes
    ----------
    feature : str
        The column.
    level : object or None
        The level, None for a number.
    z : ndarray of shape (n_rows,)
        Standardised values.
    mean, scale : float
        Base mean and standard deviation, in the column's units.
    """

    feature: str
    level: Any
    z: Floats
    mean: float
    scale: float

    @classmethod
    def of(cls, feature: str, level: Any, values: Floats, base: Floats) -> Statistic:
        """Standardise.

        Parameters
        ----------
        feature : str
            The column.
        level : object or None
            The level.
        values, base : ndarray of shape (n_rows,)
            Numbers or indicator, and base weights that sum to 1.

        Returns
        -------
        Statistic
        """
        z, mean, scale = standardise(values, base)
        return cls(feature, level, z, mean, scale)

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


def standardise(values: Floats, base: Floats) -> tuple[Floats, float, float]:
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
