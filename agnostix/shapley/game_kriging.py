"""Universal kriging of a few games at once, by one factorization of the covariance of their data.

`kriging.Kriging` makes one matrix for many games; this solves for one game or few, in a fraction of the time.
Delta is known exactly, so it is taken out first: with the mean sign m_j of pair j, the data are z_j =
y_j - m_j Delta, and the Shapley values are Delta / d plus a vector that sums to 0, with an orthonormal
basis B. The covariance of the data is V = rho K + D, with the noise D of the pair regression and the kernel K
of what is left of the differences of a random game. With V = R R' and the whitened trend R^-1 X B = Q T, the
values are

    Delta / d + B T^-1 Q' R^-1 z + C V^-1 (z - X B T^-1 Q' R^-1 z)

for the covariances C of Shapley values and data [1]_. The smallest eigenvalue of V is that of D, so that its
factor exists whatever rho.

Leaving out data G equals predicting them from all others [2]_: with the matrix P = R'^-1 (1 - Q Q') R^-1 of
residuals and L from data to values, these change by -L_G P_GG^-1 (P z)_G, with the variance L_G P_GG^-1 L_G'
under the kernel.

References
----------
.. [1] N. A. C. Cressie, "Statistics for Spatial Data", Wiley, 1993, section 3.4.
   :doi:`10.1002/9781119115151`
.. [2] O. Dubrule, "Cross validation of kriging in a unique neighborhood", Mathematical Geology 15, 1983.
   :doi:`10.1007/BF01033232`
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from agnostix.core.reproducibility import sums_of_squares
from agnostix.core.typing import Codes, Floats
from agnostix.shapley.kriging import MAX_NORM
from agnostix.shapley.odd_kernel import pair_covariances, shapley_covariances, shapley_variances
from agnostix.shapley.pair_regression import PairDesign, zero_sum_basis

_EPS = np.finfo(float).eps
_BLOCK_ROWS = 512
"""Other pairs that are predicted at once."""
_MAX_ROUNDING = 0.1
"""What rounding may add to the eigenvalues of V, beside noise of mean 1."""
_FLOOR = 1e-14
"""Posterior variance of a Shapley value, relative to its prior variance, below which it is rounding."""
_UNTOLD = 1e-9
"""Part of a pair that others say something of, relative to the largest, below which it is rounding."""
_SINGULAR = 1e-10
"""Relative size of the trend's factor below which a design does not determine the values."""


