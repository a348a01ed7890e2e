"""Normal laws cut off at both ends: their distribution functions, and means of functions under them.

A law whose ends meet, or whose standard deviation is 0, is a point: all of its mass is at its mean, held
between its ends. All arguments broadcast against each other. All integrals are by Gauss and Legendre's rule
against the density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import roots_legendre

from agnostix.core.typing import Bools, Floats

_LOG_LEFT_OUT = 60.0
"""Parts where the density is below exp(-60) of its largest value in the law are not integrated over."""

_N_NODES = 64


def truncnorm_cdf(x: ArrayLike, mean: ArrayLike, sd: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> Floats:
    """Chance of a value of at most x.

    Parameters
    ----------
    x : array-like
        Where; may be infinite.
    mean, sd : array-like
        Of the normal law before it was cut off.
    lo, hi : array-like
        Where it is cut off, ``lo <= hi``.

    Returns
    -------
    ndarray
        Of the arguments' common shape. As exact far from the mean, where both ends are on one side of it.
    """
    x, mean, sd, lo, hi = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, mean, sd, lo, hi)))
    law = _Law.of(mean, sd, lo, hi)
    until = np.clip((np.clip(x, lo, hi) - mean) / law.scale, law.a, law.b)
    chance = _masses(law.a, until, law.top, _N_NODES)[1].sum(-1)
    whole = _masses(law.a, law.b, law.top, _N_NODES)[1].sum(-1)
    return np.where(law.point, (x >= law.value).astype(float), chance / np.where(law.point, 1.0, whole))


def truncnorm_nodes(
    mean: ArrayLike, sd: ArrayLike, lo: ArrayLike, hi: ArrayLike, n_nodes: int = _N_NODES
) -> tuple[Floats, Floats]:
    """Where to ask a function, and with which weights, for its mean under each law.

    Parameters
    ----------
    mean, sd, lo, hi : array-like
        As for `truncnorm_cdf`.
    n_nodes : int, default=64
        How many. With 64, means are good to 12 digits for functions that are smooth over a law's width.

    Returns
    -------
    nodes, weights : ndarray of shape (..., n_nodes)
        The weights of a law add up to 1. A point is all of its own nodes.
    """
    mean, sd, lo, hi = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (mean, sd, lo, hi)))
    law = _Law.of(mean, sd, lo, hi)
    t, masses = _masses(law.a, law.b, law.top, n_nodes)
    point, value = law.point[..., None], law.value[..., None]
    nodes = np.clip(mean[..., None] + law.scale[..., None] * t, lo[..., None], hi[..., None])
    masses = np.where(point, 1.0, masses)
    return np.where(point, value, nodes), masses / masses.sum(-1, keepdims=True)


def truncnorm_expectation(
    function: Callable[[Floats], Floats],
    mean: ArrayLike,
    sd: ArrayLike,
    lo: ArrayLike,
    hi: ArrayLike,
    n_nodes: int = _N_NODES,
) -> Floats:
    """Mean of a function under each law.

    Parameters
    ----------
    function : callable
        From an array to one of the same shape, value by value. Where it jumps or has a kink, the mean is as
        coarse as the nodes.
    mean, sd, lo, hi : array-like
        As for `truncnorm_cdf`.
    n_nodes : int, default=64
        Where the function is asked in each law.

    Returns
    -------
    ndarray
        Of the laws' common shape.
    """
    nodes, weights = truncnorm_nodes(mean, sd, lo, hi, n_nodes)
    return np.asarray((weights * function(nodes)).sum(-1))


@dataclass(frozen=True)
class _Law:
    """Laws in standard deviations from their means, cut to where they have any density."""

    a: Floats
    b: Floats
    top: Floats  # where the density is largest
    scale: Floats
    point: Bools
    value: Floats  # of points

    @classmethod
    def of(cls, mean: Floats, sd: Floats, lo: Floats, hi: Floats) -> _Law:
        scale = np.where(sd > 0.0, sd, 1.0)
        a, b = (lo - mean) / scale, (hi - mean) / scale
        top = np.clip(0.0, a, b)
        reach = np.sqrt(top**2 + 2.0 * _LOG_LEFT_OUT)
        point = ~((sd > 0.0) & (a < b))
        return cls(np.maximum(a, -reach), np.minimum(b, reach), top, scale, point, np.clip(mean, lo, hi))


def _masses(a: Floats, b: Floats, top: Floats, n_nodes: int) -> tuple[Floats, Floats]:
    """Nodes of [a, b], and the mass that each stands for, of a density that is 1 at its top."""
    u, w = roots_legendre(n_nodes)
    half = ((b - a) / 2.0)[..., None]
    t = ((a + b) / 2.0)[..., None] + half * u
    return t, half * w * np.exp(-(t - top[..., None]) * (t + top[..., None]) / 2.0)
