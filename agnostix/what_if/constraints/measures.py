"""Rates of decisions in groups, and their ratios and differences, as smooth functions of the weights.

The rate r = sum_G w d / sum_G w of decisions d among the rows G has the derivative 1_G (d - r) / sum_G w by
each weight; ratios a / b and differences a - b follow by the rules of differentiation. Of several comparisons
the one that is farthest from parity is measured, by its own derivative: where two are equally far there is
none, and near there standard errors are too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.what_if.constraints.averages import average_of
from agnostix.what_if.metrics import POSITIVE, UNIT, MeanQuantity, Quantity, SmoothQuantity

_NONE = 1e-9
"""Distance from 0 and 1 up to which a rate has no spread."""


@dataclass(frozen=True)
class GroupShare:
    """A rate: the share of decisions among the rows of a group."""

    decisions: Numbers  # (n_rows,), 0 or 1
    member: Bools  # (n_rows,)

    @cached_property
    def _rows(self) -> Codes:
        return np.flatnonzero(self.member)

    def value(self, weights: Floats) -> float:
        """The rate under weights (n_rows,), NaN if the group has none."""
        return average_of(self.decisions, self.member, weights)

    def derivative(self, weights: Floats) -> Floats:
        """Of the rate by each weight, (n_rows,)."""
        out = np.zeros(self.member.size)
        total = weights[self._rows].sum()
        if total <= 0.0:
            return np.full(self.member.size, np.nan)
        out[self._rows] = (self.decisions[self._rows] - self.value(weights)) / total
        return out

    def effective_rows(self, weights: Floats) -> float:
        """Effective sample size of the group under weights (n_rows,)."""
        own = weights[self._rows]
        squares = float(own @ own)
        return float(own.sum()) ** 2 / squares if squares > 0.0 else 0.0

    def inward(self, weights: Floats) -> float:
        """Where the rate can move from an end at which it has no spread: 1 from 0, -1 from 1, else 0."""
        value = self.value(weights)
        return 1.0 if value <= _NONE else -1.0 if value >= 1.0 - _NONE else 0.0

    def groups(self, weights: Floats) -> Floats:
        """`groups` of `inference.interval`, (1, 2)."""
        return np.array([[self.effective_rows(weights), self.inward(weights)]])


def rate_quantity(name: str, decisions: Numbers, member: Bools | None) -> Quantity:
    """The share of decisions (n_rows,) among the members, None for all rows."""
    if member is None:
        return MeanQuantity(name, None, np.asarray(decisions, dtype=np.float64), UNIT, counts=True)
    share = GroupShare(decisions, member)
    return SmoothQuantity(
        name,
        lambda weights: (share.value(weights), share.derivative(weights)),
        UNIT,
        groups=share.groups,
        kind="wilson",
        carriers=share.effective_rows,
    )


@dataclass(frozen=True)
class RatePair:
    """The ratio or difference of a group's rate and that of the reference group."""

    own: GroupShare
    reference: GroupShare
    is_ratio: bool
    is_absolute: bool = False  # whether the sign of the difference is left out

    def value(self, weights: Floats) -> float:
        """The ratio or difference under weights (n_rows,), NaN where there is none."""
        own, reference = self.own.value(weights), self.reference.value(weights)
        if self.is_ratio:
            return own / reference if reference > 0.0 else float("nan")
        return abs(own - reference) if self.is_absolute else own - reference

    def slopes(self, weights: Floats) -> tuple[float, float]:
        """Derivatives by the two rates."""
        own, reference = self.own.value(weights), self.reference.value(weights)
        if self.is_ratio:
            return (1.0 / reference, -own / reference**2) if reference > 0.0 else (np.nan, np.nan)
        sign = -1.0 if self.is_absolute and own < reference else 1.0
        return sign, -sign

    def derivative(self, weights: Floats) -> Floats:
        """By each weight, (n_rows,)."""
        by_own, by_reference = self.slopes(weights)
        return by_own * self.own.derivative(weights) + by_reference * self.reference.derivative(weights)

    def groups(self, weights: Floats) -> Floats:
        """`groups` of `inference.interval`, (2, 2)."""
        groups = np.vstack([self.own.groups(weights), self.reference.groups(weights)])
        groups[:, 1] *= self.slopes(weights)
        return groups


def comparison_quantity(name: str, pairs: Sequence[RatePair]) -> SmoothQuantity:
    """A comparison, or of several the one farthest from parity: the least ratio, the largest difference."""
    is_ratio, is_signed = pairs[0].is_ratio, not pairs[0].is_absolute

    def farthest(weights: Floats) -> RatePair:
        values = np.array([pair.value(weights) for pair in pairs])
        if np.isnan(values).any():
            return pairs[int(np.isnan(values).argmax())]
        return pairs[int(values.argmin() if is_ratio else values.argmax())]

    def measure(weights: Floats) -> tuple[float, Floats]:
        pair = farthest(weights)
        return pair.value(weights), pair.derivative(weights)

    bounds = POSITIVE if is_ratio else (-1.0, 1.0) if is_signed else UNIT
    return SmoothQuantity(name, measure, bounds, groups=lambda weights: farthest(weights).groups(weights))
