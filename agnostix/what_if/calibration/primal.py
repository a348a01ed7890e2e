"""A calibration problem: rows, the ranges of their means, prices of missing them, and bounds on weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.calibration.divergences import BoundedRatio


@dataclass(frozen=True)
class Projection:
    """Weights that meet the conditions and diverge least, or the proof that none meet them."""

    status: Literal["ok", "boundary", "infeasible"]
    weights: Floats  # (n_rows,), summing to 1; zeros where the conditions are infeasible
    xi: Floats  # (n_conditions,), multipliers; if infeasible, a direction that separates rows and ranges
    held: Floats  # (n_conditions,), the end of each range that binds, NaN where none does
    tangent: Floats  # (n_rows,), derivative of each weight by its u
    gap: float  # largest distance of a mean from the range that it must be in, in standard deviations
    n_iter: int  # Newton steps
    solver: str = "dual Newton"
    divergence_value: float = np.inf
    residual: float = np.inf  # of the conditions of Karush, Kuhn and Tucker, in standard deviations


@dataclass(frozen=True)
class Calibration:
    """Least divergent weights w with low <= w @ phi <= high, or a price on the distance from there."""

    phi: Floats  # (n_rows, n_conditions), statistics less `origin`
    low: Floats  # (n_conditions,), less `origin`, which is an end of each range: exact where it binds
    high: Floats
    penalty: Floats  # (n_conditions,), infinite where the mean must be in the range
    base: Floats  # (n_rows,), summing to 1
    ratios: BoundedRatio

    @classmethod
    def from_targets(
        cls, phi: Floats, low: Floats, high: Floats, penalty: Floats, base: Floats, ratios: BoundedRatio
    ) -> Calibration:
        """The problem with every statistic centered at that end of its range which is nearer to 0."""
        origin = np.where(np.abs(low) <= np.abs(high), low, high)
        origin[~np.isfinite(origin)] = 0.0
        return cls(phi - origin, low - origin, high - origin, penalty, base, ratios)

    @property
    def is_hard(self) -> Bools:
        """Which means must be in their range, shape (n_conditions,)."""
        return np.isinf(self.penalty)

    @property
    def is_equality(self) -> Bools:
        """Which ranges are a single number, shape (n_conditions,)."""
        return self.low == self.high

    def keep(self, conditions: Bools) -> Calibration:
        """The problem with some of the conditions."""
        parts = (self.low[conditions], self.high[conditions], self.penalty[conditions])
        return Calibration(self.phi[:, conditions], *parts, self.base, self.ratios)

    def support(self, direction: Floats) -> float:
        """Least value of direction @ m over all means m within their ranges."""
        up, down = direction > 0.0, direction < 0.0
        return float(direction[up] @ self.low[up] + direction[down] @ self.high[down])

    def active_end(self, xi: Floats) -> Floats:
        """The end of each range that its multiplier holds, NaN where it holds none, shape (n_conditions,)."""
        held = np.where(xi > 0.0, self.low, np.where(xi < 0.0, self.high, np.nan))
        return np.where(self.is_equality, self.low, held)

    def residuals(self, means: Floats, xi: Floats) -> Floats:
        """Distance of each mean from where its multiplier says that it is, shape (n_conditions,)."""
        end = self.active_end(xi)
        outside = np.maximum(np.maximum(self.low - means, means - self.high), 0.0)
        return np.where(np.isnan(end), outside, np.abs(means + xi / self.penalty - end))

    def gap(self, means: Floats) -> float:
        """Largest distance of a mean from the range that it must be in."""
        outside = np.maximum(self.low - means, means - self.high)
        return float(max(outside[self.is_hard].max(initial=0.0), 0.0))

    def divergence_of(self, weights: Floats) -> float:
        """Divergence of weights (n_rows,) from the base weights."""
        return float(self.base @ self.ratios.divergence.cost(weights / self.base))

    def infeasible(self, direction: Floats, n_iter: int = 0) -> Projection:
        """The result where `direction` (n_conditions,) separates what rows reach from the ranges."""
        norm = np.linalg.norm(direction)
        unit = direction / norm if norm > 0 else direction
        nothing = np.zeros(self.base.size)
        return Projection("infeasible", nothing, unit, self.active_end(unit), nothing, np.inf, n_iter)


def with_all_conditions(inner: Projection, kept: Bools, held: Floats) -> Projection:
    """A solution with some of the conditions as one of all; the others hold whatever the weights."""
    xi, ends = np.zeros(kept.size), held.copy()
    xi[kept], ends[kept] = inner.xi, inner.held
    return replace(inner, xi=xi, held=ends)
