"""Errors of the pair regression: its residuals under kernels that treat all players alike.

Taken for white noise, residuals overstate the errors of the regression: pairs are chosen so that interactions
of three players, which are most of the residuals of smooth games, hardly disturb the values. Here a game's
residuals have the covariance rho K + D with the kernel K of one scale for all players. For each of four
scales and each rho, the variances of the errors are known beforehand, without solving anything:

    L (rho K + D) L' - 2 rho L C' + rho Phi,

with the regression L, the covariances C of Shapley values and differences, and Phi of Shapley values. A game
only chooses among them, by its restricted likelihood, and scales them by its mean squared residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.shapley.kriging import GAMMAS, RHOS, Spectrum
from agnostix.shapley.odd_kernel import covariances_alike, shapley_covariances, shapley_variances
from agnostix.shapley.pair_regression import PairRegression

_MISFIT = 1.05
"""What the choice among so few kernels adds to the variance."""
_ROUNDING = 1e-12
"""Squared residuals, relative to squared differences, that are rounding, also of single precision."""
_BLOCK_ROWS = 512
"""Rows of the kernel at once."""
_MOST_PLAYERS = 1024
"""Players whose errors are computed: their time grows with the cube of the players."""


@dataclass(frozen=True)
class ExchangeableErrors:
    """Variances of the errors of a regression in units of its mean squared residual, by kernel."""

    spectra: list[Spectrum]  # of each scale, on the first pairs
    n_pairs: int  # of these
    variances: Floats  # (n_scales, n_rhos, n_players)

    @classmethod
    def from_regression(cls, regression: PairRegression, first: PairRegression) -> ExchangeableErrors:
        """Of a design, and of its first pairs, which suffice for the choice of a kernel."""
        noise = np.square(regression.matrix) @ regression.noise
        spectra, variances = [], np.empty((len(GAMMAS), RHOS.size, noise.size))
        for k, errors in enumerate(_errors_of_kernels(regression)):
            spectra.append(Spectrum.from_kernel(first, _covariances(first.signs, first.signs, GAMMAS[k])))
            expected = 1.0 + RHOS[:, None] * spectra[k].eigenvalues.mean()
            variances[k] = (RHOS[:, None] * errors + noise) / expected
        return cls(spectra, first.n_pairs, variances)

    def unscaled_variances(self, data: Floats, noise: Floats) -> Floats:
        """Variances (n_players, n_games) of data (n_pairs + 1, n_games), each under its likeliest kernel.

        Residuals of mean square `noise` (n_games,) that are rounding tell of no kernel: white noise then.
        """
        part = np.vstack([data[: self.n_pairs], data[-1:]])
        fits = np.stack([spectrum.likelihoods_by_game(part, RHOS) for spectrum in self.spectra])
        is_rounding = noise <= _ROUNDING * np.square(data).mean(0)
        best = np.where(is_rounding, 0, fits.reshape(-1, data.shape[1]).argmax(0))
        return _MISFIT * self.variances.reshape(-1, self.variances.shape[2])[best].T


def _errors_of_kernels(regression: PairRegression) -> Floats:
    """Variances (n_scales, n_players) of the errors that a game of each scale leads to, without noise.

    Of more players than are computed, the mean of those stands for all: they differ by the design's chance.
    """
    signs, d = regression.signs, regression.n_players
    some = np.unique(np.linspace(0, d - 1, min(d, _MOST_PLAYERS)).astype(int))
    plain, scales = regression.matrix[some], [np.full(d, gamma) for gamma in GAMMAS]
    variances = np.stack([shapley_variances(one)[some] for one in scales])
    for start in range(0, len(signs), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        overlaps = _overlaps(signs[rows], signs)
        for k, gamma in enumerate(GAMMAS):
            crossed = shapley_covariances(signs[rows] > 0.0, scales[k])[some]
            covered = plain @ covariances_alike(overlaps, gamma, d).T
            variances[k] += ((covered - 2.0 * crossed) * plain[:, rows]).sum(1)
    variances = np.maximum(variances, 0.0)
    return variances if some.size == d else np.repeat(variances.mean(1, keepdims=True), d, axis=1)


def _covariances(signs: Floats, others: Floats, gamma: float) -> Floats:
    return covariances_alike(_overlaps(signs, others), gamma, signs.shape[1])


def _overlaps(signs: Floats, others: Floats) -> Codes:
    """Products of signs (n_pairs, n_others), which are whole numbers."""
    return np.rint(signs @ others.T).astype(np.intp)
