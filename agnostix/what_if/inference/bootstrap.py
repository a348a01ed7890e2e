"""Standard errors and intervals from draws of the rows that are solved again.

An interval's ends are the outer ones of Student's, with the deviation of the draws as error, and of the
bootstrap t: quantiles of (draw - estimate) / error of the draw, times the delta-method error of the estimate.
The error of a draw is the spread of the sample's influence values among the rows of the draw, which costs
nothing and covered as well as one computed anew (`benchmarks/_what_if_language_coverage.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Floats
from agnostix.what_if.inference.resampling import Resampling

Measure = Callable[[Floats], tuple[Floats, Floats]]
"""From counts of clusters (n_draws, n_clusters) to statistics and their errors (n_draws, n_statistics)."""


@dataclass(frozen=True)
class Replicates:
    """Statistics in bootstrap draws."""

    values: Floats  # (n_draws, n_statistics), NaN in draws that cannot reach the targets
    errors: Floats  # (n_draws, n_statistics), of each draw; NaN where influence values are unknown

    def select(self, statistics: slice) -> Replicates:
        """Some of the statistics."""
        return Replicates(self.values[:, statistics], self.errors[:, statistics])

    @property
    def n_lost(self) -> int:
        """Draws without any value."""
        return int(np.isnan(self.values).all(1).sum()) if self.values.shape[1] else 0

    @property
    def std_errors(self) -> Floats:
        """Standard deviations (n_statistics,) over draws, NaN where fewer than two have a value."""
        return deviations(self.values)

    def studentized(
        self, estimates: Floats, errors: Floats, confidence_level: float
    ) -> tuple[Floats, Floats]:
        """Ends (n_statistics,) by the bootstrap t, of estimates with delta-method errors; NaN if unknown."""
        low, high = np.full((2, estimates.size), np.nan)
        tail = 0.5 - 0.5 * confidence_level
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self.errors > 0.0, (self.values - estimates) / self.errors, np.nan)
        known = np.isfinite(t).sum(0) > 1
        if known.any():
            first, last = np.nanquantile(t[:, known], [tail, 1.0 - tail], axis=0)
            low[known] = estimates[known] - last * errors[known]
            high[known] = estimates[known] - first * errors[known]
        return low, high

    def largest(self, estimates: Floats, confidence_level: float) -> float:
        """Quantile over draws of the largest deviation in standard errors of all statistics, 0 if none."""
        # In errors of the draws together, not of each: those of a draw without the rows that carry a far
        # target are near 0, and would widen the band everywhere.
        spread = self.std_errors
        moving = np.isfinite(spread) & (spread > 0.0)
        far = np.abs(self.values[:, moving] - estimates[moving]) / spread[moving]
        known = np.isfinite(far).any(axis=1)
        return float(np.quantile(np.nanmax(far[known], axis=1), confidence_level)) if known.any() else 0.0


def deviations(values: Floats) -> Floats:
    """Standard deviations (n_statistics,) over draws (n_draws, n_statistics), NaN left out."""
    known = np.isfinite(values)
    n = known.sum(0)
    mean = np.where(known, values, 0.0).sum(0) / np.maximum(n, 1)
    squares = np.where(known, values - mean, 0.0) ** 2
    return np.where(n > 1, np.sqrt(squares.sum(0) / np.maximum(n - 1, 1)), np.nan)


def replicate(resampling: Resampling, measure: Measure, n_jobs: int | None) -> Replicates:
    """Statistics of all draws; the same for any number of workers, as blocks of draws are."""
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_measure_block)(resampling, measure, number, size) for number, size in resampling.blocks()
    )
    values, errors = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return Replicates(values, errors)


@one_blas_thread
def _measure_block(resampling: Resampling, measure: Measure, number: int, size: int) -> tuple[Floats, Floats]:
    return measure(resampling.of_clusters(number, size))


def lost_draws(n_lost: int, n_draws: int) -> tuple[str, ...]:
    """A sentence on draws that were left out, if any were."""
    if n_lost == 0:
        return ()
    return (
        f"{n_lost:,} of {n_draws:,} bootstrap draws cannot reach the targets with their rows and are left "
        "out of the errors, which are then too small if they are many.",
    )
