"""Masks drawn at random, or all that there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.masking.masker import MaskDistribution, all_masks
from agnostix.core.sobol import SobolBlocks
from agnostix.core.typing import Bools, Codes, Floats


@dataclass(frozen=True)
class MaskDraws:
    """Masks and what they weigh.

    Attributes
    ----------
    masks : ndarray of bool of shape (n, n_players)
        True where a player stays.
    weights : ndarray of shape (n,)
        Of each, before any kernel; those of all masks together add up to the number that was asked for.
    n_blocks : int
        Independent blocks of equal length; 0 where these are all masks.
    """

    masks: Bools
    weights: Floats
    n_blocks: int

    @classmethod
    def of(cls, n_players: int, n_draws: int, distribution: MaskDistribution, seed: int) -> MaskDraws:
        """Draw masks, or list them all where they are no more.

        Parameters
        ----------
        n_players : int
            Players, 1 or more.
        n_draws : int
            Masks at most.
        distribution : {"bernoulli", "sizes"}
            How they are drawn.
        seed : int
            Of the draws.

        Returns
        -------
        MaskDraws
        """
        if 2**n_players <= n_draws:
            masks = all_masks(n_players)
            return cls(masks, n_draws * _chances(masks, distribution), 0)
        points = SobolBlocks.from_n_points(n_players + (distribution == "sizes"), n_draws, seed)
        u = points.points(slice(0, points.n_points))
        masks = (
            u >= 0.5 if distribution == "bernoulli" else kept_by_size(u[:, 1:], np.floor(u[:, 0] * n_players))
        )
        return cls(masks, np.ones(len(masks)), points.n_blocks)

    @classmethod
    def by_size(cls, n_players: int, n_draws: int, chances: Floats, seed: int) -> MaskDraws:
        """Draw masks whose sizes follow a distribution of their own.

        Parameters
        ----------
        n_players, n_draws, seed
            As for `of`.
        chances : ndarray of shape (n_players + 1,)
            Of keeping 0, 1, ..., all.

        Returns
        -------
        MaskDraws
        """
        if 2**n_players <= n_draws:
            masks = all_masks(n_players)
            each = chances / _numbers_of_masks(masks)
            return cls(masks, n_draws * each[masks.sum(axis=1)], 0)
        points = SobolBlocks.from_n_points(n_players + 1, n_draws, seed)
        u = points.points(slice(0, points.n_points))
        kept = np.searchsorted(np.cumsum(chances) / chances.sum(), u[:, 0], side="right")
        return cls(kept_by_size(u[:, 1:], kept), np.ones(len(u)), points.n_blocks)


def kept_by_size(u: Floats, kept: Codes) -> Bools:
    """Masks that keep so many players, those with the smallest numbers.

    Parameters
    ----------
    u : ndarray of shape (n, n_players)
        Numbers.
    kept : ndarray of shape (n,)
        How many stay.

    Returns
    -------
    ndarray of bool of shape (n, n_players)
    """
    return u.argsort(axis=1).argsort(axis=1) < kept[:, None]


def _numbers_of_masks(masks: Bools) -> Floats:
    """How many of all masks keep 0, 1, ... players."""
    return np.bincount(masks.sum(axis=1), minlength=masks.shape[1] + 1).astype(float)


def _chances(masks: Bools, distribution: MaskDistribution) -> Floats:
    """Of each of all masks."""
    d = masks.shape[1]
    if distribution == "bernoulli" or d == 1:
        return np.full(masks.shape[0], 0.5**d)
    kept = masks.sum(axis=1)
    return np.where(kept < d, 1.0 / (d * _numbers_of_masks(masks)[kept]), 0.0)
