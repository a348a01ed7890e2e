"""The metric in A reweighted to B's statistics of some columns, with the influence of each row on it.

With weights w on A's rows, statistics phi, their targets t = mean_B phi, the metric's residuals y (its
derivative by each row's weight) and their weighted slope beta on phi, the rows of both samples have

    A    w_i (y_i - beta' (phi_i - t)) / (1 - h_i)        B    b_j beta' (phi_j - t)

with the leverage h_i of `inference.influence`. A target that was taken only a part s of the way from A's mean
to B's moves by s with B's rows and by 1 - s with A's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.calibration import Projection, project
from agnostix.what_if.calibration.hull import reachable_share
from agnostix.what_if.drift.coalitions import Coalition, CoalitionPlan
from agnostix.what_if.drift.margins import Margin
from agnostix.what_if.drift.tables import Side
from agnostix.what_if.inference import Design, Influence
from agnostix.what_if.scenario_influence import off_target

_BLOCK = 32
"""Coalitions that a worker solves at once."""
_SHORT_OF_EDGE = 0.99
"""How far targets out of reach are taken, of the part of the way that can be reached."""


@dataclass(frozen=True)
class Solve:
    """A under B's statistics of a coalition."""

    value: float  # of the metric
    weights: Floats  # (n_rows_a,)
    psi: Floats  # (n_rows_a,), influence of A's rows
    slopes: Floats  # (n_statistics,), derivative by B's mean of each statistic, 0 outside the coalition
    xi: Floats  # (n_statistics,), multipliers, 0 outside
    reached: float  # how far on the way to B's statistics, 1 where they are met
    rests_on_one: bool = False  # whether one row decides it, so that its error is unknown


@dataclass(frozen=True)
class Game:
    """The statistics of all columns and the metric."""

    a: Side
    b: Side
    phi: Floats  # (n_rows_a, n_statistics), standardized on A: means of 0
    phi_b: Floats  # (n_rows_b, n_statistics)
    target: Floats  # (n_statistics,), B's means
    places: tuple[Codes, ...]  # of each column's statistics

    @classmethod
    def from_margins(cls, margins: Sequence[Margin], a: Side, b: Side) -> Game:
        """The game whose players are the margins."""
        ends = np.cumsum([0] + [len(one.names) for one in margins])
        places = tuple(np.arange(ends[j], ends[j + 1]) for j in range(len(margins)))
        phi = np.column_stack([one.a for one in margins]) if margins else np.empty((a.n_rows, 0))
        phi_b = np.column_stack([one.b for one in margins]) if margins else np.empty((b.n_rows, 0))
        return cls(a, b, phi, phi_b, b.base @ phi_b, places)

    @property
    def designs(self) -> tuple[Design | None, Design | None]:
        """How the rows of A and of B were sampled."""
        return self.a.design, self.b.design

    @property
    def degrees(self) -> float:
        """Most degrees of freedom of an interval of both samples."""
        return min(self.a.degrees, self.b.degrees)

    def influence_of_targets(self, slopes: Floats) -> Floats:
        """Influence (n_rows_b,) of B's rows by the targets, from the derivative (n_statistics,) by these."""
        return self.b.base * ((self.phi_b - self.target) @ slopes)

    def columns_of(self, coalition: Coalition) -> Codes:
        """Places of a coalition's statistics."""
        return np.concatenate([np.empty(0, dtype=np.intp), *(self.places[j] for j in coalition)])

    def solve(self, coalition: Coalition, start: Floats | None = None) -> Solve:
        """A under the coalition's statistics, from multipliers (n_statistics,) of a smaller one."""
        columns = self.columns_of(coalition)
        phi, target = self.phi[:, columns], self.target[columns]
        reached = 1.0
        if not columns.size:
            none = np.empty(0)
            at_base = Projection("ok", self.a.base, none, none, self.a.base, 0.0, 0)
            return self._influence(columns, phi, target, at_base, 1.0)
        projection = self._project(phi, target, None if start is None else start[columns])
        if projection.status == "infeasible":
            mean = self.a.base @ phi
            reached = _SHORT_OF_EDGE * reachable_share(phi, mean, target)
            target = mean + reached * (target - mean)
            projection = self._project(phi, target, None)
        return self._influence(columns, phi, target, projection, reached)

    def _project(self, phi: Floats, target: Floats, start: Floats | None) -> Projection:
        return project(phi, target, target, self.a.base, start=start)

    def _influence(
        self, columns: Codes, phi: Floats, target: Floats, projection: Projection, reached: float
    ) -> Solve:
        weights, quantity = projection.weights, self.a.quantity
        centered = off_target(phi - target, weights > 0)
        influence = Influence.from_weights(centered, weights, self.a.base, self.a.design)
        y = quantity.residual(weights)[:, None]
        psi, beta = influence.of_rows(y)[:, 0], influence.slopes(y)[:, 0]
        if reached < 1.0:
            psi += (1.0 - reached) * self.a.base * (phi @ beta)
        slopes, xi = np.zeros(self.target.size), np.zeros(self.target.size)
        slopes[columns], xi[columns] = reached * beta, projection.xi
        value = quantity.value(weights)
        return Solve(value, weights, psi, slopes, xi, reached, influence.one_row_dominates)


