"""Weights of players in a leaf's game, without factorials: what a leaf gives to players and to pairs of them.

A leaf of value 1 is reached by the coalitions that have all players b, whose conditions only the row meets,
and none of the players a, whose conditions only the background row meets. Its values and interactions are
integrals over the probability x with which each player is in a coalition (Owen, 1972, doi
10.1287/mnsc.18.5.64), of powers of x and 1 - x and a polynomial of the index: 1 for Shapley values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from agnostix.core.typing import Codes, Floats

Pairs = tuple[Codes, Codes]
"""Places of patterns of rows and of background rows, sorted by the rows'."""


@lru_cache(maxsize=8)
def beta_integrals(n_most: int) -> Floats:
    """The integrals of x**i (1 - x)**j from 0 to 1, (n_most + 1, n_most + 1)."""
    powers = np.arange(n_most + 1.0)
    integrals = np.empty((n_most + 1, n_most + 1))
    integrals[0] = 1.0 / (powers + 1.0)
    for i in range(1, n_most + 1):
        integrals[i] = integrals[i - 1] * (i / (i + powers + 1.0))
    return integrals


@dataclass(frozen=True)
class Polynomial:
    """A sum of terms c x**i (1 - x)**j of an index; None for all weight at x = 0."""

    terms: tuple[tuple[float, int, int], ...] | None

    def integrals(self, n_most: int) -> Floats:
        """Of its product with x**i (1 - x)**j, (n_most + 1, n_most + 1)."""
        if self.terms is None:
            at_zero = np.zeros((n_most + 1, n_most + 1))
            at_zero[0] = 1.0
            return at_zero
        every = beta_integrals(n_most + 2)
        parts = [c * every[i : i + n_most + 1, j : j + n_most + 1] for c, i, j in self.terms]
        return np.sum(parts, axis=0)


ONE = Polynomial(((1.0, 0, 0),))


class LeafGains(Protocol):
    """What leaves give to their targets: players, or pairs of players."""

    def n_targets(self, n_players: int) -> int:
        """Targets among so many players."""

    def targets(self, players: Codes) -> Codes:
        """Targets of a leaf with players in the order of their bits, -1 where a player is -1: (..., n)."""

    def dense(self, histograms: Floats, n_players: int) -> Floats:
        """What leaves of value 1 give, (n_leaves, n_targets, 2**n_players) by the pattern of a row.

        Histograms (n_leaves, 2**n_players) are the weights of background rows by their pattern.
        """

    def paired(self, row_bits: Floats, other_bits: Floats, weights: Floats, pairs: Pairs) -> Floats:
        """What a leaf of value 1 gives (n_row_patterns, n_targets), from covered pairs of patterns.

        Bits (n_patterns, n_players) are 1 for conditions that are not met; `weights` are those of the
        background rows with a pattern.
        """


@dataclass(frozen=True)
class PlayerGains:
    """Gains of single players under an index: Shapley values, or the first order of an interaction index."""

    index: Polynomial = ONE

    def n_targets(self, n_players: int) -> int:
        """The players."""
        return n_players

    def targets(self, players: Codes) -> Codes:
        """The players."""
        return players

    def dense(self, histograms: Floats, n_players: int) -> Floats:
        """See `LeafGains`."""
        own, before = _player_matrices(self.index, n_players)
        return (histograms @ own.T)[:, None] - (histograms @ before.T)[:, with_player(n_players)]

    def paired(self, row_bits: Floats, other_bits: Floats, weights: Floats, pairs: Pairs) -> Floats:
        """See `LeafGains`."""
        integrals = _integrals(self.index, row_bits.shape[1] + 1)  # also where no such player is
        summed = _PairSums(row_bits, other_bits, weights, pairs)
        gains = summed.of_others(lambda n_row, n_other: integrals[n_other - 1, n_row])
        gains -= summed.total(lambda n_row, n_other: integrals[n_other, n_row - 1])[:, None] * row_bits
        return gains


