"""The most likely covariance of the even or the odd part of some games, by its slopes and variances.

The games of a row share slopes and ratios of variances; each has a size of its own, which is profiled out.
The minus log-likelihood is minimized over the logarithms by a quasi-Newton method, with its gradient

    d/dp = tr(W dK/dp),   W = (m K^-1 - sum_o a_o a_o' n / y_o' a_o) / 2,   a_o = K^-1 y_o,

first on the first pairs, then on more of them. The logarithms of slopes lean towards their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize

from agnostix.core.typing import Floats
from agnostix.shapley.interactions.game_kernel import EVEN, ODD, GameKernel

STAGES = ((128, 60), (256, 20))
"""Pairs, and steps of the optimization, one stage after the other."""
_FIRST_SLOPES = 0.2
"""Sum of the squared slopes to start with."""
_SLOPES, _REST, _OWN = (-7.0, 1.5), (-14.0, 6.0), (-25.0, 2.0)
"""Between which the logarithms of slopes and variances are."""
_SPREAD = 0.3
"""Inverse variance of the logarithms of slopes about their mean."""
_DIFFUSE = 1e4
"""Variance of the additive part of odd games, in units of the rest: any is as likely as any other."""
_FAILED = 1e10
"""Likelihood where rounding has the upper hand."""


def most_likely_kernel(parity: int, signs: Floats, data: Floats) -> GameKernel:
    """Kernel of games (n, n_games) on coalitions (n, n_players), which all differ from 0 somewhere.

    Even games are differences from the last one, everybody, which is left out of `data`.
    """
    d = signs.shape[1]
    params = np.full(d + 2, 0.5 * np.log(_FIRST_SLOPES / d))
    params[d:] = (0.0, np.log(1e-3)) if parity == ODD else (-1.0, -4.0)
    bounds = [_SLOPES] * d + [(0.0, 0.0) if parity == ODD else _REST, _OWN]
    # Further pairs of a design fill gaps between the first; everybody stays last.
    for n_pairs, n_steps in STAGES:
        if n_pairs > STAGES[0][0] and len(signs) <= STAGES[0][0]:
            break
        few = signs[:-1][:n_pairs], data[: n_pairs if parity == EVEN else -1][:n_pairs]
        own = np.vstack([few[0], signs[-1:]])
        values = few[1] if parity == EVEN else np.vstack([few[1], data[-1:]])
        found = minimize(
            _Likelihood(parity, own, values),
            params,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": n_steps},
        )
        params = found.x
    return _kernel(parity, params)


def _kernel(parity: int, params: Floats) -> GameKernel:
    lowest = 1.0 if parity == EVEN else _DIFFUSE
    slopes, (rest, own) = np.exp(params[:-2]), np.exp(params[-2:])
    return GameKernel(parity, slopes, lowest, float(rest), float(own))


@dataclass(frozen=True)
class _Likelihood:
    """Minus log-likelihood of games and its gradient by the logarithms of slopes, rest and own variance."""

    parity: int
    signs: Floats  # (n + 1, n_players), everybody last
    data: Floats  # (n, n_games) for even games, (n + 1, n_games) for odd ones

    def __call__(self, params: Floats) -> tuple[float, Floats]:
        kernel, d = _kernel(self.parity, params), len(params) - 2
        a = (self.signs * kernel.slopes) @ self.signs.T
        low = kernel.low_order(self.signs, self.signs, a)
        rest = kernel.hyperbolic(a, self.parity)
        whole = kernel.lowest * low + kernel.rest * rest
        covariance = without_end(whole) if self.parity == EVEN else whole
        noisy = np.arange(len(self.signs) - 1)
        covariance[noisy, noisy] += kernel.own
        try:
            root = cholesky(covariance, lower=True)
        except LinAlgError:
            return _FAILED, np.zeros_like(params)
        solved = cho_solve((root, True), self.data)
        n, n_games = self.data.shape
        size = np.maximum((self.data * solved).sum(axis=0), np.finfo(float).tiny)
        leaning = params[:d] - params[:d].mean()
        value = 0.5 * n * np.log(size).sum() + n_games * np.log(np.diag(root)).sum()
        value += 0.5 * _SPREAD * leaning @ leaning
        inverse = cho_solve((root, True), np.eye(n))
        weights = 0.5 * (n_games * inverse - (solved * (n / size)) @ solved.T)
        gradient = np.empty_like(params)
        gradient[-1] = kernel.own * weights[noisy, noisy].sum()
        spread = _onto_ends(weights) if self.parity == EVEN else weights
        gradient[-2] = kernel.rest * (spread * rest).sum()
        gradient[:d] = self._by_slopes(kernel, spread, a, low, rest) * kernel.slopes + _SPREAD * leaning
        return float(value), gradient

    def _by_slopes(self, kernel: GameKernel, weights: Floats, a: Floats, low: Floats, rest: Floats) -> Floats:
        """Derivatives (n_players,) by slopes, of a covariance that is linear in functions of `a`."""
        total = kernel.slopes.sum()
        turned = kernel.rest * kernel.hyperbolic(a, -self.parity)
        shift = np.full_like(kernel.slopes, kernel.rest * (weights * rest).sum())
        shift *= np.tanh(total) if self.parity == EVEN else 1.0 / np.tanh(total)
        if self.parity == EVEN:
            per_pair = kernel.lowest / kernel.pair_size
            turned = turned + per_pair * a
            shift += per_pair * (
                kernel.slopes * weights.sum() + (total - kernel.slopes) * (weights * low).sum()
            )
        return ((self.signs.T @ (weights * turned)) * self.signs.T).sum(axis=1) - shift


def without_end(covariances: Floats) -> Floats:
    """Covariances (n, n) of differences from the last of n + 1 values."""
    last = covariances[:-1, -1]
    return covariances[:-1, :-1] - last[:, None] - last + covariances[-1, -1]


def _onto_ends(weights: Floats) -> Floats:
    """The transposed map, of weights (n, n) to (n + 1, n + 1)."""
    sums = weights.sum(axis=1)
    found = np.empty((len(weights) + 1, len(weights) + 1))
    found[:-1, :-1] = weights
    found[:-1, -1] = found[-1, :-1] = -sums
    found[-1, -1] = sums.sum()
    return found
