"""Simultaneous bands: how many standard errors hold a whole curve.

Errors along a curve are correlated, so a band needs fewer standard errors than Bonferroni's. The sup-t band
takes the quantile of the largest of correlated normal variables in absolute value (Montiel Olea and
Plagborg-Moller, 2019), here over fixed quasi-random points, so that a band is the same each time.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from agnostix.core.typing import Floats

_LOG2_POINTS = 13
_SMALLEST = 1e-4
"""Share of the variance that directions may have and be left out."""
_MOST_DIRECTIONS = 64


def pointwise_level(influences: Floats, confidence_level: float) -> float:
    """Level of each interval at which all hold together, from influences (n_units, n_targets).

    Without spread, or of a single target, the level itself.
    """
    lengths = np.sqrt((influences**2).sum(0))
    moving = np.isfinite(lengths) & (lengths > 0.0)
    if moving.sum() < 2:
        return confidence_level
    unit = influences[:, moving] / lengths[moving]
    return float(2.0 * ndtr(critical_value(unit.T @ unit, confidence_level)) - 1.0)


def critical_value(correlation: Floats, confidence_level: float, shares: Floats | None = None) -> float:
    """Quantile of the largest |x_j| of normal variables with correlations (n_targets, n_targets).

    Or of shares_j |x_j|, where some (n_targets,) count less and need so much larger a distance.
    """
    values, vectors = np.linalg.eigh(correlation)
    kept = np.flatnonzero(values > _SMALLEST * values.sum())[-_MOST_DIRECTIONS:]
    factor = vectors[:, kept] * np.sqrt(values[kept])
    factor /= np.sqrt((factor**2).sum(1, keepdims=True))
    points = qmc.Sobol(kept.size, scramble=True, rng=np.random.default_rng(0)).random_base2(_LOG2_POINTS)
    sizes = np.abs(ndtri(points) @ factor.T)
    largest = (sizes if shares is None else sizes * shares).max(1)
    return float(max(np.quantile(largest, confidence_level), ndtri(0.5 + 0.5 * confidence_level)))
