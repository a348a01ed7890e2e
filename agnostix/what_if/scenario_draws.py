"""Errors of a scenario from bootstrap draws: its weights are solved again in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import ConvergenceError, DataError
from agnostix.what_if.calibration import Projection
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Compiled, Condition, Context, Relative
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.inference import AnyInfluence, Influence, interval
from agnostix.what_if.inference.batch import DrawSolver
from agnostix.what_if.inference.bootstrap import Replicates, lost_draws, replicate
from agnostix.what_if.inference.resampling import Resampling
from agnostix.what_if.metrics import BlockQuantity, MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.program import Program, Solution
from agnostix.what_if.replicate_weights import ManySolver
from agnostix.what_if.sample import ProjectionConfig, Sample, Statistic, groups_of
from agnostix.what_if.scenario_influence import follows
from agnostix.what_if.solving import Solved

Part = list[tuple[Statistic, Bools | None]]
"""Averages and proportions, each with the rows that have a value, None for all."""
Parts = Callable[[], Iterable[Part]]
_ANY = (-np.inf, np.inf)
_MOST_CELLS = 20_000_000
"""Cells of what all draws share that are kept."""


def _no_conditions(values: Floats) -> list[Condition]:
    """Of a program whose conditions are compiled for each draw."""
    return []


@dataclass(frozen=True)
class SingleDraws:
    """Solves draws one by one, where conditions depend on the data or scalars are searched over."""

    context: Context
    program: Program  # of the sample, its conditions left aside
    values: Floats  # (n_scalars,), of the scalars
    projection: Projection

    @classmethod
    def from_solution(cls, context: Context, solution: Solution) -> SingleDraws:
        """Without what cannot be pickled: functions of conditions, and of metrics."""
        bare = replace(context.sample, quantities=())
        program = replace(solution.program, compiled=Compiled(_no_conditions), closest=None)
        return cls(replace(context, sample=bare), program, solution.values, solution.projection)

    def solve(self, counts: Floats) -> tuple[Floats, Floats, Bools]:
        """Weights and base weights (n_draws, n_rows) of draws, and which reach the targets."""
        bases = counts * self.context.base
        bases /= bases.sum(1, keepdims=True)
        weights, reached = bases.copy(), np.zeros(counts.shape[0], dtype=bool)
        for d, base in enumerate(bases):
            own = self._solve_one(base)
            if own is not None:
                weights[d], reached[d] = own, True
        return weights, bases, reached

    def _solve_one(self, base: Floats) -> Floats | None:
        """Weights (n_rows,) with what is held, and what targets are relative to, of the draw's rows."""
        context = replace(self.context, sample=replace(self.context.sample, base=base))
        try:
            compiled = compile_constraints(context)
        except DataError:  # no row of a group, or a single value, is left
            return None
        program = replace(self.program, compiled=compiled, base=base)
        solution = Solution(program, self.values, compiled.conditions(self.values), self.projection)
        linear = solution.linear
        if np.isnan(linear.phi).any() or np.isnan(linear.low + linear.high).any():
            return None  # what the draw has no row for has no value
        try:
            projection = solution.resolve(base)
        except ConvergenceError:
            return None
        return None if projection.status == "infeasible" else projection.weights


class ScenarioSolver:
    """Solves a scenario again in draws, prepared when the first are asked for."""

    def __init__(self, solved: Solved) -> None:
        self._solved = solved

    def solve(self, counts: Floats) -> tuple[Floats, Floats, Bools]:
        """Weights and base weights (n_draws, n_rows) of draws, and which reach the targets."""
        return self._prepared.solve(counts)

    @cached_property
    def _prepared(self) -> DrawSolver | SingleDraws:
        return draw_solver(self._solved.context, self._solved.solution)

    def __getstate__(self) -> dict[str, Any]:
        # What is prepared are arrays, which a process can be sent.
        return {"_prepared": self._prepared}


def draw_solver(context: Context, solution: Solution) -> DrawSolver | SingleDraws:
    """What solves a scenario again in draws: all together, unless its conditions change with the rows."""
    linear, program, projection = solution.linear, solution.program, solution.projection
    conditions = zip(solution.conditions, projection.xi.tolist(), strict=True)
    follow = [_follows(condition, context, xi) for condition, xi in conditions]
    if program.compiled.scalars or None in follow:
        return SingleDraws.from_solution(context, solution)
    follows = np.array(follow, dtype=float)
    return DrawSolver(
        linear.phi,
        linear.low,
        linear.high,
        context.base,
        projection,
        linear.penalty if np.isfinite(linear.penalty).any() else None,
        program.divergence,
        program.weight_bounds,
        follows if follows.any() else None,
    )


