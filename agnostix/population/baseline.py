"""What is measured in the data as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.population.measure import blocks_of, jackknife
from agnostix.population.quantities import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.population.realism import interval
from agnostix.population.sample import Sample
from agnostix.population.settings import Settings
from agnostix.population.sweep import groups


def baseline(sample: Sample, settings: Settings, by: str | None = None) -> pd.DataFrame:
    """Every quantity at the base weights.

    Parameters
    ----------
    sample : Sample
        The rows and what is measured.
    settings : Settings
        The confidence level.
    by : str, default=None
        A column whose groups are measured each.

    Returns
    -------
    DataFrame
        Columns group, quantity, output, value, std_error, low, high, n_rows.
    """
    rows = [
        (group, *_row(part, quantity, settings), part.base.size)
        for group, part in groups(sample, by)
        for quantity in part.quantities
    ]
    names = ["group", "quantity", "output", "value", "std_error", "low", "high", "n_rows"]
    labels = {name: pd.Series([row[j] for row in rows], dtype=object) for j, name in enumerate(names[:3])}
    return pd.DataFrame(rows, columns=names).assign(**labels)


def _row(sample: Sample, quantity: Quantity, settings: Settings) -> tuple[Any, ...]:
    value, error = _value_and_error(sample, quantity)
    values, errors, ess = (np.array([part]) for part in (value, error, sample.base_ess))
    low, high = interval(
        values, errors, ess, settings.confidence_level, quantity.bounds, counts=quantity.counts
    )
    return quantity.name, quantity.output, value, error, low[0], high[0]


def _value_and_error(sample: Sample, quantity: Quantity) -> tuple[float, float]:
    base = sample.base
    if isinstance(quantity, BlockQuantity):
        return quantity.measure(sample.full(base)), _block_error(sample, quantity)
    if isinstance(quantity, MeanQuantity):
        psi = sample.here(quantity.rows)
        value = float(base @ psi)
    else:
        assert isinstance(quantity, SmoothQuantity)
        value, full = quantity.measure(sample.full(base))
        psi = sample.here(full)
    return value, _error(psi, base)


def _error(psi: Floats, base: Floats) -> float:
    return float(np.sqrt((((psi - base @ psi) * base / (1.0 - base)) ** 2).sum()))


def _block_error(sample: Sample, quantity: BlockQuantity) -> float:
    block, n_blocks = blocks_of(sample.base.size)
    without = [quantity.measure(sample.full(np.where(block != b, sample.base, 0.0))) for b in range(n_blocks)]
    return float(jackknife(np.array(without)[:, None])[0])
