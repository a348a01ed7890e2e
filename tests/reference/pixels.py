"""Stressed pixels, one pixel after the other and one picture after the other.

Nothing here imports the package. Where the package stacks pixels and merges pictures of the same value, these
loop; the multiplier comes from a general root finder.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq


def standardized(x, base):
    """Values with base mean 0 and base variance 1, the mean and the standard deviation."""
    mean = math.fsum(b * v for b, v in zip(base, x, strict=True))
    spread = math.sqrt(math.fsum(b * (v - mean) ** 2 for b, v in zip(base, x, strict=True)))
    return [(v - mean) / spread for v in x], mean, spread


def tilted(z, base, xi):
    """Weights in proportion to ``base * exp(xi z)``."""
    top = max(xi * v for v in z)
    raw = [b * math.exp(xi * v - top) for b, v in zip(base, z, strict=True)]
    total = math.fsum(raw)
    return [r / total for r in raw]


def mean_of(values, weights):
    """Weighted mean."""
    return math.fsum(w * v for w, v in zip(weights, values, strict=True))


def divergence(weights, base):
    """Kullback-Leibler divergence in nats."""
    return math.fsum(w * math.log(w / b) for w, b in zip(weights, base, strict=True) if w > 0.0)


def multiplier_of_mean(z, base, target):
    """Multiplier under which the mean of z is `target`."""
    return brentq(lambda xi: mean_of(z, tilted(z, base, xi)) - target, -80.0, 80.0, xtol=1e-14, rtol=1e-14)


def multiplier_of_kl(z, base, kl, sign):
    """Multiplier of a sign under which the divergence is `kl`."""

    def excess(size):
        return divergence(tilted(z, base, sign * size), base) - kl

    return sign * brentq(excess, 0.0, 80.0, xtol=1e-14, rtol=1e-14)


def influence(y, z, base, xi, leverage=True, kl_is_target=False):
    """What each picture adds to the error of the mean of y under the weights of a multiplier.

    ``w_i r_i / (1 - h_i)`` with ``r_i = y_i - theta - slope (z_i - t)`` and the leverage
    ``h_i = w_i (1 + (z_i - t)^2 / V)``; where the divergence is stated,
    picture i also moves the target, by ``(w_i - b_i) / xi``.
    """
    w = tilted(z, base, xi)
    theta, t = mean_of(y, w), mean_of(z, w)
    variance = math.fsum(wi * (v - t) ** 2 for wi, v in zip(w, z, strict=True))
    slope = math.fsum(wi * (v - t) * (yi - theta) for wi, v, yi in zip(w, z, y, strict=True)) / variance
    out = []
    for yi, v, wi, b in zip(y, z, w, base, strict=True):
        h = wi * (1.0 + (v - t) ** 2 / variance) if leverage else 0.0
        moved = wi / (1.0 - h) * (yi - theta - slope * (v - t))
        out.append(moved + (slope * (wi - b) / xi if kl_is_target else 0.0))
    return out


def effect(y, x, base, low, high):
    """Mean of y where the average of x is `high`, less where it is `low`, with errors."""
    z, mean, spread = standardized(x, base)
    ends = [multiplier_of_mean(z, base, (target - mean) / spread) for target in (low, high)]
    return _both(y, z, base, ends, False)


def effect_of_kl(y, x, base, kl):
    """The same for shifts by a divergence, and the averages of x in both."""
    z, mean, spread = standardized(x, base)
    ends = [multiplier_of_kl(z, base, kl, sign) for sign in (-1, 1)]
    averages = [mean + spread * mean_of(z, tilted(z, base, xi)) for xi in ends]
    return {**_both(y, z, base, ends, True), "targets": averages}


def _both(y, z, base, ends, kl_is_target):
    weights = [tilted(z, base, xi) for xi in ends]
    down, up = (mean_of(y, w) for w in weights)
    rows = [influence(y, z, base, xi, kl_is_target=kl_is_target) for xi in ends]
    own = [influence(y, z, base, xi) for xi in ends]
    return {
        "down": down,
        "up": up,
        "value": up - down,
        "std_error": math.sqrt(math.fsum((b - a) ** 2 for a, b in zip(*rows, strict=True))),
        "end_errors": [math.sqrt(math.fsum(r * r for r in part)) for part in own],
        "ess": [1.0 / math.fsum(w * w for w in part) for part in weights],
        "kl": [divergence(part, base) for part in weights],
        "weights": weights,
    }


def quantile(x, base, q):
    """The smallest value with at least a share q of the weight at or below it."""
    total = 0.0
    for value, b in sorted(zip(x, base, strict=True)):
        total += b
        if total >= q - 1e-12:
            return value
    return max(x)


def derivative_by_weights(statistic, base, step=1e-6):
    """Derivative of a statistic of base weights by the weight of each picture, times that weight."""
    base = np.asarray(base, dtype=float)
    out = []
    for i in range(base.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = base.copy()
            moved[i] *= 1.0 + sign * step
            ends.append(statistic(list(moved / moved.sum())))
        out.append((ends[0] - ends[1]) / (2.0 * step))
    return out
