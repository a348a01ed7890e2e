"""Agreement of explanations with differences of predictions: plain loops, one row and subset at a time."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from scipy.stats import spearmanr


def subsets_with_probability(n, kind):
    """All subsets of range(n), as tuples with their probabilities."""
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            if kind == "bernoulli":
                yield subset, 0.5**n
            elif size:
                yield subset, 1 / n / comb(n, size)


def fall(predict, row, background, hidden):
    """Prediction of a row, less its mean where hidden columns are those of each background row."""
    total = 0.0
    for other in background:
        mixed = np.array(row, dtype=float)
        for column in hidden:
            mixed[column] = other[column]
        total += predict(mixed[None])[0]
    return predict(np.array(row, dtype=float)[None])[0] - total / len(background)


def infidelity_of_subsets(predict, row, background, values, kind, scaled=False):
    """Expected squared difference of promised and observed falls; of the best multiple of values."""
    promised_squared = crossed = observed_squared = 0.0
    for subset, probability in subsets_with_probability(len(row), kind):
        promised = sum(values[j] for j in subset)
        observed = fall(predict, row, background, subset)
        promised_squared += probability * promised**2
        crossed += probability * promised * observed
        observed_squared += probability * observed**2
    if scaled:
        return observed_squared - crossed**2 / promised_squared
    return promised_squared - 2 * crossed + observed_squared


def infidelity_of_noise(predict, row, perturbed, values):
    """Mean squared difference over perturbed rows, whose noise is what they lack of the row."""
    errors = []
    for other in perturbed:
        promised = sum((a - b) * value for a, b, value in zip(row, other, values, strict=True))
        errors.append((promised - (predict(row[None])[0] - predict(other[None])[0])) ** 2)
    return np.mean(errors)


def optimum(vectors, weights, falls):
    """The least infidelity's values, E[I I']^-1 E[I fall] (Yeh et al., 2019, proposition 2.1)."""
    second, crossed = 0.0, 0.0
    for vector, weight, one in zip(vectors, weights, falls, strict=True):
        second = second + weight * np.outer(vector, vector)
        crossed = crossed + weight * vector * one
    return np.linalg.solve(second, crossed)


def correlation_over_subsets(predict, row, background, values, subsets):
    """Pearson's correlation of sums of values and falls."""
    sums = [sum(values[j] for j in subset) for subset in subsets]
    falls = [fall(predict, row, background, subset) for subset in subsets]
    return np.corrcoef(sums, falls)[0, 1]


def jackknife(x, y):
    """Standard error of a correlation, leaving out one pair at a time."""
    n = len(x)
    without = [np.corrcoef(np.delete(x, j), np.delete(y, j))[0, 1] for j in range(n)]
    return np.sqrt((n - 1) / n * sum((one - np.mean(without)) ** 2 for one in without))


def monotonicity_nguyen(predict, row, background, values):
    """Rank correlation of sizes of values and mean squared changes, a column at a time."""
    whole, effects = predict(row[None])[0], []
    for column in range(len(row)):
        changes = []
        for other in background:
            mixed = row.copy()
            mixed[column] = other[column]
            changes.append((whole - predict(mixed[None])[0]) ** 2)
        effects.append(np.mean(changes))
    return spearmanr(np.abs(values), effects)[0]


def monotonicity_arya(predict, row, background, values, tolerance=1e-12):
    """Whether the mean prediction never falls as columns are shown, least values first; share of steps."""
    hidden, previous, rises = set(range(len(row))), None, []
    for column in [None, *np.argsort(values)]:
        hidden.discard(column)
        present = predict(row[None])[0] - fall(predict, row, background, sorted(hidden))
        if previous is not None:
            rises.append(present >= previous - tolerance)
        previous = present
    return float(all(rises)), np.mean(rises)
