"""Comparison of explainers and ROC areas by plain loops over their definitions."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
from scipy import optimize, stats


def holm(p):
    """The largest, over the tests up to its place, of p times the number of tests not yet rejected."""
    p = list(p)
    adjusted = []
    for own in p:
        steps = [min(1.0, one * sum(other >= one for other in p)) for one in p if one <= own]
        adjusted.append(max(steps))
    return adjusted


def rejected_by_holm(p, level):
    """Step down: reject the smallest at level / m, the next at level / (m - 1), ..., until one is not."""
    left, rejected = dict(enumerate(p)), set()
    while left:
        smallest = min(left, key=lambda j: (left[j], j))
        if left[smallest] >= level / len(left):
            break
        rejected.add(smallest)
        del left[smallest]
    return rejected


def paired_p_value(one, other):
    """The larger one of the two-sided p-values by Student's statistic and by Hall's transformation of it."""
    differences = np.subtract(one, other)
    t = differences.mean() / stats.sem(differences)
    return max(2 * stats.t.sf(abs(value), len(differences) - 1) for value in (t, _hall(t, differences)))


def ends_of_mean(scores, level):
    """Outer ends of Student's interval of the mean and of the means whose Hall's statistic is within it."""
    scores = np.asarray(scores, dtype=float)
    mean, error = scores.mean(), stats.sem(scores)
    q = stats.t.ppf(0.5 + level / 2, len(scores) - 1)
    halls = [optimize.brentq(lambda t, end=end: _hall(t, scores) - end, -1e3, 1e3) for end in (q, -q)]
    return mean - error * max(q, halls[0]), mean + error * max(q, -halls[1])


def _hall(t, scores):
    """Hall (1992): t + a (2 t^2 + 1) / 6 + a^2 t^3 / 27 with a = skewness / sqrt(n)."""
    a = (stats.skew(scores, bias=False) if len(scores) > 2 else 0.0) / sqrt(len(scores))
    return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6


def mcnemar(one, other):
    """Exact two-sided p-value that rows are as often 1 in one alone as in the other alone."""
    more = sum(a > b for a, b in zip(one, other, strict=True))
    less = sum(a < b for a, b in zip(one, other, strict=True))
    n = more + less
    tail = sum(comb(n, k) for k in range(min(more, less) + 1)) / 2**n
    return min(1.0, 2 * tail)


def intervals_against_the_best(scores, level):
    """Hsu's constrained intervals from scores (n_explainers, n_rows), greater being better."""
    k = len(scores)
    within = 1 - 2 * (1 - level) / (k - 1)
    ends = {
        (i, j): ends_of_mean(np.subtract(scores[i], scores[j]), within)
        for i in range(k)
        for j in range(k)
        if i != j
    }
    high = [min(end for (i, _), (_, end) in ends.items() if i == own) for own in range(k)]
    best = [i for i in range(k) if high[i] >= 0]
    found = []
    for own in range(k):
        low = [ends[own, j][0] for j in best if j != own]
        found.append((min([0.0, *low]) if best != [own] else 0.0, max(0.0, high[own])))
    return found


def areas_and_covariance(signals, is_positive):
    """Areas by counting pairs, and DeLong's covariance of them, from signals (n_signals, n_rows)."""
    kernels = []
    for signal in signals:
        positive = [s for s, p in zip(signal, is_positive, strict=True) if p]
        negative = [s for s, p in zip(signal, is_positive, strict=True) if not p]
        kernels.append([[1.0 if a > b else 0.5 if a == b else 0.0 for b in negative] for a in positive])
    areas = [np.mean(kernel) for kernel in kernels]
    by_positive = [[np.mean(line) for line in kernel] for kernel in kernels]
    by_negative = [[np.mean(line) for line in zip(*kernel, strict=True)] for kernel in kernels]
    covariance = np.zeros((len(areas), len(areas)))
    for parts in (by_positive, by_negative):
        n = len(parts[0])
        for i in range(len(areas)):
            for j in range(len(areas)):
                pairs = zip(parts[i], parts[j], strict=True)
                products = sum((a - areas[i]) * (b - areas[j]) for a, b in pairs)
                covariance[i, j] += products / (n - 1) / n
    return areas, covariance


def most_relevant_in_common(one, other, k):
    """Share of the k largest in size that two rows of values without ties have in common."""
    first, second = (set(sorted(range(len(row)), key=lambda j: -abs(row[j]))[:k]) for row in (one, other))
    return len(first & second) / k
