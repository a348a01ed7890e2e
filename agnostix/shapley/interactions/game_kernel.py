"""Covariances of random games that are even or odd under complements, and of their interactions.

Coalitions S and T are signs x and y, 1 for members and -1 for others. The even part of a game, the mean of
the values of a coalition and its complement, has interactions of two, four, ... players; the odd part, half
their difference, has those of one, three, ... A random game of either kind has three independent terms: one
of the lowest order, one of all orders, and one of each pair of coalitions' own. With a = sum_i c_i x_i y_i
they covary as

    even:  lowest * (a**2 - sum c**2) / 2 + rest * cosh(a) + own * (S = T)
    odd:   lowest * x'y                   + rest * sinh(a) + own * (S = T)

each in units of its variance. The slopes c_i say which players interact, and so how fast the variance falls
with the order. Since exp(a) is a product over players, its interactions are products as well, integrated over
the measures of an index (`indices`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.shapley.interactions.indices import Measures, SizeWeights, measures, size_weights

EVEN, ODD = 1, -1


@dataclass(frozen=True)
class Targets:
    """Players and pairs whose values are asked for."""

    index: str
    players: Codes  # (n_chosen,), among those that vary
    first: Codes  # (n_pairs,), among these
    second: Codes

    @property
    def n_targets(self) -> int:
        """Players first, then pairs."""
        return self.players.size + self.first.size


@dataclass(frozen=True)
class GameKernel:
    """A covariance of games of one parity."""

    parity: int
    slopes: Floats  # (n_players,), positive
    lowest: float
    rest: float
    own: float

    def covariances(self, signs: Floats, others: Floats) -> Floats:
        """Those (n, n_others) of the values of coalitions, without what is each one's own."""
        a = (signs * self.slopes) @ others.T
        return self.lowest * self.low_order(signs, others, a) + self.rest * self.hyperbolic(a, self.parity)

    def low_order(self, signs: Floats, others: Floats, a: Floats) -> Floats:
        """The term of the lowest order, 1 where both are the same."""
        if self.parity == ODD:
            return signs @ others.T / self.slopes.size
        return 0.5 * (a**2 - np.square(self.slopes).sum()) / self.pair_size

    @property
    def pair_size(self) -> float:
        """Sum of c_i c_j over pairs."""
        return 0.5 * float(self.slopes.sum() ** 2 - np.square(self.slopes).sum())

    def hyperbolic(self, a: Floats, parity: int) -> Floats:
        """cosh(a) or sinh(a), in units of what the kernel has where both coalitions are the same."""
        most = self.slopes.sum()
        size = np.abs(a)
        sums = np.exp(size - most) * (1.0 + parity * np.exp(-2.0 * size)) / self._norm
        return sums if parity == EVEN else np.sign(a) * sums

    @property
    def _norm(self) -> float:
        return float(1.0 + self.parity * np.exp(-2.0 * self.slopes.sum()))

    def target_covariances(self, signs: Floats, targets: Targets) -> Floats:
        """Covariances (n, n_targets) of interactions with the values of coalitions, and what is their own."""
        at = measures(targets.index, self.slopes.size).of_parity(self.parity)
        found = self._of_lowest(signs, targets, at)
        found += self.rest * self._product_size * self._of_product(signs, targets, at)
        return found

    def own_covariances(self, signs: Floats, targets: Targets) -> Floats:
        """The part (n, n_targets) of what is each pair of coalitions' own."""
        weights = size_weights(targets.index, self.slopes.size)
        members = (signs > 0.0).astype(float)
        return self.own * (
            _weights_of(weights, members, targets)
            + self.parity * _weights_of(weights, 1.0 - members, targets)
        )

    def target_variances(self, targets: Targets) -> Floats:
        """Prior variances (n_targets,) of interactions."""
        at = measures(targets.index, self.slopes.size).of_parity(self.parity)
        slopes, chosen = self.slopes, targets.players
        first, second = chosen[targets.first], chosen[targets.second]
        if self.parity == ODD:
            players = np.full(chosen.size, 4.0 * at.players.sum() ** 2 / slopes.size)
            pairs = np.zeros(first.size)
        else:
            others = slopes.sum() - slopes[chosen]
            players = 4.0 * slopes[chosen] * others * (at.players @ at.lean) ** 2 / self.pair_size
            pairs = 16.0 * slopes[first] * slopes[second] * at.pairs.sum() ** 2 / self.pair_size
        variances = self.lowest * np.concatenate([players, pairs])
        variances += self.rest * self._product_size * self._product_variances(targets, at)
        return variances + self.own * self._own_variances(targets)

    def _of_lowest(self, signs: Floats, targets: Targets, at: Measures) -> Floats:
        own = signs[:, targets.players]
        if self.parity == ODD:
            pairs = np.zeros((len(signs), targets.first.size))
            return self.lowest * np.hstack([2.0 * at.players.sum() / self.slopes.size * own, pairs])
        leaning = signs * self.slopes
        chosen = leaning[:, targets.players]
        players = 2.0 * (at.players @ at.lean) * chosen * (leaning.sum(axis=1)[:, None] - chosen)
        pairs = 4.0 * at.pairs.sum() * chosen[:, targets.first] * chosen[:, targets.second]
        return self.lowest / self.pair_size * np.hstack([players, pairs])

    @property
    def _product_size(self) -> float:
        """From the product of 1 + tanh(c_i) x_i y_i to exp(a) in the units of `hyperbolic`."""
        c = self.slopes
        return float(np.exp(np.log1p(np.exp(-2.0 * c)).sum() - np.log(2.0) * (c.size - 1)) / self._norm)

    def _of_product(self, signs: Floats, targets: Targets, at: Measures) -> Floats:
        """Of the game S -> prod_i (1 + tanh(c_i) x_i y_i), for each T."""
        tilts = np.tanh(self.slopes) * signs
        players = np.zeros((len(signs), targets.players.size))
        pairs = np.zeros((len(signs), targets.first.size))
        for lean, of_player, of_pair in zip(at.lean, at.players, at.pairs, strict=True):
            factors = 1.0 + lean * tilts
            whole = np.exp(np.log(factors).sum(axis=1))[:, None]
            steps = 2.0 * tilts[:, targets.players] / factors[:, targets.players]
            players += of_player * whole * steps
            pairs += (of_pair * whole * steps[:, targets.first]) * steps[:, targets.second]
        return np.hstack([players, pairs])

    def _product_variances(self, targets: Targets, at: Measures) -> Floats:
        tilts, chosen = np.tanh(self.slopes), targets.players
        players, pairs = np.zeros(chosen.size), np.zeros(targets.first.size)
        for lean, of_player, of_pair in zip(at.lean, at.players, at.pairs, strict=True):
            factors = 1.0 + np.multiply.outer(lean * at.lean, tilts)  # (n_nodes, n_players)
            whole = np.exp(np.log(factors).sum(axis=1))
            steps = 4.0 * tilts[chosen] / factors[:, chosen]
            players += of_player * ((at.players * whole) @ steps)
            both = steps[:, targets.first] * steps[:, targets.second]
            pairs += of_pair * ((at.pairs * whole) @ both)
        return np.concatenate([players, pairs])

    def _own_variances(self, targets: Targets) -> Floats:
        """Sums of squared weights over all pairs of coalitions, the same for all players and all pairs."""
        by_size, d = size_weights(targets.index, self.slopes.size), self.slopes.size
        return np.repeat(
            [
                _sum_of_squares(by_size.players, d - 1, self.parity),
                _sum_of_squares(by_size.pairs, d - 2, self.parity),
            ],
            [targets.players.size, targets.first.size],
        )


def _weights_of(weights: SizeWeights, masks: Floats, targets: Targets) -> Floats:
    players = targets.players
    of_pairs = weights.of_pairs(masks, players[targets.first], players[targets.second])
    return np.hstack([weights.of_players(masks, players), of_pairs])


def _sum_of_squares(weights: Floats, n_others: int, parity: int) -> float:
    """Over pairs of complements but that of the empty coalition, by weights (n_own + 1, n_sizes)."""
    every = np.square(weights + parity * weights[::-1, ::-1])
    counts = np.exp(log_binomials(n_others)) * np.exp(log_binomials(len(weights) - 1))[:, None]
    counts[0, 0] = counts[-1, -1] = 0.0
    return 0.5 * float((counts * every).sum())


def log_binomials(n: int) -> Floats:
    """Logarithms (n + 1,) of the numbers of coalitions of each size among n players."""
    steps = np.log(np.arange(n, 0, -1) / np.arange(1, n + 1)) if n else np.empty(0)
    return np.concatenate([[0.0], np.cumsum(steps)])
