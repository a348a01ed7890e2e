"""Stability of explanations a second time: one row, one neighbor and one number after another."""

from __future__ import annotations

import math

from tests.reference import gower


def norm(values):
    return math.sqrt(math.fsum(float(v) ** 2 for v in values if v == v))


def changes(own, others):
    """Euclidean sizes of the differences of explanations, lists of numbers."""
    return [norm([b - a for a, b in zip(own, other, strict=True)]) for other in others]


def max_sensitivity(own, others):
    return max(changes(own, others)) / norm(own)


def avg_sensitivity(own, others):
    own_changes = changes(own, others)
    return math.fsum(own_changes) / len(own_changes) / norm(own)


def lipschitz(own, others, distances):
    return max(c / d for c, d in zip(changes(own, others), distances, strict=True))


def scaled_distance(one, other, columns):
    """Euclidean distance of two rows, each column in units of its range; labels differ by 1."""
    parts = (gower.part(a, b, column) for a, b, column in zip(one, other, columns, strict=True))
    return math.sqrt(math.fsum(part**2 for part in parts))


def different_neighbors(row, rows, columns, k):
    """Positions of the k nearest rows that are not at distance 0."""
    far = gower.nearest(row, rows, columns, len(rows))
    return [j for j, d in far if d > 0][:k]


def crossed_error(table):
    """Standard error of the mean of similarities table[row][draw], rows and draws both random.

    The variance of row means over rows, and that of draw means over draws less the remainder's in it.
    """
    n, m = len(table), len(table[0])
    by_row = [math.fsum(row) / m for row in table]
    by_draw = [math.fsum(row[j] for row in table) / n for j in range(m)]
    mean = math.fsum(by_row) / n
    of_rows = math.fsum((r - mean) ** 2 for r in by_row) / (n - 1)
    of_draws = math.fsum((d - mean) ** 2 for d in by_draw) / (m - 1)
    rest = math.fsum(
        (table[i][j] - by_row[i] - by_draw[j] + mean) ** 2 for i in range(n) for j in range(m)
    ) / ((n - 1) * (m - 1))
    return math.sqrt(of_rows / n + max(of_draws - rest / n, 0.0) / m)
