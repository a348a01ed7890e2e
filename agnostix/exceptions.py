"""The errors and warnings that agnostix raises."""

from __future__ import annotations

from typing import Any


class InfeasibleTargetError(ValueError):
    """No reweighting of the observed rows reaches the stated targets.

    Attributes
    ----------
    nearest : dict
        The question moved back, on the straight line from the data's own
        averages to the stated ones, to where it can be answered: arguments for
        ``what_if(**error.nearest)``. Empty where no part of the way can be gone.
    reachable : float
        The share of the way that can be gone, between 0 and 1.
    """

    def __init__(self, message: str, nearest: dict[str, Any] | None = None, reachable: float = 0.0) -> None:
        super().__init__(message)
        self.nearest = nearest or {}
        self.reachable = reachable

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.nearest, self.reachable)


class ConvergenceError(ArithmeticError):
    """A solver did not reach the accuracy that is promised."""


class ModelOutputError(ValueError):
    """The model's answer is not what an explanation can be built on."""


class EngineError(RuntimeError):
    """The model failed on perturbed rows; the message names the batch and the cause."""


class DataError(ValueError):
    """The table cannot be used as it is."""
