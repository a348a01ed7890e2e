"""Constraints that can be met in place of those that cannot: those that the nearest weights meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError
from agnostix.what_if.conflicts.nearest import ElasticConditions
from agnostix.what_if.conflicts.shares import apart
from agnostix.what_if.constraints.base import Condition, Constraint, Context

_MET = 1e-9
_MAX_NAMED = 8
_TRIALS = ((0.0, 0.0), (0.0, 1e-3), (0.0, 1e-2), (1e-2, 0.0), (0.1, 0.0), (0.5, 0.0))
"""How much of the base weights is mixed in, and widths of targets, until the scenario nearby is solved."""

Meets = Callable[[Sequence[Constraint]], bool]
"""Whether the scenario of some constraints can be solved."""


@dataclass(frozen=True)
class NearbyConstraints:
    """The constraints that some weights meet, in place of those that none do."""

    hard: Sequence[Condition]
    linear: ElasticConditions
    context: Context
    meets: Meets

    def scenarios(self, weights: Floats) -> tuple[list[Constraint], list[Constraint], str]:
        """Constraints that the nearest weights (n_rows,) meet, ranges around these, and changes in words."""
        for part, width in _TRIALS:
            mixed = (1.0 - part) * weights + part * self.context.base
            values = self._values(mixed)
            near = self._replaced(values, lambda one, value: self._around(one, value, width))  # noqa: B023
            if self.meets(near):
                return near, self._ranges(values) or near, self._changes(values)
        raise ConvergenceError("No targets near the stated ones were reached. State fewer.")

    def _ranges(self, values: Sequence[float | None]) -> list[Constraint] | None:
        """Ranges from the stated to as far again beyond the nearest, or farther; None if not met."""
        for wider in (1.0, 3.0):
            ranges = self._replaced(values, lambda one, value: self._room(one, value, wider))  # noqa: B023
            if self.meets(ranges):
                return ranges
        return None

    def _replaced(
        self, values: Sequence[float | None], target: Callable[[Constraint, float], Any]
    ) -> list[Constraint]:
        return [
            one if value is None else one.with_target(target(one, value))
            for one, value in self._pairs(values)
        ]

    def _around(self, constraint: Constraint, value: float, width: float) -> Any:
        """A number, or a range around it of a width relative to how far it is from what was stated."""
        if width == 0.0:
            return value
        low, high = constraint.bounds(self.context)
        half = width * max(abs(value - (low if value < low else high)), 1e-6 * abs(value))
        return self._possible(constraint, value - half, value + half)

    def _pairs(self, values: Sequence[float | None]) -> Any:
        return zip(self.context.constraints, values, strict=True)

    def _values(self, weights: Floats) -> list[float | None]:
        """The value of each constraint that weights (n_rows,) do not meet, None for the others."""
        means = weights @ self.linear.phi
        missed = (means < self.linear.low - _MET) | (means > self.linear.high + _MET)
        sources = {one.source for one, is_missed in zip(self.hard, missed, strict=True) if is_missed}
        values: list[float | None] = []
        for j, constraint in enumerate(self.context.constraints):
            value = None
            if j in sources:
                value = constraint.measure(self.context, weights)
            values.append(value)
        return values

    def _room(self, constraint: Constraint, value: float, wider: float) -> tuple[float, float]:
        """The range that was stated, with as far again beyond the nearest that can be met."""
        low, high = constraint.bounds(self.context)
        end = low if value < low else high
        beyond = value + wider * (value - end)
        return self._possible(constraint, min(low, beyond), max(high, beyond))

    def _possible(self, constraint: Constraint, low: float, high: float) -> tuple[float, float]:
        """The part of a range that shares can be in."""
        return (max(low, 0.0), min(high, 1.0)) if getattr(constraint, "is_share", False) else (low, high)

    def _changes(self, values: Sequence[float | None]) -> str:
        changes = []
        for constraint, value in self._pairs(values):
            if value is None:
                continue
            low, high = constraint.bounds(self.context)
            near, stated = apart(value, low if value < low else high)
            changes.append(f"{constraint.label} {near} for {stated}")
        more = len(changes) - _MAX_NAMED
        return ", ".join(changes[:_MAX_NAMED]) + (f", and {more} others" if more > 0 else "")
