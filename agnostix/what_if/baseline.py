"""All quantities in the observed population, per group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.what_if.evidence import evidence_of
from agnostix.what_if.inference import Evidence, Influence, assign_blocks, interval, jackknife
from agnostix.what_if.inference.batch import DrawSolver
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.sample import ProjectionConfig, Sample, groups_of, iter_groups
from agnostix.what_if.scenario_draws import ScenarioDraws, ScenarioStatistics

_NAMES = ["group", "quantity", "output", "value", "std_error", "low", "high", "n_rows", "status"]


def measure_baseline(sample: Sample, config: ProjectionConfig, by: str | None = None) -> pd.DataFrame:
    """Frame of all quantities at the base weights, per group."""
    frames = [_measure_group(part, group, config) for group, part in iter_groups(sample, by)]
    rows = [row for frame in frames for row in frame]
    labels = {name: pd.Series([row[j] for row in rows], dtype=object) for j, name in enumerate(_NAMES[:3])}
    return pd.DataFrame(rows, columns=_NAMES).assign(**labels)


def _measure_group(sample: Sample, group: Any, config: ProjectionConfig) -> list[tuple[Any, ...]]:
    """The rows of one group."""
    influence = Influence.from_weights(
        np.empty((sample.base.size, 0)), sample.base, sample.base, sample.design
    )
    pairs = [_value_and_error(sample, quantity, influence) for quantity in sample.quantities]
    values, errors = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    evidence = [one[0] for one in evidence_of(sample, influence)]
    errors, low, high = _ends(sample, values, errors, influence, config, evidence)
    return [
        (group, quantity.name, quantity.output, *numbers, sample.base.size, own.status()[0])
        for quantity, own, *numbers in zip(
            sample.quantities, evidence, values, errors, low, high, strict=True
        )
    ]


def _ends(
    sample: Sample,
    values: Floats,
    errors: Floats,
    influence: Influence,
    config: ProjectionConfig,
    evidence: list[Evidence],
) -> tuple[Floats, Floats, Floats]:
    """Standard errors and ends of intervals, each (n_quantities,)."""
    if config.std_errors == "bootstrap":
        statistics = ScenarioStatistics(
            sample, DrawSolver.unchanged(sample.base), sample.resampling(config), list, influence
        )
        draws = ScenarioDraws.from_statistics(statistics, sample.base_ess, config)
        return draws.ends(0, values, errors, sample.quantities)
    ends = [
        _interval(sample, quantity, values[[j]], errors[[j]], config, evidence[j])
        for j, quantity in enumerate(sample.quantities)
    ]
    return errors, np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _interval(
    sample: Sample,
    quantity: Quantity,
    values: Floats,
    errors: Floats,
    config: ProjectionConfig,
    evidence: Evidence,
) -> tuple[float, float]:
    low, high = interval(
        *(values, errors, np.array([sample.base_ess]), config.confidence_level, quantity.bounds),
        kind=quantity.kind,
        evidence=evidence,
        most_degrees=sample.most_degrees,
        groups=groups_of(quantity, sample, sample.base),
    )
    return float(low[0]), float(high[0])


def _value_and_error(sample: Sample, quantity: Quantity, influence: Influence) -> tuple[float, float]:
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
    return value, float(influence.errors(psi[:, None])[0][0])


def _block_error(sample: Sample, quantity: BlockQuantity) -> float:
    block, n_blocks = assign_blocks(sample.base.size, sample.design)
    without = [
        quantity.measure(sample.expand(np.where(block != b, sample.base, 0.0))) for b in range(n_blocks)
    ]
    return float(jackknife(np.array(without)[:, None])[0])
