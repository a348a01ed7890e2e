"""The nearest weights: the least sum of gaps, in standard deviations, and of all with that the closest ones.

A linear program gives the least sum and its multipliers. All its solutions satisfy what these say
(complementary slackness): a condition whose multiplier is below its cost is met, and of the others the sign
of the gap is known. These are ranges again, in which the divergence from the base weights is minimized. On
the hull of the rows few rows have weight, so the sum of gaps may be a ten-thousandth larger than the least.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.conflicts.least_gaps import LeastGaps, least_gaps
from agnostix.what_if.conflicts.reachable_means import Corner, ReachableMeans

_SHORT_OF_HULL = (1e-4, 1e-3, 1e-2, 1e-1)
"""How much of the way back to weights without regard of gaps is given up, the first that can be solved."""
_NONE = 1e-9
_MAX_STEPS = 30
LEAST_SHARES = (1e-2, 1e-4)
"""Weight of a group that a condition speaks of, of its base weight, from which the group counts as there."""

Calibrate = Callable[[Floats, Floats, Floats], Floats | None]
"""Closest weights (n_rows,) from statistics and ranges of their means; None if there are none."""


@dataclass(frozen=True)
class ElasticConditions:
    """Ranges in which means must lie, what a gap costs, and what they are about."""

    phi: Floats  # (n_rows, n_conditions)
    low: Floats  # (n_conditions,)
    high: Floats
    costs: Floats  # of a gap of one standard deviation; infinite where there must be none
    groups: tuple[Bools | None, ...]  # rows (n_rows,) within which a mean is taken, None for all
    base: Floats  # (n_rows,), summing to 1
    weight_bounds: tuple[float, float] | None = None

    @property
    def distinct_groups(self) -> list[Bools]:
        """The groups that conditions are about."""
        return list({group.tobytes(): group for group in self.groups if group is not None}.values())

    def keep(self, some: Codes) -> ElasticConditions:
        """The conditions in some places, in their order."""
        groups = tuple(self.groups[j] for j in some)
        parts = (self.phi[:, some], self.low[some], self.high[some], self.costs[some])
        return ElasticConditions(*parts, groups, self.base, self.weight_bounds)

    def with_groups_present(self, part: float = LEAST_SHARES[0]) -> ElasticConditions:
        """The same where every group keeps part of its weight, without which its means are anything."""
        shares = [float(self.base @ group) for group in self.distinct_groups]
        return self._with_shares([part * share for share in shares], None)

    def with_shares_of(self, weights: Floats) -> ElasticConditions:
        """The same where every group has the weight that it has under weights (n_rows,)."""
        shares = [float(weights @ group) for group in self.distinct_groups]
        return self._with_shares(shares, shares)

    def _with_shares(self, low: list[float], high: list[float] | None) -> ElasticConditions:
        groups = self.distinct_groups
        if not groups:
            return self
        scale = np.array([self.base @ group for group in groups])
        ends = np.full(scale.size, np.inf) if high is None else np.array(high) / scale - 1.0
        return replace(
            self,
            phi=np.c_[self.phi, np.column_stack(groups) / scale - 1.0],
            low=np.r_[self.low, np.array(low) / scale - 1.0],
            high=np.r_[self.high, ends],
            costs=np.r_[self.costs, np.full(scale.size, np.inf)],
            groups=(*self.groups, *[None] * scale.size),
        )

    def cost_of(self, weights: Floats) -> float:
        """What the gaps under weights (n_rows,) cost, those that may be there."""
        means = weights @ self.phi
        gaps = np.maximum(np.maximum(self.low - means, means - self.high), 0.0)
        may = np.isfinite(self.costs)
        return float(gaps[may] @ self.costs[may])


def nearest_weights(linear: ElasticConditions, calibrate: Calibrate) -> Floats:
    """Weights (n_rows,) with the least sum of gaps, closest to the base weights among those."""
    linear, gaps, exact = _least_sum(linear, calibrate)
    return _closest(linear, gaps, exact, calibrate)


def extreme_mixture(linear: ElasticConditions, calibrate: Calibrate) -> Floats:
    """Weights (n_rows,) with the least sum of gaps, of few rows."""
    return _least_sum(linear, calibrate)[2]


def _least_sum(
    linear: ElasticConditions, calibrate: Calibrate
) -> tuple[ElasticConditions, LeastGaps, Floats]:
    """The conditions at the groups' weights, their gaps, and weights (n_rows,) that have these."""
    anchor = weights_over_all(linear, calibrate)
    linear = linear.with_shares_of(anchor)
    reach = ReachableMeans(linear.phi, linear.base, linear.weight_bounds, anchor)
    gaps = least_gaps(reach, linear.low, linear.high, linear.costs, np.arange(linear.low.size))
    return linear, gaps, reach.mixture(gaps.factors)


