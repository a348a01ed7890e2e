"""The data's own distribution, for the pictures."""

from __future__ import annotations

import numpy as np

from agnostix.core.explanation import Histogram
from agnostix.core.typing import Numbers
from agnostix.population.sample import Sample
from agnostix.population.sweep import groups

_N_BINS = 40


def histograms(sample: Sample, features: list[str], by: str | None) -> tuple[Histogram, ...]:
    """Histograms of numeric features.

    Parameters
    ----------
    sample : Sample
        The rows.
    features : list of str
        Columns; those of labels are passed over.
    by : str or None
        A column whose groups get a histogram each.

    Returns
    -------
    tuple of Histogram
    """
    return tuple(
        Histogram(name, group, *_histogram(part, name))
        for group, part in groups(sample, by)
        for name in features
        if part.table.column(name).kind == "numeric"
    )


def _histogram(part: Sample, name: str) -> tuple[Numbers, Numbers]:
    """Edges of bins of equal width, and the share of the weight in each."""
    column = part.column(name)
    there = ~column.missing
    values, base = (column.values, part.base) if there.all() else (column.values[there], part.base[there])
    edges = _edges(values)
    bins = ((values - edges[0]) * (1.0 / (edges[1] - edges[0]))).astype(np.intp)
    return edges, np.bincount(np.minimum(bins, edges.size - 2), base, edges.size - 1)


def _edges(values: np.ndarray) -> np.ndarray:
    """At most 40 bins, of whole numbers where the values are."""
    if values.size == 0:
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if (values == np.round(values)).all():
        step = max(1.0, np.ceil((high - low + 1.0) / _N_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, _N_BINS + 1)
