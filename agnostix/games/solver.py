"""What solves a game."""

from __future__ import annotations

from typing import Protocol

from agnostix.core.typing import Floats
from agnostix.games.worths import Worths


class Solver(Protocol):
    """Turns worths into Shapley values."""

    def solve(self, whole: Worths, versions: Worths | None) -> tuple[Floats, Floats, Floats | None]:
        """Values, variances of what sampling coalitions makes of them, and the values of other versions.

        `whole` has worths by (row, output), `versions` by (group, row, output); the results have the players
        before that.
        """
