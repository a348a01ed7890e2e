"""Similarity of explanations, shapes and sanity checks as plain loops, one row at a time."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np


def mean_ranks(values):
    """Ranks from 1, by counting: units below, and half of the others of the same value."""
    return np.array(
        [sum(b < a for b in values) + (sum(b == a for b in values) + 1) / 2 for a in values], dtype=float
    )


def spearman(one, other):
    """Pearson's correlation of mean ranks."""
    a, b = mean_ranks(one), mean_ranks(other)
    if a.std() == 0 or b.std() == 0:
        return np.nan
    return ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())


def orders(values):
    """All orders of units from the largest size down, one for each way to break ties."""
    sizes = np.abs(values)
    ways = permutations(range(len(values)))
    return [way for way in ways if all(sizes[a] >= sizes[b] for a, b in pairwise(way))]


def agreement(kind, one, other, k):
    """Mean agreement of the first k over all pairs of orders; kind is "top", "sign" or "rank"."""
    found = []
    for first in orders(one):
        for second in orders(other):
            if kind == "rank":
                common = [a for a, b in zip(first[:k], second[:k], strict=True) if a == b]
            else:
                common = set(first[:k]) & set(second[:k])
            if kind == "sign":
                common = [u for u in common if np.sign(one[u]) == np.sign(other[u])]
            found.append(len(common) / k)
    return np.mean(found)


def ssim(one, other, size=11, sigma=1.5):
    """Mean of Wang's index over windows, each weighted by hand; the range is that of both maps."""
    reach = max(one.max(), other.max()) - min(one.min(), other.min())
    if reach == 0:
        return 1.0
    c1, c2 = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    steps = np.arange(size) - size // 2
    weights = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    found = []
    for i in range(one.shape[0] - size + 1):
        for j in range(one.shape[1] - size + 1):
            a, b = (m[i : i + size, j : j + size] for m in (one, other))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a = (weights * (a - mean_a) ** 2).sum()
            var_b = (weights * (b - mean_b) ** 2).sum()
            cov = (weights * (a - mean_a) * (b - mean_b)).sum()
            index = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
            found.append(index / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return np.mean(found)


def gini(values):
    """Mean absolute difference of all pairs of sizes, over twice their mean."""
    sizes = np.abs(values)
    return np.abs(sizes[:, None] - sizes).mean() / (2 * sizes.mean())


def entropy(values):
    """Entropy of the shares of sizes, in nats."""
    total, found = np.abs(values).sum(), 0.0
    for value in np.abs(values):
        if value > 0:
            found -= value / total * np.log(value / total)
    return found


def hill(values, order):
    """(sum of shares to the power of the order) to the power of 1 / (1 - order)."""
    shares = np.abs(values[values != 0]) / np.abs(values).sum()
    if order == 1:
        return np.prod(shares**-shares)
    return sum(share**order for share in shares) ** (1 / (1 - order))


def pointing(maps, boxes, tolerance):
    """Whether any pixel of the box is within a distance of the largest value's, by picture; no ties."""
    found = []
    for one, (top, left, bottom, right) in zip(maps, boxes, strict=True):
        i, j = np.unravel_index(one.argmax(), one.shape)
        apart = [np.hypot(i - a, j - b) for a in range(top, bottom) for b in range(left, right)]
        found.append(float(min(apart) <= tolerance))
    return np.array(found)


def energy(maps, boxes):
    """Sum of positive values in the box over that of all, by picture."""
    found = []
    for one, (top, left, bottom, right) in zip(maps, boxes, strict=True):
        inside = sum(max(one[i, j], 0) for i in range(top, bottom) for j in range(left, right))
        found.append(inside / sum(max(value, 0) for value in one.ravel()))
    return np.array(found)


def crossed_interval_parts(values):
    """Variance components (rows, draws, interaction) of a crossed design, by the analysis of variance."""
    n, m = values.shape
    grand = values.mean()
    rows, draws = values.mean(axis=1), values.mean(axis=0)
    ms_rows = m * ((rows - grand) ** 2).sum() / (n - 1)
    ms_draws = n * ((draws - grand) ** 2).sum() / (m - 1)
    left = values - rows[:, None] - draws + grand
    ms_left = (left**2).sum() / ((n - 1) * (m - 1))
    return (ms_rows - ms_left) / m, (ms_draws - ms_left) / n, ms_left


def with_means(X, order, n_removed, fill):
    """Rows (n_rows, n_columns) whose first columns in each row's order have the fill's values."""
    X = X.copy()
    for row in range(len(X)):
        for column in order[row][:n_removed]:
            X[row, column] = fill[column]
    return X
