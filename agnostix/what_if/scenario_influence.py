"""Influence of each row on a scenario: on multipliers, on scalars, and on what the data hold or start from.

What is held at the data's value moves with the rows, and with it the conditions that need it; so do targets
relative to the data, and the deviations within groups that penalties are stated in. Such numbers are means of
statistics, and each becomes a parameter with the estimating function b_i (statistic_i - mean).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.calibration import KULLBACK_LEIBLER
from agnostix.what_if.constraints.averages import Average, average_of
from agnostix.what_if.constraints.base import Condition, Constraint, Context, Relative
from agnostix.what_if.constraints.comparisons import GroupComparison
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.constraints.quantiles import ExpectedShortfall, Quantile
from agnostix.what_if.inference import Influence
from agnostix.what_if.program import Solution
from agnostix.what_if.tilting import EDGE

_STEP = 1e-4
"""Largest relative step of a base weight."""


def compute_influence(context: Context, solution: Solution) -> Influence:
    """Influence of each row on what the weights of a solution are used for."""
    own = _Equations.from_solution(solution)
    projection, design = solution.projection, context.sample.design
    if is_plain(context, solution):
        centered = off_target(own.estimating, projection.weights > 0)
        return Influence.from_weights(centered, projection.weights, context.base, design)
    # A quantile of the data jumps from row to row, and conditions compiled for other base weights would jump
    # with it: what moves smoothly is found with quantiles as numbers.
    fixed = tuple(one.at_fixed_quantiles(context) for one in context.constraints)
    moving = _moving(replace(context, constraints=fixed), solution) + _moving_quantiles(context, solution)
    terms = own.scale_terms(context.base)
    for one in moving:
        own, terms = (
            own.with_parameter(one, projection.weights, projection.tangent),
            np.column_stack([terms, one.term]),
        )
    return Influence.from_estimating(
        own.directions,
        own.estimating,
        own.jacobian,
        projection.weights,
        projection.tangent,
        context.base,
        base_terms=terms,
        design=design,
    )


def off_target(centered: Floats, live: Bools) -> Floats:
    """Deviations from the target (n_rows, n_constraints), 0 for rows without weight or within rounding."""
    # On a face of the hull all deviations are rounding errors, on which nothing can be regressed.
    return np.where(live[:, None] & (np.abs(centered) > EDGE), centered, 0.0)


class Moving(NamedTuple):
    """A number of the data that conditions depend on."""

    term: Floats  # (n_rows,), what each row adds to it
    direction: Floats  # (n_rows,), derivative of the exponents by it
    gaps: Floats  # (n_equations,), derivatives of the equations by it, the weights fixed


@dataclass(frozen=True)
class _Equations:
    """Estimating equations of the multipliers of what binds, and of scalars."""

    directions: Floats  # (n_rows, n_parameters), derivatives of the exponents
    estimating: Floats  # (n_rows, n_parameters)
    jacobian: Floats  # (n_parameters, n_parameters)
    missed: Floats  # (n_conditions,), by how much soft conditions that bind stay short of their targets
    phi: Floats  # (n_rows, n_conditions), statistics of the conditions that bind
    n_scalars: int

    @classmethod
    def from_solution(cls, solution: Solution) -> _Equations:
        projection, linear = solution.projection, solution.linear
        active = np.isfinite(projection.held) | (projection.xi != 0.0)
        phi, xi, penalty = linear.phi[:, active], projection.xi[active], linear.penalty[active]
        best = solution.parametric
        if best is None or solution.result is None:
            estimating = phi - projection.held[active] + xi / penalty
            jacobian = (estimating * projection.tangent[:, None]).T @ phi + np.diag(1.0 / penalty)
            return cls(phi, estimating, jacobian, xi / penalty, phi, 0)
        free = np.r_[np.ones(xi.size, dtype=bool), ~solution.result.at_end]
        parts = best.directions[:, free], best.estimating[:, free], best.jacobian[np.ix_(free, free)]
        return cls(*parts, xi / penalty, phi, int(free.sum()) - xi.size)

    @property
    def is_soft(self) -> bool:
        """Whether a condition is missed."""
        return bool((self.missed != 0.0).any())

    def scale_terms(self, base: Floats) -> Floats:
        """What rows add to equations of soft conditions by the deviations that penalties are stated in."""
        terms = np.zeros_like(self.estimating)
        if self.is_soft:
            squares = base[:, None] * (self.phi - base @ self.phi) ** 2
            spread = squares / squares.sum(0) - base[:, None]
            terms[:, : self.missed.size] = spread * self.missed
        return terms

    def with_parameter(self, one: Moving, weights: Floats, tangent: Floats) -> _Equations:
        """The equations with one more, of a number of the data: its terms have the sum 0."""
        n = self.jacobian.shape[0]
        gaps = np.zeros(n)
        gaps[: one.gaps.size] = one.gaps
        jacobian = np.zeros((n + 1, n + 1))
        jacobian[:n, :n] = self.jacobian
        jacobian[:n, n] = gaps + (self.estimating * tangent[:, None]).T @ one.direction
        jacobian[n, n] = -1.0
        nothing = np.zeros(weights.size)
        return replace(
            self,
            directions=np.column_stack([self.directions, one.direction]),
            estimating=np.column_stack([self.estimating, nothing]),
            jacobian=jacobian,
        )


def _moving(context: Context, solution: Solution) -> list[Moving]:
    """The data's own numbers that conditions depend on, each a mean of a statistic that rows move.

    How equations depend on them follows from conditions that are compiled for base weights moved a little
    along each statistic, which moves all of these numbers by what the statistics' covariances say.
    """
    statistics, base = _statistics_of_data(context, solution), context.base
    if statistics.shape[1] == 0:
        return []
    steps = _STEP / np.abs(statistics).max(0)
    gaps, directions = [], []
    for statistic, step in zip(statistics.T, steps.tolist(), strict=True):
        below, above = (
            _equations_at(context, solution, base * (1.0 + sign * step * statistic)) for sign in (-1.0, 1.0)
        )
        gaps.append((above[0] - below[0]) / (2.0 * step))
        directions.append((above[1] - below[1]) / (2.0 * step))
    covariance = statistics.T @ (base[:, None] * statistics)
    solved = np.linalg.lstsq(covariance, np.hstack([gaps, directions]), rcond=1e-10)[0]
    n = len(gaps[0])
    return [
        Moving(base * statistic, row[n:], row[:n])
        for statistic, row in zip(statistics.T, solved, strict=True)
    ]


def _moving_quantiles(context: Context, solution: Solution) -> list[Moving]:
    """The quantiles that shortfalls hold at the data's, each by the share of rows that its moves pass."""
    # A row that is added below moves the quantile until as much weight is below as before. The shortfall does
    # not change with the quantile, and what its multiplier changes that of the share makes up for.
    projection, base = solution.projection, context.base
    active = np.flatnonzero(np.isfinite(projection.held) | (projection.xi != 0.0)).tolist()
    found = []
    for equation, place in enumerate(active):
        condition = solution.conditions[place]
        one = context.constraints[condition.source]
        if not isinstance(one, ExpectedShortfall) or one.quantile is not None or condition.role != "held":
            continue
        z = condition.statistic.z
        gaps = np.zeros(len(active))
        assert isinstance(condition.held, Quantile)
        gaps[equation] = _ratio_around(condition.held, context, projection.weights / base)
        found.append(Moving(-base * (z - base @ z), np.zeros(base.size), gaps))
    return found


