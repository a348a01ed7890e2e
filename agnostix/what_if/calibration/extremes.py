"""Weights within floors and caps with the largest mean of a height: a fractional knapsack."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Codes, Floats

_N_BINS = 4096


def extreme_weights(heights: Floats, base: Floats, bounds: tuple[float, float]) -> Floats:
    """Weights (n_rows,) within bounds, ratios to base, of the largest mean of heights (n_rows,)."""
    low, high = bounds
    weights = low * base
    left = max(1.0 - low, 0.0)
    if np.isinf(high):
        weights[heights.argmax()] += left
        return weights
    for rows in _from_the_top(heights, base, left / (high - low) if high > low else 0.0):
        room = (high - low) * base[rows]
        filled = np.cumsum(room)
        n_full = int(np.searchsorted(filled, left))
        weights[rows[:n_full]] += room[:n_full]
        left -= float(filled[n_full - 1]) if n_full else 0.0
        if n_full < rows.size:
            weights[rows[n_full]] += left
            break
    return weights


def _from_the_top(heights: Floats, base: Floats, mass: float) -> tuple[Codes, Codes]:
    """Rows whose heights are certainly among the `mass` on top, and the next, by falling height."""
    least, most = float(heights.min()), float(heights.max())
    if not most > least:
        return np.arange(0), np.arange(heights.size)
    # Bins find the rows around the threshold, so that only these need an order.
    place = ((most - heights) * ((_N_BINS - 1) / (most - least))).astype(np.intp)
    within = np.cumsum(np.bincount(place, base, _N_BINS))
    last = int(np.searchsorted(within, mass * (1.0 - 1e-12)))
    sure = np.flatnonzero(place < last)
    rest = np.flatnonzero(place >= last if last >= _N_BINS - 1 else place == last)
    rest = rest[np.argsort(-heights[rest], kind="stable")]
    if last < _N_BINS - 1:  # rounding of sums may need a row more
        more = np.flatnonzero(place == last + 1)
        rest = np.r_[rest, more[np.argsort(-heights[more], kind="stable")]]
    return sure, rest
