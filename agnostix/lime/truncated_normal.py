"""Truncated normal distributions: distribution functions, quadrature nodes, means of functions within bins.

A truncated normal with equal ends or a standard deviation of 0 is a point mass at its mean, clipped to its
ends. All integrals are Gauss-Legendre quadrature of the density: differences of normal distribution functions
would lose all digits far from the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import roots_legendre

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.features import TruncatedNormals

_LOG_NEGLIGIBLE = 60.0
"""The density is integrated down to exp(-60) of its maximum."""
_N_NODES = 64
"""Nodes that give 12 digits for functions that are smooth over the width of a distribution."""
_N_PANEL_NODES = 32
_TOLERANCE = 1e-10
"""Change of a mean by bisecting a panel, relative to the function's size, at which it has converged."""
_MAX_PANELS = 1024
"""Panels bisected at once: a function that jumps more often is as rough as its model's rounding."""


def truncnorm_cdf(x: ArrayLike, mean: ArrayLike, sd: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> Floats:
    """P(X <= x) of normals truncated to [lo, hi]; all arguments broadcast."""
    x, mean, sd, lo, hi = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, mean, sd, lo, hi)))
    standard = _standardize(mean, sd, lo, hi)
    until = np.clip((np.clip(x, lo, hi) - mean) / standard.scale, standard.a, standard.b)
    mass = _quadrature(standard.a, until, standard.mode, _N_NODES)[1].sum(-1)
    total = _quadrature(standard.a, standard.b, standard.mode, _N_NODES)[1].sum(-1)
    return np.where(
        standard.is_point, (x >= standard.point).astype(float), mass / np.where(standard.is_point, 1.0, total)
    )


def truncnorm_nodes(
    mean: ArrayLike, sd: ArrayLike, lo: ArrayLike, hi: ArrayLike, n_nodes: int = _N_NODES
) -> tuple[Floats, Floats]:
    """Nodes and weights (..., n_nodes) of the mean of a function; the weights of a distribution sum to 1."""
    mean, sd, lo, hi = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (mean, sd, lo, hi)))
    standard = _standardize(mean, sd, lo, hi)
    t, masses = _quadrature(standard.a, standard.b, standard.mode, n_nodes)
    is_point = standard.is_point[..., None]
    nodes = np.clip(mean[..., None] + standard.scale[..., None] * t, lo[..., None], hi[..., None])
    masses = np.where(is_point, 1.0, masses)
    return np.where(is_point, standard.point[..., None], nodes), masses / masses.sum(-1, keepdims=True)


@dataclass(frozen=True)
class _Standardized:
    """Truncated normals in standard deviations from their means, [a, b] cut to where there is density."""

    a: Floats
    b: Floats
    mode: Floats
    scale: Floats
    is_point: Bools
    point: Floats


def _standardize(mean: Floats, sd: Floats, lo: Floats, hi: Floats) -> _Standardized:
    scale = np.where(sd > 0.0, sd, 1.0)
    a, b = (lo - mean) / scale, (hi - mean) / scale
    mode = np.clip(0.0, a, b)
    reach = np.sqrt(mode**2 + 2.0 * _LOG_NEGLIGIBLE)
    is_point = ~((sd > 0.0) & (a < b))
    return _Standardized(
        np.maximum(a, -reach), np.minimum(b, reach), mode, scale, is_point, np.clip(mean, lo, hi)
    )


def _quadrature(a: Floats, b: Floats, mode: Floats, n_nodes: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes of [a, b] and their masses (..., n_nodes), of a density that is 1 at its mode."""
    u, w = roots_legendre(n_nodes)
    half = ((b - a) / 2.0)[..., None]
    t = ((a + b) / 2.0)[..., None] + half * u
    return t, half * w * np.exp(-(t - mode[..., None]) * (t + mode[..., None]) / 2.0)


def bin_moments(
    normals: TruncatedNormals, codes: Codes, function: Callable[[Floats], Floats]
) -> tuple[Floats, int]:
    """Means of a function and its square in the bins `codes`, (n_bins, 2, n_outputs), and the evaluations.

    `function` maps (n,) to (n, n_outputs). Bins are bisected until halves agree with the whole, which finds
    the jumps of a function such as a tree's.
    """
    panels = _integrate(normals, codes, normals.low[codes], normals.high[codes], function)
    means, n_evaluations = np.zeros((normals.mean.size, *panels.moments.shape[1:])), panels.n_evaluations
    square = panels.moments[:, 1].max(axis=0)
    tolerance = _TOLERANCE * np.stack([np.sqrt(square), square])
    while panels.codes.size:
        whole = ~panels.is_divisible
        np.add.at(means, panels.codes[whole], panels.moments[whole])
        panels = panels.take(~whole)
        low, high = np.append(panels.low, panels.middle), np.append(panels.middle, panels.high)
        halves = _integrate(normals, np.tile(panels.codes, 2), low, high, function)
        n_evaluations += halves.n_evaluations
        sums = halves.moments.reshape(2, *panels.moments.shape).sum(axis=0)
        converged = (np.abs(sums - panels.moments) <= tolerance).all(axis=(1, 2))
        converged |= panels.codes.size > _MAX_PANELS
        np.add.at(means, panels.codes[converged], sums[converged])
        panels = halves.take(np.tile(~converged, 2))
    return means, n_evaluations


@dataclass(frozen=True)
class _Panels:
    """Parts [low, high] of bins, with their parts of the bins' means (n, 2, n_outputs)."""

    codes: Codes
    low: Floats
    high: Floats
    moments: Floats

    @property
    def n_evaluations(self) -> int:
        return _N_PANEL_NODES * self.codes.size

    @property
    def middle(self) -> Floats:
        return self.low + (self.high - self.low) / 2.0

    @property
    def is_divisible(self) -> Bools:
        """Whether a floating-point number lies strictly between the ends."""
        return (self.low < self.middle) & (self.middle < self.high)

    def take(self, which: Bools) -> _Panels:
        return _Panels(self.codes[which], self.low[which], self.high[which], self.moments[which])


def _integrate(
    normals: TruncatedNormals,
    codes: Codes,
    low: Floats,
    high: Floats,
    function: Callable[[Floats], Floats],
) -> _Panels:
    """Panels [low, high] of the bins `codes`, by one quadrature each."""
    mean, sd = normals.mean[codes], normals.sd[codes]
    nodes, weights = truncnorm_nodes(mean, sd, low, high, _N_PANEL_NODES)
    values = function(nodes.ravel().astype(normals.dtype)).reshape(*nodes.shape, -1)
    below, above = (
        truncnorm_cdf(end, mean, sd, normals.low[codes], normals.high[codes]) for end in (low, high)
    )
    mass = np.where(low < high, above - below, 1.0)
    means = [np.einsum("pn,pnk->pk", weights, part) for part in (values, values**2)]
    return _Panels(codes, low, high, mass[:, None, None] * np.stack(means, axis=1))
