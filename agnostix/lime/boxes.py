"""Models that are sums of boxes, such as trees: constant where each of some columns is on a side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats


@dataclass(frozen=True)
class Boxes:
    """Boxes as products of sides, a side being shared by all boxes that have it.

    Attributes
    ----------
    sides : list of ndarray of shape (n_sides, n_bins)
        For each column the chance, within each of its bins, of being on each of its sides. Columns may have
        different numbers of sides, none too, and of bins. Sides are numbered through, column after column.
    factors : ndarray of int of shape (n_boxes, n_factors)
        The sides whose product a box is, at most one a column, in any order; -1 fills up.
    values : ndarray of shape (n_boxes, n_outputs)
        What a box adds, in model output units.
    """

    sides: list[Floats]
    factors: Codes
    values: Floats

    @classmethod
    def between(
        cls, lower: Floats, upper: Floats, values: Floats, chance: Callable[[int, Floats, Floats], Floats]
    ) -> Boxes:
        """Boxes from the ends of their sides.

        Parameters
        ----------
        lower, upper : ndarray of shape (n_boxes, n_columns)
            A box is where ``lower < x <= upper``; infinite on both ends for a column that it does not use.
        values : ndarray of shape (n_boxes, n_outputs)
            What a box adds.
        chance : callable
            From a column's position and the lower and upper ends of its sides, of shape (n_sides,), to the
            chance of each within each bin, of shape (n_sides, n_bins). Not called for unused columns.

        Returns
        -------
        Boxes
        """
        used = np.isfinite(lower) | np.isfinite(upper)
        numbers = np.full(lower.shape, -1)
        sides, n_sides = [], 0
        for j, rows in enumerate(used.T):
            ends, which = np.unique(np.c_[lower[rows, j], upper[rows, j]], axis=0, return_inverse=True)
            numbers[rows, j] = n_sides + which.ravel()
            n_sides += len(ends)
            sides.append(chance(j, *ends.T) if len(ends) else np.empty((0, 0)))
        return cls(sides, _packed(numbers), values)

    @property
    def column_of_side(self) -> Codes:
        """The column of each side, of shape (n_sides,)."""
        return np.repeat(np.arange(len(self.sides)), [len(side) for side in self.sides])


def _packed(numbers: Codes) -> Codes:
    """The numbers of each row put first, cut to the longest row."""
    order = np.argsort(numbers < 0, axis=1, kind="stable")
    width = int((numbers >= 0).sum(1).max(initial=0))
    return np.take_along_axis(numbers, order, axis=1)[:, :width]
