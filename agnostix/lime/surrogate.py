"""What a kind of surrogate must do."""

from __future__ import annotations

from typing import ClassVar, Protocol

from agnostix.lime.local_fit import LocalFit
from agnostix.lime.problem import Problem


class Surrogate(Protocol):
    """Fits a simple model to what was drawn near a row."""

    gives_parts: ClassVar[bool]
    """Whether effects are parts of the answer for the row, and not changes with the design."""

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Fit it with at most so many features; `tests` asks for the margin of their choice."""
