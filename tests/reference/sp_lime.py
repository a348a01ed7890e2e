"""SP-LIME a second time, in plain loops. Nothing here imports the package."""

from __future__ import annotations

import math
from itertools import combinations


def shown_features(values, names, n_features):
    """Names that each row shows: its largest features, the first of equal ones."""
    shown = []
    for row, row_names in zip(values, names, strict=True):
        size = [sum(abs(v) for v in feature if v == v) for feature in row]
        order = sorted(range(len(size)), key=lambda j: (-size[j], j))[:n_features]
        shown.append({row_names[j] for j in order if size[j] > 0})
    return shown


def importance(values, names):
    """Root of the summed absolute values of each name, over rows and outputs."""
    sums = {}
    for row, row_names in zip(values, names, strict=True):
        for name, feature in zip(row_names, row, strict=True):
            sums[name] = sums.get(name, 0.0) + sum(abs(v) for v in feature if v == v)
    return {name: math.sqrt(total) for name, total in sums.items()}


def coverage(rows, shown, weight):
    """Importance of all features that some rows show."""
    return math.fsum(weight[name] for name in set().union(*(shown[row] for row in rows)))


def greedy(shown, weight, n_picks):
    """Each time the first row of those that add most."""
    picked = []
    while len(picked) < n_picks:
        before = coverage(picked, shown, weight)
        gains = [coverage([*picked, row], shown, weight) - before for row in range(len(shown))]
        top = max(gains)
        if top <= 1e-12:
            break
        picked.append(next(row for row, gain in enumerate(gains) if gain >= top - 1e-12))
    return picked


def best(shown, weight, n_picks):
    """The largest coverage of any set of rows."""
    return max(coverage(rows, shown, weight) for rows in combinations(range(len(shown)), n_picks))
