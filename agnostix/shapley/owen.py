"""Shapley values of a kernel, by the Owen integral.

The kernel k(S, T) is a product over the players in one of the two coalitions but not in the other, of
beta_i = exp(-c_i). As a game in S its Shapley values are an integral over [0, 1] of a polynomial of degree
d - 1, which Gauss and Legendre's rule with ceil(d / 2) nodes meets exactly. All factors are positive, so
their products are taken through logarithms.
"""

from __future__ import annotations

import numpy as np
from scipy.special import roots_legendre

from agnostix.core.typing import Bools, Floats

_MAX_CELLS = 1_000_000


def column_values(masks: Bools, scales: Floats) -> Floats:
    """Shapley values of the kernel's columns.

    Parameters
    ----------
    masks : ndarray of bool of shape (n_masks, n_players)
        The coalitions T.
    scales : ndarray of shape (n_players,)
        The c_i, at least 0.

    Returns
    -------
    ndarray of shape (n_masks, n_players)
        Row j has the Shapley values of the game S -> k(S, T_j).
    """
    u, w = _nodes(masks.shape[1])
    gap = -np.expm1(-scales)
    inside = 1.0 - (1.0 - u)[:, None] * gap
    outside = 1.0 - u[:, None] * gap
    members = masks.astype(float)
    logs = members @ np.log(inside).T + (1.0 - members) @ np.log(outside).T
    product = w * np.exp(logs)
    return gap * np.where(masks, product @ (1.0 / inside), -(product @ (1.0 / outside)))


def prior_variances(scales: Floats) -> Floats:
    """Variances of the Shapley values of a random game whose covariance is the kernel.

    Parameters
    ----------
    scales : ndarray of shape (n_players,)
        The c_i, at least 0.

    Returns
    -------
    ndarray of shape (n_players,)
    """
    u, w = _nodes(scales.size)
    gap = -np.expm1(-scales)
    total = np.zeros(scales.size)
    step = max(1, _MAX_CELLS // (u.size * scales.size))
    for start in range(0, u.size, step):
        v = u[start : start + step]
        mixed = (v[:, None] + u - 2.0 * v[:, None] * u).ravel()
        weight = (w[start : start + step, None] * w).ravel()
        factors = 1.0 - mixed[:, None] * gap
        total += (weight * np.exp(np.log(factors).sum(1))) @ (1.0 / factors)
    return 2.0 * gap * total


def _nodes(d: int) -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1], exact for polynomials of degree d - 1."""
    u, w = roots_legendre((d + 1) // 2)
    return (u + 1.0) / 2.0, w / 2.0
