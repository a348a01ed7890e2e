"""A random game whose differences between complements covary the more, the more alike the coalitions are.

With importance scales c_i, C their sum and h the sum of those by which S and T differ, differences covary as
K(S, T) = (exp(-h) - exp(-(C - h))) / (1 - exp(-C)): 1 where S = T, -1 where they are complements. Players of
large scale interact more. As the scales tend to 0 what is left beside the linear part is a random
interaction of three players, then of five.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.solvers.owen import column_values, prior_variances
from agnostix.solvers.pair_regression import PairRegression
from agnostix.typing import Bools, Floats

LARGEST = 1e13
"""Ratio of the kernel's largest mode to the noise, above which rounding would be what is fitted."""


def covariances(signs: Floats, scales: Floats) -> Floats:
    """Covariances of the differences of pairs.

    Parameters
    ----------
    signs : ndarray of shape (n_pairs, n_players)
        1 for members of the kept side, -1 for all others.
    scales : ndarray of shape (n_players,)
        The c_i, at least 0 and not all 0.

    Returns
    -------
    ndarray of shape (n_pairs, n_pairs)
        Equal to sinh(g / 2) / sinh(C / 2) with g = C - 2 h, in a form that neither overflows nor cancels.
    """
    total = scales.sum()
    g = (signs * scales) @ signs.T
    size = np.abs(g)
    return np.sign(g) * np.exp((size - total) / 2.0) * (np.expm1(-size) / np.expm1(-total))


def value_covariances(masks: Bools, scales: Floats) -> Floats:
    """Covariances of the Shapley values with the differences of pairs.

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
    return both.T * (-0.5 / np.expm1(-scales.sum()))


def value_variances(scales: Floats) -> Floats:
    """Variances of the Shapley values before anything is known.

    Parameters
    ----------
    scales : ndarray of shape (n_players,)
        The c_i, at least 0 and not all 0.

    Returns
    -------
    ndarray of shape (n_players,)
    """
    return prior_variances(scales) * (-0.5 / np.expm1(-scales.sum()))


@dataclass(frozen=True)
class Spectrum:
    """The kernel on a design, beside what an additive game explains and in units of the noise.

    Attributes
    ----------
    kernel : ndarray of shape (n_pairs + 1, n_pairs + 1)
        Covariances, the pair of the full and the empty coalition last.
    modes : ndarray of shape (n_pairs + 1, dof)
        Combinations of the data that are independent of each other, and of variance 1 in the noise.
    strengths : ndarray of shape (dof,)
        Variances of the modes under the kernel.
    """

    kernel: Floats
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
        free = regression.contrasts
        strengths, rotation = np.linalg.eigh(free.T @ (kernel @ free))
        return cls(kernel, free @ rotation, np.maximum(strengths, 0.0))

    def likelihoods(self, data: Floats, rhos: Floats) -> Floats:
        """Restricted log-likelihood of each strength of the kernel beside the noise.

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
        return np.where(rhos * self.strengths[-1] <= LARGEST, fit, -np.inf)