@dataclass(frozen=True)
class GameKriging:
    """Kriging under one kernel, whitened; the pair regression for rho = 0."""

    signs: Floats  # (n_pairs, n_players)
    root: Floats  # R (n_pairs, n_pairs), lower triangular; (n_pairs,) if diagonal
    trend: Floats  # Q (n_pairs, n_players - 1)
    factor: Floats  # T (n_players - 1, n_players - 1), upper triangular
    cross: Floats  # R^-1 C' (n_pairs, n_players), of columns that sum to 0
    prior: Floats  # (n_players,), variances of the Shapley values of the random game, less Delta / d
    scales: Floats  # (n_players,), of the kernel
    rho: float  # its variance, as far as rounding allows

    @classmethod
    def from_design(cls, design: PairDesign, scales: Floats, rho: float) -> GameKriging:
        """Factorize; ValueError if the design does not determine the Shapley values."""
        signs = design.signs
        if rho == 0.0:
            root, cross, prior = np.sqrt(design.noise), np.zeros(signs.shape), np.zeros(signs.shape[1])
        else:
            kernel = _Residual.of_kernel(signs, scales)
            root, rho = _factorize(kernel, design.noise, rho)
            cross = solve_triangular(root, rho * kernel.cross, lower=True)
            prior = rho * kernel.prior
        trend, factor = np.linalg.qr(_whiten(root, signs @ zero_sum_basis(signs.shape[1])))
        diagonal = np.abs(np.diag(factor))
        n_pairs, n_players = signs.shape
        if n_pairs < n_players - 1 or diagonal.min(initial=1.0) <= _SINGULAR * diagonal.max(initial=1.0):
            raise ValueError("The pairs do not determine the Shapley values.")
        return cls(signs, root, trend, factor, cross, prior, scales, rho)

    @property
    def dof(self) -> int:
        """Residual degrees of freedom."""
        return self.trend.shape[0] - self.trend.shape[1]

    def residuals(self, data: Floats) -> Floats:
        """Whitened residuals (n_pairs, n_games) of data (n_pairs + 1, n_games): `dof` white ones, rotated."""
        whitened = self._whitened(data)
        return whitened - self.trend @ (self.trend.T @ whitened)

    def values(self, data: Floats) -> Floats:
        """Shapley values (n_players, n_games) of data (n_pairs + 1, n_games), Delta last; they sum to it."""
        whitened = self._whitened(data)
        projected = self.trend.T @ whitened
        slopes = solve_triangular(self.factor, projected)
        unequal = self._basis @ slopes + self.cross.T @ (whitened - self.trend @ projected)
        return unequal - (unequal.sum(0) - data[-1]) / self.signs.shape[1]

    @cached_property
    def unscaled_variances(self) -> Floats:
        """Variances (n_players,) of the errors, in units of the noise variance."""
        unexplained = self._basis.T - self.factor.T @ (self.trend.T @ self.cross)
        of_trend = np.square(solve_triangular(self.factor, unexplained, trans="T")).sum(0)
        return of_trend + np.maximum(self.prior - np.square(self.cross).sum(0), _FLOOR * self.prior)

    def variance_without(self, pairs: Codes) -> Floats:
        """Variance (n_players,), in units of the noise, of the change of the values without some pairs."""
        projector, operator = self._projector[:, pairs], self._operator[:, pairs]
        return (operator.T * np.linalg.solve(projector.T @ projector, operator.T)).sum(0)

    def predict(self, data: Floats, signs: Floats) -> Floats:
        """Differences (n_others, n_games) that are expected of other pairs (n_others, n_players)."""
        whitened = self._whitened(data)
        slopes = self._basis @ solve_triangular(self.factor, self.trend.T @ whitened)
        expected = signs.mean(1)[:, None] * data[-1] + signs @ slopes
        if self.rho == 0.0:
            return expected
        residuals = whitened - self.trend @ (self.trend.T @ whitened)
        loadings = self.rho * solve_triangular(self.root, residuals, lower=True, trans="T")
        for start in range(0, len(signs), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            expected[rows] += _covariances_left(signs[rows], self.signs, self.scales) @ loadings
        return expected

    def cross_validated(self, data: Floats) -> Floats:
        """Noise variances (n_games,): mean squares of pairs less their prediction by others, in its units."""
        information = np.square(self._projector).sum(0)
        told = information > _UNTOLD * information.max(initial=0.0)
        if not told.any():
            return np.zeros(data.shape[1])
        projector = self._projector[:, told] / np.sqrt(information[told])
        return sums_of_squares(projector.T @ self.residuals(data)) / np.count_nonzero(told)

    def _whitened(self, data: Floats) -> Floats:
        return _whiten(self.root, data[:-1] - self.signs.mean(1)[:, None] * data[-1])

    @property
    def _basis(self) -> Floats:
        return zero_sum_basis(self.signs.shape[1])

    @cached_property
    def _inverse(self) -> Floats:
        """R^-1 (n_pairs, n_pairs)."""
        return _whiten(self.root, np.eye(self.signs.shape[0]))

    @cached_property
    def _projector(self) -> Floats:
        """(1 - Q Q') R^-1, (n_pairs, n_pairs)."""
        return self._inverse - self.trend @ (self.trend.T @ self._inverse)

    @cached_property
    def _operator(self) -> Floats:
        """L (n_players, n_pairs)."""
        slopes = solve_triangular(self.factor, self.trend.T @ self._inverse)
        return self._basis @ slopes + self.cross.T @ self._projector


@dataclass(frozen=True)
class _Residual:
    """What is left of the differences and Shapley values of a random game once its Delta is taken out."""

    covariances: Floats  # (n_pairs, n_pairs)
    cross: Floats  # (n_pairs, n_players), of differences and Shapley values
    prior: Floats  # (n_players,), variances of the Shapley values
    rounding: float  # of the covariances

    @classmethod
    def of_kernel(cls, signs: Floats, scales: Floats) -> _Residual:
        """By covariances of all differences, Delta among them."""
        n_players = scales.size
        everyone = np.vstack([signs, np.ones(n_players)])
        covariances = pair_covariances(everyone, scales)
        cross = shapley_covariances(everyone > 0.0, scales).T
        means, of_delta = signs.mean(1), covariances[-1, :-1]
        shared = np.outer(means, of_delta - 0.5 * covariances[-1, -1] * means)
        cross_left = cross[:-1] - means[:, None] * cross[-1]
        prior = shapley_variances(scales) - 2.0 * cross[-1] / n_players + covariances[-1, -1] / n_players**2
        return cls(
            covariances[:-1, :-1] - shared - shared.T,
            cross_left - cross_left.mean(1, keepdims=True),
            np.maximum(prior, 0.0),
            _EPS * float(np.linalg.norm(covariances)),
        )


def _covariances_left(signs: Floats, others: Floats, scales: Floats) -> Floats:
    """Covariances (n_pairs, n_others) of differences once Delta is taken out."""
    everyone = np.ones((1, scales.size))
    means, their_means = signs.mean(1)[:, None], others.mean(1)
    of_delta = pair_covariances(signs, scales, everyone)
    their_delta = pair_covariances(others, scales, everyone)[:, 0]
    shared = means * (their_delta - float(pair_covariances(everyone, scales)[0, 0]) * their_means)
    return pair_covariances(signs, scales, others) - of_delta * their_means - shared


def _whiten(root: Floats, columns: Floats) -> Floats:
    return columns / root[:, None] if root.ndim == 1 else solve_triangular(root, columns, lower=True)


def _factorize(kernel: _Residual, noise: Floats, rho: float) -> tuple[Floats, float]:
    """Root of V, and rho, which rounding limits."""
    size = max(float(np.linalg.norm(kernel.covariances)), _EPS**2)
    rho = min(rho, MAX_NORM / size, _MAX_ROUNDING / max(kernel.rounding, _EPS**2))
    while True:
        covariance = rho * kernel.covariances
        covariance[np.diag_indices_from(covariance)] += noise
        try:
            return cholesky(covariance, lower=True, overwrite_a=True), rho
        except LinAlgError:
            rho *= 0.1  # rounding has the upper hand: V is nearer to D


def explained_noise(design: PairDesign, scales: Floats, rho: float) -> float:
    """Expected square of a residual of the regression under the kernel, in units of the noise variance."""
    if rho == 0.0:
        return 1.0
    kernel = _Residual.of_kernel(design.signs, scales).covariances
    root = 1.0 / np.sqrt(design.noise)[:, None]
    trend = np.linalg.qr(root * (design.signs @ zero_sum_basis(scales.size)))[0]
    total = float(
        (np.diag(kernel)[:, None] * root**2).sum() - ((kernel @ (root * trend)) * (root * trend)).sum()
    )
    return 1.0 + rho * max(total, 0.0) / max(trend.shape[0] - trend.shape[1], 1)
