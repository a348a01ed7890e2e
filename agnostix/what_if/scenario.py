"""One scenario: several moment constraints met at once, with outcomes and the shifts of all columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.core.typing import Bools, Floats
from agnostix.what_if.calibration import Projection, project
from agnostix.what_if.constraints.base import Condition, Context, compile_constraints
from agnostix.what_if.constraints.short_forms import Statement
from agnostix.what_if.infeasibility import explain_infeasibility
from agnostix.what_if.inference import (
    Influence,
    WeightDiagnostics,
    assign_blocks,
    interval,
    jackknife,
)
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity, Quantity
from agnostix.what_if.moments import MomentStatistic, default_targets, iter_moments
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.sample import ProjectionConfig, Sample, Statistic, keep_complete_rows
from agnostix.what_if.table import Column
from agnostix.what_if.tilting import EDGE

_MAX_CELLS = 500_000
MomentKey = str | tuple[str, Any]


def solve_scenario(
    sample: Sample, statement: Statement, predictions: Predictions, config: ProjectionConfig
) -> Scenario:
    """The projection on all constraints, with outcomes, shifts and diagnostics."""
    sample = keep_complete_rows(sample, statement.shifted, config.missing, statement.features)
    context = statement.in_context(Context(sample, predictions))
    conditions = compile_constraints(context).conditions(np.empty(0))
    phi = np.column_stack([one.statistic.z for one in conditions])
    low, high = (
        np.array([one.statistic.to_z(getattr(one, end)) for one in conditions]) for end in ("low", "high")
    )
    projection = project(phi, low, high, sample.base)
    held = projection.held
    if projection.status == "infeasible":
        target = np.where(np.isfinite(held), held, np.clip(0.0, low, high))
        direction = np.zeros(target.size)
        direction[np.isfinite(held)] = projection.xi[np.isfinite(held)]
        raise explain_infeasibility(conditions, context, phi, target, direction)
    return _build_scenario(context, conditions, phi, held, projection, config)


def _build_scenario(
    context: Context,
    conditions: list[Condition],
    phi: Floats,
    held: Floats,
    projection: Projection,
    config: ProjectionConfig,
) -> Scenario:
    sample = context.sample
    weights, base = projection.weights, sample.base
    live = weights > 0
    on_edge = projection.status == "boundary"
    diagnostics = WeightDiagnostics.from_weights(
        weights, base, on_edge, config.min_ess_fraction * sample.base_ess, sample.design
    )
    binding = np.isfinite(held)
    influence = Influence.from_weights(
        off_target(phi[:, binding] - held[binding], live), weights, base, sample.design
    )
    level = config.confidence_level
    return Scenario(
        weights=sample.table.to_user_order(sample.expand(weights)) * sample.table.n_given,
        conditions=describe_conditions(context, conditions, projection),
        outcomes=_outcomes(sample, phi[:, binding], held[binding], influence, diagnostics.ess, config),
        shifts=compute_shifts(sample, influence, _fixed_columns(conditions), diagnostics.ess, level),
        kl=diagnostics.kl,
        ess=diagnostics.ess,
        ess_fraction=diagnostics.ess / sample.base_ess,
        max_weight=diagnostics.max_weight,
        status=diagnostics.status,
        gap=_largest_gap(conditions, held, weights),
        n_rows=base.size,
        confidence_level=level,
        divergence="kullback_leibler",
        searched=pd.DataFrame({"name": pd.Series([], dtype=object), "value": pd.Series([], dtype=float)}),
        notes=(),
    )


def _largest_gap(conditions: list[Condition], held: Floats, weights: Floats) -> float:
    """Largest distance of a mean from its target in standard deviations, by the values in their own units."""
    gaps = [
        one.statistic.gap(weights, one.end_at(z))
        for one, z in zip(conditions, held, strict=True)
        if np.isfinite(z)
    ]
    return max(gaps, default=0.0)


def off_target(centered: Floats, live: Bools) -> Floats:
    """Deviations from the target (n_rows, n_constraints), 0 for rows without weight or within rounding."""
    # On a face of the hull all deviations are rounding errors, on which nothing can be regressed.
    return np.where(live[:, None] & (np.abs(centered) > EDGE), centered, 0.0)


def _fixed_columns(conditions: list[Condition]) -> set[Any]:
    """Keys of the averages and proportions of columns that are fixed."""
    return {one.statistic.key for one in conditions}


def describe_conditions(
    context: Context, conditions: list[Condition], projection: Projection
) -> pd.DataFrame:
    """Frame of what was stated, and of what was held with it, before and after."""
    multipliers = [0.0] * len(context.constraints)
    for condition, xi in zip(conditions, projection.xi, strict=True):
        multipliers[condition.source] += float(xi)
    rows = []
    for one, multiplier in zip(context.constraints, multipliers, strict=True):
        (feature, level), (low, high) = one.named, one.bounds(context)
        rows.append(
            {
                "feature": feature,
                "level": level,
                "low": low,
                "high": high,
                "before": one.measure(context, context.base),
                "reached": one.measure(context, projection.weights),
                "multiplier": multiplier,
                "kind": one.kind,
                "where": one.where_label,
                "penalty": one.penalty,
                "role": "stated",
                "label": one.label,
            }
        )
    levels = pd.Series([row["level"] for row in rows], dtype=object)
    return pd.DataFrame(rows).assign(level=levels)


def _outcomes(
    sample: Sample, phi: Floats, target: Floats, influence: Influence, ess: float, config: ProjectionConfig
) -> pd.DataFrame:
    rows = []
    means = influence.errors(sample.outcomes)
    j = 0
    for quantity in sample.quantities:
        if isinstance(quantity, MeanQuantity):
            center, unit = sample.centers[j], sample.scales[j]
            value = center + unit * float(influence.weights @ sample.outcomes[:, j])
            parts = (center, value, unit * means[0][j], unit * means[1][j])
            j += 1
        else:
            parts = _metric_values(sample, quantity, phi, target, influence)
        rows.append(_outcome(quantity, parts, ess, config, sample.most_degrees))
    names = pd.Series([row.pop("output") for row in rows], dtype=object)
    frame = pd.DataFrame(rows)
    frame.insert(1, "output", names)
    return frame


def _outcome(
    quantity: Quantity,
    parts: tuple[float, float, float, float],
    ess: float,
    config: ProjectionConfig,
    most: float,
) -> dict[str, object]:
    base, value, error, change_error = parts
    level = config.confidence_level
    values, errors, rows = (np.array([part]) for part in (value, error, ess))
    low, high = interval(
        values, errors, rows, level, quantity.bounds, counts=quantity.counts, most_degrees=most
    )
    change_low, change_high = interval(
        np.array([value - base]), np.array([change_error]), np.array([ess]), level, most_degrees=most
    )
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
    }


def _metric_values(
    sample: Sample, quantity: Quantity, phi: Floats, target: Floats, influence: Influence
) -> tuple[float, float, float, float]:
    full = sample.expand(influence.weights)
    if isinstance(quantity, BlockQuantity):
        base = quantity.measure(sample.expand(sample.base))
        return base, quantity.measure(full), *_block_errors(sample, quantity, phi, target)
    assert not isinstance(quantity, MeanQuantity)
    base, psi_base = quantity.measure(sample.expand(sample.base))
    value, psi = quantity.measure(full)
    error, change_error = influence.errors(sample.restrict(psi)[:, None], sample.restrict(psi_base)[:, None])
    return base, value, float(error[0]), float(change_error[0])


def _block_errors(
    sample: Sample, quantity: BlockQuantity, phi: Floats, target: Floats
) -> tuple[float, float]:
    block, n_blocks = assign_blocks(sample.base.size, sample.design)
    without = np.full((n_blocks, 2), np.nan)
    for b in range(n_blocks):
        kept = block != b
        base = sample.base[kept] / sample.base[kept].sum()
        projection = project(phi[kept], target, target, base)
        if projection.status == "infeasible":
            continue
        weights = np.zeros((2, sample.base.size))
        weights[0, kept], weights[1, kept] = projection.weights, base
        shifted, at_base = (quantity.measure(sample.expand(w)) for w in weights)
        without[b] = shifted, shifted - at_base
    error, change_error = jackknife(without)
    return float(error), float(change_error)


def compute_shifts(
    sample: Sample, influence: Influence, stated: set[Any], ess: float, confidence_level: float
) -> pd.DataFrame:
    """Frame of all averages and proportions before and after the reweighting."""
    moments = _iter_statistics(sample)
    block = max(1, _MAX_CELLS // sample.base.size)
    features: list[str] = []
    levels: list[Any] = []
    are_stated: list[bool] = []
    numbers: list[Floats] = []
    while part := list(islice(moments, block)):
        features += [statistic.feature for statistic, _ in part]
        levels += [statistic.level for statistic, _ in part]
        are_stated += [statistic.key in stated for statistic, _ in part]
        numbers.append(_shifts_of(part, influence))
    before, after, shift, error = np.concatenate(numbers or [np.empty((0, 4))]).T
    low, high = interval(
        shift, error, np.full(shift.size, ess), confidence_level, most_degrees=sample.most_degrees
    )
    return pd.DataFrame(
        {
            "feature": pd.Series(features, dtype=object),
            "level": pd.Series(levels, dtype=object),
            "before": before,
            "after": after,
            "shift": shift,
            "std_error": error,
            "low": low,
            "high": high,
            "stated": are_stated,
        }
    )


def _iter_statistics(sample: Sample) -> Iterator[tuple[Statistic, Bools | None]]:
    """Each average and proportion, and the rows (n_rows,) that have a value, None for all."""
    for name in sample.table.columns:
        column = sample.column(name)
        if column.immovable_reason():
            continue
        lacking = column.missing
        there = ~lacking if lacking.any() else None
        base = sample.base if there is None else sample.base[there] / sample.base[there].sum()
        for level in column.levels or (None,):
            yield _statistic(column, level, there, base), there


def _statistic(column: Column, level: Any, there: Bools | None, base: Floats) -> Statistic:
    values = column.values if there is None else column.values[there]
    if level is None:
        return Statistic.from_numbers(column.name, None, values, base)
    return Statistic.from_level(column, level, values == column.level_code(level), base)


def _shifts_of(part: list[tuple[Statistic, Bools | None]], influence: Influence) -> Floats:
    """Before, after, shift and its standard error, shape (n_statistics, 4)."""
    z = np.zeros((influence.base.size, len(part)), order="F")
    share, base_share = np.ones((2, len(part)))
    for j, (statistic, there) in enumerate(part):
        if there is None:
            z[:, j] = statistic.z
        else:
            z[there, j] = statistic.z
            share[j], base_share[j] = influence.weights[there].sum(), influence.base[there].sum()
    known = np.where(share > 0.0, share, np.nan)  # 0 if no row with a value keeps weight
    shift = influence.weights @ z / known
    psi = z - shift
    for j, (_, there) in enumerate(part):
        if there is not None:
            psi[~there, j] = 0.0
    _, errors = influence.errors(psi / known, z / base_share)
    means, scales = (np.array([getattr(s, name) for s, _ in part]) for name in ("mean", "scale"))
    return np.column_stack([means, means + scales * shift, shift, errors])


def sweep_joint(
    sample: Sample, config: ProjectionConfig, first: MomentKey, second: MomentKey, n_targets: int
) -> pd.DataFrame:
    """Frame over the grid of default targets of two moments, one row per cell and quantity."""
    names = [key[0] if isinstance(key, tuple) else key for key in (first, second)]
    sample = keep_complete_rows(sample, names, config.missing)
    one, two = (_choose_moment(sample, key, config) for key in (first, second))
    (_, z_one), (_, z_two) = (
        default_targets(moment.statistic, moment.distinct, sample.base, n_targets, config.quantiles)
        for moment in (one, two)
    )
    phi = np.column_stack([one.statistic.z, two.statistic.z])
    frames = []
    for i, a in enumerate(z_one):
        start = None
        for b in z_two if i % 2 == 0 else z_two[::-1]:  # warm start from the neighboring cell
            target = np.array([a, b])
            projection = project(phi, target, target, sample.base, start=start)
            start = projection.xi if projection.status == "ok" else None
            cell = _cell(sample, phi - target, projection, config)
            frames.append(
                cell.assign(first_target=one.statistic.from_z(a), second_target=two.statistic.from_z(b))
            )
    frame = pd.concat(frames, ignore_index=True).assign(n_rows=sample.base.size)
    lead = ["first_target", "second_target"]
    frame = frame[lead + [name for name in frame.columns if name not in lead]]
    return frame.sort_values(lead, kind="stable", ignore_index=True)


def _choose_moment(sample: Sample, key: MomentKey, config: ProjectionConfig) -> MomentStatistic:
    feature, levels = (key[0], [key[1]]) if isinstance(key, tuple) else (key, None)
    candidates = list(iter_moments(sample, feature, config.missing, levels))
    if len(candidates) != 1:
        options = ", ".join(repr(moment.statistic.level) for moment in candidates[:8])
        raise ValueError(
            f"Column {feature!r} holds labels: say which one is shifted, as ({feature!r}, level). "
            f"Its levels: {options}."
        )
    return candidates[0]


def _cell(sample: Sample, centered: Floats, projection: Projection, config: ProjectionConfig) -> pd.DataFrame:
    means = [q for q in sample.quantities if isinstance(q, MeanQuantity)]
    outputs = pd.Series([q.output for q in means], dtype=object)
    named = {"quantity": [q.name for q in means], "output": outputs}
    weights = projection.weights
    if projection.status == "infeasible":
        numbers = ("value", "std_error", "low", "high", "kl", "ess", "max_weight")
        return pd.DataFrame(named | dict.fromkeys(numbers, np.nan) | {"status": "infeasible"})
    live = weights > 0
    influence = Influence.from_weights(off_target(centered, live), weights, sample.base, sample.design)
    values = sample.centers + sample.scales * (weights @ sample.outcomes)
    errors = sample.scales * influence.errors(sample.outcomes)[0]
    on_edge = projection.status == "boundary"
    diagnostics = WeightDiagnostics.from_weights(
        weights, sample.base, on_edge, config.min_ess_fraction * sample.base_ess, sample.design
    )
    ess = np.array([diagnostics.ess])
    bounds = [
        interval(
            *(values[[j]], errors[[j]], ess, config.confidence_level, q.bounds),
            counts=q.counts,
            most_degrees=sample.most_degrees,
        )
        for j, q in enumerate(means)
    ]
    return pd.DataFrame(
        named
        | {"value": values, "std_error": errors}
        | {"low": [low[0] for low, _ in bounds], "high": [high[0] for _, high in bounds]}
        | {"kl": diagnostics.kl, "ess": diagnostics.ess}
        | {"max_weight": diagnostics.max_weight, "status": diagnostics.status}
    )
