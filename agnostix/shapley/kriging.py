"""Universal kriging of Shapley values: the best linear prediction under a random game, and its variance.

The data z = [y; Delta] are the sum of an additive game (the trend, unknown), a random game with covariance
rho K, and noise with the relative variances of the pair regression, none of it in Delta. With L0 the
regression, F its contrasts, and M the covariances of Shapley values and differences under K,

    L = L0 + rho (M - L0 K) F (1 + rho F' K F)^-1 F'.

This is universal kriging [1]_; efficiency stays as exact as in the regression. The matrix that is inverted is
the identity plus a positive semidefinite one, and rho is limited so that rounding leaves it so: its Cholesky
factor always exists.

The parameters of K maximize the restricted likelihood. The scales are ``gamma * importance**power`` with mean
gamma, where the importance of a player is the root mean square of its Shapley values; rho is the variance of
the kernel in units of the noise. All games share these parameters, but each has a noise variance of its own,
which is profiled out. The likelihood is that of the residual contrasts, so it does not depend on the trend.

References
----------
.. [1] N. A. C. Cressie, "Statistics for Spatial Data", Wiley, 1993, section 3.4.
   :doi:`10.1002/9781119115151`
.. [2] M. Naslidnyk, M. Kanagawa, T. Karvonen, M. Mahsereci, "Comparing scale parameter estimators for
   Gaussian process interpolation with the Brownian motion prior: leave-one-out cross validation and maximum
   likelihood", SIAM/ASA Journal on Uncertainty Quantification 13, 2025. :doi:`10.1137/23M1586884`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from agnostix.core.reproducibility import multiply, one_blas_thread, sums_of_squares
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.coalitions import Coalitions
from agnostix.shapley.odd_kernel import pair_covariances, shapley_covariances, shapley_variances
from agnostix.shapley.pair_regression import PairRegression
from agnostix.shapley.residual_noise import NoisePrior

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
    gain: float = 1.0  # expected square of a residual of the regression, in units of the noise variance

    @classmethod
    def from_regression(cls, regression: PairRegression, scales: Floats, rho: float) -> Kriging:
        """Kriging with kernel scales (n_players,) and variance rho; the regression itself for rho = 0."""
        plain = regression.matrix
        noise = np.square(plain) @ regression.noise
        if rho == 0.0:
            return cls(_make_efficient(plain), regression.contrasts.T, noise)
        kernel = pair_covariances(regression.signs, scales)
        rho, whitener, gain = _whiten(regression, kernel, rho)
        cross = shapley_covariances(regression.signs > 0.0, scales)
        explained = plain @ kernel
        loadings = whitener @ (cross - explained).T
        prior = shapley_variances(scales)
        posterior = prior + ((explained - 2.0 * cross) * plain).sum(1) - rho * np.square(loadings).sum(0)
        variances = rho * np.maximum(posterior, _FLOOR * prior) + noise
        return cls(_make_efficient(plain + rho * (loadings.T @ whitener)), whitener, variances, gain)

    def noise(self, data: Floats) -> Floats:
        """Noise variances (n_games,) of data (n_pairs + 1, n_games), cross-validated."""
        return cross_validated(self.whitener, multiply(self.whitener, data))


_UNTOLD = 1e-9
"""Part of a pair that others say something of, relative to the largest, below which it is rounding."""


def left_out_variances(whitener: Floats) -> Floats:
    """Variances (n_pairs,) of pairs that are predicted by all others, in units of the noise; 0 for untold."""
    diagonal = np.square(whitener[:, :-1]).sum(axis=0)
    told = diagonal > _UNTOLD * diagonal.max(initial=0.0)
    return np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=told)


def cross_validated(whitener: Floats, residuals: Floats) -> Floats:
    """Noise variances (n_games,): mean squares of pairs less their prediction by others, in its units.

    The mean square of whitened residuals (dof, n_games) is right where the kernel is [2]_. A game that is
    smoother leaves its large residuals in few directions, and what is not seen is far smaller than they say.
    """
    variances = left_out_variances(whitener)
    n_told = max(1, int(np.count_nonzero(variances)))
    weights = np.sqrt(variances / n_told)
    return sums_of_squares(weights[:, None] * multiply(whitener[:, :-1].T, residuals))


def project(regression: PairRegression, kernel: Floats) -> Floats:
    """F' K F (dof, dof), the covariance of the residual contrasts in units of the noise."""
    return regression.contrasts.T @ (kernel @ regression.contrasts)


def _whiten(regression: PairRegression, kernel: Floats, rho: float) -> tuple[float, Floats, float]:
    """rho, limited by rounding, contrasts (dof, n_pairs + 1) that 1 + rho F' K F whitens, and its mean."""
    if regression.dof == 0:
        return rho, regression.contrasts.T, 1.0
    inner = project(regression, kernel)
    rounding = _EPS * np.linalg.norm(kernel) * np.square(regression.contrasts).sum() / regression.dof
    largest = min(MAX_NORM / max(np.linalg.norm(inner), _EPS**2), _MAX_ROUNDING / max(rounding, _EPS**2))
    rho = min(rho, float(largest))
    root = cholesky(np.eye(regression.dof) + rho * inner, lower=True)
    gain = 1.0 + rho * float(np.trace(inner)) / regression.dof
    return rho, solve_triangular(root, regression.contrasts.T, lower=True), gain


