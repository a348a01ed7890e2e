"""Scenarios and metrics written a second time, one row at a time. Nothing here imports the package."""

from __future__ import annotations

import math

import numpy as np


def means(x, weights):
    """Weighted means of columns, summed exactly."""
    x = np.asarray(x, dtype=float).reshape(len(weights), -1)
    total = math.fsum(weights)
    return np.array(
        [math.fsum(w * v for w, v in zip(weights, column, strict=True)) / total for column in x.T]
    )


def errors_by_rows(y, phi, target, weights, base):
    """Standard errors of the weighted mean of y, and of its change, for several stated averages.

    Row i contributes ``w_i r_i / (1 - h_i)``: r its residual from the weighted regression of y on
    phi through (target, theta), h its leverage ``w_i (1 + d_i' M^-1 d_i)``, d = phi_i - target.
    """
    phi = np.asarray(phi, dtype=float).reshape(len(weights), -1)
    theta, centre = math.fsum(weights * y), math.fsum(base * y)
    moment, cross = np.zeros((phi.shape[1],) * 2), np.zeros(phi.shape[1])
    for value, row, w in zip(y, phi, weights, strict=True):
        distance = row - target
        moment += w * np.outer(distance, distance)
        cross += w * (value - theta) * distance
    slopes = np.linalg.solve(moment, cross)
    own, change = [], []
    for value, row, w, b in zip(y, phi, weights, base, strict=True):
        distance = row - target
        leverage = w * (1.0 + distance @ np.linalg.solve(moment, distance))
        moved = w * (value - theta - slopes @ distance) / (1.0 - leverage)
        own.append(moved**2)
        change.append((moved - b * (value - centre)) ** 2)
    return math.sqrt(math.fsum(own)), math.sqrt(math.fsum(change))


def influence_by_difference(measure, weights, rows, step=1e-5):
    """Derivative of a function of the weights by some rows' weights, by central differences."""
    out = []
    for i in rows:
        ahead, behind = weights.copy(), weights.copy()
        change = step * weights.mean()
        ahead[i] += change
        behind[i] -= change
        out.append((measure(ahead) - measure(behind)) / (2.0 * change))
    return np.array(out)
