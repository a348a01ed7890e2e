"""One scenario: constraints met at once by the closest weights, with outcomes and all columns' shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.explanation import Scenario
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.calibration import DIVERGENCES, KULLBACK_LEIBLER, Divergence, project
from agnostix.what_if.condition_table import describe_conditions
from agnostix.what_if.conflicts import explain_conflict, keeps_groups, read_gap_weights, values_meeting
from agnostix.what_if.constraints.base import Condition, Constraint, Context
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.constraints.short_forms import Statement
from agnostix.what_if.inference import Influence, WeightDiagnostics
from agnostix.what_if.outcomes import compute_outcomes
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.program import Solution, solve_program
from agnostix.what_if.sample import ProjectionConfig, Sample, keep_complete_rows
from agnostix.what_if.shifts import compute_shifts
from agnostix.what_if.tilting import EDGE


@dataclass(frozen=True)
class Closeness:
    """How far weights are from the base weights, and how far one of them may be."""

    divergence: Divergence = KULLBACK_LEIBLER
    weight_bounds: tuple[float, float] | None = None  # least and largest ratio to the base weight

    @classmethod
    def parse(cls, divergence: Any, weight_bounds: Any) -> Closeness:
        """From the arguments of `what_if`; ValueError for a divergence that there is not, or bad bounds."""
        if divergence not in DIVERGENCES:
            known = ", ".join(map(repr, DIVERGENCES))
            raise ValueError(f"The divergence must be one of {known}, got {divergence!r}.")
        if weight_bounds is None:
            return cls(DIVERGENCES[divergence])
        try:
            low, high = (float(end) for end in weight_bounds)
        except (TypeError, ValueError, OverflowError):
            low = high = np.nan
        if not (0.0 <= low < 1.0 < high):
            raise ValueError(
                "weight_bounds must be two ratios of a row's weight to its base weight, 0 <= low < 1 < high, "
                f"such as (0.2, 5), got {weight_bounds!r}: weights keep their sum, so 1 is between."
            )
        return cls(DIVERGENCES[divergence], (low, high))

    @property
    def keywords(self) -> dict[str, Any]:
        """Arguments of the solver."""
        return {"divergence": self.divergence, "weight_bounds": self.weight_bounds}

    def solve(self, context: Context) -> Solution:
        """The closest weights that meet the constraints of a context."""
        compiled = compile_constraints(context)
        closest = values_meeting(context, compiled, self.weight_bounds)
        return solve_program(compiled, context.base, closest=closest, **self.keywords)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `what_if` that are not the default."""
        named = {} if self.divergence is KULLBACK_LEIBLER else {"divergence": self.divergence.name}
        return named if self.weight_bounds is None else named | {"weight_bounds": self.weight_bounds}


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
    return build_scenario(*solved, config)


def solve_constraints(
    sample: Sample,
    statement: Statement,
    predictions: Predictions,
    config: ProjectionConfig,
    closeness: Closeness | None = None,
    gap_weights: Mapping[str, float] | None = None,
) -> tuple[Context, Solution]:
    """The closest weights that meet all constraints; InfeasibleTargetError if none do."""
    near = closeness or Closeness()
    sample = keep_complete_rows(sample, statement.shifted, config.missing, statement.features)
    context = statement.in_context(Context(sample, predictions))
    read_gap_weights(gap_weights, context.constraints)  # raises for names that there are not
    solution = near.solve(context)
    if not _is_solved(solution, context):
        raise explain_conflict(
            solution.program.compiled,
            solution.values,
            context,
            lambda parts: _is_met(context, parts, near),
            lambda phi, low, high: _calibrate(phi, low, high, context, near),
            weight_bounds=near.weight_bounds,
            gap_weights=gap_weights,
        )
    return context, solution


def _is_solved(solution: Solution, context: Context) -> bool:
    """Whether weights meet the conditions, and leave weight in every group that these speak of."""
    projection = solution.projection
    if projection.status == "infeasible" or any(
        one.low > one.high for one in solution.program.compiled.scalars
    ):
        return False
    return keeps_groups(solution.conditions, context, projection.weights)


