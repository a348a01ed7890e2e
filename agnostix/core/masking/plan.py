"""Masks that are evaluated for every row, fixed before the rows are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Plan:
    """Masks (n_masks, n_features) for every row, in stages; later stages may be put to fewer rows."""

    stages: tuple[Bools, ...]

    def __post_init__(self) -> None:
        if len({stage.shape[1] for stage in self.stages}) != 1:
            raise DataError("A plan needs at least one stage, and all of its stages the same players.")

    @property
    def masks(self) -> Bools:
        """Masks of all stages, (n_masks, n_features)."""
        return np.concatenate(self.stages)

    @property
    def n_masks(self) -> int:
        """Masks of all stages."""
        return sum(stage.shape[0] for stage in self.stages)
