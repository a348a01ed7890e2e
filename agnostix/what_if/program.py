"""Constraints as a problem for the solver: linear, or linear given scalars that are searched over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.calibration import KULLBACK_LEIBLER, Divergence, Projection, project
from agnostix.what_if.calibration.merged import MergedProblem
from agnostix.what_if.calibration.parametric import (
    LinearConditions,
    ParametricProblem,
    ParametricSolution,
    Solve,
)
from agnostix.what_if.calibration.search import Closest, SearchResult, descend, search
from agnostix.what_if.constraints.base import Compiled, Condition

_MAX_COMBINATIONS = 64
_NO_WEIGHT = 1e-12


def solve_program(
    compiled: Compiled,
    base: Floats,
    *,
    divergence: Divergence = KULLBACK_LEIBLER,
    weight_bounds: tuple[float, float] | None = None,
    closest: Callable[[Floats], Floats | None] | None = None,
    any_will_do: bool = False,
) -> Solution:
    """The weights closest to base (n_rows,) that meet compiled constraints.

    `closest` gives scalars (n_scalars,) at which some weights meet them, those that have choices as it is
    given; None if there are none. It is asked where a search finds none. With
    `any_will_do` the scalars are any at which some weights meet the constraints.
    """
    return Program(compiled, base, divergence, weight_bounds, closest, any_will_do).solve()


@dataclass(frozen=True)
class Program:
    """What a solver is asked for: the least divergence under conditions, given scalars."""

    compiled: Compiled
    base: Floats  # (n_rows,), summing to 1
    divergence: Divergence = KULLBACK_LEIBLER
    weight_bounds: tuple[float, float] | None = None
    closest: Callable[[Floats], Floats | None] | None = None
    any_will_do: bool = False  # of the scalars' values

    def solve(self) -> Solution:
        """The closest weights, over all values of the scalars."""
        if not self.compiled.scalars:
            conditions = self.compiled.conditions(np.empty(0))
            return Solution(self, np.empty(0), conditions, self.project(self.linear(conditions)))
        results = []
        for fixed in self.combinations():
            results.append((fixed, self._search(fixed)))
            if self.any_will_do and results[-1][1].best.is_feasible:
                break
        fixed, found = min(results, key=lambda pair: pair[1].value)
        counts = sum(result.n_solves for _, result in results), found.n_minima
        return Solution.from_search(self, fixed, found, counts)

    def linear(self, conditions: Sequence[Condition]) -> LinearConditions:
        """The conditions as arrays, in standard deviations."""
        phi = np.column_stack([one.statistic.z for one in conditions])
        low, high = (
            np.array([float(one.statistic.to_z(getattr(one, end))) for one in conditions])
            for end in ("low", "high")
        )
        return LinearConditions(phi, low, high, np.array([one.penalty for one in conditions]))

    def project(self, linear: LinearConditions, start: Floats | None = None) -> Projection:
        """The closest weights under linear conditions."""
        return project(
            linear.phi,
            linear.low,
            linear.high,
            self.base,
            penalty=linear.penalty,
            divergence=self.divergence,
            weight_bounds=self.weight_bounds,
            start=start,
        )

    @property
    def is_searched(self) -> Bools:
        """Scalars (n_scalars,) that have a range, rather than a number of choices or a single value."""
        scalars = self.compiled.scalars
        return np.array([not one.choices and one.low < one.high for one in scalars], dtype=bool)

    def combinations(self) -> Iterator[Floats]:
        """Values of all scalars (n_scalars,) for each combination of choices, the others at the data's."""
        scalars = self.compiled.scalars
        numbers = [range(len(one.choices)) if one.choices else [0] for one in scalars]
        n_combinations = int(np.prod([len(choices) for choices in numbers]))
        if n_combinations > _MAX_COMBINATIONS:
            names = ", ".join(f"{one.name} ({len(one.choices)})" for one in scalars if one.choices)
            raise ValueError(
                f"The constraints leave {n_combinations} cases to be solved one by one, and at most "
                f"{_MAX_COMBINATIONS} are: {names}. Compare fewer groups at a time, with compared=[...], or "
                "state one-sided ranges, such as (0.8, inf)."
            )
        start = np.array([min(max(one.start, one.low), one.high) for one in scalars])
        has_choice = np.array([bool(one.choices) for one in scalars])
        for chosen in product(*numbers):
            yield np.where(has_choice, chosen, start)

    def _search(self, fixed: Floats) -> SearchResult:
        """The best values of the scalars that have a range, the others (n_scalars,) fixed."""
        problem, closest = self.given(fixed), self._closest_to(fixed)
        merged = MergedProblem.from_problem(problem, self.base)
        if merged is None:
            return search(problem, closest=closest, any_will_do=self.any_will_do)
        own = merged.on(self.base, self.solve_on)
        result = search(own, closest=closest, any_will_do=self.any_will_do)
        full = replace(problem, takes_boundary=result.best.problem.takes_boundary)
        return replace(result, best=full.at(result.best.theta, result.best.multipliers))

    def _closest_to(self, fixed: Floats) -> Closest | None:
        """What is asked for scalars that are searched, the others (n_scalars,) fixed."""
        ask = self.closest
        if ask is None:
            return None

        def closest() -> Floats | None:
            values = ask(fixed)
            return None if values is None else values[self.is_searched]

        return closest

    def solve_on(self, base: Floats) -> Solve:
        """The solver for other base weights."""
        return replace(self, base=base).project

    def given(self, fixed: Floats) -> ParametricProblem:
        """The problem in the scalars that are searched, the others (n_scalars,) fixed."""
        free, compiled = self.is_searched, self.compiled

        def fill(theta: Floats) -> Floats:
            values = fixed.copy()
            values[free] = theta
            return values

        penalty_of = compiled.penalty_of
        cost = None if penalty_of is None else lambda theta: penalty_of(fill(theta))
        ends = np.array([(one.low, one.high) for one in compiled.scalars]).reshape(-1, 2)[free]
        return ParametricProblem(
            lambda theta: self.linear(compiled.conditions(fill(theta))),
            self.project,
            ends[:, 0],
            fixed[free],
            ends[:, 1],
            cost,
        )