@dataclass(frozen=True)
class PairGains:
    """Gains of pairs of players p < q under an index, in the order (0, 1), (0, 2), (1, 2), (0, 3), ..."""

    index: Polynomial = ONE

    def n_targets(self, n_players: int) -> int:
        """The pairs."""
        return n_players * (n_players - 1) // 2

    def targets(self, players: Codes) -> Codes:
        """Numbers of the pairs."""
        p, q = pairs_of(players.shape[-1])
        one, other = players[..., p], players[..., q]
        low, high = np.minimum(one, other), np.maximum(one, other)
        return np.where(low < 0, -1, high * (high - 1) // 2 + low)

    def dense(self, histograms: Floats, n_players: int) -> Floats:
        """See `LeafGains`."""
        own, one_less, two_less = (histograms @ part.T for part in _pair_matrices(self.index, n_players))
        p, q = pairs_of(n_players)
        more = with_player(n_players)
        single = one_less[:, more]
        return own[:, None] - single[:, p] - single[:, q] + two_less[:, more[p] | more[q]]

    def paired(self, row_bits: Floats, other_bits: Floats, weights: Floats, pairs: Pairs) -> Floats:
        """See `LeafGains`."""
        integrals = _integrals(self.index, row_bits.shape[1] + 1)  # also where no such player is
        summed = _PairSums(row_bits, other_bits, weights, pairs)
        p, q = pairs_of(row_bits.shape[1])
        gains = summed.of_others(lambda n_row, n_other: integrals[n_other - 2, n_row], (p, q))
        crossed = summed.of_others(lambda n_row, n_other: integrals[n_other - 1, n_row - 1])
        gains -= crossed[:, p] * row_bits[:, q] + crossed[:, q] * row_bits[:, p]
        both = summed.total(lambda n_row, n_other: integrals[n_other, n_row - 2])
        gains += both[:, None] * row_bits[:, p] * row_bits[:, q]
        return gains


class _PairSums:
    """Weighted sums over the background patterns that a row's pattern covers a leaf with."""

    def __init__(self, row_bits: Floats, other_bits: Floats, weights: Floats, pairs: Pairs) -> None:
        row, self._other = pairs
        self._row, self._bits, self._weights = row, other_bits, weights[self._other]
        self._n_row = row_bits.sum(axis=1).astype(np.intp)[row]
        self._n_other = other_bits.sum(axis=1).astype(np.intp)[self._other]
        self._shape = len(row_bits), len(other_bits)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(row_bits)))])

    def total(self, weight: Callable[[Codes, Codes], Floats]) -> Floats:
        """Sums (n_row_patterns,) of a weight by the sizes of both patterns."""
        amounts = weight(self._n_row, self._n_other) * self._weights
        totals: Any = np.bincount(self._row, amounts, self._shape[0])
        return totals

    def of_others(
        self, weight: Callable[[Codes, Codes], Floats], both: tuple[Codes, Codes] | None = None
    ) -> Floats:
        """Those over background patterns that have a player, or both of a pair: (n_row_patterns, n)."""
        amounts = weight(self._n_row, self._n_other) * self._weights
        bits = self._bits if both is None else self._bits[:, both[0]] * self._bits[:, both[1]]
        return sparse.csr_array((amounts, self._other, self._starts), self._shape) @ bits


@lru_cache(maxsize=32)
def _integrals(index: Polynomial, n_players: int) -> Floats:
    return index.integrals(n_players)


def _bits(n_players: int) -> Codes:
    """The patterns 0, 1, ... as bits, (2**n_players, n_players)."""
    return np.arange(1 << n_players)[:, None] >> np.arange(n_players) & 1


def _pattern_matrix(weights: Floats, n_players: int, n_less: int) -> Floats:
    """Weights at [|b|, |a| - n_less] for each pair of patterns a of rows and b of background rows, or 0.

    Of shape (2**n_players, 2**n_players); 0 where a condition is met by neither.
    """
    size = _bits(n_players).sum(axis=1)
    patterns = np.arange(1 << n_players)
    apart = (patterns[:, None] & patterns) == 0
    return np.where(apart, weights[size, np.maximum(size - n_less, 0)[:, None]], 0.0)


@lru_cache(maxsize=16)
def _player_matrices(index: Polynomial, n_players: int) -> tuple[Floats, Floats]:
    """G and H (2**n_players, 2**n_players) of patterns of conditions not met, of rows and background rows.

    What a leaf of value 1 gives to player p of a row with pattern a is the sum over background patterns of
    G[a] - H[a | p].
    """
    integrals = _integrals(index, n_players)
    weights = np.empty_like(integrals)
    weights[1:] = integrals[:-1]
    weights[0, 0] = 0.0
    weights[0, 1:] = -np.cumsum(integrals[0, :-1])  # of no b: that its differences are what p in a gives
    return _pattern_matrix(weights, n_players, 0), _pattern_matrix(weights, n_players, 1)


@lru_cache(maxsize=16)
def _pair_matrices(index: Polynomial, n_players: int) -> tuple[Floats, Floats, Floats]:
    """Three of these; a pair p, q gets the sum of I[a] - J[a | p] - J[a | q] + K[a | p | q]."""
    integrals = _integrals(index, n_players + 1)
    weights = np.zeros_like(integrals)
    weights[2:] = integrals[:-2]
    weights[1, 1:] = -np.cumsum(integrals[0, :-1])
    weights[0, 2:] = np.cumsum(np.cumsum(integrals[0, :-2]))
    first, second, third = (_pattern_matrix(weights, n_players, n_less) for n_less in range(3))
    return first, second, third


@lru_cache(maxsize=16)
def with_player(n_players: int) -> Codes:
    """Each pattern with one player more, (n_players, 2**n_players)."""
    return np.arange(1 << n_players) | (1 << np.arange(n_players))[:, None]


@lru_cache(maxsize=32)
def pairs_of(n_players: int) -> Pairs:
    """First and second player of each pair, (n_pairs,), in the order of `PairGains`."""
    second = np.repeat(np.arange(n_players), np.arange(n_players))
    first = np.concatenate([np.arange(q) for q in range(n_players)]) if n_players else second
    return first.astype(np.intp), second
