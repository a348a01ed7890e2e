"""LIME's surrogate on infinitely many samples that count as n.

A ridge regression with a free intercept, on samples of which the covariance S of the z_j, the mean of the
answers and their covariance kappa with the z_j are known. With N as n times the mean weight, the effects are
``(S + ridge / N)^-1 kappa``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from agnostix.core.typing import Floats
from agnostix.lime.lime_masks import MaskLaw
from agnostix.lime.lime_moments import Moments

_TINY = 1e-200
"""Stands for a variance or a weight of 0 where one is divided by."""

_NO_SPREAD = 1e-14
"""Answers whose variance is less than this share of their mean square are all alike, up to rounding."""


@dataclass(frozen=True)
class ExactSurrogate:
    """A linear surrogate for each explained row and output.

    Attributes
    ----------
    coefficients : ndarray of shape (n_rows, n_features, n_outputs)
        In model output units.
    intercept, outputs : ndarray of shape (n_rows, n_outputs)
        The surrogate where all z are 0, and at the row, where all are 1.
    r2 : ndarray of shape (n_rows, n_outputs) or None
        Weighted R2, where the answers' mean square is known; 1 where all are alike.
    """

    coefficients: Floats
    intercept: Floats
    outputs: Floats
    r2: Floats | None


def surrogate_of(
    alpha: Floats, weight: Floats, n: float, moments: Moments, ridge: float = 1.0
) -> ExactSurrogate:
    """The surrogate on independent z, those of tables with bins.

    Parameters
    ----------
    alpha : ndarray of shape (n_rows, n_columns)
        Chance of z = 1 in weighted samples. Where it is 0 or 1, the coefficient is 0.
    weight : ndarray of shape (n_rows,)
        Mean weight of a sample.
    n : float
        Samples.
    moments : Moments
        Of the model's answers; with their mean square for `ExactSurrogate.r2`.
    ridge : float, default=1.0
        The penalty.

    Returns
    -------
    ExactSurrogate
    """
    variance = (alpha * (1.0 - alpha))[..., None]
    penalty = (ridge / np.maximum(n * weight, _TINY))[:, None, None]
    varies = variance > 0.0
    coefficients = np.where(varies, moments.kappa / np.maximum(variance + penalty, _TINY), 0.0)
    return _told(coefficients, variance * coefficients, alpha, moments)


def mask_surrogate(law: MaskLaw, n: float, moments: Moments, ridge: float = 1.0) -> ExactSurrogate:
    """The surrogate on exchangeable z, those of masks.

    Parameters
    ----------
    law : MaskLaw
        Of the masks, for rows that have the same number of players.
    n, moments, ridge
        As for `surrogate_of`, kappa having a column for each player.

    Returns
    -------
    ExactSurrogate
    """
    penalty = ridge / max(n * law.weight, _TINY)
    across, along = (1.0 / max(value + penalty, _TINY) for value in (law.apart, law.together))
    coefficients = exchangeable(moments.kappa, across, along)
    alpha = np.full(moments.kappa.shape[:2], law.alpha)
    return _told(coefficients, exchangeable(coefficients, law.apart, law.together), alpha, moments)


def exchangeable(x: Floats, across: float, along: float) -> Floats:
    """Multiply by a matrix that treats all features alike: one factor for their mean, one for the rest.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features, n_outputs)
        What is multiplied.
    across, along : float
        The factors of the rest and of the mean.

    Returns
    -------
    ndarray of shape (n_rows, n_features, n_outputs)
    """
    middle = _over_features(x)[:, None] / x.shape[1]
    return across * (x - middle) + along * middle


def _over_features(x: Floats) -> Floats:
    """Sum over features in their order, for each row and output by itself."""
    return reduce(np.add, np.moveaxis(x, 1, 0))


def _told(coefficients: Floats, moved: Floats, alpha: Floats, moments: Moments) -> ExactSurrogate:
    """The surrogate of some coefficients; `moved` is the covariance of z times them."""
    intercept = moments.mean - _over_features(alpha[..., None] * coefficients)
    r2 = None
    if moments.square is not None:
        variance = moments.square - moments.mean**2
        told = _over_features(coefficients * (2.0 * moments.kappa - moved))
        alike = variance <= _NO_SPREAD * moments.square
        r2 = np.where(alike, 1.0, np.minimum(told / np.where(alike, 1.0, variance), 1.0))
    return ExactSurrogate(coefficients, intercept, intercept + _over_features(coefficients), r2)
