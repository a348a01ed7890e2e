"""Rows picked a second time, one after another in plain loops. Nothing here imports the package."""

from __future__ import annotations

import math
from itertools import combinations


def shown_by(values, names, most):
    """Names that each row shows: its largest features, of those that are alike the first."""
    shown = []
    for row, own in zip(values, names, strict=True):
        size = [sum(abs(v) for v in feature if v == v) for feature in row]
        order = sorted(range(len(size)), key=lambda j: (-size[j], j))[:most]
        shown.append({own[j] for j in order if size[j] > 0})
    return shown


def importance(values, names):
    """Root of the summed absolute values of each name, over rows and outputs."""
    sums = {}
    for row, own in zip(values, names, strict=True):
        for name, feature in zip(own, row, strict=True):
            sums[name] = sums.get(name, 0.0) + sum(abs(v) for v in feature if v == v)
    return {name: math.sqrt(total) for name, total in sums.items()}


def worth(rows, shown, weight):
    return math.fsum(weight[name] for name in set().union(*(shown[row] for row in rows)))


def greedy(shown, weight, n_picks):
    """Each time the first row of those that add most."""
    picked = []
    while len(picked) < n_picks:
        before = worth(picked, shown, weight)
        gains = [worth([*picked, row], shown, weight) - before for row in range(len(shown))]
        top = max(gains)
        if top <= 1e-12:
            break
        picked.append(next(row for row, gain in enumerate(gains) if gain >= top - 1e-12))
    return picked


def best(shown, weight, n_picks):
    """The most that so few rows can show."""
    return max(worth(rows, shown, weight) for rows in combinations(range(len(shown)), n_picks))