def _ratio_around(quantile: Quantile, context: Context, ratio: Floats) -> float:
    """Mean ratio (n_rows,) of weight to base weight of the rows on both sides of a quantile that is held."""
    numbers, member = quantile.numbers(context), quantile.members(context)
    if member is not None:
        numbers, ratio = numbers[member], ratio[member]
    up_to = numbers <= float(quantile.target)
    sides = (np.where(up_to, numbers, -np.inf), -np.where(up_to, np.inf, numbers))
    return float(np.mean([ratio[side == side.max()].mean() for side in sides if np.isfinite(side.max())]))


def _statistics_of_data(context: Context, solution: Solution) -> Floats:
    """Centered statistics (n_rows, n_numbers) of what is held, relative to the data, or a deviation."""
    projection, base = solution.projection, context.base
    active = np.isfinite(projection.held) | (projection.xi != 0.0)
    found = []
    for one in context.constraints:
        if isinstance(one, GroupComparison) and (one.is_soft or _is_relative(one)):
            found += _rates_in_groups(one, context)
    for place in np.flatnonzero(active).tolist():
        condition = solution.conditions[place]
        one = context.constraints[condition.source]
        if condition.role == "held" or (_is_relative(one) and not isinstance(one, GroupComparison)):
            z = condition.statistic.z
            member = one.members(context) if isinstance(one, Average) else None
            if condition.role == "stated" and member is not None:  # 1_G (x - target): about the data's value
                z = np.where(member, z - base[member] @ z[member] / base[member].sum(), 0.0)
            found.append(z - base @ z)
        if one.is_soft and isinstance(one, Average) and one.where:
            member = one.members(context)
            numbers = np.asarray(one.numbers(context), dtype=float)[member]
            own = base[member] / base[member].sum()
            squares = (numbers - own @ numbers) ** 2
            deviation = np.zeros(base.size)
            deviation[member] = squares / (own @ squares) - 1.0
            found.append(deviation)
    scales = [float(np.sqrt(base @ z**2)) for z in found]
    kept = [z / scale for z, scale in zip(found, scales, strict=True) if scale > 0.0]
    return np.column_stack(kept) if kept else np.empty((base.size, 0))


