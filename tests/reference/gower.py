"""Gower's distance a second time, one pair of values after another. Nothing here imports the package."""

from __future__ import annotations

import math


def is_missing(value):
    return value is None or value != value


def part(one, other, column):
    """How far two values of a column lie apart, from 0 to 1; a column of numbers is known by its contents."""
    if is_missing(one) or is_missing(other):
        return 0.0 if is_missing(one) and is_missing(other) else 1.0
    known = [value for value in column if not is_missing(value)]
    if any(isinstance(value, str | bool) for value in known):
        return 0.0 if one == other else 1.0
    if one == other:
        return 0.0
    span = max(known) - min(known)
    return 1.0 if span == 0 else min(abs(one - other) / span, 1.0)


def distance(one, other, columns):
    """The mean over columns."""
    return math.fsum(part(a, b, c) for a, b, c in zip(one, other, columns, strict=True)) / len(columns)


def nearest(row, rows, columns, k, own=None):
    """Positions and distances of the k nearest rows but itself; of equally near ones the first."""
    far = [(round(distance(row, other, columns), 12), j) for j, other in enumerate(rows) if j != own]
    return [(j, d) for d, j in sorted(far)[:k]]