@dataclass(frozen=True)
class Solution:
    """The closest weights and the conditions that they meet, at the scalars that are best."""

    program: Program
    values: Floats  # (n_scalars,), of the scalars
    conditions: list[Condition]
    projection: Projection
    result: SearchResult | None = None  # None where nothing is searched over
    counts: tuple[int, int] = (1, 0)  # problems solved, local minima compared

    @classmethod
    def from_search(
        cls, program: Program, fixed: Floats, result: SearchResult, counts: tuple[int, int]
    ) -> Solution:
        """The solution at the best of all values."""
        values = fixed.copy()
        values[program.is_searched] = result.best.theta
        conditions = program.compiled.conditions(values)
        return cls(program, values, conditions, result.best.projection, result, counts)

    @cached_property
    def linear(self) -> LinearConditions:
        """The conditions as arrays, in standard deviations."""
        return self.program.linear(self.conditions)

    @property
    def parametric(self) -> ParametricSolution | None:
        """The solution with its derivatives by the scalars, None where nothing is searched over."""
        return None if self.result is None else self.result.best

    def resolve(self, base: Floats) -> Projection:
        """The closest weights to other base weights (n_rows,), 0 for some rows, from this solution on."""
        program, xi = self.program, self.projection.xi
        rows = np.flatnonzero(base > 0.0)
        linear = self._at_rest
        if linear is None:
            problem = self._problem
            merged = self._merged
            small = merged.on(base, program.solve_on) if merged else _on_rows(problem, base, rows, program)
            theta = descend(small, self._theta, xi).theta
            linear = problem.conditions(theta)
        part = replace(linear, phi=linear.phi[rows]) if rows.size < base.size else linear
        projection = program.solve_on(base[rows] / base[rows].sum())(part, xi)
        if rows.size == base.size:
            return projection
        weights, tangent = np.zeros((2, base.size))
        weights[rows], tangent[rows] = projection.weights, projection.tangent
        return replace(projection, weights=weights, tangent=tangent)

    @property
    def _theta(self) -> Floats:
        """The scalars that were searched over (n_searched,)."""
        return self.values[self.program.is_searched]

    @cached_property
    def _at_rest(self) -> LinearConditions | None:
        """The conditions where nothing is searched over; None where something is."""
        return None if self._theta.size else self.linear

    @cached_property
    def _problem(self) -> ParametricProblem:
        return self.program.given(self.values)

    @cached_property
    def _merged(self) -> MergedProblem | None:
        return MergedProblem.from_problem(self._problem, self.program.base)

    @property
    def searched(self) -> pd.DataFrame:
        """The scalars that were searched over: name, value, and the range that was searched."""
        pairs = [
            (one.name, value, one.low, one.high)
            for one, value in zip(self.program.compiled.scalars, self.values.tolist(), strict=True)
            if not one.choices and one.low < one.high
        ]
        names, values, lows, highs = zip(*pairs, strict=True) if pairs else ((), (), (), ())
        numbers = {"value": values, "low": lows, "high": highs}
        columns = {name: np.array(column, dtype=np.float64) for name, column in numbers.items()}
        return pd.DataFrame({"name": pd.Series(names, dtype=object)} | columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was held, searched and chosen."""
        notes = list(self.program.compiled.notes)
        if self.result is not None and len(self.searched):
            rows = self.searched.to_dict("records")
            what = " and ".join(
                f"the {row['name']} ({row['value']:.6g}, searched from {round(row['low'], 6):g} to "
                f"{round(row['high'], 6):g})"
                for row in rows
            )
            minima = f", {self.counts[1]} local minima compared" if self.counts[1] > 1 else ""
            notes.append(
                f"The conditions are linear only given {what}. Searched by {self.result.method}: "
                f"{self.counts[0]} linear problems solved{minima}."
            )
        pairs = zip(self.program.compiled.scalars, self.values.tolist(), strict=True)
        notes += [
            f"{one.name}: {one.choices[round(v)]}, the closest of {len(one.choices)} cases."
            for one, v in pairs
            if one.choices
        ]
        return tuple(notes)


def _on_rows(problem: ParametricProblem, base: Floats, rows: Codes, program: Program) -> ParametricProblem:
    """The problem on rows of some base weights (n_rows,)."""

    def conditions(theta: Floats) -> LinearConditions:
        linear = problem.conditions(theta)
        return replace(linear, phi=linear.phi[rows])

    return replace(problem, conditions=conditions, solve=program.solve_on(base[rows] / base[rows].sum()))
