"""A kernel of each game's own, and errors that know that it was learned: a delete-a-group jackknife.

The variance that kriging states takes the kernel for the truth. In games with steps (votes, rules) it is not,
and a kernel learned from the same values looks better than it is. So the pairs are split into ten groups, and
without each of them the kernel is learned anew and the values estimated from the others. With the change
delta_g of the values without group g, and its variance E_g under the kernel of all pairs,

    r = sum_g |delta_g|^2 / sum_g E_g

says how many times larger the variance is than stated, in the mean over players: 1 where the kernel holds.
A delete-a-group jackknife alone, sum_g (9 / 10) delta_g^2, is too wide [1]_: it is made for errors that fall
with the square root of the number of data, those of kriging fall faster, and E_g knows by how much.

Three hedges make up for what ten groups of few pairs cannot see; their constants were chosen on 22 games.
Nothing is taken to be more certain than by the residuals. A tenth, on the scale of logarithms, of what the
regression would state goes in. Half of the variance is spread evenly over the players: a kernel gives small
values small errors, but the interactions that it does not know may be those of any player.

References
----------
.. [1] B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981.
   :doi:`10.1214/aos/1176345462`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agnostix.core.reproducibility import one_blas_thread, sums_of_squares
from agnostix.core.typing import Codes, Floats
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import N_RESIDUALS, Coalitions
from agnostix.shapley.game_kriging import GameKriging, explained_noise
from agnostix.shapley.kriging import N_LEARNED, Candidate, most_likely_kernel
from agnostix.shapley.pair_regression import PairDesign
from agnostix.shapley.residual_noise import NoisePrior, Spread

N_GROUPS = 10
"""Groups of pairs that are left out in turn."""
MAX_JACKKNIFE_DOF = 256
"""Residual degrees of freedom that suffice to estimate the ratio; more would cost more than they bring."""
_MIN_GROUPS = 4
"""Groups whose deletion leaves a design that determines the values, below which there is no jackknife."""
_OF_REGRESSION = 0.1
"""Weight of the regression's variance, where it is larger."""
_EVEN = 0.5
"""Share of the variance that is spread evenly over players."""
_MISFIT = 1.2
"""What the kernel's form adds to the variance."""
_EPS = np.finfo(float).eps


