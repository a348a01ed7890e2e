"""Covariance kernel of odd games: similar coalitions leave similar residuals.

(The Shapley kernel weights are `Coalitions.kernel_weights`.) Only the odd part of a game, the differences of
complementary coalitions, affects Shapley values. Take a random game whose values covary as a product kernel
k(S, T) = exp(-h), where h sums the scales c_i of the players in one of the two coalitions but not in the
other. With C = sum(c), the differences of complements then covary as

    (exp(-h) - exp(-(C - h))) / (1 - exp(-C)) = sinh(a / 2) / sinh(C / 2),    a = C - 2 h,

which is 1 for S = T and -1 for complements. The linear part of sinh is an additive game. The regression fits
that anyway, and for small scales it would drown the rest in rounding, so it is subtracted here. What remains
are random interactions of three, five and more players; larger scales give more weight to high orders.

The Shapley values of k as a game in S are Owen's integral over [0, 1] of a polynomial of degree d - 1, for
which Gauss-Legendre quadrature with ceil(d / 2) nodes is exact. All factors are positive, so their products
are taken by logarithms.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre

from agnostix.core.typing import Bools, Codes, Floats

_SMALL = 0.5
"""Below this, sinh(x) - x is a series."""
_BLOCK_ROWS = 128
"""Rows of the kernel that are computed at once, so that temporaries stay smaller than the kernel."""
_MAX_CELLS = 1_000_000


def pair_covariances(signs: Floats, scales: Floats, others: Floats | None = None) -> Floats:
    """Covariances (n_pairs, n_others) of differences of pairs with these signs (n_pairs, n_players)."""
    others = signs if others is None else others
    half = scales.sum() / 2.0
    covariances = np.empty((len(signs), len(others)))
    for start in range(0, len(signs), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        covariances[rows] = _sinh_minus_linear((signs[rows] * scales) @ others.T / 2.0, half)
    return covariances


def covariances_alike(overlaps: Codes, scale: float, n_players: int) -> Floats:
    """Covariances of differences of pairs by the products of their signs; all players have one scale."""
    half = scale * n_players / 2.0
    table = _sinh_minus_linear(np.linspace(-half, half, 2 * n_players + 1), half)
    return table[overlaps + n_players]


def shapley_covariances(masks: Bools, scales: Floats) -> Floats:
    """Covariances (n_players, n_pairs) of Shapley values and differences of pairs (n_pairs, n_players)."""
    odd = owen_values(masks, scales) - owen_values(~masks, scales)
    linear = _slope(scales.sum() / 2.0) * scales * (2.0 * masks - 1.0)
    return (odd * (-0.5 / np.expm1(-scales.sum())) - linear).T


def shapley_variances(scales: Floats) -> Floats:
    """Prior variances (n_players,) of the Shapley values."""
    variances = owen_variances(scales) * (-0.5 / np.expm1(-scales.sum()))
    return np.maximum(variances - _slope(scales.sum() / 2.0) * scales, 0.0)


def owen_values(masks: Bools, scales: Floats) -> Floats:
    """Shapley values (n_masks, n_players) of the games S -> k(S, T), T by masks (n_masks, n_players)."""
    u, w = _quadrature(masks.shape[1])
    distinct, which, n_alike = np.unique(scales, return_inverse=True, return_counts=True)
    gap = -np.expm1(-distinct)
    inside = 1.0 - (1.0 - u)[:, None] * gap
    outside = 1.0 - u[:, None] * gap
    members = _count_members(masks, which, distinct.size)
    logs = members @ np.log(inside).T + (n_alike - members) @ np.log(outside).T
    product = w * np.exp(logs)
    of_members, of_others = gap * (product @ (1.0 / inside)), -gap * (product @ (1.0 / outside))
    return np.where(masks, of_members[:, which], of_others[:, which])


def owen_variances(scales: Floats) -> Floats:
    """Variances (n_players,) of the Shapley values of a random game with covariance k."""
    u, w = _quadrature(scales.size)
    distinct, which, n_alike = np.unique(scales, return_inverse=True, return_counts=True)
    gap = -np.expm1(-distinct)
    total = np.zeros(distinct.size)
    step = max(1, _MAX_CELLS // (u.size * distinct.size))
    for start in range(0, u.size, step):
        v = u[start : start + step]
        mixed = (v[:, None] + u - 2.0 * v[:, None] * u).ravel()
        weight = (w[start : start + step, None] * w).ravel()
        factors = 1.0 - mixed[:, None] * gap
        total += (weight * np.exp(np.log(factors) @ n_alike)) @ (1.0 / factors)
    return (2.0 * gap * total)[which]


def _count_members(masks: Bools, which: Codes, n_distinct: int) -> Floats:
    """Members (n_masks, n_distinct) of each scale, by the scale of each player (n_players,)."""
    if n_distinct == which.size:
        counts = np.empty(masks.shape)
        counts[:, which] = masks
        return counts
    groups = np.zeros((which.size, n_distinct))
    groups[np.arange(which.size), which] = 1.0
    return masks @ groups


@lru_cache(maxsize=32)
def _quadrature(d: int) -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1], exact for polynomials of degree d - 1."""
    u, w = roots_legendre((d + 1) // 2)
    u, w = (u + 1.0) / 2.0, w / 2.0
    u.flags.writeable = w.flags.writeable = False
    return u, w


def _slope(half: float) -> float:
    """Slope 1 / (2 sinh(half)) of the linear part."""
    return float(-np.exp(-half) / np.expm1(-2.0 * half))


def _sinh_minus_linear(x: Floats, half: float) -> Floats:
    """(sinh(x) - x) / sinh(half) for abs(x) <= half, without overflow or cancellation."""
    slope = _slope(half)
    if half < _SMALL:
        return 2.0 * slope * _sinh_series(x)
    size = np.abs(x)
    result = np.exp(size - half) * (np.expm1(-2.0 * size) / np.expm1(-2.0 * half)) - 2.0 * size * slope
    result = np.copysign(result, x)
    is_small = size < _SMALL
    result[is_small] = 2.0 * slope * _sinh_series(x[is_small])
    return result


def _sinh_series(x: Floats) -> Floats:
    """sinh(x) - x for abs(x) < 0.5."""
    square = np.square(x)
    total = np.ones_like(square)
    for k in (12, 10, 8, 6, 4):
        total *= square
        total *= 1.0 / (k * (k + 1))
        total += 1.0
    return x * square * total / 6.0