def _is_met(context: Context, constraints: Sequence[Constraint], near: Closeness) -> bool:
    """Whether some weights meet these constraints, in place of those of the context."""
    try:
        other = replace(context, constraints=tuple(constraints))
        return _is_solved(near.solve(other), other)
    except (ConvergenceError, ValueError):
        return False


def _calibrate(phi: Floats, low: Floats, high: Floats, context: Context, near: Closeness) -> Floats | None:
    """The closest weights (n_rows,) with means of phi in ranges; None if there are none."""
    try:
        projection = project(phi, low, high, context.base, **near.keywords)
    except ConvergenceError:
        return None
    return None if projection.status == "infeasible" else projection.weights


def build_scenario(context: Context, solution: Solution, config: ProjectionConfig) -> Scenario:
    """Outcomes, shifts and diagnostics of a solution."""
    sample, projection = context.sample, solution.projection
    weights, base = projection.weights, sample.base
    on_edge = projection.status == "boundary"
    diagnostics = WeightDiagnostics.from_weights(
        weights, base, on_edge, config.min_ess_fraction * sample.base_ess, sample.design
    )
    influence = compute_influence(context, solution)
    level, ess = config.confidence_level, diagnostics.ess
    assert context.statement is not None
    return Scenario(
        weights=sample.table.to_user_order(sample.expand(weights)) * sample.table.n_given,
        conditions=describe_conditions(context, solution.conditions, projection),
        outcomes=compute_outcomes(sample, influence, _resolver(solution), ess, config),
        shifts=compute_shifts(sample, influence, _fixed_columns(solution.conditions), ess, level),
        kl=diagnostics.kl,
        ess=ess,
        ess_fraction=ess / sample.base_ess,
        max_weight=diagnostics.max_weight,
        status=diagnostics.status,
        gap=_largest_gap(solution),
        n_rows=base.size,
        confidence_level=level,
        divergence=solution.program.divergence.name,
        searched=solution.searched,
        notes=(*context.statement.notes, *solution.notes),
    )


def _resolver(solution: Solution) -> Any:
    def resolve(base: Floats) -> Floats | None:
        projection = solution.resolve(base)
        return None if projection.status == "infeasible" else projection.weights

    return resolve


def compute_influence(context: Context, solution: Solution) -> Influence:
    """Influence of each row on what the weights of a solution are used for."""
    searched = solution.influence(context.sample.design)
    if searched is not None:
        return searched
    projection, linear, base = solution.projection, solution.linear, context.base
    binding = np.isfinite(projection.held) | (projection.xi != 0.0)
    phi, target, penalty = (
        linear.phi[:, binding],
        projection.held[binding],
        linear.penalty[binding],
    )
    live = projection.weights > 0
    centered = off_target(phi - target, live)
    are_held = np.array([one.role == "held" for one in solution.conditions])[binding]
    program = solution.program
    is_plain = program.divergence is KULLBACK_LEIBLER and program.weight_bounds is None
    if is_plain and np.isinf(penalty).all() and not are_held.any():
        return Influence.from_weights(centered, projection.weights, base, context.sample.design)
    terms = np.zeros_like(phi)
    terms[:, are_held] = -base[:, None] * (phi - base @ phi)[:, are_held]  # they are held at the data's
    return Influence.from_conditions(
        centered,
        np.zeros(target.size),
        projection.xi[binding],
        projection.weights,
        projection.tangent,
        base,
        penalty=penalty,
        base_terms=terms,
        design=context.sample.design,
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


def off_target(centered: Floats, live: Bools) -> Floats:
    """Deviations from the target (n_rows, n_constraints), 0 for rows without weight or within rounding."""
    # On a face of the hull all deviations are rounding errors, on which nothing can be regressed.
    return np.where(live[:, None] & (np.abs(centered) > EDGE), centered, 0.0)


def _fixed_columns(conditions: list[Condition]) -> set[Any]:
    """Keys of the averages and proportions of columns that are fixed."""
    return {one.statistic.key for one in conditions if one.penalty == np.inf}
