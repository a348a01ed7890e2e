"""Standard errors of reweighted answers, written a second time: by solving again, and row by row.

Nothing here imports the package. Dual equations are handed to a general root finder; influence values are
central differences by one base weight; a cluster is left out by one step of Newton's method in loops.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import root

RATIOS = {
    "kullback_leibler": (np.exp, np.exp),
    "chi_square": (lambda u: np.maximum(1.0 + u, 0.0), lambda u: np.where(1.0 + u > 0.0, 1.0, 0.0)),
    "empirical_likelihood": (
        lambda u: 1.0 / np.maximum(1.0 - u, 1e-8),
        lambda u: 1.0 / (1.0 - u) ** 2,
    ),
}


def calibrate(phi, target, base, divergence, bounds=None, penalty=None):
    """Weights, multipliers, and derivatives of the weights, from the dual of Deville and Saerndal."""
    base = base / base.sum()
    ratio, slope = RATIOS[divergence]
    low, high = (0.0, np.inf) if bounds is None else bounds
    soft = np.zeros(phi.shape[1]) if penalty is None else 1.0 / np.asarray(penalty, dtype=float)

    def gaps(p):
        weights = base * np.clip(ratio(p[0] + phi @ p[1:]), low, high)
        return np.r_[weights.sum() - 1.0, weights @ phi - target + soft * p[1:]]

    start = np.zeros(1 + phi.shape[1])
    found, whole = root(gaps, start, tol=1e-14), target
    if np.abs(gaps(found.x)).max() > 1e-10:
        for share in np.linspace(0.05, 1.0, 20):  # on the way from the data, each from the last
            target = base @ phi + share * (whole - base @ phi)
            found = root(gaps, start, tol=1e-14)
            start = found.x
    assert np.abs(gaps(found.x)).max() < 1e-10, found.message
    u = found.x[0] + phi @ found.x[1:]
    inside = (ratio(u) > low) & (ratio(u) < high)
    return base * np.clip(ratio(u), low, high), found.x[1:], np.where(inside, base * slope(u), 0.0)


def influence_by_solving(answer, base, step=1e-4):
    """Derivative of answer(base) by each row's base weight, times that weight, by central differences."""
    out = []
    for i in range(base.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = base.copy()
            moved[i] *= 1.0 + sign * step
            ends.append(answer(moved / moved.sum()))
        out.append((ends[0] - ends[1]) / (2.0 * step))
    return np.array(out)


def left_out_by_newton(y, directions, estimating, jacobian, weights, tangent, cluster):
    """What leaving out each cluster moves, by one step of Newton's method from the solution, in loops."""
    k = directions.shape[1]
    theta = weights @ y
    z = np.c_[np.ones(y.size), estimating]
    x = np.c_[np.ones(y.size), directions]
    whole = np.zeros((k + 1, k + 1))
    whole[0, 0] = tangent.sum()
    whole[0, 1:], whole[1:, 0] = tangent @ directions, tangent @ estimating
    whole[1:, 1:] = jacobian
    moves = []
    for one in np.unique(cluster):
        rest, own = whole.copy(), np.flatnonzero(cluster == one)
        gap, slope, gone = np.zeros(k + 1), np.zeros(k + 1), 0.0
        for i in own:
            rest -= tangent[i] * np.outer(z[i], x[i])
            gap += weights[i] * z[i]
            gone += weights[i] * (y[i] - theta)
        for i in np.flatnonzero(cluster != one):
            slope += tangent[i] * (y[i] - theta) * x[i]
        moves.append(gone - slope @ np.linalg.solve(rest, gap))
    return np.array(moves)


def linearized_variance(moves, stratum):
    """Sum over strata of n / (n - 1) times squares about the stratum's mean; one stratum is not centered."""
    if np.unique(stratum).size == 1:
        return float(sum(move**2 for move in moves))
    total = 0.0
    for one in np.unique(stratum):
        own = [move for move, s in zip(moves, stratum, strict=True) if s == one]
        mean = sum(own) / len(own)
        total += len(own) / (len(own) - 1) * sum((move - mean) ** 2 for move in own)
    return total


def tilt_to(z, base, target=None, kl=None, side=1):
    """Exponentially tilted weights with a mean, or at a divergence on one side, by bisection; None beyond."""

    def weights(xi):
        raw = base * np.exp(xi * z - np.max(xi * z[base > 0.0]))
        raw = np.where(base > 0.0, raw, 0.0)
        return raw / raw.sum()

    def too_far(xi):
        w = weights(xi)
        if kl is None:
            return w @ z > target
        live = w > 0.0
        return (w[live] @ np.log(w[live] / base[live]) > kl) == (side > 0)

    here = z[base > 0.0]
    if kl is None and not here.min() < target < here.max():
        return None
    low, high = (-60.0, 60.0) if kl is None else ((0.0, 60.0) if side > 0 else (-60.0, 0.0))
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if too_far(middle) else (middle, high)
    return weights(0.5 * (low + high))


def bootstrap_t(draws, errors, estimate, error, level):
    """Interval by quantiles of (draw - estimate) / error of the draw, of sorted numbers."""
    t = np.sort([(v - estimate) / e for v, e in zip(draws, errors, strict=True) if np.isfinite(v)])

    def quantile(share):
        place = share * (t.size - 1)
        below = int(np.floor(place))
        return t[below] + (place - below) * (t[min(below + 1, t.size - 1)] - t[below])

    tail = (1.0 - level) / 2.0
    return estimate - quantile(1.0 - tail) * error, estimate - quantile(tail) * error