@dataclass(frozen=True)
class GameResult:
    """Shapley values of the margins, and the metric under all of them."""

    values: Floats  # (n_columns,)
    psi: Floats  # (n_rows_a, n_columns), influence of A's rows
    slopes: Floats  # (n_statistics, n_columns), derivative by B's means
    sampling_errors: Floats  # (n_columns,)
    empty: Solve
    full: Solve
    unreached: tuple[tuple[Coalition, float], ...]
    n_coalitions: int
    rests_on_one: bool  # whether one row decides a coalition, so that the errors are unknown


def play_game(game: Game, plan: CoalitionPlan, n_jobs: int | None) -> GameResult:
    """Solve the coalitions of a plan, each from the multipliers of a smaller one."""
    n_columns, n_statistics = len(game.places), game.target.size
    psi, slopes = np.zeros((game.a.n_rows, n_columns)), np.zeros((n_statistics, n_columns))
    values = np.zeros(len(plan.coalitions))
    starts: dict[Coalition, Floats] = {}
    ends: dict[Coalition, Solve] = {}
    unreached: list[tuple[Coalition, float]] = []
    rests_on_one = False
    with Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        for block in _blocks(plan):
            coalitions = [plan.coalitions[row] for row in block]
            jobs = (delayed(game.solve)(one, _start(one, starts)) for one in coalitions)
            solves = parallel(jobs)
            # Summed block by block in the plan's order, whoever solved them.
            psi += np.column_stack([one.psi for one in solves]) @ plan.weights[block]
            slopes += np.column_stack([one.slopes for one in solves]) @ plan.weights[block]
            for row, coalition, one in zip(block, coalitions, solves, strict=True):
                values[row], starts[coalition] = one.value, one.xi
                rests_on_one |= one.rests_on_one
                if one.reached < 1.0:
                    unreached.append((coalition, one.reached))
                if len(coalition) in (0, n_columns):
                    ends[coalition] = one
    return GameResult(
        plan.weights.T @ values,
        psi,
        slopes,
        plan.sampling_errors(values),
        ends[()],
        ends[tuple(range(n_columns))],
        tuple(unreached),
        len(plan.coalitions),
        rests_on_one,
    )


def _blocks(plan: CoalitionPlan) -> list[list[int]]:
    """Rows of the plan, so that no coalition is in a block with a smaller one."""
    blocks: list[list[int]] = []
    for row, coalition in enumerate(plan.coalitions):
        if not blocks or len(blocks[-1]) == _BLOCK or len(plan.coalitions[blocks[-1][0]]) < len(coalition):
            blocks.append([])
        blocks[-1].append(row)
    return blocks


def _start(coalition: Coalition, starts: dict[Coalition, Floats]) -> Floats | None:
    """Multipliers of the first coalition with one column less that was solved."""
    for left_out in reversed(coalition):
        smaller = tuple(one for one in coalition if one != left_out)
        if smaller in starts:
            return starts[smaller]
    return None
