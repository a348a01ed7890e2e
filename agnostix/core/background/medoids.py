"""Medoids as background rows: the rows nearest to the centers of k-means clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from agnostix.core.background.background import Background
from agnostix.core.background.chosen import error_of_rows
from agnostix.core.frames import checked_weights, columns, kind_of, take_rows, to_codes, to_numbers
from agnostix.core.typing import Floats

_MAX_ROWS = 5_000
"""Most rows that are clustered."""


def medoids(table: Any, size: int, seed: int, sample_weight: Any) -> Background:
    """The row nearest to the center of each of `size` clusters, weighted by the cluster.

    At most 5,000 rows are clustered.
    """
    weights = checked_weights(sample_weight, table.shape[0])
    order = np.random.default_rng([seed, 3]).permutation(np.flatnonzero(weights))
    rows = np.sort(order[:_MAX_ROWS])
    points, weights = _points(take_rows(table, rows)), weights[rows]
    n_distinct = np.unique(points, axis=0).shape[0]
    clusters = KMeans(min(size, n_distinct), n_init=1, random_state=seed % 2**32)
    distances = clusters.fit(points, sample_weight=weights).transform(points)
    medoid, which = np.unique(distances.argmin(axis=0), return_inverse=True)
    size_of = np.bincount(clusters.labels_, weights, clusters.n_clusters)
    total = np.zeros(table.shape[0])
    total[rows[medoid]] = np.bincount(which, size_of, medoid.size)
    background = Background.whole(table, total)
    chosen = np.flatnonzero(total)
    return replace(background, errors=error_of_rows(table, chosen, background.weights, seed, sample_weight))


def _points(table: Any) -> Floats:
    """Standardized numbers (missing ones at the mean, with an indicator) and scaled one-hot levels."""
    parts = []
    for column in columns(table).values():
        if kind_of(column) == "nested":  # which have no distances
            continue
        if kind_of(column) == "categorical":
            codes, levels = to_codes(column)
            parts.append((codes[:, None] == np.arange(-1, len(levels))) / np.sqrt(2.0))
            continue
        numbers = to_numbers(column)
        missing = ~np.isfinite(numbers)
        known = numbers[~missing]
        scale = known.std() if known.size and known.std() > 0 else 1.0
        center = known.mean() if known.size else 0.0
        filled = np.where(missing, center, numbers)
        parts.append(np.stack([(filled - center) / scale, missing], axis=1))
    return np.hstack(parts or [np.zeros((table.shape[0], 1))])
