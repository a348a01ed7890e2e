"""Interaction indices of order 2: as weights of coalitions, and as measures of how likely players take part.

Let each player be in a coalition with probability u, independently of others, and let f(u) be the expected
value. An index gives a pair the mean of its second difference at u over a measure, and a player the mean of
its first one (Owen's multilinear extension [1]_):

    I_ij = int w2(u) E_u[v(S + i + j) - v(S + i) - v(S + j) + v(S)] du
    I_i = int w1(u) E_u[v(S + i) - v(S)] du

The derivative of a player's E_u with respect to u is the sum over all others j of its second differences
with j, so that half the SII of all of a player's pairs, which k-SII takes off its Shapley value, is half of
what it adds to all others less half of what it adds to nobody: masses of -1/2 at u = 1 and 1/2 at u = 0.

References
----------
.. [1] G. Owen, "Multilinear extensions of games", Management Science 18, 1972.
   :doi:`10.1287/mnsc.18.5.64`
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre

from agnostix.core.typing import Codes, Floats
from agnostix.shapley.trees.interactions import OF_PAIRS, OF_PLAYERS
from agnostix.shapley.trees.weights import Polynomial

_ENDS = {"k-SII": (0.5, -0.5)}
"""Masses of single players at u = 0 and u = 1, beside a polynomial."""
_ROUNDING = 1e-14
"""Mass below which there is none."""


def pair_places(n_players: int) -> tuple[Codes, Codes]:
    """First and second player (n_pairs,) of each pair, in the order of the upper triangle."""
    first, second = np.triu_indices(n_players, 1)
    return first, second


@dataclass(frozen=True)
class SizeWeights:
    """Weights of coalitions by their size, for players and for pairs."""

    players: Floats  # (2, n_players): without the player and with it, by the number of others
    pairs: Floats  # (3, n_players - 1): with none, one and both of the pair, by the number of others

    def of_players(self, masks: Floats, players: Codes) -> Floats:
        """Weights (n_masks, n_chosen) of coalitions, masks of ones and zeros, in some players' values."""
        own = masks[:, players].astype(np.intp)
        return self.players[own, masks.sum(axis=1).astype(np.intp)[:, None] - own]

    def of_pairs(self, masks: Floats, first: Codes, second: Codes) -> Floats:
        """The same of pairs (n_masks, n_pairs)."""
        own = (masks[:, first] + masks[:, second]).astype(np.intp)
        return self.pairs[own, masks.sum(axis=1).astype(np.intp)[:, None] - own]


@lru_cache(maxsize=32)
def size_weights(index: str, n_players: int) -> SizeWeights:
    """Weights of an index's definition."""
    d = n_players
    others = np.arange(d)
    of_player = OF_PLAYERS[index].integrals(d)[others, d - 1 - others]
    of_player[[0, -1]] += _ENDS.get(index, (0.0, 0.0))
    fewer = np.arange(d - 1)
    of_pair = OF_PAIRS[index].integrals(d)[fewer, d - 2 - fewer]
    return SizeWeights(np.stack([-of_player, of_player]), np.stack([of_pair, -of_pair, of_pair]))


@dataclass(frozen=True)
class Measures:
    """The measures of an index at nodes, exact for the polynomials that games of so many players make."""

    lean: Floats  # (n_nodes,), 2 u - 1: the expected sign of a player
    players: Floats  # (n_nodes,), mass of w1
    pairs: Floats  # (n_nodes,), mass of w2

    def of_parity(self, parity: int) -> Measures:
        """What is left of them for games that are even (1) or odd (-1) under complements.

        Complements turn u into 1 - u and the sign of a first difference round.
        """
        players = _without_rounding(self.players - parity * self.players[::-1]) / 2.0
        pairs = _without_rounding(self.pairs + parity * self.pairs[::-1]) / 2.0
        kept = (players != 0.0) | (pairs != 0.0)
        return Measures(self.lean[kept], players[kept], pairs[kept])


def _without_rounding(masses: Floats) -> Floats:
    return np.where(np.abs(masses) > _ROUNDING, masses, 0.0)


@lru_cache(maxsize=32)
def measures(index: str, n_players: int) -> Measures:
    """Gauss-Legendre quadrature, and nodes at both ends for masses there."""
    nodes, weights = roots_legendre(n_players // 2 + 1)
    u = np.concatenate([[0.0], (nodes + 1.0) / 2.0, [1.0]])
    weights = np.concatenate([[0.0], weights / 2.0, [0.0]])
    players = weights * _at(OF_PLAYERS[index], u)
    if OF_PLAYERS[index].terms is None:
        players[0] = 1.0
    players[[0, -1]] += _ENDS.get(index, (0.0, 0.0))
    return Measures(2.0 * u - 1.0, players, weights * _at(OF_PAIRS[index], u))


def _at(polynomial: Polynomial, u: Floats) -> Floats:
    total = np.zeros_like(u)
    for factor, i, j in polynomial.terms or ():
        total += factor * u**i * (1.0 - u) ** j
    return total
