"""Shapley values from all coalitions: one matrix for every row and output."""

from __future__ import annotations

from math import comb

import numpy as np

from agnostix.core.typing import Bools, Floats


def exact_operator(masks: Bools) -> Floats:
    """Build the matrix that turns the worths of all coalitions into Shapley values.

    Parameters
    ----------
    masks : ndarray of bool of shape (2**n_players, n_players)
        Every coalition once, in any order; worths come in the same order. The result takes eight bytes an
        entry: 8 MB for 16 players, 168 MB for 20.

    Returns
    -------
    ndarray of shape (n_players, 2**n_players)
        Each row has the weights of one player, which add to 0 with the absolute ones adding to 2: the values
        are as exact as the worths.

    Notes
    -----
    A coalition of s counts 1 / (d C(d-1, s-1)) for its members and -1 / (d C(d-1, s)) for all others.
    """
    d = masks.shape[1]
    sizes = masks.sum(1)
    share = 1.0 / (d * np.array([comb(d - 1, s) for s in range(d)], dtype=float))
    with_it = np.r_[0.0, share][sizes]
    without = np.r_[share, 0.0][sizes]
    return np.where(masks.T, with_it, -without)
