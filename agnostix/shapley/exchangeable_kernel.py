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

from agnostix.core.typing import Floats
from agnostix.shapley.kriging import GAMMAS, RHOS, Spectrum
from agnostix.shapley.odd_kernel import pair_covariances, shapley_covariances, shapley_variances
from agnostix.shapley.pair_regression import PairRegression

_MISFIT = 1.05
"""What the choice among so few kernels adds to the variance."""
_BLOCK_ROWS = 512
"""Rows of the kernel at once."""


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
        for k, gamma in enumerate(GAMMAS):
            scales = np.full(noise.size, gamma)
            spectra.append(Spectrum.from_regression(first, scales))
            expected = 1.0 + RHOS[:, None] * spectra[k].eigenvalues.mean()
            variances[k] = (RHOS[:, None] * _errors_of_kernel(regression, scales) + noise) / expected
        return cls(spectra, first.n_pairs, variances)

    def unscaled_variances(self, data: Floats) -> Floats:
        """Variances (n_players, n_games) of data (n_pairs + 1, n_games), each under its likeliest kernel."""
        part = np.vstack([data[: self.n_pairs], data[-1:]])
        fits = np.stack([spectrum.likelihoods_by_game(part, RHOS) for spectrum in self.spectra])
        best = fits.reshape(-1, data.shape[1]).argmax(0)
        return _MISFIT * self.variances.reshape(-1, self.variances.shape[2])[best].T


def _errors_of_kernel(regression: PairRegression, scales: Floats) -> Floats:
    """Variances (n_players,) of the errors that a game of this covariance leads to, without noise."""
    signs, plain = regression.signs, regression.matrix
    variances = shapley_variances(scales) - 2.0 * (shapley_covariances(signs > 0.0, scales) * plain).sum(1)
    for start in range(0, len(signs), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        variances += ((plain @ pair_covariances(signs[rows], scales, signs).T) * plain[:, rows]).sum(1)
    return np.maximum(variances, 0.0)
