"""Distances, discrepancies and errors of chosen rows written a second time, with plain loops."""

from __future__ import annotations

import itertools

import numpy as np


def mean_difference(numbers, weights):
    """Gini's mean difference of weighted numbers."""
    pairs = itertools.product(range(len(numbers)), repeat=2)
    return sum(weights[i] * weights[j] * abs(numbers[i] - numbers[j]) for i, j in pairs)


def ranks(numbers, weights):
    """Weight below each number, and half of that of its equals."""
    return [
        sum(w * (0.5 * (other == one) + (other < one)) for other, w in zip(numbers, weights, strict=True))
        for one in numbers
    ]


def distance(one, other, scales):
    """Distance of two rows of numbers, each on its own scale and on that of ranks, and of all together."""
    total, square = 0.0, 0.0
    for (x, u), (y, v), (unit, rank_unit) in zip(one, other, scales, strict=True):
        apart, rank_apart = abs(x - y) / unit, abs(u - v) / rank_unit
        total += 0.5 * apart + 0.5 * rank_apart
        square += 0.5 * (0.6 * apart) ** 2 + 0.5 * (0.6 * rank_apart) ** 2
    return total + square**0.5


def distances(table, weights):
    """Distances (n, n) of the rows of a table of numbers."""
    columns = [list(column) for column in table.T]
    both = [list(zip(column, ranks(column, weights), strict=True)) for column in columns]
    scales = [
        (mean_difference(column, weights), mean_difference(ranks(column, weights), weights))
        for column in columns
    ]
    rows = list(zip(*both, strict=True))
    return np.array([[distance(one, other, scales) for other in rows] for one in rows])


def half_energy(between, chosen, weights, of_table):
    """Half the energy distance of weighted rows of a table from all of them."""
    cross = sum(
        w * p * between[i, j] for i, w in zip(chosen, weights, strict=True) for j, p in enumerate(of_table)
    )
    own = sum(
        v * w * between[i, j]
        for i, v in zip(chosen, weights, strict=True)
        for j, w in zip(chosen, weights, strict=True)
    )
    whole = sum(p * q * between[i, j] for i, p in enumerate(of_table) for j, q in enumerate(of_table))
    return cross - 0.5 * own - 0.5 * whole


def left_out(kernel, values):
    """Errors of kriging each value from all others, with an unknown mean."""
    errors = []
    for out in range(len(values)):
        kept = [j for j in range(len(values)) if j != out]
        inner, cross = kernel[np.ix_(kept, kept)], kernel[out, kept]
        system = np.block([[inner, np.ones((len(kept), 1))], [np.ones((1, len(kept))), np.zeros((1, 1))]])
        share = np.linalg.solve(system, np.append(cross, 1.0))[:-1]
        errors.append(values[out] - share @ np.asarray(values)[kept])
    return np.array(errors)


def best_mean(covariance, rows):
    """Weights of the unbiased linear guess of the mean over all values, from those of some rows."""
    inner, cross = covariance[np.ix_(rows, rows)], covariance[rows].mean(axis=1)
    n = len(rows)
    system = np.block([[inner, np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
    return np.linalg.solve(system, np.append(cross, 1.0))[:-1]
