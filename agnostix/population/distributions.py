"""The data's own distribution, for the pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.population.sample import Sample
from agnostix.population.sweep import groups
from agnostix.typing import Floats

_N_BINS = 40


def histograms(sample: Sample, features: list[str], by: str | None) -> pd.DataFrame:
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
    DataFrame
        Columns feature, group, left, right, share.
    """
    parts = [
        (name, group, *_histogram(part, name))
        for group, part in groups(sample, by)
        for name in features
        if part.table.column(name).kind == "numeric"
    ]
    sizes = [share.size for *_, share in parts]
    named = {
        name: pd.Series(
            [part[j] for part, size in zip(parts, sizes, strict=True) for _ in range(size)], dtype=object
        )
        for j, name in enumerate(("feature", "group"))
    }
    edges = [part[2] for part in parts]
    numbers = {
        "left": [e[:-1] for e in edges],
        "right": [e[1:] for e in edges],
        "share": [part[3] for part in parts],
    }
    empty = [np.empty(0)]
    return pd.DataFrame(named | {name: np.concatenate(columns or empty) for name, columns in numbers.items()})


def _histogram(part: Sample, name: str) -> tuple[Floats, Floats]:
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
