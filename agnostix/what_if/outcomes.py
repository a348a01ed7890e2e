"""Predictions and metrics before and after a reweighting, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.what_if.evidence import evidence_of, worse
from agnostix.what_if.inference import AnyInfluence, Evidence, assign_blocks, interval, jackknife
from agnostix.what_if.metrics import (
    BlockQuantity,
    MeanQuantity,
    Quantity,
    SmoothQuantity,
    kind_of_changes,
)
from agnostix.what_if.sample import ProjectionConfig, Sample, groups_of

Resolve: TypeAlias = Callable[[Floats], Floats | None]
"""Weights (n_rows,) closest to other base weights (n_rows,), None if there are none."""


def compute_outcomes(
    sample: Sample,
    influence: AnyInfluence,
    resolve: Resolve,
    ess: float,
    config: ProjectionConfig,
) -> pd.DataFrame:
    """Frame of each quantity before and after; `resolve` solves again for other base weights (n_rows,)."""
    rows = []
    evidence = evidence_of(sample, influence)
    means = influence.errors(sample.outcomes)
    j = 0
    for quantity, own in zip(sample.quantities, evidence, strict=True):
        if isinstance(quantity, MeanQuantity):
            center, unit = sample.centers[j], sample.scales[j]
            value = center + unit * float(influence.weights @ sample.outcomes[:, j])
            parts = (center, value, unit * means[0][j], unit * means[1][j])
            j += 1
        else:
            parts = _metric_values(sample, quantity, resolve, influence)
        groups = groups_of(quantity, sample, influence.weights)
        rows.append(_outcome(quantity, parts, ess, config, sample.most_degrees, groups, own))
    names = pd.Series([row.pop("output") for row in rows], dtype=object)
    frame = pd.DataFrame(rows)
    frame.insert(1, "output", names)
    return frame


def with_design_effects(frame: pd.DataFrame, sample: Sample, influence: AnyInfluence) -> pd.DataFrame:
    """The frame with the variance of each quantity over that of as many rows drawn from the population."""
    weights, effects, j = influence.weights, [], 0
    for quantity, error in zip(sample.quantities, frame["std_error"], strict=True):
        spread = np.nan
        if isinstance(quantity, MeanQuantity):
            y = sample.outcomes[:, j]
            spread = sample.scales[j] ** 2 * float(weights @ (y - weights @ y) ** 2)
            j += 1
        elif isinstance(quantity, SmoothQuantity):
            psi = sample.restrict(quantity.measure(sample.expand(weights))[1])
            spread = float(weights @ (psi - weights @ psi) ** 2)
        effects.append(error**2 * weights.size / spread if spread > 0.0 else np.nan)
    return frame.assign(design_effect=effects)


def _outcome(
    quantity: Quantity,
    parts: tuple[float, float, float, float],
    ess: float,
    config: ProjectionConfig,
    most: float,
    groups: Floats | None,
    evidence: tuple[Evidence, Evidence],
) -> dict[str, object]:
    base, value, error, change_error = parts
    level = config.confidence_level
    values, errors, rows = (np.array([part]) for part in (value, error, ess))
    low, high = interval(
        *(values, errors, rows, level, quantity.bounds),
        kind=quantity.kind,
        evidence=evidence[0],
        most_degrees=most,
        groups=groups,
    )
    change_low, change_high = interval(
        *(values - base, np.array([change_error]), rows, level),
        kind=kind_of_changes(quantity),
        evidence=evidence[1],
        most_degrees=most,
        groups=groups,
    )
    status = worse(evidence)[0]
    return {
        "quantity": quantity.name,
        "output": quantity.output,
        "base": base,
        "value": value,
        "std_error": error,
        "low": low[0],
        "high": high[0],
        "change": value - base,
        "change_std_error": change_error,
        "change_low": change_low[0],
        "change_high": change_high[0],
        "status": status,
    }


def _metric_values(
    sample: Sample, quantity: Quantity, resolve: Resolve, influence: AnyInfluence
) -> tuple[float, float, float, float]:
    full = sample.expand(influence.weights)
    if isinstance(quantity, BlockQuantity):
        base = quantity.measure(sample.expand(sample.base))
        return base, quantity.measure(full), *_block_errors(sample, quantity, resolve)
    assert not isinstance(quantity, MeanQuantity)
    base, psi_base = quantity.measure(sample.expand(sample.base))
    value, psi = quantity.measure(full)
    error, change_error = influence.errors(sample.restrict(psi)[:, None], sample.restrict(psi_base)[:, None])
    return base, value, float(error[0]), float(change_error[0])


def _block_errors(sample: Sample, quantity: BlockQuantity, resolve: Resolve) -> tuple[float, float]:
    block, n_blocks = assign_blocks(sample.base.size, sample.design)
    without = np.full((n_blocks, 2), np.nan)
    for b in range(n_blocks):
        base = np.where(block != b, sample.base, 0.0)
        base /= base.sum()
        weights = resolve(base)
        if weights is None:
            continue
        shifted, at_base = (quantity.measure(sample.expand(w)) for w in (weights, base))
        without[b] = shifted, shifted - at_base
    error, change_error = jackknife(without)
    return float(error), float(change_error)
