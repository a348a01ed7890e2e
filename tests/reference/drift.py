"""Parts of a gap between two tables, written a second time from their definitions.

Nothing here imports the package. Shapley values average over all orders; each reweighting is a cone program
over the rows; influences are derivatives by the rows' weights, by differences.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from tests.reference.what_if import project_by_cone


def shapley_by_orders(value, n_players):
    """Mean over all orders of what the value of a set of players changes by when each joins."""
    shares = np.zeros(n_players)
    orders = list(permutations(range(n_players)))
    known = {}
    for order in orders:
        for k, player in enumerate(order):
            before, after = frozenset(order[:k]), frozenset(order[: k + 1])
            for one in (before, after):
                if one not in known:
                    known[one] = value(sorted(one))
            shares[player] += known[after] - known[before]
    return shares / len(orders)


def metric_under_margins(columns, stats_a, stats_b, base_a, base_b, numerator, denominator=None):
    """The metric in A under the cone program's weights that have B's means of the columns' statistics."""
    below = np.ones(len(base_a)) if denominator is None else denominator
    weights = np.asarray(base_a)
    if columns:
        phi = np.column_stack([stats_a[j] for j in columns])
        target = np.asarray(base_b) @ np.column_stack([stats_b[j] for j in columns])
        center, scale = base_a @ phi, phi.std(axis=0)
        weights = project_by_cone((phi - center) / scale, base_a, (target - center) / scale)
    return float(weights @ numerator / (weights @ below))


def margins_by_cone(stats_a, stats_b, base_a, base_b, numerator, denominator=None):
    """Shapley values of the columns, and the metric under all of their margins."""

    def value(columns):
        return metric_under_margins(columns, stats_a, stats_b, base_a, base_b, numerator, denominator)

    n_columns = len(stats_a)
    return shapley_by_orders(value, n_columns), value(list(range(n_columns)))


def dummies(labels, levels):
    """Indicators of all levels but the last, (n_rows, n_levels - 1)."""
    return np.column_stack([np.asarray(labels) == level for level in levels[:-1]]).astype(float)


def error_by_differences(part, base_a, base_b, step=1e-4):
    """Infinitesimal jackknife: standard error of part(base_a, base_b) by its derivatives by the weights."""
    squares = 0.0
    for which, base in enumerate((base_a, base_b)):
        for row in range(len(base)):
            ends = []
            for sign in (1.0, -1.0):
                moved = np.array(base)
                moved[row] *= 1.0 + sign * step
                moved /= moved.sum()
                ends.append(part(moved, base_b) if which == 0 else part(base_a, moved))
            squares += ((ends[0] - ends[1]) / (2.0 * step)) ** 2
    return np.sqrt(squares)


def gaussian_value(mean, sigma, target, columns, outcome):
    """The mean of an outcome in a normal law whose means of some columns are moved to the target's.

    The closest law in Kullback-Leibler divergence is normal with the same covariance; the other means move
    along the regression on these columns. `outcome(mean, sigma)` is the outcome's mean in a normal law.
    """
    inside = sorted(columns)
    if not inside:
        return outcome(mean, sigma)
    slope = np.linalg.solve(sigma[np.ix_(inside, inside)], (target - mean)[inside])
    return outcome(mean + sigma[:, inside] @ slope, sigma)


def oaxaca_explained(slopes, mean_a, mean_b):
    """What the means of each column explain in the decomposition of Kitagawa, Oaxaca and Blinder."""
    return np.asarray(slopes) * (np.asarray(mean_b) - np.asarray(mean_a))


def robust_mean(loss, mu_a, mu_b, ratio, base_a, base_b):
    """Augmented inverse-probability weighting, row by row, with its standard error."""
    ratio = ratio / sum(b * r for b, r in zip(base_a, ratio, strict=True))
    over_b = sum(b * m for b, m in zip(base_b, mu_b, strict=True))
    left = sum(b * r * (y - m) for b, r, y, m in zip(base_a, ratio, loss, mu_a, strict=True))
    squares = sum((b * r * (y - m - left)) ** 2 for b, r, y, m in zip(base_a, ratio, loss, mu_a, strict=True))
    squares += sum((b * (m - over_b)) ** 2 for b, m in zip(base_b, mu_b, strict=True))
    return over_b + left, np.sqrt(squares)
