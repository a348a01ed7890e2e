"""Which class activation maps are computed, and into what array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.neural.token_grid import TokenGrid

METHODS = (
    "ablation_cam", "axiom_cam", "cam", "grad_cam", "grad_cam_pp", "hires_cam", "layer_cam", "score_cam"
)  # fmt: skip
SIGNED = ("cam", "hires_cam")
"""Methods whose papers keep negative values."""
OF_ACTIVATIONS = ("ablation_cam", "score_cam")
"""Methods whose weights have no units, so that maps are in those of the layer's output."""


@dataclass(frozen=True)
class CamConfig:
    """Parameters of `CamExplainer`, and the shape of a map."""

    methods: tuple[str, ...]
    layers: list[Any]
    target: str
    shape: tuple[int, ...]  # (height, width) of the images, or (n_columns,) of a table
    token_grid: TokenGrid
    positive: bool | None
    normalize: bool

    @property
    def n_axes(self) -> int:
        """Axes of a map."""
        return len(self.shape)

    def empty(self, n_rows: int, n_selected: int) -> Floats:
        """Values (n_rows, n_layers, n_methods, n_selected, ...), to be filled."""
        return np.empty((n_rows, len(self.layers), len(self.methods), n_selected, *self.shape))

    def is_positive(self, method: str) -> bool:
        """Whether negative values of a method's maps become 0."""
        return method not in SIGNED if self.positive is None else self.positive

    def needs(self, *methods: str) -> bool:
        """Whether one of the methods is computed."""
        return any(method in self.methods for method in methods)
