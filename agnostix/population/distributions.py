"""The data's own distribution, for the pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.population.sample import Sample
from agnostix.population.sweep import groups

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
        _histogram(part, name, group)
        for group, part in groups(sample, by)
        for name in features
        if part.table.column(name).kind == "numeric"
    ]
    empty = pd.DataFrame(columns=["feature", "group", "left", "right", "share"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def _histogram(part: Sample, name: str, group: object) -> pd.DataFrame:
    column = part.column(name)
    there = ~column.missing
    values = np.asarray(column.values, dtype=float)[there]
    share, edges = np.histogram(values, bins=_edges(values), weights=part.base[there])
    groups_ = pd.Series([group] * share.size, dtype=object)
    return pd.DataFrame(
        {"feature": name, "group": groups_, "left": edges[:-1], "right": edges[1:], "share": share}
    )


def _edges(values: np.ndarray) -> np.ndarray:
    """At most 40 bins, of whole numbers where the values are."""
    if values.size == 0:
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if (values == np.round(values)).all():
        step = max(1.0, np.ceil((high - low + 1.0) / _N_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, _N_BINS + 1)
