"""Divergences of weights from base weights, and the ratios of both that are least divergent.

A divergence is ``sum_i b_i f(w_i / b_i)`` with f convex, f(1) = f'(1) = 0 and f''(1) = 1. The weights that
diverge least, with some linear conditions on them, are ``w_i = b_i F(u_i)``: u_i is linear in the statistics
of row i, and F the inverse of f' (Deville and Sarndal, 1992).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats

_MAX_EXPONENT = 700.0
_LEAST_ROOM = 1e-16
"""Of an empirical likelihood's u below 1, where its ratio is infinite."""


class Divergence(ABC):
    """A convex function f of the ratios r = w / b."""

    name: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name: there is one of each, by which it is known."""
        return _by_name, (self.name,)

    @abstractmethod
    def cost(self, ratio: Floats) -> Floats:
        """Values f(r)."""

    @abstractmethod
    def marginal_cost(self, ratio: Floats) -> Floats:
        """Derivatives f'(r)."""

    @abstractmethod
    def ratio(self, u: Floats) -> Floats:
        """Ratios F(u) at which the marginal cost is u."""

    @abstractmethod
    def slope(self, ratio: Floats) -> Floats:
        """Derivatives F'(u), by the ratio F(u)."""

    @abstractmethod
    def scale(self, mass: float, base: float) -> float:
        """Factor of the divergence of weights that sum to `mass` and base weights that sum to `base`."""


class _KullbackLeibler(Divergence):
    """``sum w log(w / b)``: exponential tilting, entropy balancing, raking."""

    name = "kullback_leibler"

    def cost(self, ratio: Floats) -> Floats:
        logs = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0.0)
        return ratio * logs - ratio + 1.0

    def marginal_cost(self, ratio: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.log(ratio)

    def ratio(self, u: Floats) -> Floats:
        return np.exp(np.minimum(u, _MAX_EXPONENT))

    def slope(self, ratio: Floats) -> Floats:
        return ratio

    def scale(self, mass: float, base: float) -> float:
        return mass


class _ChiSquare(Divergence):
    """``sum (w - b)^2 / (2 b)``, weights >= 0: linear calibration, the largest effective sample size."""

    name = "chi_square"

    def cost(self, ratio: Floats) -> Floats:
        return 0.5 * (ratio - 1.0) ** 2

    def marginal_cost(self, ratio: Floats) -> Floats:
        return ratio - 1.0

    def ratio(self, u: Floats) -> Floats:
        return np.maximum(1.0 + u, 0.0)

    def slope(self, ratio: Floats) -> Floats:
        return np.where(ratio > 0.0, 1.0, 0.0)

    def scale(self, mass: float, base: float) -> float:
        return mass**2 / base


class _EmpiricalLikelihood(Divergence):
    """``sum b log(b / w)``: the largest likelihood of the rows; no weight becomes 0."""

    name = "empirical_likelihood"

    def cost(self, ratio: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return ratio - 1.0 - np.log(ratio)

    def marginal_cost(self, ratio: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return 1.0 - 1.0 / ratio

    def ratio(self, u: Floats) -> Floats:
        return 1.0 / np.maximum(1.0 - u, _LEAST_ROOM)

    def slope(self, ratio: Floats) -> Floats:
        return ratio**2

    def scale(self, mass: float, base: float) -> float:
        return base


KULLBACK_LEIBLER: Divergence = _KullbackLeibler()
CHI_SQUARE: Divergence = _ChiSquare()
EMPIRICAL_LIKELIHOOD: Divergence = _EmpiricalLikelihood()
DIVERGENCES = {one.name: one for one in (KULLBACK_LEIBLER, CHI_SQUARE, EMPIRICAL_LIKELIHOOD)}
"""Divergences by name."""


def _by_name(name: str) -> Divergence:
    """A divergence that was pickled."""
    return DIVERGENCES[name]


@dataclass(frozen=True)
class BoundedRatio:
    """Ratios of weights to base weights by a divergence, kept between a floor and a cap."""

    divergence: Divergence = KULLBACK_LEIBLER
    low: float = 0.0
    high: float = np.inf
    smoothing: float = 0.0  # how far the corners at floor and cap are rounded, in units of u

    @property
    def ends(self) -> tuple[float, float]:
        """Floor and cap."""
        return self.low, self.high

    @property
    def is_exponential(self) -> bool:
        """Whether ratios are exp(u), so that the weights are normalized by their sum."""
        return self.divergence is KULLBACK_LEIBLER and self.is_unbounded

    @property
    def is_unbounded(self) -> bool:
        """Whether there is neither floor nor cap."""
        return self.low <= 0.0 and self.high == np.inf

    def at(self, u: Floats) -> tuple[Floats, Floats]:
        """Ratios (n_rows,) and their derivatives by u, which are 0 at the floor and at the cap."""
        if self.smoothing > 0.0:
            return self._smoothed(u)
        ratio = np.clip(self.divergence.ratio(u), self.low, self.high)
        inside = (ratio > self.low) & (ratio < self.high)
        return ratio, np.where(inside, self.divergence.slope(np.where(inside, ratio, 1.0)), 0.0)

    def _smoothed(self, u: Floats) -> tuple[Floats, Floats]:
        slope = np.ones_like(u)
        for end, side in ((self.low, 1.0), (self.high, -1.0)):
            corner = float(self.divergence.marginal_cost(np.array([max(end, 0.0)]))[0])
            if np.isfinite(corner) and end < np.inf:
                x = side * (u - corner)
                root = np.sqrt(x * x + 4.0 * self.smoothing**2)
                # Of x > 0 the sum, of x < 0 the quotient: nothing is canceled.
                sum_ = np.where(
                    x >= 0.0, 0.5 * (x + root), 2.0 * self.smoothing**2 / (root - np.minimum(x, 0.0))
                )
                u = corner + side * sum_
                slope = slope * sum_ / root
        ratio = self.divergence.ratio(u)
        return ratio, self.divergence.slope(ratio) * slope
