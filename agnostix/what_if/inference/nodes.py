"""Sums of smooth functions of one statistic over the rows of many draws, from few points.

Equal values are one point each. Many different ones are replaced by Chebyshev nodes over their whole range,
on which a row has the weights of Lagrange's interpolation: sums over rows of polynomials below the number of
nodes are those over the nodes, and exponentials that are not too steep are such polynomials to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
from scipy.sparse import csr_array

from agnostix.core.typing import Bools, Floats

N_NODES = 64
_TRUSTED = 1e-9


@dataclass(frozen=True)
class RowNodes:
    """Points of a statistic and what each row adds to the sum at each."""

    points: Floats  # (n_points,)
    shares: Floats | csr_array  # (n_rows, n_points)
    half_span: float  # of the values; 0 where points are the values themselves

    @classmethod
    def from_values(cls, z: Floats) -> RowNodes:
        """Of a statistic (n_rows,)."""
        points, code = np.unique(z, return_inverse=True)
        if points.size <= 2 * N_NODES:
            ones = (np.ones(z.size), code, np.arange(z.size + 1))
            return cls(points, csr_array(ones, shape=(z.size, points.size)), 0.0)
        low, high = points[0], points[-1]
        half, middle = 0.5 * (high - low), 0.5 * (high + low)
        angle = np.pi * (np.arange(N_NODES) + 0.5) / N_NODES
        transform = np.cos(np.outer(np.arange(N_NODES), angle)) * (2.0 / N_NODES)
        transform[0] *= 0.5
        position = np.arccos(np.clip((z - middle) / half, -1.0, 1.0))
        shares = np.cos(position[:, None] * np.arange(N_NODES)) @ transform
        return cls(middle + half * np.cos(angle), shares, half)

    def sums(self, weights: Floats) -> Floats:
        """Sums (n_draws, n_points) of weights (n_draws, n_rows)."""
        return np.asarray(weights @ self.shares)

    def are_trusted(self, xi: Floats, log_ratio: Floats) -> Bools:
        """Where exp(xi z), of which the largest is exp(log_ratio) times the mean, is a polynomial."""
        if self.half_span == 0.0:
            return np.isfinite(xi)
        reach = np.abs(np.where(np.isfinite(xi), xi, 0.0)) * self.half_span
        with np.errstate(divide="ignore"):
            logs = N_NODES * np.log(0.5 * reach) - lgamma(N_NODES + 1) + reach**2 / (4 * N_NODES) + log(2.0)
        # The first term that is left out, of a function whose largest value is exp(reach).
        return np.isfinite(xi) & (logs - reach + log_ratio < log(_TRUSTED))
