"""The means that some weights have: the convex hull of the rows, or less of it where weights are bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.calibration.extremes import extreme_weights

_N_BLOCKS = 8


class Corner(NamedTuple):
    """Weights whose means are a corner, whatever the statistics: those of a row, or within bounds."""

    row: int | None
    weights: Floats | None = None  # (n_rows,), where there is no row


@dataclass
class ReachableMeans:
    """The set of means w @ phi, and those of its corners that were found so far.

    Without bounds, a corner is a row. With weights between low * base and high * base it is the mean of the
    weights that are as large as they may be in the rows farthest in some direction: a fractional knapsack.
    """

    phi: Floats  # (n_rows, n_conditions)
    base: Floats  # (n_rows,), summing to 1
    bounds: tuple[float, float] | None = None  # of weights over base weights
    anchor: Floats | None = None  # (n_rows,), weights that meet what must hold; the base weights for None
    corners: Sequence[Corner] = ()  # known beforehand, of other statistics of the same rows and bounds
    points: Floats = field(init=False)  # (n_points, n_conditions); the first is the mean of the anchor
    _makers: list[Corner | Floats] = field(init=False)  # corners, or the directions of knapsacks
    _known: set[bytes] = field(init=False)

    def __post_init__(self) -> None:
        k = self.phi.shape[1]
        self.anchor = self.base if self.anchor is None else self.anchor
        self.points = (self.anchor @ self.phi)[None]
        self._makers = [np.zeros(k)]
        self._known = {self.points.tobytes()}
        for corner in self.corners:
            self._add(_means(corner, self.phi)[None], [corner])
        if self.bounds is None:
            self._add_rows(np.r_[self.phi.argmax(0), self.phi.argmin(0)])
        else:
            for direction in np.r_[np.eye(k), -np.eye(k)]:
                self._add_knapsack(direction)

    @property
    def accuracy(self) -> float:
        """Relative accuracy of programs over the means: with bounds they have no corners but curves."""
        return 1e-10 if self.bounds is None else 1e-7

    def farthest(self, direction: Floats) -> float:
        """How far the means go in a direction (n_conditions,); new corners there are added to the points."""
        if self.bounds is not None:
            return float(self._add_knapsack(direction) @ direction)
        heights = self.phi @ direction
        top = int(heights.argmax())
        size = heights.size // _N_BLOCKS
        tops = heights[: size * _N_BLOCKS].reshape(_N_BLOCKS, size).argmax(1) if size > 1 else []
        best = float((self.points @ direction).max())
        others = [row for b, j in enumerate(tops) if heights[row := b * size + int(j)] > best]
        self._add_rows(np.r_[top, np.array(others, dtype=np.intp)])
        return float(heights[top])

    def mixture(self, factors: Floats) -> Floats:
        """The weights (n_rows,) that make a mixture of the points (n_points,)."""
        weights = np.zeros(self.base.size)
        for j in np.flatnonzero(factors > 0.0):
            maker = self._makers[j]
            if isinstance(maker, Corner):
                if maker.weights is None:
                    weights[maker.row] += factors[j]
                else:
                    weights += factors[j] * maker.weights
            elif maker.any() and self.bounds is not None:
                weights += factors[j] * extreme_weights(self.phi @ maker, self.base, self.bounds)
            else:
                weights += factors[j] * self.anchor
        return weights / weights.sum()

    def corners_of(self, factors: Floats) -> list[Corner]:
        """The corners in a mixture of the points (n_points,), all but the anchor."""
        found = []
        for j in np.flatnonzero(factors > 0.0):
            maker = self._makers[j]
            if isinstance(maker, Corner):
                found.append(maker)
            elif maker.any() and self.bounds is not None:
                found.append(Corner(None, extreme_weights(self.phi @ maker, self.base, self.bounds)))
        return found

    def _add_knapsack(self, direction: Floats) -> Floats:
        assert self.bounds is not None
        point = extreme_weights(self.phi @ direction, self.base, self.bounds) @ self.phi
        if direction.any():
            self._add(point[None], [direction])
        return point

    def _add_rows(self, rows: Codes) -> None:
        self._add(self.phi[rows], [Corner(int(row)) for row in rows])

    def _add(self, points: Floats, makers: Sequence[Corner | Floats]) -> None:
        new = []
        for j, point in enumerate(points):
            if (key := point.tobytes()) not in self._known:
                self._known.add(key)
                self._makers.append(makers[j])
                new.append(j)
        self.points = np.vstack([self.points, points[new]])


def _means(corner: Corner, phi: Floats) -> Floats:
    return phi[corner.row] if corner.weights is None else corner.weights @ phi
