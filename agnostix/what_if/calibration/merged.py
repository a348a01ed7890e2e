"""Parametric problems on merged rows: rows that no condition tells apart, at any scalars, are one cell.

Rates of groups make few cells, whatever the number of rows. Where the conditions are at most quadratic in
each scalar, their values at three points of each determine them: the rows are looked at once, and the search
goes on with the cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.calibration.cells import Cells, merge_rows
from agnostix.what_if.calibration.parametric import LinearConditions, ParametricProblem, Solve

_FEW_ROWS = 1_000
"""Rows below which merging equal ones saves nothing."""
_MAX_TABULATED = 2_000_000
_PLACES = (0.381966, 0.723607)
"""Where between the ends of the ranges rows are compared."""


@dataclass(frozen=True)
class MergedProblem:
    """A parametric problem on cells of equal rows, for any base weights of the rows."""

    problem: ParametricProblem  # its conditions are those of the rows
    cells: Cells
    conditions: Callable[[Floats], LinearConditions]  # of the cells

    @classmethod
    def from_problem(cls, problem: ParametricProblem, base: Floats) -> MergedProblem | None:
        """The problem on cells; None where there would be nearly as many as rows (n_rows,)."""
        if base.size < _FEW_ROWS:
            return None
        looks = [problem.conditions(problem.low + place * problem.width) for place in _PLACES]
        if not all(np.isfinite(look.phi).all() for look in looks):
            return None
        cells = merge_rows([column for look in looks for column in look.phi.T], base)
        if cells is None:
            return None
        n_nodes = 3**problem.start.size
        is_small = n_nodes * cells.first.size * looks[0].low.size <= _MAX_TABULATED
        if is_small and problem.is_quadratic.all():
            return cls(problem, cells, _Table.from_problem(problem, cells.first).at)
        return cls(problem, cells, lambda theta: _take(problem.conditions(theta), cells.first))

    def on(self, base: Floats, solve_on: Callable[[Floats], Solve]) -> ParametricProblem:
        """The problem for base weights (n_rows,); `solve_on` makes a solver of those of cells."""
        mass = np.bincount(self.cells.code, base, self.cells.first.size)
        mass = mass / mass.sum()
        kept = np.flatnonzero(mass > 0.0)
        conditions = self.conditions
        if kept.size == mass.size:
            return replace(self.problem, conditions=conditions, solve=solve_on(mass))
        return replace(
            self.problem, conditions=lambda theta: _take(conditions(theta), kept), solve=solve_on(mass[kept])
        )


def _take(linear: LinearConditions, rows: Codes) -> LinearConditions:
    """The conditions with some of the rows."""
    return replace(linear, phi=linear.phi[rows])


@dataclass(frozen=True)
class _Table:
    """Conditions at the ends and the middle of each range, and between by Lagrange's interpolation."""

    low: Floats  # (n_scalars,)
    width: Floats  # (n_scalars,)
    phi: Floats  # (3, ..., 3, n_rows, n_conditions)
    ends: Floats  # (3, ..., 3, 2, n_conditions), low and high ends of the conditions
    penalty: Floats  # (n_conditions,)

    @classmethod
    def from_problem(cls, problem: ParametricProblem, rows: Codes) -> _Table:
        """Conditions of some rows at all nodes."""
        n_scalars = problem.start.size
        looks = [
            problem.conditions(problem.low + np.array(node) * problem.width)
            for node in product((0.0, 0.5, 1.0), repeat=n_scalars)
        ]
        shape = (3,) * n_scalars
        phi = np.array([look.phi[rows] for look in looks])
        ends = np.array([(look.low, look.high) for look in looks])
        parts = phi.reshape(*shape, *phi.shape[1:]), ends.reshape(*shape, *ends.shape[1:])
        return cls(problem.low, problem.width, *parts, looks[0].penalty)

    def at(self, theta: Floats) -> LinearConditions:
        """The conditions at scalars (n_scalars,)."""
        phi, ends = self.phi, self.ends
        for t in (theta - self.low) / self.width:
            weights = np.array([2.0 * (t - 0.5) * (t - 1.0), 4.0 * t * (1.0 - t), 2.0 * t * (t - 0.5)])
            phi = np.tensordot(weights, phi, 1)
            first, ends = ends[0], np.tensordot(weights, np.where(np.isfinite(ends), ends, 0.0), 1)
            ends = np.where(np.isfinite(first), ends, first)  # an end that is infinite is so everywhere
        return LinearConditions(phi, ends[0], ends[1], self.penalty)
