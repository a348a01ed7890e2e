"""A kernel of each game's own, and errors that know that it was learned: a delete-a-group jackknife.

The variance that kriging states takes the kernel for the truth. In games with steps (votes, rules) it is not,
and a kernel learned from the same values looks better than it is. So the pairs are split into ten groups, and
without each of them the kernel is learned anew and the values estimated from the others. With the change
delta_g of the values without group g, and its variance E_g under the kernel of all pairs,

    r = sum_g |delta_g|^2 / sum_g E_g

says how many times larger the variance is than stated, in the mean over players: 1 where the kernel holds.
A delete-a-group jackknife alone, sum_g (9 / 10) delta_g^2, is too wide [1]_: it is made for errors that fall
with the square root of the number of data, those of kriging fall faster, and E_g knows by how much.

Hedges make up for what ten groups of few pairs cannot see; their constants were chosen on 33 games. The scale
is at least that of the residuals, up to twice its own: of whitened ones where there are few, else of pairs
that the others predict, which know better how far the kernel is off. A tenth, on the scale of logarithms, of
what the regression would state goes in, up to ten times. Of the variance a third goes to players as the
kernel says, a third as they moved without groups, and a third evenly: a kernel gives small values small
errors, but the interactions that it does not know may be those of any player. Over designs, the scale varies
as much as one of some five degrees of freedom; intervals have four at most.

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
from agnostix.shapley.residual_noise import FEW_BY_KERNEL, NoisePrior, Spread, by_size

N_GROUPS = 10
"""Groups of pairs that are left out in turn."""
MAX_JACKKNIFE_DOF = 256
"""Residual degrees of freedom that suffice to estimate the ratio; more would cost more than they bring."""
_MIN_GROUPS = 4
"""Groups whose deletion leaves a design that determines the values, below which there is no jackknife."""
_OF_REGRESSION, _MOST_OF_REGRESSION = 0.1, 10.0
"""Weight of the regression's variance, where it is larger, and how much larger it is taken to be at most."""
_MOST_OF_RESIDUALS = 2.0
"""Scale by the residuals, at most, in units of that of the jackknife."""
_MOST_DOF, _PER_RESIDUAL = 4.0, 0.4
"""Degrees of freedom of the scale: at most, and of each residual."""
_MISFIT = 1.1
"""What the kernel's form adds to the variance."""
_ROUNDING = 1e-12
"""Squared changes, relative to squared values, below which they are rounding, also in single precision."""
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

    def predict(self, data: Floats, signs: Floats) -> Floats:
        """Differences (n_others, n_games) that are expected of other pairs (n_others, n_players)."""
        return self.kriging.predict(data, signs)

    def _variances(self, data: Floats, spread: Spread) -> tuple[Floats, float]:
        """Variances (n_players, n_games), and their degrees of freedom."""
        design = PairDesign.from_coalitions(self.coalitions)
        regression = GameKriging.from_design(design, np.ones(self.coalitions.n_players), 0.0)
        plain, plain_dof = _noise(regression, data, spread)
        inflation = Inflation.from_pairs(self.coalitions, self.kernel, data)
        if inflation.n_groups < _MIN_GROUPS:
            alike = regression.unscaled_variances[:, None] * plain
            return by_size(alike, regression.values(data), FEW_BY_KERNEL), plain_dof
        scale = inflation.noise(spread, self.coalitions.n_pairs, self.kriging.dof)
        by_residuals = self._by_residuals(data, spread, inflation)
        scale = np.clip(by_residuals, scale, _MOST_OF_RESIDUALS * scale)
        unscaled = self.kriging.unscaled_variances
        total, by_regression = unscaled.sum() * scale, regression.unscaled_variances.sum() * plain
        larger = np.divide(by_regression, total, out=np.ones_like(total), where=total > 0.0)
        total = total * np.clip(larger, 1.0, _MOST_OF_REGRESSION) ** _OF_REGRESSION
        known = (unscaled / unscaled.sum())[:, None]
        shape = (known + inflation.shares + 1.0 / len(unscaled)) / 3.0
        return _MISFIT * shape * total, min(_MOST_DOF, _PER_RESIDUAL * (self.kriging.dof + 2.0))

    def _by_residuals(self, data: Floats, spread: Spread, inflation: Inflation) -> Floats:
        """Noise variances (n_games,) by residuals: of all where there are few, else of pairs left out."""
        dof = max(1.0, self.kriging.dof - self.lost_dof)
        every = sums_of_squares(self.kriging.residuals(data)) / dof
        weight = min(1.0, N_RESIDUALS / dof)
        own = np.maximum(every, inflation.left_out) ** weight * inflation.left_out ** (1.0 - weight)
        return NoisePrior.unknown().shrink(own, dof, spread, len(data) - 1, inflation.gain)[0]


def _data(values: CoalitionValues) -> Floats:
    """(n_pairs + 1, n_games)."""
    differences, delta = values.differences()
    return np.vstack([differences, delta])


def _noise(regression: GameKriging, data: Floats, spread: Spread) -> tuple[Floats, float]:
    """Noise variances (n_games,) by the residuals of the regression, and their degrees of freedom."""
    own = sums_of_squares(regression.residuals(data)) / max(1.0, regression.dof)
    return NoisePrior.unknown().shrink(own, regression.dof, spread, len(data) - 1, 1.0)


@dataclass(frozen=True)
class Inflation:
    """How far the values move without groups of pairs, in units of what their kernel expects."""

    ratios: Floats  # (n_games,), squared changes in units of the variance under noise of variance 1
    shares: Floats  # (n_players, n_games), of these changes; even where they are rounding
    left_out: Floats  # (n_games,), noise variances by pairs that the others predict
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
        values, expected, n_groups = kriging.values(data), 0.0, 0
        changes = np.zeros_like(values)
        for group, others in _groups(n_pairs) if kriging.dof >= N_RESIDUALS else ():
            without = _values_without(coalitions, design, kernel, data, others)
            if without is not None:
                changes += np.square(without - values)
                expected += float(kriging.variance_without(group).sum())
                n_groups += 1
        total, even = changes.sum(0), np.full_like(changes, 1.0 / len(changes))
        shares = np.divide(changes, total, out=even, where=total > _ROUNDING * sums_of_squares(values))
        return cls(total / max(expected, _EPS), shares, kriging.cross_validated(data), n_groups, gain)

    def noise(self, spread: Spread, n_pairs: int, dof: float) -> Floats:
        """Noise variances (n_games,) with which the kernel would expect these changes, of dof residuals."""
        n_changes = self.n_groups - 1.0
        return NoisePrior.unknown().shrink(self.ratios, n_changes, spread, n_pairs, self.gain, dof)[0]


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
