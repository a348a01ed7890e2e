"""What solves a game."""

from __future__ import annotations

from typing import Protocol

from agnostix.core.typing import Floats
from agnostix.shapley.coalition_values import CoalitionValues


class Solver(Protocol):
    """Turns coalition values into Shapley values."""

    def solve(
        self, whole: CoalitionValues, versions: CoalitionValues | None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Values, variances of what sampling coalitions makes of them, and the values of other versions.

        `whole` has values by (row, output), `versions` by (group, row, output); the results have the players
        before that.
        """
