"""How much players interact, and which: a kernel's parameters by restricted maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.kriging import Kriging
from agnostix.shapley.odd_kernel import Spectrum
from agnostix.shapley.pair_regression import PairDesign, PairRegression

MAX_LEARNING_DOF = 128
"""Degrees of freedom that are enough to learn a kernel from; more pairs than these take are left aside."""
_GAMMAS = (0.01, 0.1, 0.6, 2.0)
_FIRST_POWERS = (1.0,)
_POWERS = (0.0, 0.5, 1.0, 1.25)
_RHOS = np.r_[0.0, 10.0 ** np.arange(-3.0, 14.25, 0.5)]
_N_LEARNED = 3
_EXACT = 1e-10
"""Share of its size that a column must leave over to have something to say about the kernel."""


@dataclass(frozen=True)
class KernelParams:
    """A kernel for the part of the worths that an additive game leaves over.

    Attributes
    ----------
    scales : ndarray of shape (n_players,)
        Importance scales: ``gamma * importance**power``, of mean gamma over the players it was learned on.
    rho : float
        Variance of the kernel in units of the noise; 0 where the data say that the pair regression by
        itself does better.
    gamma : float
        Mean scale: small where interactions of few players are all there is.
    power : float
        0 where all players interact alike.
    spread : float
        Mean over the learning columns of their noise variance, in units of the mean squared difference;
        infinite where nothing was left to tell it.
    spent : float
        Degrees of freedom of each game that learning from it took: gamma, power and rho, shared by all.
    """

    scales: Floats
    rho: float
    gamma: float
    power: float
    spread: float
    spent: float

    def __post_init__(self) -> None:
        self.scales.flags.writeable = False

    @classmethod
    def none(cls, n_players: int) -> KernelParams:
        """No kernel, and nothing learned from other games.

        Parameters
        ----------
        n_players : int
            How many play.

        Returns
        -------
        KernelParams
        """
        return cls(np.ones(n_players), rho=0.0, gamma=1.0, power=0.0, spread=np.inf, spent=0.0)

    @property
    def is_on(self) -> bool:
        """Whether the kernel does anything."""
        return self.rho > 0.0 and bool(self.scales.sum() > 0.0)

    def restrict(self, players: Codes | Bools) -> KernelParams:
        """The same kernel in games of some of the players.

        Interactions keep their variances, and rho falls with the share of the kernel that is left, since it
        is that of a kernel of diagonal 1.

        Parameters
        ----------
        players : ndarray of int or bool
            Those that play.

        Returns
        -------
        KernelParams
        """
        some = self.scales[players]
        left = np.expm1(-some.sum()) / np.expm1(-self.scales.sum())
        return replace(self, scales=some, rho=float(self.rho * left))


@one_blas_thread
def learn_kernel(design: PairDesign, differences: Floats, delta: Floats) -> KernelParams:
    """Learn one kernel from several games, each with a scale of its own.

    Every gamma of a grid meets every power and every rho. Importances are root mean squares of the games'
    values, by the pair regression first and then by the kernel that these lead to. Which kernel is taken
    does not depend on the units of any game.

    Parameters
    ----------
    design : PairDesign
        The pairs. Those beyond `MAX_LEARNING_DOF` degrees of freedom are not looked at.
    differences : ndarray of shape (n_pairs, n_games)
        Worth of each pair's kept side minus that of the other.
    delta : ndarray of shape (n_games,)
        Worth of all players minus that of none.

    Returns
    -------
    KernelParams
        With rho 0 where fewer than two degrees of freedom are left over, or where every game is additive
        but for interactions of two.
    """
    d = design.masks.shape[1]
    n = min(design.masks.shape[0], d - 1 + MAX_LEARNING_DOF)
    regression = PairRegression.of(design.prefix(n))
    data = np.vstack([differences[:n], delta])
    telling = _telling(regression, data)
    best = _Candidate(np.ones(d), 0.0, 1.0, 0.0)
    if regression.dof >= 2 and telling.shape[1]:
        best = _search(regression, telling)
    kriging = Kriging.of(regression, best.scales, best.rho)
    spread = _spread(regression, kriging, data)
    spent = _N_LEARNED / max(1, telling.shape[1])
    return KernelParams(best.scales, best.rho, best.gamma, best.power, spread, spent)


@dataclass(frozen=True)
class _Candidate:
    scales: Floats
    rho: float
    gamma: float
    power: float
    likelihood: float = -np.inf


def _telling(regression: PairRegression, data: Floats) -> Floats:
    """The games that leave more over than rounding."""
    left = np.square(regression.contrasts.T @ data).sum(0)
    return data[:, left > _EXACT**2 * np.square(data).sum(0)]


def _search(regression: PairRegression, data: Floats) -> _Candidate:
    """The most likely kernel, its importances taken from the answer of a first one."""
    matrix = regression.matrix
    for powers in (_FIRST_POWERS, _POWERS):
        importances = _importances(matrix @ data)
        fits = [_fit(regression, data, importances, gamma, power) for gamma in _GAMMAS for power in powers]
        best = max(fits, key=lambda fit: fit.likelihood)
        matrix = Kriging.of(regression, best.scales, best.rho).matrix
    return best


def _importances(values: Floats) -> Floats:
    """Root mean square of each player's values, those of a game in units of their own."""
    size = np.sqrt(np.square(values).mean(0))
    return np.sqrt(np.square(values / np.where(size > 0.0, size, 1.0)).mean(1))


def _fit(
    regression: PairRegression, data: Floats, importances: Floats, gamma: float, power: float
) -> _Candidate:
    """The best rho of one form of the kernel."""
    form = importances**power
    scales = gamma * form / form.mean() if form.any() else np.full(form.size, gamma)
    fits = Spectrum.of(regression, scales).likelihoods(data, _RHOS)
    best = int(fits.argmax())
    return _Candidate(scales, float(_RHOS[best]), gamma, power, float(fits[best]))


def _spread(regression: PairRegression, kriging: Kriging, data: Floats) -> float:
    """Noise variance of a game whose mean squared difference is 1, on average."""
    size = np.square(data[:-1]).mean(0)
    if regression.dof == 0 or not size.any():
        return np.inf
    noise = np.square(kriging.whitener @ data).mean(0)
    return float((noise[size > 0.0] / size[size > 0.0]).mean())