def _make_efficient(matrix: Floats) -> Floats:
    """Remove rounding from the sums of the Shapley values."""
    excess = matrix.sum(0)
    excess[-1] -= 1.0
    return matrix - excess / matrix.shape[0]


MAX_LEARNING_DOF = 128
"""Residual degrees of freedom that suffice to learn a kernel; further pairs are ignored."""
# The restricted likelihood of gamma, power and rho is maximized over this grid.
GAMMAS = (0.01, 0.1, 0.6, 2.0)
_FIRST_POWERS = (1.0,)
_POWERS = (0.0, 0.5, 1.0, 1.25)
RHOS = np.r_[0.0, 10.0 ** np.arange(-3.0, 14.25, 0.5)]
N_LEARNED = 3
"""Parameters of a kernel."""
_EXACT = 1e-10
"""Residual of a game, relative to its size, below which it is rounding and says nothing about the kernel."""


@dataclass(frozen=True)
class KernelParams:
    """Kernel of the interactions that an additive game leaves over."""

    scales: Floats  # (n_players,), gamma * importance**power
    rho: float  # variance in units of the noise; 0 where the pair regression alone is most likely
    gamma: float  # mean scale; small where interactions are of low order
    power: float  # 0 where all players interact equally
    noise: NoisePrior  # of other games

    def __post_init__(self) -> None:
        self.scales.flags.writeable = False

    @classmethod
    def without_kernel(cls, n_players: int) -> KernelParams:
        """No kernel, and nothing learned from other games."""
        return cls(np.ones(n_players), rho=0.0, gamma=1.0, power=0.0, noise=NoisePrior.unknown())

    @property
    def is_active(self) -> bool:
        """Whether the kernel has any effect."""
        return self.rho > 0.0 and bool(self.scales.sum() > 0.0)

    def restrict(self, players: Codes | Bools) -> KernelParams:
        """The kernel of fewer players: their interactions keep their variances."""
        scales = self.scales[players]
        # rho is in units of a kernel of diagonal 1, of which fewer players have only a part.
        part = np.expm1(-scales.sum()) / np.expm1(-self.scales.sum())
        return replace(self, scales=scales, rho=float(self.rho * part))

    def of_some(self, varying: Bools) -> KernelParams:
        """As the kernel of more players (n_players,), of whom the others are like the mean of these."""
        if varying.all():
            return self
        scales = np.full(varying.size, self.scales.mean())
        scales[varying] = self.scales
        part = np.expm1(-scales.sum()) / np.expm1(-self.scales.sum()) if self.is_active else 1.0
        return replace(self, scales=scales, rho=float(self.rho * part))


@one_blas_thread
def learn_kernel(coalitions: Coalitions, differences: Floats, delta: Floats) -> KernelParams:
    """Kernel of games in any units by their differences (n_pairs, n_games) and delta (n_games,)."""
    data = np.vstack([differences, delta])
    regression, data = _learning_part(coalitions, data)
    best, _ = _most_likely(regression, data)
    kriging = Kriging.from_regression(regression, best.scales, best.rho)
    noise = _learn_noise(regression, kriging, data)
    return KernelParams(best.scales, best.rho, best.gamma, best.power, noise)


def most_likely_kernel(
    coalitions: Coalitions, data: Floats, start: Candidate | None = None
) -> tuple[Candidate, int]:
    """Kernel for data (n_pairs + 1, n_games), and the number of games that say something of it.

    Uphill from `start` instead of over the whole grid. ValueError if the pairs do not determine the values.
    """
    return _most_likely(*_learning_part(coalitions, data), start)


def _learning_part(coalitions: Coalitions, data: Floats) -> tuple[PairRegression, Floats]:
    """The regression of the first pairs, as many as learning needs, and their data."""
    n = min(coalitions.n_pairs, coalitions.n_players - 1 + MAX_LEARNING_DOF)
    return PairRegression.from_coalitions(coalitions.prefix(n)), np.vstack([data[:n], data[-1:]])


def _most_likely(
    regression: PairRegression, data: Floats, start: Candidate | None = None
) -> tuple[Candidate, int]:
    """The most likely kernel, and the number of games with residuals."""
    residual = np.square(regression.contrasts.T @ data).sum(0)
    informative = data[:, residual > _EXACT**2 * np.square(data).sum(0)]
    if regression.dof < 2 or not informative.shape[1]:
        return Candidate.none(regression.n_players), informative.shape[1]
    return _search(regression, informative, start), informative.shape[1]


@dataclass(frozen=True)
class Candidate:
    """A kernel of the grid."""

    scales: Floats  # (n_players,)
    rho: float
    gamma: float
    power: float
    likelihood: float = -np.inf

    @classmethod
    def none(cls, n_players: int) -> Candidate:
        """No kernel."""
        return cls(np.ones(n_players), rho=0.0, gamma=GAMMAS[0], power=1.0)


