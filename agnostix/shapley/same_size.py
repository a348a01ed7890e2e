"""Coalitions of one size, offered at random and taken one by one."""

from __future__ import annotations

from math import comb

import numpy as np

from agnostix.core.typing import Bools, Codes

_MAX_LISTED = 20_000
"""Coalitions of a size up to which all are listed and crossed off; beyond, they are drawn and compared."""


def n_pairs_of_size(d: int, size: int) -> int:
    """Pairs of complements of which the smaller side, or the half with the first player, has this size.

    Parameters
    ----------
    d : int
        Players.
    size : int
        Between 1 and d / 2.

    Returns
    -------
    int
    """
    return comb(d, size) // (2 if 2 * size == d else 1)


class SameSize:
    """What is left of the coalitions of one size.

    Of two complementary halves only the one with the first player counts.

    Parameters
    ----------
    d : int
        Players.
    size : int
        Members of each coalition, at most d / 2.
    taken : ndarray of bool of shape (n_taken, d)
        Those that are not to be offered.
    """

    def __init__(self, d: int, size: int, taken: Bools) -> None:
        self._d, self._size = d, size
        self._taken = {mask.tobytes() for mask in taken}
        self._listed = n_pairs_of_size(d, size) <= _MAX_LISTED
        if self._listed:
            every = _unrank(np.arange(n_pairs_of_size(d, size)), d, size)
            self._left = every[[mask.tobytes() not in self._taken for mask in every]]

    def offer(self, n: int, rng: np.random.Generator) -> Bools:
        """Draw distinct coalitions from those that are left.

        Parameters
        ----------
        n : int
            How many at most; at least one is offered.
        rng : Generator
            The stream to draw from.

        Returns
        -------
        ndarray of bool of shape (n_offered, d)
        """
        if self._listed:
            self._places = rng.choice(len(self._left), min(n, len(self._left)), replace=False, shuffle=False)
            self._offered = self._left[self._places]
        else:
            self._offered = self._draw(n, rng)
        return self._offered

    def take(self, k: int) -> Bools:
        """Take one of those last offered.

        Parameters
        ----------
        k : int
            Its place among them.

        Returns
        -------
        ndarray of bool of shape (d,)
        """
        if self._listed:
            self._left[self._places[k]] = self._left[-1]
            self._left = self._left[:-1]
        else:
            self._taken.add(self._offered[k].tobytes())
        return self._offered[k]

    def _draw(self, n: int, rng: np.random.Generator) -> Bools:
        """Random coalitions, without those that are taken."""
        while True:
            keys = rng.random((n, self._d))
            if 2 * self._size == self._d:
                keys[:, 0] = -1.0
            masks = np.zeros(keys.shape, dtype=bool)
            members = np.argpartition(keys, self._size - 1, axis=1)[:, : self._size]
            np.put_along_axis(masks, members, True, axis=1)
            new = [mask.tobytes() not in self._taken for mask in masks]
            if any(new):
                return masks[new]


def _unrank(ranks: Codes, d: int, size: int) -> Bools:
    """Coalitions by their rank in lexical order, in which those with the first player come first."""
    masks = np.zeros((ranks.size, d), dtype=bool)
    rank, wanted = ranks.copy(), np.full(ranks.size, size)
    for player in range(d):
        rest = d - 1 - player
        with_it = np.array([comb(rest, k - 1) if k else 0 for k in range(size + 1)])[wanted]
        masks[:, player] = rank < with_it
        rank -= np.where(masks[:, player], 0, with_it)
        wanted -= masks[:, player]
    return masks
