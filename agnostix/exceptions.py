"""The errors and warnings that agnostix raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class InfeasibleTargetError(ValueError):
    """No reweighting of the observed rows reaches the stated targets.

    Attributes
    ----------
    nearest : dict
        The nearest scenario that is feasible: arguments for ``what_if(**error.nearest)``. The sum of the
        gaps to the stated targets, in standard deviations, is the least that any weights have (or a
        ten-thousandth more, where these weights would leave hardly any row), and of all such scenarios it
        is the one closest to the data.
    reachable : float
        How much of the straight way from the data's own values to all targets is feasible, between 0 and 1.
    ranges : dict
        The same with a range for each target that is moved, from the stated one to as far again beyond the
        nearest: arguments for ``what_if(**error.ranges)``.
    reason : str
        Why, in words, without the remedy.
    conflict : tuple of str
        What cannot be met together, though some weights meet the others without any one of these: labels of
        constraints, of what is held with them, and of bounds on the weights.
    """

    def __init__(
        self,
        message: str,
        nearest: dict[str, Any] | None = None,
        reachable: float = 0.0,
        ranges: dict[str, Any] | None = None,
        conflict: Sequence[str] = (),
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.nearest = nearest or {}
        self.reachable = reachable
        self.ranges = ranges or {}
        self.conflict = tuple(conflict)
        self.reason = message if reason is None else reason

    def __reduce__(self) -> tuple[Any, ...]:
        found = (self.nearest, self.reachable, self.ranges, self.conflict, self.reason)
        return type(self), (self.args[0], *found)


class ConvergenceError(ArithmeticError):
    """A solver did not reach the accuracy that is promised."""


class ModelOutputError(ValueError):
    """The model's answer is not what an explanation can be built on."""


class EngineError(RuntimeError):
    """The model failed; the message names the rows and the cause."""


class DataError(ValueError):
    """The table cannot be used as it is."""
