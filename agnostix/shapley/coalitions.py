"""Coalitions to evaluate: all, or pairs of a coalition and its complement, sampled by leverage scores.

Sampled pairs start with the prefixes of one random permutation, each with its complement: one pass of
antithetic permutation sampling, which determines the Shapley values. Then follows leverage score sampling
without replacement [1]_: every size of coalition equally often, until a size is used up. Among several random
candidates, the one least similar to the pairs before it is taken. With x = 2 mask - 1, the similarity of two
pairs is (x'x)**4. Its sum over a design equals the sum of the squares of sum_j x_ja x_jb x_jc x_jd over all
players a, b, c, d: how far interactions of three players, the lowest order that pairs do not cancel, are
mistaken for main effects. All products are whole numbers, so rounding decides nothing.

References
----------
.. [1] C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score sampling",
   ICLR 2025. :doi:`10.48550/arXiv.2410.01917`
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from agnostix.core.masking.masker import all_masks
from agnostix.core.typing import Bools, Codes, Floats

N_RESIDUALS = 7
"""Residual degrees of freedom of the smallest design that a row is stopped at, or that is learned from."""
_N_CANDIDATES = 32
_MAX_CELLS = 2_000_000
"""Limit of candidates x pairs x players in one comparison; above it there are fewer candidates."""
_MAX_COMPARED = 4096
"""Pairs after which candidates are no longer compared: it would cost more than it brings."""
_MOST = 10**300
"""Coalitions of a size, of which floats hold no more."""
_MAX_LISTED = 20_000
"""Coalitions of a size up to which all are listed; above it they are drawn, and repeats rejected."""


@dataclass(frozen=True)
class Coalitions:
    """Pairs of a coalition and its complement; the empty and the full coalition are not listed."""

    masks: Bools  # (n_pairs, n_players), one side of each pair, with at most half of the players

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return self.masks.shape[0]

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self.masks.shape[1]

    @property
    def n_evaluations(self) -> int:
        """Coalitions to evaluate: two for each pair, the empty and the full one."""
        return 2 * self.n_pairs + 2

    @property
    def sizes(self) -> Codes:
        """Members (n_pairs,) of each listed side."""
        return self.masks.sum(1)

    @property
    def is_complete(self) -> bool:
        """Whether these are all pairs."""
        return self.n_pairs == count_pairs(self.n_players)

    def prefix(self, n_pairs: int) -> Coalitions:
        """The first pairs, a design of their own."""
        return Coalitions(self.masks[:n_pairs])

    def unsampled_shares(self) -> Floats:
        """Share (n_pairs,) of all pairs of a pair's size that are not in the design: 0 for sizes used up."""
        d = self.n_players
        n_of_size = np.bincount(self.sizes, minlength=d // 2 + 1)
        every = [min(max(1, count_pairs_of_size(d, size)), _MOST) for size in range(d // 2 + 1)]
        return (1.0 - n_of_size / np.array(every, dtype=float))[self.sizes]

    def kernel_weights(self) -> Floats:
        """Shapley kernel weights (n_pairs,): those of size s sum to 1 / (s (d - s)), spread evenly."""
        s, d = self.sizes, self.n_players
        # In the middle size both sides of a pair have size s.
        n_of_size = np.bincount(s, minlength=d // 2 + 1)[s] * np.where(2 * s == d, 2, 1)
        return 1.0 / (s * (d - s) * n_of_size)


@dataclass(frozen=True)
class CoalitionPlan:
    """Coalitions to evaluate for rows in which the same players vary; the full one first."""

    varying: Bools  # (n_players,), players that differ between row and background
    coalitions: Coalitions | None  # pairs of the varying players; None for all coalitions
    evaluates_empty: bool  # whether the empty coalition, unless known, is evaluated second

    @property
    def players(self) -> Codes:
        """Positions (n_varying,) of the varying players."""
        return np.flatnonzero(self.varying)

    @property
    def n_evaluations(self) -> int:
        """Coalitions for each row, the empty and the full one included."""
        return 2**self.players.size if self.coalitions is None else self.coalitions.n_evaluations

    @property
    def is_exact(self) -> bool:
        """Whether all coalitions are evaluated."""
        return self.coalitions is None or self.coalitions.is_complete

    @property
    def others(self) -> Bools:
        """All but the full and the empty coalition (n_others, n_varying); sides of a pair are neighbors."""
        t = self.players.size
        if self.coalitions is not None:
            listed = self.coalitions.masks
            return np.stack([listed, ~listed], axis=1).reshape(-1, t)
        return all_masks(t)[1:-1] if t > 1 else np.zeros((0, t), dtype=bool)

    @cached_property
    def masks(self) -> Bools:
        """Masks (n_masks, n_varying) of the varying players, the full coalition's first."""
        t = self.players.size
        parts = [np.ones((1, t), dtype=bool)]
        if self.evaluates_empty:
            parts.append(np.zeros((1, t), dtype=bool))
        parts.append(self.others)
        return np.concatenate(parts)

    def prefix(self, n_pairs: int) -> CoalitionPlan:
        """Plan of the first pairs."""
        assert self.coalitions is not None
        return CoalitionPlan(self.varying, self.coalitions.prefix(n_pairs), self.evaluates_empty)


def count_pairs(n_players: int) -> int:
    """Pairs of complements, without that of the empty and the full coalition."""
    return 2 ** (n_players - 1) - 1


def first_pairs(n_players: int) -> int:
    """Pairs of the least design that sees most interactions: 2 (d + 7) evaluations, seven residuals."""
    return n_players + N_RESIDUALS - 1


def count_pairs_of_size(n_players: int, size: int) -> int:
    """Pairs whose smaller side, or the half with the first player, has this size (1 to n_players / 2)."""
    return comb(n_players, size) // (2 if 2 * size == n_players else 1)


def sample_pairs(n_players: int, n_pairs: int, seed: int) -> Coalitions:
    """Distinct pairs by leverage score sampling; more pairs of the same seed begin with the same ones."""
    if n_players < 2:
        raise ValueError(f"n_players must be at least 2, got {n_players}.")
    if not 0 <= n_pairs <= count_pairs(n_players):
        raise ValueError(
            f"n_pairs must be between 0 and {count_pairs(n_players)}, all that {n_players} players have, got "
            f"{n_pairs}."
        )
    prefixes = _permutation_prefixes(n_players, seed)
    if n_pairs < n_players:
        return Coalitions(prefixes[:n_pairs])
    sizes = _alternate_sizes(n_players, n_pairs - len(prefixes), seed)
    return Coalitions(_add_dissimilar(prefixes, sizes, seed))


def _permutation_prefixes(d: int, seed: int) -> Bools:
    """Smaller sides (d - 1, d) of the prefixes of a random permutation; of halves, that with player 0."""
    order = np.random.default_rng([seed, 0]).permutation(d)
    rank = np.empty(d, dtype=np.intp)
    rank[order] = np.arange(d)
    masks = rank[None, :] < np.arange(1, d)[:, None]
    twice = 2 * masks.sum(1)
    is_larger = (twice > d) | ((twice == d) & ~masks[:, 0])
    return masks ^ is_larger[:, None]


def _alternate_sizes(d: int, n: int, seed: int) -> Codes:
    """Sizes (n,) of the pairs after the permutation's.

    The k-th pair of a size comes at (k + 1/2) / rate. A pair of unequal sides serves two sizes, one of equal
    sides only one, so it comes half as often.
    """
    sizes = np.arange(1, d // 2 + 1)
    rates = np.where(2 * sizes == d, 1, 2)
    remaining = [count_pairs_of_size(d, int(s)) - int(rate) for s, rate in zip(sizes, rates, strict=True)]
    n_rounds = 1
    while sum(min(count, int(rate) * n_rounds) for count, rate in zip(remaining, rates, strict=True)) < n:
        n_rounds *= 2
    counts = [min(count, int(rate) * n_rounds) for count, rate in zip(remaining, rates, strict=True)]
    size = np.repeat(sizes, counts)
    time = np.concatenate(
        [(np.arange(count) + 0.5) / rate for count, rate in zip(counts, rates, strict=True)]
    )
    ties = [
        np.random.default_rng([seed, 1, int(s)]).random(count) for s, count in zip(sizes, counts, strict=True)
    ]
    return size[np.lexsort((np.concatenate(ties), time))[:n]]


def _add_dissimilar(first: Bools, sizes: Codes, seed: int) -> Bools:
    """The first masks, and for each size the least similar of some candidates."""
    start, d = first.shape
    masks = np.vstack([first, np.zeros((sizes.size, d), dtype=bool)])
    signs = 2.0 * masks - 1.0
    pools = {int(s): _Pool(d, int(s), first[first.sum(1) == s]) for s in np.unique(sizes)}
    rng = np.random.default_rng([seed, 2])
    for k, size in enumerate(sizes, start=start):
        n_candidates = 1 if k >= _MAX_COMPARED else min(_N_CANDIDATES, max(1, _MAX_CELLS // (k * d)))
        candidates = pools[int(size)].draw(n_candidates, rng)
        masks[k] = pools[int(size)].remove(_least_similar(candidates, signs[:k]))
        signs[k] = 2.0 * masks[k] - 1.0
    return masks


def _least_similar(candidates: Bools, signs: Floats) -> int:
    """The candidate (n_candidates, d) with the least summed similarity to earlier pairs, by signs (n, d)."""
    if len(candidates) == 1:
        return 0
    products = (2.0 * candidates - 1.0) @ signs.T
    return int(np.square(np.square(products)).sum(1).argmin())


class _Pool:
    """Coalitions of one size outside the design; of two complementary halves, that with player 0."""

    def __init__(self, d: int, size: int, used: Bools) -> None:
        self._d, self._size = d, size
        self._used = {mask.tobytes() for mask in used}
        self._is_listed = count_pairs_of_size(d, size) <= _MAX_LISTED
        if self._is_listed:
            every = _unrank(np.arange(count_pairs_of_size(d, size)), d, size)
            self._remaining = every[[mask.tobytes() not in self._used for mask in every]]

    def draw(self, n: int, rng: np.random.Generator) -> Bools:
        """At most n distinct candidates (n_candidates, d), at least one."""
        if self._is_listed:
            n_remaining = len(self._remaining)
            self._places = rng.choice(n_remaining, min(n, n_remaining), replace=False, shuffle=False)
            self._candidates = self._remaining[self._places]
        else:
            self._candidates = self._draw_unlisted(n, rng)
        return self._candidates

    def remove(self, k: int) -> Bools:
        """Take the k-th of the last candidates, (d,), out of the pool."""
        if self._is_listed:
            self._remaining[self._places[k]] = self._remaining[-1]
            self._remaining = self._remaining[:-1]
        else:
            self._used.add(self._candidates[k].tobytes())
        return self._candidates[k]

    def _draw_unlisted(self, n: int, rng: np.random.Generator) -> Bools:
        while True:
            keys = rng.random((n, self._d))
            if 2 * self._size == self._d:
                keys[:, 0] = -1.0
            masks = np.zeros(keys.shape, dtype=bool)
            members = np.argpartition(keys, self._size - 1, axis=1)[:, : self._size]
            np.put_along_axis(masks, members, True, axis=1)
            is_new = [mask.tobytes() not in self._used for mask in masks]
            if any(is_new):
                return masks[is_new]


def _unrank(ranks: Codes, d: int, size: int) -> Bools:
    """Coalitions (n, d) by their rank in lexical order, those with player 0 first."""
    masks = np.zeros((ranks.size, d), dtype=bool)
    rank, n_missing = ranks.copy(), np.full(ranks.size, size)
    for player in range(d):
        rest = d - 1 - player
        n_with = np.array([comb(rest, k - 1) if k else 0 for k in range(size + 1)])[n_missing]
        masks[:, player] = rank < n_with
        rank -= np.where(masks[:, player], 0, n_with)
        n_missing -= masks[:, player]
    return masks
