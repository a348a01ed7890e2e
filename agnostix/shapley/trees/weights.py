"""Weights of players in a leaf's game, without factorials, and the tables that they make."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from agnostix.core.typing import Codes, Floats


@lru_cache(maxsize=8)
def gain_weights(n_players: int) -> Floats:
    """(|b|-1)! |a|! / (|a|+|b|)! at [|a|, |b|], for |a| + |b| up to the number of players; 0 for no b.

    What a leaf of value 1 gives to each of the players b whose conditions only the row meets, where a are
    those whose conditions only the background row meets; [|b|, |a|] is what it takes from each of these.
    """
    sizes = np.arange(n_players + 1.0)
    weights = np.zeros((n_players + 1, n_players + 1))
    weights[0, 1:] = 1.0 / sizes[1:]
    for n_row in range(1, n_players + 1):
        weights[n_row, 1:] = weights[n_row - 1, 1:] * (n_row / (n_row + sizes[1:]))
    return weights


def _bits(n_players: int) -> Codes:
    """The patterns 0, 1, ... as bits, (2**n_players, n_players)."""
    return np.arange(1 << n_players)[:, None] >> np.arange(n_players) & 1


@lru_cache(maxsize=16)
def leaf_matrices(n_players: int) -> tuple[Floats, Floats]:
    """G and H (2**n_players, 2**n_players) of rows' and background rows' patterns of conditions not met.

    What a leaf of value 1 gives to player p of a row with pattern a is the sum over background patterns of
    G[a] - H[a | p]. Both are 0 where a condition is met by neither.
    """
    size = _bits(n_players).sum(axis=1)
    weights = gain_weights(n_players).copy()
    weights[:, 0] = -np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1.0, n_players + 1.0))])
    patterns = np.arange(1 << n_players)
    apart = (patterns[:, None] & patterns) == 0
    gain = np.where(apart, weights[size[:, None], size], 0.0)
    before = np.where(apart, weights[np.maximum(size - 1, 0)[:, None], size], 0.0)
    return gain, before


@lru_cache(maxsize=16)
def with_player(n_players: int) -> Codes:
    """Each pattern with one player more, (n_players, 2**n_players)."""
    return np.arange(1 << n_players) | (1 << np.arange(n_players))[:, None]
