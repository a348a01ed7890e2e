"""One scenario: constraints met at once by the closest weights, with outcomes and all columns' shifts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.explanation import Scenario
from agnostix.what_if.condition_table import describe_conditions
from agnostix.what_if.constraints.base import Condition, Context
from agnostix.what_if.constraints.short_forms import Statement
from agnostix.what_if.inference import Influence, WeightDiagnostics
from agnostix.what_if.outcomes import compute_outcomes, with_design_effects
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.program import Solution
from agnostix.what_if.replicate_weights import ReplicateWeights
from agnostix.what_if.sample import ProjectionConfig, Sample, keep_complete_rows
from agnostix.what_if.scenario_draws import ScenarioDraws, ScenarioSolver, ScenarioStatistics
from agnostix.what_if.shifts import compute_shifts, iter_parts
from agnostix.what_if.solving import Closeness, Solved


def solve_scenario(
    sample: Sample,
    statement: Statement,
    predictions: Predictions,
    config: ProjectionConfig,
    closeness: Closeness | None = None,
    gap_weights: Mapping[str, float] | None = None,
) -> Scenario:
    """The closest weights that meet all constraints, with outcomes, shifts and diagnostics."""
    solved = solve_constraints(sample, statement, predictions, config, closeness, gap_weights)
    return build_scenario(solved, config)


def solve_constraints(
    sample: Sample,
    statement: Statement,
    predictions: Predictions,
    config: ProjectionConfig,
    closeness: Closeness | None = None,
    gap_weights: Mapping[str, float] | None = None,
) -> Solved:
    """The closest weights that meet all constraints; InfeasibleTargetError if none do."""
    sample = keep_complete_rows(sample, statement.shifted, config.missing, statement.features)
    context = statement.in_context(Context(sample, predictions))
    return Solved.from_context(context, closeness or Closeness(), gap_weights)


def build_scenario(solved: Solved, config: ProjectionConfig) -> Scenario:
    """Outcomes, shifts and diagnostics of the closest weights."""
    sample, own, weights = solved.context.sample, solved.own, solved.projection.weights
    is_on_edge = own.projection.status == "boundary"
    diagnostics = WeightDiagnostics.from_weights(
        weights, sample.base, is_on_edge, config.min_ess_fraction * sample.base_ess, sample.design
    )
    level, ess = config.confidence_level, diagnostics.ess
    influence = solved.influence(in_rows=config.std_errors == "bootstrap")
    outcomes = compute_outcomes(sample, influence, solved.resolve, ess, config)
    shifts = compute_shifts(sample, influence, _fixed_columns(own.conditions), ess, level)
    solver = ScenarioSolver(solved)
    lost: tuple[str, ...] = ()
    if isinstance(influence, Influence) and config.std_errors == "bootstrap":
        statistics = ScenarioStatistics(
            sample, solver, sample.resampling(config), partial(iter_parts, sample), influence
        )
        draws = ScenarioDraws.from_statistics(statistics, ess, config)
        outcomes, shifts, lost = draws.outcomes(outcomes), draws.shifts(shifts), draws.notes
    assert solved.context.statement is not None
    return Scenario(
        weights=sample.table.to_user_order(sample.expand(weights)) * sample.table.n_given,
        conditions=describe_conditions(solved.merged, own.conditions, own.projection),
        outcomes=with_design_effects(outcomes, sample, influence),
        shifts=shifts,
        kl=diagnostics.kl,
        ess=ess,
        ess_fraction=ess / sample.base_ess,
        max_weight=diagnostics.max_weight,
        status=diagnostics.status,
        gap=_largest_gap(own),
        n_rows=sample.base.size,
        confidence_level=level,
        divergence=own.program.divergence.name,
        searched=own.searched,
        notes=(*solved.context.statement.notes, *own.notes, *lost),
        replicates=ReplicateWeights(sample.table, sample.rows, solver),
    )


def _largest_gap(solution: Solution) -> float:
    """Largest distance of a mean from its target in standard deviations, by the values in their own units."""
    weights, held = solution.projection.weights, solution.projection.held
    gaps = [
        one.statistic.gap(weights, one.end_at(z))
        for one, z in zip(solution.conditions, held, strict=True)
        if np.isfinite(z) and one.penalty == np.inf
    ]
    return max(gaps, default=0.0)


def _fixed_columns(conditions: list[Condition]) -> set[Any]:
    """Keys of the averages and proportions of columns that are fixed."""
    return {one.statistic.key for one in conditions if one.penalty == np.inf}
