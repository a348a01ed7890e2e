"""Influence of each row on a scenario: on multipliers, on scalars, and on what the data hold or start from.

A quantity that is held at the data's value h moves with the rows, by b_i (x_i - h) among those that it is the
average of, and conditions that need it move with h: by central differences of the conditions compiled with h
stated. A target relative to the data moves with these likewise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.calibration import KULLBACK_LEIBLER
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Compiled, Condition, Constraint, Context, Relative
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.inference import Influence
from agnostix.what_if.program import Solution
from agnostix.what_if.tilting import EDGE

_STEP = 1e-4
"""Step of a held quantity, in its standard deviations."""


def compute_influence(context: Context, solution: Solution) -> Influence:
    """Influence of each row on what the weights of a solution are used for."""
    moving = [*_held(context, solution), *_relative(context, solution)]
    own = _Equations.from_solution(solution)
    program, projection, design = solution.program, solution.projection, context.sample.design
    is_plain = program.divergence is KULLBACK_LEIBLER and program.weight_bounds is None
    if is_plain and not moving and not own.is_soft and not own.n_scalars:
        centered = off_target(own.estimating, projection.weights > 0)
        return Influence.from_weights(centered, projection.weights, context.base, design)
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


def _held(context: Context, solution: Solution) -> list[Moving]:
    """What is held at the data's value, and binds."""
    projection = solution.projection
    active = np.isfinite(projection.held) | (projection.xi != 0.0)
    found = []
    for place in np.flatnonzero(active).tolist():
        condition = solution.conditions[place]
        if condition.role != "held":
            continue
        phi = condition.statistic.z
        at = int(active[:place].sum())
        if not isinstance(condition.held, Average):
            gaps = np.zeros(int(active.sum()))
            gaps[at] = -1.0
            centered = context.base * (phi - context.base @ phi)
            found.append(Moving(centered, np.zeros(phi.size), gaps))
        else:
            found.append(_held_moment(context, solution, place, condition.held))
    return found


def _held_moment(context: Context, solution: Solution, place: int, held: Constraint) -> Moving:
    """A moment that others are computed about."""
    statistic = solution.conditions[place].statistic
    step = _STEP * statistic.scale
    value = float(held.bounds(context)[0])
    ends = [
        _Equations.from_solution(
            _solution_at(context, solution, place, held.with_target(value + sign * step))
        )
        for sign in (-1.0, 1.0)
    ]
    weights, xi = solution.projection.weights, solution.projection.xi
    active = np.isfinite(solution.projection.held) | (xi != 0.0)
    below, above = (weights @ end.estimating for end in ends)
    direction = (ends[1].phi - ends[0].phi) @ xi[active] / (2.0 * step)
    term = context.base * statistic.scale * (statistic.z - statistic.to_z(value))
    member = held.members(context) if isinstance(held, Average) else None
    if member is not None:
        term = context.base * np.asarray(statistic.values, dtype=float) / context.base[member].sum()
    return Moving(term, direction, (above - below) / (2.0 * step))


def _solution_at(context: Context, solution: Solution, place: int, stated: Constraint) -> Solution:
    """The same weights and multipliers where a held quantity is stated at another value."""
    other = compile_constraints(replace(context, constraints=(*context.constraints, stated)))

    def conditions(values: Floats) -> list[Condition]:
        *first, last = other.conditions(values)  # what is stated comes last, what is held where it is needed
        return [*first[:place], last, *first[place:]]

    compiled = Compiled(conditions, other.scalars, other.penalty_of)
    program = replace(solution.program, compiled=compiled)
    result, moved = solution.result, program.compiled.conditions(solution.values)
    if result is not None:
        best = replace(result.best, problem=program.given(solution.values))
        result = replace(result, best=best)
    linear = program.linear(moved)
    held = solution.projection.held
    ends = np.where(solution.projection.xi >= 0.0, linear.low, linear.high)
    projection = replace(solution.projection, held=np.where(np.isfinite(held), ends, np.nan))
    return replace(solution, program=program, conditions=moved, projection=projection, result=result)


def _relative(context: Context, solution: Solution) -> list[Moving]:
    """Targets relative to the data's averages, that bind."""
    projection = solution.projection
    active = np.isfinite(projection.held) | (projection.xi != 0.0)
    found = []
    for place in np.flatnonzero(active).tolist():
        condition = solution.conditions[place]
        factor = follows(condition, context, float(projection.xi[place]))
        if factor == 0.0:
            continue
        statistic, base = condition.statistic, context.base
        one = context.constraints[condition.source]
        assert isinstance(one, Average)
        member = one.members(context)
        gaps = np.zeros(int(active.sum()))
        at = int(active[:place].sum())
        if member is None:
            term = base * (statistic.z - base @ statistic.z)
            gaps[at] = -factor
        else:
            numbers = np.asarray(one.numbers(context), dtype=float)
            own = np.where(member, numbers - one.at_data(context), 0.0)
            term = base * own / base[member].sum() / statistic.scale
            gaps[at] = -factor * float(projection.weights[member].sum())
        direction = np.zeros(base.size)
        if member is not None:  # the statistic is 1_G (x - target)
            direction = -factor * projection.xi[place] * member.astype(float)
        found.append(Moving(term, direction, gaps))
    return found


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
