"""A random game whose differences between complements covary the more, the more alike the coalitions are.

With importance scales c_i, C their sum and h the sum of those by which S and T differ, differences covary as
(exp(-h) - exp(-(C - h))) / (1 - exp(-C)): 1 where S = T, -1 where they are complements. With g = C - 2 h
this is sinh(g / 2) / sinh(C / 2). Its linear part is an additive game, which is fitted freely anyway: it is
left out here, lest it drown the rest in rounding where the scales are small. What is left are random
interactions of three players and of five, the more of five the larger the scales, and the more of those
players whose scales are large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.shapley.owen import column_values, prior_variances
from agnostix.shapley.pair_regression import PairRegression

LARGEST = 1e12
"""Norm of the kernel in units of the noise, above which rounding would be what is fitted."""
_SMALL = 0.5
_ROWS = 128
"""Rows of a kernel made at once, lest what comes between takes more memory than the kernel."""


def covariances(signs: Floats, scales: Floats) -> Floats:
    """Covariances of the differences of pairs, without the linear part.

    Parameters
    ----------
    signs : ndarray of shape (n_pairs, n_players)
        1 for members of the kept side, -1 for all others.
    scales : ndarray of shape (n_players,)
        The c_i, at least 0 and not all 0.

    Returns
    -------
    ndarray of shape (n_pairs, n_pairs)
    """
    half = scales.sum() / 2.0
    result = np.empty((len(signs), len(signs)))
    for start in range(0, len(signs), _ROWS):
        rows = slice(start, start + _ROWS)
        result[rows] = _sinh_less_linear((signs[rows] * scales) @ signs.T / 2.0, half)
    return result


def value_covariances(masks: Bools, scales: Floats) -> Floats:
    """Covariances of the Shapley values with the differences of pairs, without the linear part.

    Parameters
    ----------
    masks : ndarray of bool of shape (n_pairs, n_players)
        The kept sides.
    scales : ndarray of shape (n_players,)
        The c_i, at least 0 and not all 0.

    Returns
    -------
    ndarray of shape (n_players, n_pairs)
    """
    both = column_values(masks, scales) - column_values(~masks, scales)
    linear = _slope(scales.sum() / 2.0) * scales * (2.0 * masks - 1.0)
    return (both * (-0.5 / np.expm1(-scales.sum())) - linear).T


def value_variances(scales: Floats) -> Floats:
    """Variances of the Shapley values before anything is known, without the linear part.

    Parameters
    ----------
    scales : ndarray of shape (n_players,)
        The c_i, at least 0 and not all 0.

    Returns
    -------
    ndarray of shape (n_players,)
    """
    full = prior_variances(scales) * (-0.5 / np.expm1(-scales.sum()))
    return np.maximum(full - _slope(scales.sum() / 2.0) * scales, 0.0)


def _slope(half: float) -> float:
    """Of the linear part: 1 / (2 sinh(half))."""
    return float(-np.exp(-half) / np.expm1(-2.0 * half))


def _sinh_less_linear(x: Floats, half: float) -> Floats:
    """(sinh(x) - x) / sinh(half) for x up to half in size, without overflow or cancellation."""
    size = np.abs(x)
    wide = np.exp(size - half) * (np.expm1(-2.0 * size) / np.expm1(-2.0 * half)) - 2.0 * size * _slope(half)
    return np.where(size < _SMALL, 2.0 * _slope(half) * _series(x), np.sign(x) * wide)


def _series(x: Floats) -> Floats:
    """sinh(x) - x for small x; nothing to rely on elsewhere."""
    square = np.square(np.where(np.abs(x) < _SMALL, x, 0.0))
    total = np.ones_like(square)
    for k in (12, 10, 8, 6, 4):
        total = 1.0 + square / (k * (k + 1)) * total
    return x * square / 6.0 * total


def projected(regression: PairRegression, kernel: Floats) -> Floats:
    """The kernel beside what an additive game explains, in units of the noise.

    Parameters
    ----------
    regression : PairRegression
        The design.
    kernel : ndarray of shape (n_pairs + 1, n_pairs + 1)
        Covariances, those with the pair of the full and the empty coalition last.

    Returns
    -------
    ndarray of shape (dof, dof)
    """
    return regression.contrasts.T @ (kernel @ regression.contrasts)


@dataclass(frozen=True)
class Spectrum:
    """The kernel on a design, in independent parts.

    Attributes
    ----------
    modes : ndarray of shape (n_pairs + 1, dof)
        Combinations of the data that are independent of each other, and of variance 1 in the noise.
    strengths : ndarray of shape (dof,)
        Variances of the modes under the kernel.
    """

    modes: Floats
    strengths: Floats

    @classmethod
    def of(cls, regression: PairRegression, scales: Floats) -> Spectrum:
        """Decompose a kernel.

        Parameters
        ----------
        regression : PairRegression
            The design, with at least one degree of freedom.
        scales : ndarray of shape (n_players,)
            The c_i, at least 0 and not all 0.

        Returns
        -------
        Spectrum
        """
        kernel = covariances(regression.signs, scales)
        strengths, rotation = np.linalg.eigh(projected(regression, kernel))
        return cls(regression.contrasts @ rotation, np.maximum(strengths, 0.0))

    def likelihoods(self, data: Floats, rhos: Floats) -> Floats:
        """Restricted log-likelihood of each variance of the kernel.

        Parameters
        ----------
        data : ndarray of shape (n_pairs + 1, n_columns)
            Differences and Delta; each column has a scale of its own, that fits it best.
        rhos : ndarray of shape (n_rhos,)
            Variances of the kernel in units of the noise.

        Returns
        -------
        ndarray of shape (n_rhos,)
            Summed over the columns, up to a constant; minus infinity where rounding would decide.
        """
        squares = np.square(self.modes.T @ data)
        spread = 1.0 + rhos[:, None] * self.strengths
        scale = (1.0 / spread) @ squares
        fit = -0.5 * (self.strengths.size * np.log(scale).sum(1) + data.shape[1] * np.log(spread).sum(1))
        return np.where(rhos * np.linalg.norm(self.strengths) <= LARGEST, fit, -np.inf)