def _search(regression: PairRegression, data: Floats, start: Candidate | None) -> Candidate:
    """The most likely kernel on a grid: first with the importances of the regression, then of that kernel."""
    first = _climb(regression, data, _importances(regression.matrix @ data), _FIRST_POWERS, start)
    kriging = Kriging.from_regression(regression, first.scales, first.rho)
    return _climb(regression, data, _importances(kriging.matrix @ data), _POWERS, start)


def _climb(
    regression: PairRegression,
    data: Floats,
    importances: Floats,
    powers: Sequence[float],
    start: Candidate | None,
) -> Candidate:
    """The most likely kernel with these importances (n_players,), of the grid or uphill from `start`."""
    fit = cache(partial(_fit, regression, data, importances))
    places = _grid(powers) if start is None else _uphill(fit, powers, start)
    return max((fit(gamma, power) for gamma, power in places), key=lambda one: one.likelihood)


def _grid(powers: Sequence[float]) -> list[tuple[float, float]]:
    return [(gamma, power) for gamma in GAMMAS for power in powers]


def _uphill(
    fit: Callable[[float, float], Candidate], powers: Sequence[float], start: Candidate
) -> list[tuple[float, float]]:
    """The place of the grid from which no step along gamma or power is more likely, seen from `start`."""
    gamma, power = GAMMAS.index(start.gamma), powers.index(start.power) if start.power in powers else 0
    while True:
        steps = [
            (gamma, power),
            (gamma - 1, power),
            (gamma + 1, power),
            (gamma, power - 1),
            (gamma, power + 1),
        ]
        inside = [(g, p) for g, p in steps if 0 <= g < len(GAMMAS) and 0 <= p < len(powers)]
        best = max(inside, key=lambda place: fit(GAMMAS[place[0]], powers[place[1]]).likelihood)
        if best == (gamma, power):
            return [(GAMMAS[gamma], powers[power])]
        gamma, power = best


def _importances(values: Floats) -> Floats:
    """Root mean squares (n_players,) of Shapley values (n_players, n_games), each game scaled to 1."""
    size = np.sqrt(np.square(values).mean(0))
    return np.sqrt(np.square(values / np.where(size > 0.0, size, 1.0)).mean(1))


def _fit(
    regression: PairRegression, data: Floats, importances: Floats, gamma: float, power: float
) -> Candidate:
    """The most likely rho of the grid."""
    shape = importances**power
    scales = gamma * shape / shape.mean() if shape.any() else np.full(shape.size, gamma)
    likelihoods = Spectrum.from_regression(regression, scales).likelihoods(data, RHOS)
    best = int(likelihoods.argmax())
    return Candidate(scales, float(RHOS[best]), gamma, power, float(likelihoods[best]))


def _learn_noise(regression: PairRegression, kriging: Kriging, data: Floats) -> NoisePrior:
    """How large the noise of these games (n_pairs + 1, n_games) is beside their differences."""
    if regression.dof == 0:
        return NoisePrior.unknown()
    return NoisePrior.from_games(kriging.noise(data), np.square(data[:-1]).mean(0), regression.dof)


@dataclass(frozen=True)
class Spectrum:
    """Eigendecomposition of F' K F: independent contrasts and their variances under the kernel."""

    modes: Floats  # (n_pairs + 1, dof), of variance 1 under the noise
    eigenvalues: Floats  # (dof,)

    @classmethod
    def from_regression(cls, regression: PairRegression, scales: Floats) -> Spectrum:
        """Decompose the kernel with scales (n_players,) on a design with dof >= 1."""
        return cls.from_kernel(regression, pair_covariances(regression.signs, scales))

    @classmethod
    def from_kernel(cls, regression: PairRegression, kernel: Floats) -> Spectrum:
        """Decompose covariances (n_pairs + 1, n_pairs + 1) of differences, Delta's last."""
        eigenvalues, rotation = np.linalg.eigh(project(regression, kernel))
        return cls(regression.contrasts @ rotation, np.maximum(eigenvalues, 0.0))

    def likelihoods(self, data: Floats, rhos: Floats) -> Floats:
        """Profile log-likelihoods (n_rhos,) of games (n_pairs + 1, n_games), up to a constant."""
        return self.likelihoods_by_game(data, rhos, np.matmul).sum(1)

    def likelihoods_by_game(
        self, data: Floats, rhos: Floats, product: Callable[[Floats, Floats], Floats] = multiply
    ) -> Floats:
        """Those of each game (n_rhos, n_games); with this product, its bits do not depend on other games."""
        squares = np.square(product(self.modes.T, data))
        variances = 1.0 + rhos[:, None] * self.eigenvalues
        noise = np.maximum(product(1.0 / variances, squares), np.finfo(float).tiny)
        fit = -0.5 * (self.eigenvalues.size * np.log(noise) + np.log(variances).sum(1)[:, None])
        # Above the limit rounding would decide.
        return np.where((rhos * np.linalg.norm(self.eigenvalues) <= MAX_NORM)[:, None], fit, -np.inf)