@dataclass(frozen=True)
class OwnKernelOperator:
    """Kriging of the games of one row under a kernel learned from them."""

    coalitions: Coalitions
    kernel: Candidate
    kriging: GameKriging
    lost_dof: float  # degrees of freedom of each game that learning the kernel took

    @classmethod
    @one_blas_thread
    def learn(cls, coalitions: Coalitions, values: CoalitionValues) -> OwnKernelOperator:
        """The kernel of these games; none with fewer than seven residuals."""
        kernel, lost_dof = Candidate.none(coalitions.n_players), 0.0
        if coalitions.n_pairs - coalitions.n_players + 1 >= N_RESIDUALS:
            kernel, n_informative = most_likely_kernel(coalitions, _data(values))
            lost_dof = N_LEARNED / n_informative if kernel.rho > 0.0 else 0.0
        design = PairDesign.from_coalitions(coalitions)
        return cls(coalitions, kernel, GameKriging.from_design(design, kernel.scales, kernel.rho), lost_dof)

    @one_blas_thread
    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Shapley values (n_players, ...), their variances and degrees of freedom."""
        data, shape = _data(values), (-1, *values.full.shape)
        variances, dof = self._variances(data, values.spread())
        rounding = _EPS * np.sqrt(len(data)) * np.abs(data).max(0)
        variances = (variances + np.square(rounding)).reshape(shape)
        return self.kriging.values(data).reshape(shape), variances, np.full_like(variances, dof)

    @one_blas_thread
    def apply(self, values: CoalitionValues) -> Floats:
        """Shapley values (n_players, ...) of games (...)."""
        return self.kriging.values(_data(values)).reshape(-1, *values.full.shape)

    def _variances(self, data: Floats, spread: Spread) -> tuple[Floats, float]:
        """Variances (n_players, n_games), and their degrees of freedom."""
        design = PairDesign.from_coalitions(self.coalitions)
        regression = GameKriging.from_design(design, np.ones(self.coalitions.n_players), 0.0)
        plain, plain_dof = _noise(regression, data, spread)
        inflation = Inflation.from_pairs(self.coalitions, self.kernel, data)
        if inflation.n_groups < _MIN_GROUPS:
            return regression.unscaled_variances[:, None] * plain, plain_dof
        scale, _ = _noise(self.kriging, data, spread, self.lost_dof, inflation.gain)
        scale = np.maximum(scale, inflation.noise(spread, self.coalitions.n_pairs))
        unscaled = self.kriging.unscaled_variances
        mean, by_regression = unscaled.mean() * scale, regression.unscaled_variances.mean() * plain
        mean = mean ** (1.0 - _OF_REGRESSION) * np.maximum(mean, by_regression) ** _OF_REGRESSION
        shape = (1.0 - _EVEN) * unscaled / unscaled.mean() + _EVEN
        return _MISFIT * shape[:, None] * mean, inflation.dof


def _data(values: CoalitionValues) -> Floats:
    """(n_pairs + 1, n_games)."""
    differences, delta = values.differences()
    return np.vstack([differences, delta])


def _noise(
    kriging: GameKriging, data: Floats, spread: Spread, lost_dof: float = 0.0, gain: float = 1.0
) -> tuple[Floats, float]:
    """Noise variances (n_games,) by the residuals, and their degrees of freedom."""
    dof = max(1.0, kriging.dof - lost_dof) if kriging.dof else 0.0
    own = sums_of_squares(kriging.residuals(data)) / max(1.0, dof)
    return NoisePrior.unknown().shrink(own, dof, spread, len(data) - 1, gain)


@dataclass(frozen=True)
class Inflation:
    """How far the values move without groups of pairs, in units of what their kernel expects."""

    ratios: Floats  # (n_games,), squared changes in units of the variance under noise of variance 1
    n_groups: int
    gain: float  # expected square of a residual of the regression under the kernel

    @classmethod
    def from_pairs(cls, coalitions: Coalitions, kernel: Candidate, data: Floats) -> Inflation:
        """By data (n_pairs + 1, n_games), the kernel of each part learned anew."""
        n_pairs = min(coalitions.n_pairs, coalitions.n_players - 1 + MAX_JACKKNIFE_DOF)
        coalitions, data = coalitions.prefix(n_pairs), np.vstack([data[:n_pairs], data[-1:]])
        design = PairDesign.from_coalitions(coalitions)
        gain = explained_noise(design, kernel.scales, kernel.rho)
        kriging = GameKriging.from_design(design, kernel.scales, kernel.rho)
        values, changes, expected, n_groups = kriging.values(data), np.zeros(data.shape[1]), 0.0, 0
        for group, others in _groups(n_pairs) if kriging.dof >= N_RESIDUALS else ():
            without = _values_without(coalitions, design, kernel, data, others)
            if without is not None:
                changes += np.square(without - values).sum(0)
                expected += float(kriging.variance_without(group).sum())
                n_groups += 1
        return cls(changes / max(expected, _EPS), n_groups, gain)

    @property
    def dof(self) -> float:
        """Degrees of freedom of Student's distribution."""
        return self.n_groups - 1.0

    def noise(self, spread: Spread, n_pairs: int) -> Floats:
        """Noise variances (n_games,) with which the kernel would expect these changes."""
        return NoisePrior.unknown().shrink(self.ratios, self.dof, spread, n_pairs, self.gain)[0]


def _groups(n_pairs: int) -> Iterator[tuple[Codes, Codes]]:
    """Pairs of each group, and all others; the same for all games of a design."""
    number = np.random.default_rng(0).permutation(n_pairs) % N_GROUPS
    for group in range(N_GROUPS):
        yield np.flatnonzero(number == group), np.flatnonzero(number != group)


def _values_without(
    coalitions: Coalitions, design: PairDesign, kernel: Candidate, data: Floats, kept: Codes
) -> Floats | None:
    """Values (n_players, n_games) by these pairs alone; None where they do not determine them."""
    data = np.vstack([data[kept], data[-1:]])
    try:
        kernel, _ = most_likely_kernel(Coalitions(coalitions.masks[kept]), data, start=kernel)
        return GameKriging.from_design(design[kept], kernel.scales, kernel.rho).values(data)
    except ValueError:
        return None