def _follows(condition: Condition, context: Context, xi: float) -> float | None:
    """How far a target follows the mean of its statistic; None where the statistic changes, too."""
    if condition.role == "held":
        held = condition.held
        plain = held is None or (isinstance(held, Average) and not held.where and not held.needed(context))
        return 1.0 if plain else None
    one = context.constraints[condition.source]
    if isinstance(one, Average) and one.needed(context):
        return None
    target = one._target
    if not any(isinstance(end, Relative) for end in (target.low, target.high)):
        return 0.0
    if one.where or not isinstance(one, Average) or target.low != target.high:
        return None
    return follows(condition, context, xi)


@dataclass(frozen=True)
class PartShifts:
    """Shifts of some averages and proportions, in standard deviations."""

    z: Floats  # (n_rows, n_statistics), 0 where a row has no value
    there: list[Bools | None]  # the rows that have one

    @classmethod
    def from_part(cls, part: Part, n_rows: int) -> PartShifts:
        """Of standardized statistics."""
        z = np.zeros((n_rows, len(part)), order="F")
        for j, (statistic, there) in enumerate(part):
            z[slice(None) if there is None else there, j] = statistic.z
        return cls(z, [there for _, there in part])

    def shares(self, weights: Floats) -> Floats:
        """Share of weights (..., n_rows) on the rows that have a value, (..., n_statistics)."""
        ones = np.ones(weights.shape[:-1])
        columns = [ones if there is None else weights[..., there].sum(-1) for there in self.there]
        return np.stack(columns, axis=-1)

    def means(self, weights: Floats) -> Floats:
        """Averages (..., n_statistics) under weights (..., n_rows), NaN where no row with a value has any."""
        share = self.shares(weights)
        return weights @ self.z / np.where(share > 0.0, share, np.nan)

    def influences(self, influence: AnyInfluence) -> tuple[Floats, Floats]:
        """What `Influence.parts` takes of the averages at the weights and at the base weights."""
        psi = self.z - self.means(influence.weights)
        for j, there in enumerate(self.there):
            if there is not None:
                psi[~there, j] = 0.0
        share = self.shares(influence.weights)
        return psi / np.where(share > 0.0, share, np.nan), self.z / self.shares(influence.base)


@dataclass(frozen=True)
class ScenarioStatistics:
    """Outcomes, their changes and shifts of a scenario in draws of the rows."""

    sample: Sample
    solver: ManySolver
    resampling: Resampling
    parts: Parts
    influence: Influence  # of the rows on the weights of the sample
    prepared: list[tuple[PartShifts | None, Floats]] | None = None  # what all draws share

    def __call__(self, of_clusters: Floats) -> tuple[Floats, Floats]:
        """Statistics and their errors (n_draws, n_statistics), NaN where targets are not reached."""
        sample = self.sample
        counts = self.resampling.of_rows(of_clusters, sample.rows)
        weights, bases, reached = self.solver.solve(counts)
        values, at_base = self._outcomes(weights), self._outcomes(bases)
        columns, variances = [values, values - at_base], []
        for shifts, squares in self.prepared if self.prepared is not None else self._prepare():
            if shifts is not None:
                columns.append(shifts.means(weights) - shifts.means(bases))
            variances.append(of_clusters @ squares)
        found = np.hstack(columns)
        found[~reached] = np.nan
        return found, np.sqrt(np.hstack(variances))

    def with_squares(self) -> ScenarioStatistics:
        """The same with what all draws share, unless that is too large to be kept."""
        n_statistics = sum(len(part) for part in self.parts()) + 2 * len(self.sample.quantities)
        if n_statistics * self.sample.base.size > _MOST_CELLS:
            return self
        return replace(self, prepared=list(self._prepare()))

    def _prepare(self) -> Iterator[tuple[PartShifts | None, Floats]]:
        """Shifts, None for the outcomes, with what each cluster adds to the variances of these."""
        plain, rows = self.influence.without_leverage(), self.sample.rows
        for influences in self._outcome_influences(plain):
            yield None, self.resampling.squares(influences, rows)
        for part in self.parts():
            shifts = PartShifts.from_part(part, self.sample.base.size)
            yield shifts, self.resampling.squares(plain.parts(*shifts.influences(plain))[1], rows)

    def _outcomes(self, weights: Floats) -> Floats:
        """Quantities (n_draws, n_quantities) under weights (n_draws, n_rows)."""
        sample, columns, j = self.sample, [], 0
        means = sample.centers + sample.scales * (weights @ sample.outcomes)
        for quantity in sample.quantities:
            if isinstance(quantity, MeanQuantity):
                columns.append(means[:, j])
                j += 1
            else:
                columns.append(np.array([_value(quantity, sample.expand(own)) for own in weights]))
        return np.column_stack(columns)

    def _outcome_influences(self, influence: Influence) -> tuple[Floats, Floats]:
        """Influences (n_rows, n_quantities) on the quantities and on their changes, NaN where unknown."""
        sample, j = self.sample, 0
        own, change = np.full((2, sample.base.size, len(sample.quantities)), np.nan)
        means = influence.parts(sample.outcomes)
        for place, quantity in enumerate(sample.quantities):
            if isinstance(quantity, MeanQuantity):
                own[:, place], change[:, place] = (sample.scales[j] * part[:, j] for part in means)
                j += 1
            elif isinstance(quantity, SmoothQuantity):
                psi, at_base = (
                    sample.restrict(quantity.measure(sample.expand(weights))[1])[:, None]
                    for weights in (influence.weights, sample.base)
                )
                own[:, [place]], change[:, [place]] = influence.parts(psi, at_base)
        return own, change


