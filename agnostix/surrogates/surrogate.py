"""What a kind of surrogate must do."""

from __future__ import annotations

from typing import Protocol

from agnostix.surrogates.local_fit import LocalFit
from agnostix.surrogates.problem import Problem


class Surrogate(Protocol):
    """Fits a simple model to what was drawn near a row."""

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Fit it with at most so many features; `tests` asks for the margin of their choice."""
