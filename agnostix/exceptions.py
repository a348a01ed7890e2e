"""The errors and warnings that agnostix raises."""

from __future__ import annotations

from typing import Any


class InfeasibleTargetError(ValueError):
    """No reweighting of the observed rows reaches the stated targets.

    Attributes
    ----------
    nearest : dict
        The nearest scenario that is feasible: arguments for ``what_if(**error.nearest)``. All targets are
        moved back on the straight line to the data's own averages or, where no part of it is feasible since
        the targets contradict each other, as few of them as possible by as little as possible.
    reachable : float
        The share of the straight line that is feasible, between 0 and 1.
    ranges : dict
        The same with a range for each target that is moved, from the stated one to as far again beyond the
        nearest: arguments for ``what_if(**error.ranges)``.
    """

    def __init__(
        self,
        message: str,
        nearest: dict[str, Any] | None = None,
        reachable: float = 0.0,
        ranges: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.nearest = nearest or {}
        self.reachable = reachable
        self.ranges = ranges or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.nearest, self.reachable, self.ranges)


class ConvergenceError(ArithmeticError):
    """A solver did not reach the accuracy that is promised."""


class ModelOutputError(ValueError):
    """The model's answer is not what an explanation can be built on."""


class EngineError(RuntimeError):
    """The model failed; the message names the rows and the cause."""


class DataError(ValueError):
    """The table cannot be used as it is."""
