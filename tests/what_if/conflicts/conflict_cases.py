"""Random rows and ranges of their means, some of which no weights meet."""

from __future__ import annotations

import numpy as np

from tests.reference.what_if import standardize


def random_conditions(seed, n_rows=60, n_conditions=4, reach=1.5, ranged=0.4):
    """Standardized statistics, ranges and base weights; indicators and dependent columns among them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_conditions)) + 0.5 * rng.normal(size=(n_rows, 1))
    x[:, 0] = x[:, 0] > 0.3
    if n_conditions > 2 and seed % 2:
        x[:, 2] = x[:, 0] - 2.0 * x[:, 1]
    phi, base = standardize(x, rng.uniform(0.5, 2.0, n_rows))
    low = rng.normal(0.0, reach, n_conditions)
    high = np.where(rng.random(n_conditions) < ranged, low + rng.uniform(0.1, 1.0, n_conditions), low)
    if seed % 3 == 0:
        high[-1] = np.inf
    return phi, low, high, base