def _is_relative(constraint: Constraint) -> bool:
    """Whether a target is relative to the data's value."""
    ends = constraint._target.low, constraint._target.high
    return any(isinstance(end, Relative) for end in ends)


def _rates_in_groups(constraint: GroupComparison, context: Context) -> list[Floats]:
    """1_G (decision - rate), shape (n_rows,), of each rate in each of the groups and in all together."""
    found = []
    for rate in constraint.rates(context):
        together = np.any(list(rate.groups.values()), axis=0)
        for member in (*rate.groups.values(), together):
            value = average_of(rate.decisions, member, context.base)
            found.append(np.where(member, rate.decisions - value, 0.0))
    return found


def _equations_at(context: Context, solution: Solution, base: Floats) -> tuple[Floats, Floats]:
    """Sums of the equations (n_equations,) and exponents (n_rows,), conditions compiled for other weights."""
    compiled = compile_constraints(replace(context, sample=replace(context.sample, base=base / base.sum())))
    program, projection, result = solution.program, solution.projection, solution.result
    program = replace(program, compiled=compiled)
    conditions = compiled.conditions(solution.values)
    linear = program.linear(conditions)
    if result is not None:
        best = replace(result.best, problem=program.given(solution.values), linear=linear)
        result = replace(result, best=best)
    ends = np.where(projection.xi >= 0.0, linear.low, linear.high)
    moved = replace(projection, held=np.where(np.isfinite(projection.held), ends, np.nan))
    at = _Equations.from_solution(
        replace(solution, program=program, conditions=conditions, projection=moved, result=result)
    )
    active = np.isfinite(projection.held) | (projection.xi != 0.0)
    return projection.weights @ at.estimating, at.phi @ projection.xi[active]


def follows(condition: Condition, context: Context, xi: float) -> float:
    """How far the target of a condition follows the data's average: 0 for a number."""
    if condition.role == "held":
        return 0.0
    one = context.constraints[condition.source]
    if not isinstance(one, Average) or one.needed(context):
        return 0.0
    target = one._target
    end = target.low if xi >= 0.0 else target.high
    if not isinstance(end, Relative):
        return 0.0
    return end.amount if end.sign == "*" else 1.0


def is_plain(context: Context, solution: Solution) -> bool:
    """Whether weights are exponential in statistics of fixed numbers, whose targets are numbers."""
    program, projection = solution.program, solution.projection
    is_bounded = program.weight_bounds is not None
    if program.divergence is not KULLBACK_LEIBLER or is_bounded or program.compiled.scalars:
        return False
    active = np.isfinite(projection.held) | (projection.xi != 0.0)
    return not any(
        one.role == "held" or one.penalty < np.inf or follows(one, context, xi) != 0.0
        for one, xi, is_active in zip(solution.conditions, projection.xi.tolist(), active, strict=True)
        if is_active
    )
