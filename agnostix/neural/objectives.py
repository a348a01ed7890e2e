"""What an extremal mask is searched for: the objective, and the loss that Adam minimizes.

With P(m) the score of the image where only the mask m is visible and D(m) that where m is hidden, both scaled
to 0 for the fill and 1 for the image, and V the variation of the grid that the mask is made of:

    delete               D(m) + area_penalty mean(m) + smoothness V
    preserve            -P(m) + area_penalty mean(m) + smoothness V
    both                 D(m) - log P(m) + area_penalty mean(m) + smoothness V
    extremal_preserve   -log P(m) + smoothness V    with mean(m) = area
    extremal_delete      log D(m) + smoothness V    with mean(m) = area
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OBJECTIVES = ("both", "delete", "extremal_delete", "extremal_preserve", "preserve")
_POWER = 3.0
"""Of the differences between neighboring cells, in the variation."""
_BEND = 0.01
"""Score below which its logarithm continues as a line."""


@dataclass(frozen=True)
class MaskSearch:
    """Objective and settings of a search; see `ExtremalMaskExplainer` for each."""

    objective: str
    area: float
    area_penalty: float
    smoothness: float
    n_cells: int
    mask_sigma: float
    jitter: float
    noise: float
    n_steps: int
    learning_rate: float

    @property
    def is_extremal(self) -> bool:
        """Whether the area of the mask is fixed."""
        return self.objective.startswith("extremal")

    @property
    def preserves(self) -> bool:
        """Whether P(m) is part of the objective."""
        return self.objective in ("preserve", "both", "extremal_preserve")

    @property
    def deletes(self) -> bool:
        """Whether D(m) is part of the objective."""
        return self.objective in ("delete", "both", "extremal_delete")

    @property
    def n_model_rows(self) -> int:
        """Images that the model evaluates for one mask, at most."""
        return self.n_steps * (self.preserves + self.deletes) + 4

    def loss(self, shown: Any, hidden: Any, mask: Any, grid: Any) -> Any:
        """Loss of scores P and D (tensors; None where not needed), mask and grid (1, 1, n_cells, n_cells)."""
        penalty = self.smoothness * _variation(grid)
        if self.is_extremal:
            return (_log(hidden) if self.deletes else -_log(shown)) + penalty
        penalty = penalty + self.area_penalty * mask.mean()
        if self.objective == "delete":
            return hidden + penalty
        if self.objective == "preserve":
            return -shown + penalty
        return hidden - _log(shown) + penalty


def _log(score: Any) -> Any:
    """Logarithm with a slope where a score is nearly 0: a line below `_BEND`, and for scores below 0."""
    return score.clamp(min=_BEND).log() + (score / _BEND - 1.0).clamp(max=0.0)


def _variation(grid: Any) -> Any:
    down, right = grid.diff(dim=2).abs() ** _POWER, grid.diff(dim=3).abs() ** _POWER
    return down.mean() + right.mean()
