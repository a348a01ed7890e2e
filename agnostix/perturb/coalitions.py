"""Coalitions to ask about: all of them, or pairs of complements in an order whose every prefix is a design."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from agnostix.typing import Bools, Codes, Floats

MAX_PLAYERS_EXACT = 20
"""Players up to which all coalitions can be listed."""
_MAX_LISTED = 200_000
"""Coalitions of a size up to which they are drawn by their rank in a list."""
_FIRST_BLOCK = 16


@dataclass(frozen=True)
class Coalitions:
    """Pairs of a coalition and its complement, of which one side is kept.

    The empty and the full coalition belong to every design and are not listed.

    Attributes
    ----------
    masks : ndarray of bool of shape (n_pairs, n_players)
        True for the members of the kept side, which has at most half of the players.
    """

    masks: Bools

    @property
    def n_pairs(self) -> int:
        """Pairs."""
        return self.masks.shape[0]

    @property
    def n_players(self) -> int:
        """Players."""
        return self.masks.shape[1]

    @property
    def n_evaluations(self) -> int:
        """Coalitions to evaluate: two a pair, the empty and the full one."""
        return 2 * self.n_pairs + 2

    @property
    def sizes(self) -> Codes:
        """Members of each kept side."""
        return self.masks.sum(1)

    def prefix(self, n_pairs: int) -> Coalitions:
        """The first pairs, a design by themselves.

        Parameters
        ----------
        n_pairs : int
            How many.

        Returns
        -------
        Coalitions
        """
        return Coalitions(self.masks[:n_pairs])

    def weights(self) -> Floats:
        """Weights of the pairs in the regression whose solution estimates Shapley values.

        Each size s keeps the total weight 1 / (s (d - s)), spread evenly over the coalitions of that size
        in the design. In the middle size both sides of a pair count.

        Returns
        -------
        ndarray of shape (n_pairs,)
        """
        s, d = self.sizes, self.n_players
        present = np.bincount(s, minlength=d // 2 + 1)[s] * np.where(2 * s == d, 2, 1)
        return 1.0 / (s * (d - s) * present)


def all_coalitions(n_players: int) -> Bools:
    """List every coalition.

    Row j holds the binary digits of j, the first player's being the lowest: the first row is empty, the
    last one full, and the complement of row j is row ``2**n_players - 1 - j``.

    Parameters
    ----------
    n_players : int
        Between 1 and 20.

    Returns
    -------
    ndarray of bool of shape (2**n_players, n_players)

    Raises
    ------
    ValueError
        If there are too many players.
    """
    if not 1 <= n_players <= MAX_PLAYERS_EXACT:
        raise ValueError(
            f"All coalitions can be listed for n_players between 1 and {MAX_PLAYERS_EXACT}, got {n_players}; "
            "draw some with leverage_pairs."
        )
    codes = np.arange(2**n_players, dtype=np.int64)
    return (codes[:, None] >> np.arange(n_players)) & 1 == 1


def n_pairs_of_all(n_players: int) -> int:
    """Pairs of complements there are, without that of the empty and the full coalition.

    Parameters
    ----------
    n_players : int
        How many players.

    Returns
    -------
    int
    """
    return 2 ** (n_players - 1) - 1


def leverage_pairs(n_players: int, n_pairs: int, seed: int) -> Coalitions:
    """Draw distinct pairs of complements, every size of coalition as often as any other.

    The first ``n_players - 1`` pairs are the prefixes of one random permutation: with the empty and the
    full coalition, ``2 * n_players`` evaluations, they determine the values, and equal one pass of
    antithetic permutation sampling. What follows is leverage score sampling without replacement [1]_: the
    sizes in turn, their order in each turn at random, a size left out once all of its coalitions are in.
    A longer draw of the same seed begins with the shorter one.

    Parameters
    ----------
    n_players : int
        At least 2.
    n_pairs : int
        At most ``2**(n_players - 1) - 1``, which are all.
    seed : int
        Not negative.

    Returns
    -------
    Coalitions

    Raises
    ------
    ValueError
        If there are not so many pairs.

    References
    ----------
    .. [1] C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score sampling",
       ICLR 2025. :doi:`10.48550/arXiv.2410.01917`
    """
    if n_players < 2:
        raise ValueError(f"n_players must be at least 2, got {n_players}.")
    if not 0 <= n_pairs <= n_pairs_of_all(n_players):
        raise ValueError(
            f"n_pairs must be between 0 and {n_pairs_of_all(n_players)}, as many as {n_players} players "
            f"have, got {n_pairs}."
        )
    chain = _chain(n_players, seed)
    if n_pairs < n_players:
        return Coalitions(chain[:n_pairs])
    masks = np.empty((n_pairs, n_players), dtype=bool)
    masks[: n_players - 1] = chain
    turns = _turns(n_players, n_pairs - len(chain), seed)
    for size in np.unique(turns):
        places = np.flatnonzero(turns == size)
        masks[len(chain) + places] = _draw(n_players, int(size), places.size, chain, seed)
    return Coalitions(masks)


def _chain(d: int, seed: int) -> Bools:
    """The prefixes of a random permutation, each as the side that is kept."""
    order = np.random.default_rng([seed, 0]).permutation(d)
    place = np.empty(d, dtype=np.intp)
    place[order] = np.arange(d)
    return _kept_side(place[None, :] < np.arange(1, d)[:, None])


def _kept_side(masks: Bools) -> Bools:
    """Of each pair the smaller side; of two halves the one with the first player."""
    d, twice = masks.shape[1], 2 * masks.sum(1)
    other = (twice > d) | ((twice == d) & ~masks[:, 0])
    return masks ^ other[:, None]


def _n_pairs_of(d: int, size: int) -> int:
    """Pairs whose kept side has this size."""
    return comb(d, size) // (2 if 2 * size == d else 1)


def _turns(d: int, n: int, seed: int) -> Codes:
    """Sizes of the pairs after the chain, in order.

    The k-th pair of a size has its turn at (k + 1/2) / rate; a pair of unequal sides serves two sizes, one
    of equal sides only one, so that its size comes half as often.
    """
    sizes = np.arange(1, d // 2 + 1)
    rates = np.where(2 * sizes == d, 1, 2)
    left = [_n_pairs_of(d, int(s)) - int(r) for s, r in zip(sizes, rates, strict=True)]
    counts = _enough(left, rates, n)
    rng = [np.random.default_rng([seed, 1, int(s)]) for s in sizes]
    size = np.repeat(sizes, counts)
    when = np.concatenate([(np.arange(c) + 0.5) / r for c, r in zip(counts, rates, strict=True)])
    tie = np.concatenate([g.random(c) for g, c in zip(rng, counts, strict=True)])
    return size[np.lexsort((tie, when))[:n]]


def _enough(left: list[int], rates: Codes, n: int) -> list[int]:
    """How many pairs of each size can be among the next n."""
    rounds = 1
    while sum(min(c, int(r) * rounds) for c, r in zip(left, rates, strict=True)) < n:
        rounds *= 2
    return [min(c, int(r) * rounds) for c, r in zip(left, rates, strict=True)]


def _draw(d: int, size: int, n: int, chain: Bools, seed: int) -> Bools:
    """Distinct coalitions of one size that are not in the chain."""
    seen = {mask.tobytes() for mask in chain[chain.sum(1) == size]}
    rng = np.random.default_rng([seed, 2, size])
    stream = _listed(d, size, rng) if _n_pairs_of(d, size) <= _MAX_LISTED else _unlisted(d, size, rng)
    found: list[Bools] = []
    for mask in stream:
        key = mask.tobytes()
        if key not in seen:
            seen.add(key)
            found.append(mask)
            if len(found) == n:
                break
    return np.array(found)


def _listed(d: int, size: int, rng: np.random.Generator) -> Iterator[Bools]:
    """All coalitions of a size in random order."""
    ranks = rng.permutation(_n_pairs_of(d, size))
    start, step = 0, _FIRST_BLOCK
    while start < ranks.size:
        yield from _unrank(ranks[start : start + step], d, size)
        start, step = start + step, 2 * step


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


def _unlisted(d: int, size: int, rng: np.random.Generator) -> Iterator[Bools]:
    """Coalitions of a size without end, some of them again."""
    half, step = 2 * size == d, _FIRST_BLOCK
    while True:
        keys = rng.random((step, d))
        if half:
            keys[:, 0] = -1.0
        masks = np.zeros((step, d), dtype=bool)
        np.put_along_axis(masks, np.argpartition(keys, size - 1, axis=1)[:, :size], True, axis=1)
        yield from masks
        step = min(2 * step, 4096)