def _value(quantity: Quantity, weights: Floats) -> float:
    assert not isinstance(quantity, MeanQuantity)
    if not (weights > 0.0).any():
        return np.nan
    return quantity.measure(weights) if isinstance(quantity, BlockQuantity) else quantity.measure(weights)[0]


@dataclass(frozen=True)
class ScenarioDraws:
    """What draws say of a scenario."""

    replicates: Replicates  # of outcomes, their changes, and shifts
    sample: Sample
    weights: Floats  # (n_rows,), of the scenario
    ess: float  # of these
    config: ProjectionConfig

    @classmethod
    def from_statistics(
        cls, statistics: ScenarioStatistics, ess: float, config: ProjectionConfig
    ) -> ScenarioDraws:
        """Draw the rows, and solve again."""
        replicates = replicate(statistics.resampling, statistics.with_squares(), config.n_jobs)
        return cls(replicates, statistics.sample, statistics.influence.weights, ess, config)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on draws that were lost."""
        return lost_draws(self.replicates.n_lost, self.config.n_bootstrap)

    def outcomes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame of outcomes with errors and intervals of the draws."""
        n, quantities = len(frame), self.sample.quantities
        own = self.ends(0, frame["value"], frame["std_error"], quantities)
        change = self.ends(n, frame["change"], frame["change_std_error"], (None,) * n)
        names = ("std_error", "low", "high")
        named = dict(zip(names, own, strict=True))
        return frame.assign(**named, **{f"change_{name}": c for name, c in zip(names, change, strict=True)})

    def shifts(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame of shifts with errors and intervals of the draws."""
        first = 2 * len(self.sample.quantities)
        ends = self.ends(first, frame["shift"], frame["std_error"], (None,) * len(frame))
        return frame.assign(**dict(zip(("std_error", "low", "high"), ends, strict=True)))

    def ends(
        self, first: int, values: ArrayLike, errors: ArrayLike, quantities: tuple[Quantity | None, ...]
    ) -> tuple[Floats, Floats, Floats]:
        """Standard errors and ends (n_statistics,) of the statistics from a place on."""
        value, error = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
        ess = np.full(value.size, self.ess)
        return draw_ends(
            self.replicates.select(slice(first, first + value.size)),
            *(value, error, ess, quantities),
            [None if one is None else groups_of(one, self.sample, self.weights) for one in quantities],
            self.config.confidence_level,
            self.sample.most_degrees,
        )


def draw_ends(
    replicates: Replicates,
    values: Floats,
    errors: Floats,
    ess: Floats,
    quantities: tuple[Quantity | None, ...],
    groups: list[Floats | None],
    level: float,
    most_degrees: float,
) -> tuple[Floats, Floats, Floats]:
    """Standard errors by the draws, and outer ends of Student's interval and of the bootstrap t."""
    own = np.where(np.isinf(errors), np.inf, replicates.std_errors)  # infinite where one row decides
    low, high = replicates.studentized(values, errors, level)
    for j, quantity in enumerate(quantities):
        bounds = _ANY if quantity is None else quantity.bounds
        at = slice(j, j + 1)
        ends = interval(
            *(values[at], own[at], ess[at], level, bounds),
            kind="student" if quantity is None else quantity.kind,
            most_degrees=most_degrees,
            groups=groups[j],
        )
        low[at] = np.fmin(np.clip(low[at], *bounds), ends[0])
        high[at] = np.fmax(np.clip(high[at], *bounds), ends[1])
    return own, low, high
