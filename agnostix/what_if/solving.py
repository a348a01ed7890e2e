"""The closest weights that meet the constraints of a context, with equal rows merged where that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError, InfeasibleTargetError
from agnostix.what_if.calibration import (
    DIVERGENCES,
    KULLBACK_LEIBLER,
    Cells,
    Divergence,
    Projection,
    merge_rows,
    project,
    spread,
)
from agnostix.what_if.conflicts import explain_conflict, keeps_groups, read_gap_weights, values_meeting
from agnostix.what_if.constraints.base import Constraint, Context
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.inference import AnyInfluence, CellInfluence
from agnostix.what_if.program import Program, Solution, solve_program
from agnostix.what_if.sample import Sample
from agnostix.what_if.scenario_influence import compute_influence, is_plain, off_target

_FEW_ROWS = 1_000
"""Rows below which merging equal ones saves nothing."""


@dataclass(frozen=True)
class Closeness:
    """How far weights are from the base weights, and how far one of them may be."""

    divergence: Divergence = KULLBACK_LEIBLER
    weight_bounds: tuple[float, float] | None = None  # least and largest ratio to the base weight

    @classmethod
    def parse(cls, divergence: Any, weight_bounds: Any) -> Closeness:
        """From the arguments of `what_if`; ValueError for a divergence that there is not, or bad bounds."""
        if not isinstance(divergence, str) or divergence not in DIVERGENCES:
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

    def solve(self, context: Context, *, any_will_do: bool = False) -> Solution:
        """The closest weights that meet the constraints of a context, or any if any will do."""
        compiled = compile_constraints(context)
        closest = values_meeting(context, compiled, self.weight_bounds)
        return solve_program(
            compiled, context.base, closest=closest, any_will_do=any_will_do, **self.keywords
        )

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `what_if` that are not the default."""
        named = {} if self.divergence is KULLBACK_LEIBLER else {"divergence": self.divergence.name}
        return named if self.weight_bounds is None else named | {"weight_bounds": self.weight_bounds}


@dataclass(frozen=True)
class Solved:
    """The closest weights, solved on rows or on cells of rows that the constraints do not tell apart."""

    context: Context  # rows
    near: Closeness
    merged: Context  # a row for each cell, with its base weight; the context itself if none are merged
    own: Solution  # on these
    cells: Cells | None = None

    @classmethod
    def from_context(
        cls, context: Context, near: Closeness, gap_weights: Mapping[str, float] | None = None
    ) -> Solved:
        """Solve; InfeasibleTargetError if no weights meet the constraints, with the nearest by these gaps."""
        read_gap_weights(gap_weights, context.constraints)  # raises for names that there are not
        cells = _merge(context)
        if cells is not None:
            merged = _in_cells(context, cells)
            if not compile_constraints(merged).scalars:
                own = near.solve(merged)
                return cls(context, near, merged, own, cells)._checked(gap_weights)
        return cls(context, near, context, near.solve(context))._checked(gap_weights)

    def _checked(self, gap_weights: Mapping[str, float] | None) -> Solved:
        if not _is_solved(self.own, self.merged):
            raise _explain(self.own, self.merged, self.near, gap_weights)
        return self

    @cached_property
    def projection(self) -> Projection:
        """Of the rows."""
        own = self.own.projection
        return own if self.cells is None else spread(own, self.cells, self.context.base)

    @cached_property
    def solution(self) -> Solution:
        """Of the rows, with its conditions."""
        if self.cells is None:
            return self.own
        program = Program(compile_constraints(self.context), self.context.base, **self.near.keywords)
        nothing = np.empty(0)
        return Solution(program, nothing, program.compiled.conditions(nothing), self.projection)

    def influence(self, *, in_rows: bool) -> AnyInfluence:
        """Influence of each row on what the weights are used for, in cells where these are few."""
        has_rows_of_its_own = in_rows or self.context.sample.design is not None
        if self.cells is None or has_rows_of_its_own or not is_plain(self.merged, self.own):
            return compute_influence(self.context, self.solution)
        own, active = self.own.projection, np.isfinite(self.own.projection.held)
        centered = off_target(self.own.linear.phi[:, active] - own.held[active], own.weights > 0)
        return CellInfluence.from_weights(centered, self.cells, self.projection.weights, self.context.base)

    def resolve(self, base: Floats) -> Floats | None:
        """The closest weights (n_rows,) to other base weights, None if there are none."""
        projection = self.solution.resolve(base)
        return None if projection.status == "infeasible" else projection.weights


def _merge(context: Context) -> Cells | None:
    """Cells of rows, where few values of columns determine all conditions."""
    if context.base.size <= _FEW_ROWS or not all(one.is_of_columns for one in context.constraints):
        return None
    names = dict.fromkeys(name for one in context.constraints for name in one.features)
    cells = merge_rows([context.sample.column(name).values for name in names], context.base)
    if cells is None:
        return None
    order = np.argsort(cells.first)  # a sample keeps the order of the rows
    place = np.empty(order.size, dtype=np.intp)
    place[order] = np.arange(order.size)
    return Cells(place[cells.code], cells.first[order], cells.base[order])


def _in_cells(context: Context, cells: Cells) -> Context:
    """The context with a row for each cell."""
    sample = context.sample
    here = np.zeros(sample.base.size, dtype=bool)
    here[cells.first] = True
    rows = sample.expand_mask(here)
    none = np.empty(0)
    merged = Sample(sample.table, rows, cells.base, (), np.empty((cells.base.size, 0)), none, none)
    return replace(context, sample=merged)


def _is_solved(solution: Solution, context: Context) -> bool:
    """Whether weights meet the conditions, and leave weight in every group that these speak of."""
    projection = solution.projection
    is_empty = any(one.low > one.high for one in solution.program.compiled.scalars)
    if projection.status == "infeasible" or is_empty:
        return False
    return keeps_groups(solution.conditions, context, projection.weights)


def _explain(
    solution: Solution, context: Context, near: Closeness, gap_weights: Mapping[str, float] | None
) -> InfeasibleTargetError:
    def is_met(constraints: Sequence[Constraint]) -> bool:
        """Whether some weights meet these constraints, in place of those of the context."""
        try:
            other = replace(context, constraints=tuple(constraints))
            return _is_solved(near.solve(other, any_will_do=True), other)
        except (ConvergenceError, ValueError):
            return False

    def calibrate(phi: Floats, low: Floats, high: Floats) -> Floats | None:
        """The closest weights (n_rows,) with means of phi in ranges; None if there are none."""
        try:
            projection = project(phi, low, high, context.base, **near.keywords)
        except ConvergenceError:
            return None
        return None if projection.status == "infeasible" else projection.weights

    return explain_conflict(
        solution.program.compiled,
        solution.values,
        context,
        is_met,
        calibrate,
        weight_bounds=near.weight_bounds,
        gap_weights=gap_weights,
    )