def weights_over_all(linear: ElasticConditions, calibrate: Calibrate) -> Floats:
    """The nearest weights (n_rows,) without the conditions on groups, at whose weights these are linear."""
    over_all = np.flatnonzero([group is None for group in linear.groups])
    if not linear.distinct_groups or over_all.size == 0:
        return linear.base
    return nearest_weights(linear.keep(over_all), calibrate)


def least_cost(
    linear: ElasticConditions, anchor: Floats, corners: Sequence[Corner] = ()
) -> tuple[float, list[Corner]]:
    """The least sum of gaps and the corners that have it; some that may be among these can be named.

    An anchor (n_rows,) are weights that meet what must hold.
    """
    reach = ReachableMeans(linear.phi, linear.base, linear.weight_bounds, anchor, corners)
    gaps = least_gaps(reach, linear.low, linear.high, linear.costs, np.arange(linear.low.size))
    return gaps.cost, reach.corners_of(gaps.factors)


def _closest(linear: ElasticConditions, gaps: LeastGaps, exact: Floats, calibrate: Calibrate) -> Floats:
    """The weights closest to the base weights that have the least sum of gaps, or hardly more."""
    moved = np.isfinite(linear.costs) & (np.abs(gaps.multipliers) >= (1.0 - 1e-6) * linear.costs)
    up, down = moved & (gaps.multipliers > 0.0), moved & (gaps.multipliers < 0.0)
    low = np.where(up, -np.inf, np.where(down, linear.high, linear.low))
    high = np.where(up, linear.low, np.where(down, np.inf, linear.high))
    relaxed = calibrate(linear.phi, low, high)
    if relaxed is None:
        return exact
    least, most = linear.cost_of(exact), linear.cost_of(relaxed)
    if most <= least * (1.0 + _NONE) + _NONE:
        return relaxed
    factors = np.where(moved, -gaps.multipliers, 0.0)
    ends = np.where(up, linear.low, np.where(down, linear.high, 0.0))
    column = linear.phi @ factors
    mean = float(linear.base @ column)
    scale = float(np.sqrt(linear.base @ (column - mean) ** 2)) or 1.0
    for part in _SHORT_OF_HULL:
        limit = float(factors @ ends) + least + part * (most - least)
        if moved.sum() == 1:
            ahead = _limit_one(linear, low, high, moved, limit / float(factors[moved][0]), calibrate)
        else:
            phi = np.c_[linear.phi, (column - mean) / scale]
            ahead = calibrate(phi, np.r_[low, -np.inf], np.r_[high, (limit - mean) / scale])
        if ahead is not None:
            return ahead
    return 0.9 * exact + 0.1 * relaxed


def _limit_one(
    linear: ElasticConditions, low: Floats, high: Floats, moved: Bools, limit: float, calibrate: Calibrate
) -> Floats | None:
    """The closest weights where only one mean is off, by no more than up to a limit."""
    low = np.where(moved & np.isneginf(low), limit, low)
    high = np.where(moved & np.isposinf(high), limit, high)
    return calibrate(linear.phi, low, high)


def farthest_mean(linear: ElasticConditions, place: int, sign: float) -> tuple[float, Floats]:
    """How far one mean goes, up or down by the sign, where all others are met; weights (n_rows,) there."""
    part = linear.with_groups_present()
    costs = np.where(np.arange(part.low.size) == place, 1.0, np.inf)
    end = 2.0 * np.abs(part.phi[:, place]).max() + 1.0  # farther than any row
    low, high = part.low.copy(), part.high.copy()
    low[place], high[place] = (end, np.inf) if sign > 0.0 else (-np.inf, -end)
    reach = ReachableMeans(part.phi, part.base, part.weight_bounds)
    gaps = least_gaps(reach, low, high, costs, np.arange(low.size))
    return float(gaps.means[place]), reach.mixture(gaps.factors)


def farthest_in_group(linear: ElasticConditions, place: int, sign: float, numbers: Floats) -> float:
    """How far the mean of numbers (n_rows,) in a group goes, where all other conditions are met."""
    # A ratio of means: the ratio that some weights have is raised by weights of a larger
    # E[1_G (numbers - ratio)], until none are (Dinkelbach, 1967).
    group = linear.groups[place]
    assert group is not None
    weights, value = linear.base, np.nan
    for _ in range(_MAX_STEPS):
        last, value = value, float(weights[group] @ numbers[group] / weights[group].sum())
        if abs(value - last) <= 1e-12 * np.abs(numbers[group]).max():
            break
        column = np.where(group, numbers - value, 0.0)
        phi = linear.phi.copy()
        phi[:, place] = column / (np.abs(column).max() or 1.0)
        _, weights = farthest_mean(replace(linear, phi=phi), place, sign)
    return value
