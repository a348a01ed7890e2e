"""What a mask of an image is searched for.

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

OBJECTIVES = ("both", "delete", "extremal_delete", "extremal_preserve", "preserve")


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
        """Whether the area of the mask is given."""
        return self.objective.startswith("extremal")

    @property
    def preserves(self) -> bool:
        """Whether the score where only the mask is visible is part of the objective."""
        return self.objective in ("preserve", "both", "extremal_preserve")

    @property
    def deletes(self) -> bool:
        """Whether the score where the mask is hidden is part of the objective."""
        return self.objective in ("delete", "both", "extremal_delete")

    @property
    def n_model_rows(self) -> int:
        """Images that the model evaluates for one mask, at most."""
        return self.n_steps * (self.preserves + self.deletes) + 4
