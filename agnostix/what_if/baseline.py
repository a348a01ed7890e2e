"""The population as observed: quantities at the base weights, and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Histogram
from agnostix.core.typing import Floats, Numbers
from agnostix.what_if.config import ProjectionConfig
from agnostix.what_if.errors import assign_blocks, interval, jackknife
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.sample import Sample, iter_groups

_N_BINS = 40


def measure_baseline(sample: Sample, config: ProjectionConfig, by: str | None = None) -> pd.DataFrame:
    """Frame of all quantities at the base weights, per group."""
    rows = [
        (group, *_measure_row(part, quantity, config), part.base.size)
        for group, part in iter_groups(sample, by)
        for quantity in part.quantities
    ]
    names = ["group", "quantity", "output", "value", "std_error", "low", "high", "n_rows"]
    labels = {name: pd.Series([row[j] for row in rows], dtype=object) for j, name in enumerate(names[:3])}
    return pd.DataFrame(rows, columns=names).assign(**labels)


def _measure_row(sample: Sample, quantity: Quantity, config: ProjectionConfig) -> tuple[Any, ...]:
    value, error = _value_and_error(sample, quantity)
    values, errors, ess = (np.array([part]) for part in (value, error, sample.base_ess))
    low, high = interval(
        values, errors, ess, config.confidence_level, quantity.bounds, counts=quantity.counts
    )
    return quantity.name, quantity.output, value, error, low[0], high[0]


def _value_and_error(sample: Sample, quantity: Quantity) -> tuple[float, float]:
    base = sample.base
    if isinstance(quantity, BlockQuantity):
        return quantity.measure(sample.expand(base)), _block_error(sample, quantity)
    if isinstance(quantity, MeanQuantity):
        psi = sample.restrict(quantity.rows)
        value = float(base @ psi)
    else:
        assert isinstance(quantity, SmoothQuantity)
        value, full = quantity.measure(sample.expand(base))
        psi = sample.restrict(full)
    return value, _mean_error(psi, base)


def _mean_error(psi: Floats, base: Floats) -> float:
    return float(np.sqrt((((psi - base @ psi) * base / (1.0 - base)) ** 2).sum()))


def _block_error(sample: Sample, quantity: BlockQuantity) -> float:
    block, n_blocks = assign_blocks(sample.base.size)
    without = [
        quantity.measure(sample.expand(np.where(block != b, sample.base, 0.0))) for b in range(n_blocks)
    ]
    return float(jackknife(np.array(without)[:, None])[0])


def compute_histograms(sample: Sample, features: list[str], by: str | None) -> tuple[Histogram, ...]:
    """Histograms of numeric features."""
    return tuple(
        Histogram(name, group, *_bin_weights(part, name))
        for group, part in iter_groups(sample, by)
        for name in features
        if part.table.column(name).kind == "numeric"
    )


def _bin_weights(part: Sample, name: str) -> tuple[Numbers, Numbers]:
    """Edges (n_bins + 1,) of bins of equal width, and the share of the weight in each (n_bins,)."""
    column = part.column(name)
    there = ~column.missing
    values, base = (column.values, part.base) if there.all() else (column.values[there], part.base[there])
    edges = _edges(values)
    bins = ((values - edges[0]) * (1.0 / (edges[1] - edges[0]))).astype(np.intp)
    return edges, np.bincount(np.minimum(bins, edges.size - 2), base, edges.size - 1)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of at most 40 bins; for whole numbers, bins are centered on them."""
    if values.size == 0:
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if (values == np.round(values)).all():
        step = max(1.0, np.ceil((high - low + 1.0) / _N_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, _N_BINS + 1)
