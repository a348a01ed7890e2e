"""Simultaneous bands: how many standard errors hold a whole curve, or a whole ranking.

Errors along a curve are correlated, so a band needs fewer standard errors than Bonferroni's. The sup-t band
takes the quantile of the largest of correlated normal variables in absolute value (Montiel Olea and
Plagborg-Moller, 2019), here over fixed quasi-random points, so that a band is the same each time. Of few
degrees of freedom the variables are Student's, whose errors come from the same rows too.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri, ndtr, ndtri
from scipy.stats import qmc

from agnostix.core.intervals import normal_scores
from agnostix.core.typing import Floats

_LOG2_POINTS, _LOG2_OF_STUDENTS = 13, 12
_SMALLEST = 1e-4
"""Share of the variance that directions may have and be left out."""
_MOST_DIRECTIONS = 64
_OF_ERRORS = 16
"""Directions of errors of errors."""
_MANY_DEGREES = 300.0
"""Degrees of freedom from which Student's distribution is taken as normal."""
_TAIL = np.linspace(-5.5, 5.5, 111)
_LARGEST_SCORE = 38.0
_LOG_T = np.linspace(0.0, np.log1p(1e7), 400)


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
    return largest_quantile(correlated_sizes(correlation), confidence_level, shares)


def largest_quantile(sizes: Floats, confidence_level: float, shares: Floats | None = None) -> float:
    """Quantile of the largest of sizes (n_points, n_targets), which count by shares (n_targets,)."""
    largest = (sizes if shares is None else sizes * shares).max(1)
    return float(max(np.quantile(largest, confidence_level), ndtri(0.5 + 0.5 * confidence_level)))


def correlated_sizes(correlation: Floats) -> Floats:
    """Sizes (n_points, n_targets) of normal variables with correlations (n_targets, n_targets)."""
    factor = _factor(correlation, _MOST_DIRECTIONS)
    return np.abs(_normal_points(factor.shape[1], _LOG2_POINTS) @ factor.T)


def student_level(correlation: Floats, of_errors: Floats, degrees: Floats, confidence_level: float) -> float:
    """Level of each interval at which all of Student's intervals hold together, at most Bonferroni's.

    Estimates have correlations (n_targets, n_targets), their variances `of_errors`; degrees (n_targets,).
    """
    n = degrees.size
    if n < 2:
        return confidence_level
    of_few = np.flatnonzero(degrees < _MANY_DEGREES)
    factor = _factor(correlation, _MOST_DIRECTIONS)
    of_few_errors = _factor(of_errors[np.ix_(of_few, of_few)], _OF_ERRORS)
    points = _normal_points(factor.shape[1] + of_few_errors.shape[1], _LOG2_OF_STUDENTS)
    scores = np.abs(points[:, : factor.shape[1]] @ factor.T)
    errors = points[:, factor.shape[1] :] @ of_few_errors.T
    for k, j in enumerate(of_few.tolist()):
        # Errors are the roots of chi-square variables over their degrees of freedom, by way of normal ones.
        error = np.sqrt(chdtri(degrees[j], ndtr(-_TAIL)) / degrees[j])
        t = scores[:, j] / np.interp(errors[:, k], _TAIL, error)
        of_t = np.minimum(normal_scores(np.expm1(_LOG_T), degrees[j]), _LARGEST_SCORE)
        scores[:, j] = np.interp(np.log1p(t), _LOG_T, of_t)
    level = 2.0 * float(ndtr(largest_quantile(scores, confidence_level))) - 1.0
    return min(level, 1.0 - (1.0 - confidence_level) / n)


def _factor(correlation: Floats, most: int) -> Floats:
    """Factor (n_targets, n_directions) of correlations (n_targets, n_targets), at most so many."""
    values, vectors = np.linalg.eigh(correlation)
    kept = np.flatnonzero(values > _SMALLEST * values.sum())[-most:]
    factor = vectors[:, kept] * np.sqrt(values[kept])
    lengths = np.sqrt((factor**2).sum(1, keepdims=True))
    return np.asarray(factor / np.where(lengths > 0.0, lengths, 1.0), dtype=np.float64)


def _normal_points(n_directions: int, log2: int) -> Floats:
    """Quasi-random normal points (2^log2, n_directions), the same each time."""
    sobol = qmc.Sobol(max(n_directions, 1), scramble=True, rng=np.random.default_rng(0))
    return np.asarray(ndtri(sobol.random_base2(log2)[:, :n_directions]), dtype=np.float64)
