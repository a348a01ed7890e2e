"""How close the means of some weights come to their ranges: linear programs, by column generation.

Elastic programs (Chinneck and Dravnieks, 1991): every condition may be missed by a gap that costs. Their
columns are corners of the reachable means, of which few are needed: those that the multipliers ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.conflicts.reachable_means import ReachableMeans

_MAX_ROUNDS = 2000
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_MUST = 1e4
"""Cost of a gap in what must hold and does not under the anchor, of the largest other cost."""
_OUT_OF_SIGHT = 1e6
"""Ends of ranges this many times as far as the farthest row are taken as no farther."""


@dataclass(frozen=True)
class LeastGaps:
    """The least cost of gaps, and what proves it."""

    cost: float  # of the means
    bound: float  # no weights have less, as the multipliers prove
    multipliers: (
        Floats  # (n_conditions,), > 0 where a mean is to be larger, 0 outside the conditions asked for
    )
    means: Floats  # (n_conditions,)
    factors: Floats  # (n_points,), the mixture of corners that has these means

    @property
    def support(self) -> Codes:
        """The conditions with a multiplier: they alone prove the bound."""
        size = np.abs(self.multipliers)
        return np.flatnonzero(size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300))


def least_gaps(
    reach: ReachableMeans,
    low: Floats,
    high: Floats,
    costs: Floats,
    places: Codes,
    *,
    together: bool = False,
    decide: float | None = None,
) -> LeastGaps:
    """The means whose gaps to [low, high] cost least, over the conditions in places.

    The cost is the sum of gaps (in standard deviations) times costs (n_conditions,), inf for what must hold;
    `together` it is the largest gap. `decide` stops as soon as it is known whether the cost exceeds this.
    """
    # A linear program takes 1e20 for infinite, and no row tells ends apart that all rows are far from.
    far = _OUT_OF_SIGHT * (1.0 + np.abs(reach.phi).max(0))
    low = np.where(np.isinf(low), low, np.clip(low, -far, far))
    high = np.where(np.isinf(high), high, np.clip(high, -far, far))
    program = _ElasticProgram.over(reach, low, high, costs, places, together)
    proven, kept = -np.inf, np.zeros(low.size)
    for _ in range(_MAX_ROUNDS):
        n_points = len(reach.points)
        factors, multipliers, cost = program.solve(reach.points)
        bound = least_over_ranges(multipliers, low, high) - reach.farthest(multipliers)
        if bound > proven:
            proven, kept = bound, multipliers
        settled = cost - proven <= reach.accuracy * (1.0 + abs(cost)) or len(reach.points) == n_points
        if settled or (decide is not None and (cost <= decide or proven > max(decide, 0.5 * cost))):
            means = factors @ reach.points[:n_points]
            factors = np.r_[factors, np.zeros(len(reach.points) - n_points)]
            return LeastGaps(cost, proven, kept, means, factors)
    raise ConvergenceError(
        "A linear program for targets that no weights meet did not end. Round the targets."
    )


def least_over_ranges(multipliers: Floats, low: Floats, high: Floats) -> float:
    """The least of multipliers @ r over r in the ranges."""
    up, down = multipliers > 0.0, multipliers < 0.0
    return float(multipliers[up] @ low[up] + multipliers[down] @ high[down])


@dataclass(frozen=True)
class _ElasticProgram:
    """Variables: factors of the points, then the gaps, one for each side of a range or one for all."""

    low: Floats
    high: Floats
    below: Codes  # conditions with a lower end, and those with an upper one
    above: Codes
    gaps: Floats  # (n_sides, n_gaps), -1 where a gap lets a side be missed
    costs: Floats  # (n_gaps,)

    @classmethod
    def over(
        cls, reach: ReachableMeans, low: Floats, high: Floats, costs: Floats, places: Codes, together: bool
    ) -> _ElasticProgram:
        below, above = places[np.isfinite(low[places])], places[np.isfinite(high[places])]
        sides = np.r_[below, above]
        finite = costs[sides][np.isfinite(costs[sides])]
        must = np.isinf(costs[sides]) & _are_met(reach.points[0], low, high)[sides]
        each = np.where(
            np.isinf(costs[sides]), _MUST * max(float(finite.max(initial=0.0)), 1.0), costs[sides]
        )
        if together:
            return cls(low, high, below, above, np.where(must, 0.0, -1.0)[:, None], np.ones(1))
        return cls(low, high, below, above, -np.eye(sides.size)[:, ~must], each[~must])

    def solve(self, points: Floats) -> tuple[Floats, Floats, float]:
        """Factors of the points (n_points, n_conditions), multipliers of all conditions, and the cost."""
        n, n_below = len(points), self.below.size
        rows = np.vstack([-points[:, self.below].T, points[:, self.above].T])
        program = solve_program(
            np.r_[np.zeros(n), self.costs],
            A_ub=np.hstack([rows, self.gaps]),
            b_ub=np.r_[-self.low[self.below], self.high[self.above]],
            A_eq=np.r_[np.ones(n), np.zeros(self.costs.size)][None],
            b_eq=[1.0],
        )
        multipliers = np.zeros(self.low.size)
        marginals = -program.ineqlin.marginals
        np.add.at(multipliers, self.below, marginals[:n_below])
        np.add.at(multipliers, self.above, -marginals[n_below:])
        factors = np.maximum(program.x[:n], 0.0)
        return factors / factors.sum(), multipliers, float(program.fun)


def _are_met(means: Floats, low: Floats, high: Floats) -> Bools:
    return np.asarray((means >= low - 1e-9) & (means <= high + 1e-9))


def solve_program(cost: Floats, **conditions: Any) -> Any:
    """A linear program by the simplex method of HiGHS; ConvergenceError unless it is solved."""
    program = linprog(cost, method="highs-ds", options=_OPTIONS, **conditions)
    if program.status != 0:
        raise ConvergenceError("A linear program for targets that no weights meet failed. Round the targets.")
    return program


def reachable_fraction(reach: ReachableMeans, low: Floats, high: Floats) -> float:
    """How much of the way from the base means to the ranges some weights go, all conditions at once."""
    # Ends of ranges that the base means are within stay; the others move from there to where they are stated.
    start, single = reach.points[0], low == high
    below, above = np.flatnonzero(np.isfinite(low)), np.flatnonzero(np.isfinite(high))
    from_low = np.where(single, start, np.minimum(start, low))[below]
    from_high = np.where(single, start, np.maximum(start, high))[above]
    steps = np.r_[low[below] - from_low, from_high - high[above]]
    for _ in range(_MAX_ROUNDS):
        n, n_below = len(reach.points), below.size
        program = linprog(
            np.r_[np.zeros(n), -1.0],
            A_ub=np.hstack(
                [np.vstack([-reach.points[:, below].T, reach.points[:, above].T]), steps[:, None]]
            ),
            b_ub=np.r_[-from_low, from_high],
            A_eq=np.r_[np.ones(n), 0.0][None],
            b_eq=[1.0],
            bounds=[(0.0, None)] * n + [(0.0, 1.0)],
            method="highs-ds",
            options=_OPTIONS,
        )
        if program.status != 0:  # ranges that are missed by a rounding error leave no way at all
            return 0.0
        direction = np.zeros(low.size)
        marginals = -program.ineqlin.marginals
        np.add.at(direction, below, marginals[:n_below])
        np.add.at(direction, above, -marginals[n_below:])
        known = float((reach.points @ direction).max())
        farther = reach.farthest(direction) - known
        if farther <= (1e-3 if reach.bounds else 1e-10) or len(reach.points) == n:  # what is missing yet
            return float(np.clip(-program.fun, 0.0, 1.0)) + 0.0
    raise ConvergenceError(
        "A linear program for targets that no weights meet did not end. Round the targets."
    )
