"""Coalitions to ask about: all of them, or pairs of complements, every prefix of which is a design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley.same_size import SameSize, n_pairs_of_size

"""Players up to which all coalitions can be listed."""
_CANDIDATES = 32
"""Coalitions among which the one most unlike those before is taken."""
_MAX_CELLS = 2_000_000
"""Most candidates times pairs before times players in one comparison; there are fewer candidates then."""
_MAX_COMPARED = 4096
"""Pairs after which the next are taken as they come: comparing would cost more than it brings."""


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


def n_pairs_of_all(n_players: int) -> int:
    """Count pairs of complements, without that of the empty and the full coalition.

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
    Each is the one among some drawn at random that is most unlike those before it.
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

    Notes
    -----
    With x = 2 mask - 1 the likeness of two pairs is the fourth power of their product x'x. Summed over all
    pairs of a design it equals the squares of sum_j x_ja x_jb x_jc x_jd over all players a, b, c, d: how far
    interactions of three players are mistaken for the values of single ones, which is the first error that
    pairs do not cancel. The products are whole numbers, so that no rounding decides.

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
    return Coalitions(_continued(chain, _turns(n_players, n_pairs - len(chain), seed), seed))


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


def _turns(d: int, n: int, seed: int) -> Codes:
    """Sizes of the pairs after the chain, in order.

    The k-th pair of a size has its turn at (k + 1/2) / rate; a pair of unequal sides serves two sizes, one
    of equal sides only one, so that its size comes half as often.
    """
    sizes = np.arange(1, d // 2 + 1)
    rates = np.where(2 * sizes == d, 1, 2)
    left = [n_pairs_of_size(d, int(s)) - int(r) for s, r in zip(sizes, rates, strict=True)]
    counts = _enough(left, rates, n)
    size = np.repeat(sizes, counts)
    when = np.concatenate([(np.arange(c) + 0.5) / r for c, r in zip(counts, rates, strict=True)])
    tie = [np.random.default_rng([seed, 1, int(s)]).random(c) for s, c in zip(sizes, counts, strict=True)]
    return size[np.lexsort((np.concatenate(tie), when))[:n]]


def _enough(left: list[int], rates: Codes, n: int) -> list[int]:
    """How many pairs of each size can be among the next n."""
    rounds = 1
    while sum(min(c, int(r) * rounds) for c, r in zip(left, rates, strict=True)) < n:
        rounds *= 2
    return [min(c, int(r) * rounds) for c, r in zip(left, rates, strict=True)]


def _continued(chain: Bools, turns: Codes, seed: int) -> Bools:
    """The chain, and a coalition of the size whose turn it is, again and again."""
    start, d = chain.shape
    masks = np.vstack([chain, np.zeros((turns.size, d), dtype=bool)])
    signs = 2.0 * masks - 1.0
    stock = {int(s): SameSize(d, int(s), chain[chain.sum(1) == s]) for s in np.unique(turns)}
    rng = np.random.default_rng([seed, 2])
    for k, size in enumerate(turns, start=start):
        offered = stock[int(size)].offer(_n_candidates(k, d), rng)
        masks[k] = stock[int(size)].take(_most_unlike(offered, signs[:k]))
        signs[k] = 2.0 * masks[k] - 1.0
    return masks


def _n_candidates(n_before: int, d: int) -> int:
    """Among how many the next coalition is chosen."""
    if n_before >= _MAX_COMPARED:
        return 1
    return min(_CANDIDATES, max(1, _MAX_CELLS // (n_before * d)))


def _most_unlike(offered: Bools, signs: Floats) -> int:
    """Which coalition has the least likeness with all before."""
    if len(offered) == 1:
        return 0
    products = (2.0 * offered - 1.0) @ signs.T
    return int(np.square(np.square(products)).sum(1).argmin())
