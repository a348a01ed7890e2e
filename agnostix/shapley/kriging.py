"""Universal kriging of Shapley values: the best linear prediction under a random game, and its variance.

The data z = [y; Delta] are the sum of an additive game (the trend, unknown), a random game with covariance
rho K, and noise with the relative variances of the pair regression, none of it in Delta. With L0 the
regression, F its contrasts, and M the covariances of Shapley values and differences under K,

    L = L0 + rho (M - L0 K) F (1 + rho F' K F)^-1 F'.

This is universal kriging [1]_; efficiency stays as exact as in the regression. The matrix that is inverted is
the identity plus a positive semidefinite one, and rho is limited so that rounding leaves it so: its Cholesky
factor always exists.

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
from agnostix.shapley.odd_kernel import pair_covariances, shapley_covariances, shapley_variances
from agnostix.shapley.pair_regression import PairRegression

MAX_NORM = 1e12
"""Norm of rho F' K F above which rounding would be fitted."""
_EPS = np.finfo(float).eps
_MAX_ROUNDING = 0.1
"""What rounding may add to the matrix that is inverted: less than would make it indefinite."""
_FLOOR = 1e-14
"""Posterior variance of a Shapley value, relative to its prior variance, below which it is rounding."""


@dataclass(frozen=True)
class Kriging:
    """The prediction as a linear operator on z = [y; Delta]."""

    matrix: Floats  # (n_players, n_pairs + 1), phi = matrix @ z; exact for additive games, efficient
    whitener: Floats  # (dof, n_pairs + 1), the mean square of whitener @ z estimates the noise variance
    unscaled_variances: Floats  # (n_players,), of the errors, in units of the noise variance

    @classmethod
    def from_regression(cls, regression: PairRegression, scales: Floats, rho: float) -> Kriging:
        """Kriging with kernel scales (n_players,) and variance rho; the regression itself for rho = 0."""
        plain = regression.matrix
        noise = np.square(plain) @ regression.noise
        if rho == 0.0:
            return cls(_make_efficient(plain), regression.contrasts.T, noise)
        kernel = pair_covariances(regression.signs, scales)
        rho, whitener = _whiten(regression, kernel, rho)
        cross = shapley_covariances(regression.signs > 0.0, scales)
        explained = plain @ kernel
        loadings = whitener @ (cross - explained).T
        prior = shapley_variances(scales)
        posterior = prior + ((explained - 2.0 * cross) * plain).sum(1) - rho * np.square(loadings).sum(0)
        variances = rho * np.maximum(posterior, _FLOOR * prior) + noise
        return cls(_make_efficient(plain + rho * (loadings.T @ whitener)), whitener, variances)


def project(regression: PairRegression, kernel: Floats) -> Floats:
    """F' K F (dof, dof), the covariance of the residual contrasts in units of the noise."""
    return regression.contrasts.T @ (kernel @ regression.contrasts)


def _whiten(regression: PairRegression, kernel: Floats, rho: float) -> tuple[float, Floats]:
    """rho, limited by rounding, and contrasts (dof, n_pairs + 1) that are white under 1 + rho F' K F."""
    if regression.dof == 0:
        return rho, regression.contrasts.T
    inner = project(regression, kernel)
    rounding = _EPS * np.linalg.norm(kernel) * np.square(regression.contrasts).sum() / regression.dof
    largest = min(MAX_NORM / max(np.linalg.norm(inner), _EPS**2), _MAX_ROUNDING / max(rounding, _EPS**2))
    rho = min(rho, float(largest))
    root = cholesky(np.eye(regression.dof) + rho * inner, lower=True)
    return rho, solve_triangular(root, regression.contrasts.T, lower=True)


def _make_efficient(matrix: Floats) -> Floats:
    """Remove rounding from the sums of the Shapley values."""
    excess = matrix.sum(0)
    excess[-1] -= 1.0
    return matrix - excess / matrix.shape[0]
