"""Scenarios over a grid of two averages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.what_if.calibration import Projection, project
from agnostix.what_if.evidence import evidence_of
from agnostix.what_if.inference import Influence, WeightDiagnostics, interval
from agnostix.what_if.inference.batch import DrawSolver
from agnostix.what_if.metrics import MeanQuantity
from agnostix.what_if.moments import MomentStatistic, default_targets, iter_moments
from agnostix.what_if.sample import ProjectionConfig, Sample, keep_complete_rows
from agnostix.what_if.scenario_draws import ScenarioDraws, ScenarioStatistics
from agnostix.what_if.scenario_influence import off_target

MomentKey = str | tuple[str, Any]


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
            cell = _cell(sample, phi, target, projection, config)
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


def _cell(
    sample: Sample, phi: Floats, target: Floats, projection: Projection, config: ProjectionConfig
) -> pd.DataFrame:
    means = [q for q in sample.quantities if isinstance(q, MeanQuantity)]
    outputs = pd.Series([q.output for q in means], dtype=object)
    named = {"quantity": [q.name for q in means], "output": outputs}
    weights = projection.weights
    if projection.status == "infeasible":
        numbers = ("value", "std_error", "low", "high", "kl", "ess", "max_weight")
        return pd.DataFrame(named | dict.fromkeys(numbers, np.nan) | {"status": "infeasible"})
    live = weights > 0
    influence = Influence.from_weights(off_target(phi - target, live), weights, sample.base, sample.design)
    values = sample.centers + sample.scales * (weights @ sample.outcomes)
    errors = sample.scales * influence.errors(sample.outcomes)[0]
    on_edge = projection.status == "boundary"
    diagnostics = WeightDiagnostics.from_weights(
        weights, sample.base, on_edge, config.min_ess_fraction * sample.base_ess, sample.design
    )
    if config.std_errors == "bootstrap":
        solver = DrawSolver(phi, target, target, sample.base, projection)
        statistics = ScenarioStatistics(sample, solver, sample.resampling(config), list, influence)
        draws = ScenarioDraws.from_statistics(statistics, diagnostics.ess, config)
        errors, low, high = draws.ends(0, values, errors, sample.quantities)
    else:
        evidence = [one[0] for one in evidence_of(sample, influence)]
        ess, level = np.array([diagnostics.ess]), config.confidence_level
        ends = [
            interval(
                *(values[[j]], errors[[j]], ess, level, q.bounds),
                kind=q.kind,
                evidence=evidence[j],
                most_degrees=sample.most_degrees,
            )
            for j, q in enumerate(means)
        ]
        low, high = np.concatenate(ends, axis=1)
    return pd.DataFrame(
        named
        | {"value": values, "std_error": errors}
        | {"low": low, "high": high}
        | {"kl": diagnostics.kl, "ess": diagnostics.ess}
        | {"max_weight": diagnostics.max_weight, "status": diagnostics.status}
    )
