"""Shapley values as the best linear prediction under a random game, and the variance of what it misses.

The data z = [y; Delta] are an additive game, free; a random game of covariance rho K; and noise of the
relative variances that the pair regression weights by, none of it in Delta. With L0 the regression, F its
contrasts and M the covariance of values and differences under K,

    L = L0 + rho (M - L0 K) F (1 + rho F' K F)^-1 F',

which is universal kriging [1]_ with the constraint as exact as the regression has it. The matrix that is
inverted is the identity and more, and rho at most so large that rounding leaves it so: its Cholesky factor
always exists.

References
----------
.. [1] N. A. C. Cressie, "Statistics for Spatial Data", Wiley, 1993, section 3.4.
   :doi:`10.1002/9781119115151`
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from agnostix.core.typing import Floats
from agnostix.shapley.odd_kernel import LARGEST, covariances, projected, value_covariances, value_variances
from agnostix.shapley.pair_regression import PairRegression

_EPS = np.finfo(float).eps
_MOST_ROUNDING = 0.1
"""What rounding may add to the matrix that is inverted: less than would make it indefinite."""
_FLOOR = 1e-14
"""Share of a value's prior variance below which what is left of it is rounding."""


@dataclass(frozen=True)
class Kriging:
    """The prediction as an operator on z = [y; Delta].

    Attributes
    ----------
    matrix : ndarray of shape (n_players, n_pairs + 1)
        ``phi = matrix @ z``; it sends additive games to themselves, and its results add up to Delta.
    whitener : ndarray of shape (dof, n_pairs + 1)
        The mean square of ``whitener @ z`` estimates the noise variance.
    factors : ndarray of shape (n_players,)
        Variances of the error of each value, in units of the noise variance.
    """

    matrix: Floats
    whitener: Floats
    factors: Floats

    @classmethod
    def of(cls, regression: PairRegression, scales: Floats, rho: float) -> Kriging:
        """Predict with a given kernel.

        Parameters
        ----------
        regression : PairRegression
            The design.
        scales : ndarray of shape (n_players,)
            Importance scales of the kernel.
        rho : float
            Its variance in units of the noise; with 0 the prediction is the pair regression.

        Returns
        -------
        Kriging
        """
        plain = regression.matrix
        noise = np.square(plain) @ regression.noise
        if rho == 0.0:
            return cls(_efficient(plain), regression.contrasts.T, noise)
        kernel = covariances(regression.signs, scales)
        rho, whitener = _whitened(regression, kernel, rho)
        shared = value_covariances(regression.signs > 0.0, scales)
        explained = plain @ kernel
        loads = whitener @ (shared - explained).T
        before = value_variances(scales)
        left = before + ((explained - 2.0 * shared) * plain).sum(1) - rho * np.square(loads).sum(0)
        factors = rho * np.maximum(left, _FLOOR * before) + noise
        return cls(_efficient(plain + rho * (loads.T @ whitener)), whitener, factors)


def _whitened(regression: PairRegression, kernel: Floats, rho: float) -> tuple[float, Floats]:
    """The kernel's variance, at most what rounding allows, and combinations that are white under it."""
    if regression.dof == 0:
        return rho, regression.contrasts.T
    inner = projected(regression, kernel)
    rounding = _EPS * np.linalg.norm(kernel) * np.square(regression.contrasts).sum() / regression.dof
    most = min(LARGEST / max(np.linalg.norm(inner), _EPS**2), _MOST_ROUNDING / max(rounding, _EPS**2))
    rho = min(rho, float(most))
    root = cholesky(np.eye(regression.dof) + rho * inner, lower=True)
    return rho, solve_triangular(root, regression.contrasts.T, lower=True)


def _efficient(matrix: Floats) -> Floats:
    """Take rounding out of the sums of the values."""
    excess = matrix.sum(0)
    excess[-1] -= 1.0
    return matrix - excess / matrix.shape[0]
