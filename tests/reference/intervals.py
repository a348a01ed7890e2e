"""Intervals of single values by root finding on what defines them, with the math module and SciPy."""

from __future__ import annotations

import math

from scipy import integrate, optimize, stats

NEAR_ONE = 1.0 - 1e-16


def _quantile(level, dof):
    """The point between which and its negative Student's density has the mass `level`."""
    density = stats.norm.pdf if math.isinf(dof) else stats.t(dof).pdf

    def excess(point):
        return 2.0 * integrate.quad(density, 0.0, point, limit=200)[0] - level

    return optimize.brentq(excess, 0.0, 20.0, xtol=1e-12)


def normal(value, error, dof, level):
    return value - error * _quantile(level, math.inf), value + error * _quantile(level, math.inf)


def student(value, error, dof, level):
    return value - error * _quantile(level, dof), value + error * _quantile(level, dof)


def nonnegative(value, error, dof, level):
    low, high = student(value, error, dof, level)
    return max(low, 0.0), high


def rule_of_three(value, error, dof, level):
    """The rate at which a Poisson count is 0 with probability 1 - level, in units of the error."""
    rate = optimize.brentq(lambda x: stats.poisson.pmf(0, x) - (1.0 - level), 1e-9, 100.0, xtol=1e-13)
    return value - rate * error, value + rate * error


def _by_scale(forward, value, error, dof, level, bracket):
    """Points whose distance on the scale, in errors there by a finite difference, is Student's quantile."""
    step = 1e-6 * min(value - bracket[0], bracket[1] - value, 1.0)
    slope = (forward(value + step) - forward(value - step)) / (2.0 * step)
    reach = _quantile(level, dof) * error * slope

    def distance(point, sign):
        return sign * (forward(point) - forward(value)) - reach

    low = optimize.brentq(distance, bracket[0], value, args=(-1.0,), xtol=1e-14)
    high = optimize.brentq(distance, value, bracket[1], args=(1.0,), xtol=1e-14)
    return low, high


def log_complement(value, error, dof, level):
    return _by_scale(lambda v: -math.log(1.0 - v), value, error, dof, level, (-1e3, NEAR_ONE))


def fisher(value, error, dof, level):
    def half_log_odds(v):
        return 0.5 * math.log((1.0 + v) / (1.0 - v))

    return _by_scale(half_log_odds, value, error, dof, level, (-NEAR_ONE, NEAR_ONE))


def logit(value, error, dof, level):
    return _by_scale(lambda v: math.log(v / (1.0 - v)), value, error, dof, level, (1e-300, NEAR_ONE))


def log(value, error, dof, level):
    return _by_scale(math.log, value, error, dof, level, (1e-300, 1e6))


def wilson(value, error, dof, level):
    """Proportions that the score test does not reject: those at which it has its critical value."""
    z = _quantile(level, math.inf)

    def score(p):
        return (value - p) ** 2 - z**2 * p * (1.0 - p) / dof

    low = 0.0 if value == 0 else optimize.brentq(score, 0.0, min(value, 1.0 - 1e-9), xtol=1e-14)
    high = 1.0 if value == 1 else optimize.brentq(score, max(value, 1e-9), 1.0, xtol=1e-14)
    return low, high


def undetermined(value, error, dof, level):
    return -math.inf, math.inf


def degrees_of_freedom(variances, dofs):
    """Of the scaled chi-square with the mean and variance of a sum of independent scaled chi-squares."""
    mean = math.fsum(variances)
    variance = math.fsum(2.0 * v * v / d for v, d in zip(variances, dofs, strict=True) if v > 0)
    return math.inf if variance == 0 else 2.0 * mean * mean / variance
