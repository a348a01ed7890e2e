"""Noise variance of a game: the mean square of its residuals, shrunk towards what others and its pairs say.

Games with steps (rules, votes, trees) leave residuals of exactly 0 beside large ones, so that a few residuals
of 0 prove nothing. The variance of a game is therefore the posterior mean of the empirical Bayes model of
variances [1]_,

    (dof s2 + dof0 s02) / (dof + dof0),

with the mean square s2 of the game's own residuals. Its prior comes from the pilots: s02 is their mean noise
in units of the mean squared difference of pairs, dof0 says how alike they are. Where no pilot is known, or
none has residuals, s02 is a guess from the game's own pairs:

- Most games have interactions of an even number of players, which are in the sums v(S) + v(S') - v(all) -
  v(none) of complements, and then mostly also some of three and more: the noise is taken to be a fortieth of
  the mean squared difference, at most half of the mean squared sum, which is small for nearly additive games,
  and at least .005 of it.
- A game without any is additive or odd (parities, votes that always have a winner), which only the
  differences can tell: the noise is taken to be a tenth of their mean square.

Exact residuals of n degrees of freedom among pilots bound the guess as in the rule of three: it is divided by
n + 1. The more residuals there are, the less a prior may differ from them, unless all of them are 0: it is at
most exp(20 / dof) times their mean square. Else it would be most of the variance of a game that its kernel
explains far better than those of pilots. Residuals of games have heavier tails than normal ones, so that .4
of the degrees of freedom are claimed.

With few residuals nothing tells which players interact, so that half of the variance goes by squared values:
players without any effect hardly interact.

References
----------
.. [1] G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
   microarray experiments", Statistical Applications in Genetics and Molecular Biology 3, 2004.
   :doi:`10.2202/1544-6115.1027`
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.intervals import satterthwaite
from agnostix.core.reproducibility import multiply, sums_of_squares
from agnostix.core.typing import Floats

_OF_DIFFERENCES, _LEAST_OF_SUMS, _MOST_OF_SUMS = 0.025, 0.005, 0.5
"""Noise as a share of the mean squared difference, and between which shares of the mean squared sum it is."""
_OF_ODD = 0.1
"""Noise as a share of the mean squared difference, where all sums are 0."""
_NO_SUMS = 1e-10
"""Mean squared sum, relative to that of differences, below which it is rounding, also in single precision."""
_EXACT = 1e-20
"""Noise relative to the mean squared difference below which it is rounding."""
_LEAST_DOF, _MOST_DOF = 2.0, 6.0
"""Degrees of freedom of a prior: what is guessed has the fewest."""
_EASE = 20.0
"""Degrees of freedom from which on a prior is hardly larger than the mean square of residuals."""
_MOST_LEFT_OUT, _OF_FEW = 2.5, 5.0
"""Error variance of a game by the jackknife over pairs, at most, relative to that of its kernel: of many
residuals, and how much less it is of one."""
FEW_BY_KERNEL, ALIKE = 0.5, 0.85
"""Share of the variance that goes to players as a kernel says: where few residuals tell who interacts, and of
a kernel to which all players are alike. The rest goes by squared values."""
MOST_DOF = 5.0
"""Degrees of freedom, at most, of an error whose kernel treats all players alike."""
HEAVY_TAILS = 0.4
"""Share of the degrees of freedom that residuals of games, or pairs that are left out, are worth."""


@dataclass(frozen=True)
class Spread:
    """Mean squares of the pairs of some games: of differences, and of sums less the ends of the game."""

    differences: Floats  # (n_games,)
    sums: Floats  # (n_games,)

    @classmethod
    def from_pairs(cls, first: Floats, second: Floats, ends: Floats) -> Spread:
        """From the worths of both sides (n_pairs, n_games), and the sums of full and empty coalition."""
        n_pairs = max(1, len(first))
        squares = (sums_of_squares(first - second), sums_of_squares(first + second - ends))
        return cls(squares[0] / n_pairs, squares[1] / n_pairs)

    def guess(self) -> Floats:
        """Noise variance (n_games,) of games that nothing else is known of, in units of the regression."""
        has_sums = self.sums > _NO_SUMS * self.differences
        mixed = np.clip(
            _OF_DIFFERENCES * self.differences, _LEAST_OF_SUMS * self.sums, _MOST_OF_SUMS * self.sums
        )
        return np.where(has_sums, mixed, _OF_ODD * self.differences)


@dataclass(frozen=True)
class NoisePrior:
    """What pilots say about the noise variance of another game."""

    relative: float  # mean noise variance, in units of the mean squared difference; 0 where all are exact
    dof: float  # degrees of freedom that this is worth
    n_seen: float  # residual degrees of freedom of all pilots, 0 without pilots
    size: float = 0.0  # mean squared difference of the pilots

    @classmethod
    def unknown(cls) -> NoisePrior:
        """No pilots."""
        return cls(0.0, _LEAST_DOF, 0.0)

    @classmethod
    def from_games(cls, noise: Floats, differences: Floats, dof: float) -> NoisePrior:
        """From the noise variances and mean squared differences (n_games,) of pilots with residuals."""
        seen = differences > 0.0
        if dof < 1 or not seen.any():
            return cls.unknown()
        ratios, n_seen = noise[seen] / differences[seen], float(dof * seen.sum())
        mean = float(ratios.mean())
        if mean <= _EXACT:
            return cls(0.0, _LEAST_DOF, n_seen, float(differences.mean()))
        # The squared coefficient of variation is 2 / dof0 for the games and 2 / dof for their estimates.
        excess = float(ratios.var(ddof=1)) / mean**2 - 2.0 / dof if ratios.size > 1 else np.inf
        prior_dof = float(np.clip(2.0 / max(excess, 1e-9), _LEAST_DOF, _MOST_DOF))
        return cls(mean, prior_dof, n_seen, float(differences.mean()))

    def shrink(
        self,
        own: Floats,
        dof: float,
        spread: Spread,
        n_pairs: int,
        gain: float,
        n_residuals: float | None = None,
    ) -> tuple[Floats, float]:
        """Noise variances (n_games,) and the degrees of freedom they are worth, at least 1.

        `own` are mean squares (n_games,) of `dof` residuals; `gain` is the expected square of a residual
        of the regression in units of the noise, by which a kernel has explained the rest. They may rest on
        more residuals than they have degrees of freedom.
        """
        # As if one more pair had been seen, as large as those of pilots: zeros do not make a game 0.
        size = (n_pairs * spread.differences + self.size) / (n_pairs + 1.0)
        guess = Spread(size, spread.sums).guess() / (gain * (self.n_seen + 1.0))
        expected = self.relative * size if self.relative > 0.0 else guess
        told = own > _EXACT * size
        expected = np.where(
            told, np.minimum(expected, np.exp(_EASE / max(n_residuals or dof, 1.0)) * own), expected
        )
        shrunk = (dof * own + self.dof * expected) / (dof + self.dof)
        return shrunk, max(1.0, HEAVY_TAILS * (dof + self.dof))


def by_size(variances: Floats, values: Floats, share: float) -> Floats:
    """Variances (n_players, n_games), of which this share stays, and the rest goes by squared values."""
    total, size = multiply(np.ones((1, len(variances))), variances), sums_of_squares(values)
    even = np.full_like(values, 1.0 / len(values))
    squares = np.divide(np.square(values), size, out=even, where=size > 0.0)
    return share * variances + (1.0 - share) * total * squares


def blend(
    expected: Floats, dof: float, left_out: Floats, left_out_dof: Floats, n_residuals: int
) -> tuple[Floats, Floats]:
    """Variances and degrees of freedom (n_players, n_games): the mean of a kernel's and of a jackknife's.

    A kernel knows how players interact in general, the jackknife over pairs which of them do in this game.
    The latter is too large where single pairs carry much, so that its game's variance is limited.
    """
    every = np.ones((1, len(expected)))  # a product, so that the bits of a game do not depend on others
    total, largest = multiply(every, expected), multiply(every, left_out)
    most = _MOST_LEFT_OUT - _OF_FEW / n_residuals
    share = np.divide(most * total, largest, out=np.ones_like(total), where=largest > 0.0)
    parts = 0.5 * expected, 0.5 * np.minimum(1.0, share) * left_out
    return parts[0] + parts[1], np.maximum(1.0, satterthwaite(parts, (dof, HEAVY_TAILS * left_out_dof)))


def effective_number(totals: Floats, squares: Floats) -> Floats:
    """Kish's number of terms that carry a sum, at least 1, by the sums and the sums of squared terms."""
    return np.maximum(1.0, np.divide(totals**2, squares, out=np.ones_like(totals), where=squares > 0.0))
