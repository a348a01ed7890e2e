"""Images with inpainted windows, as rows to evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.masking import Inpainter
from agnostix.core.masking.windows import Windows
from agnostix.core.row_sources import RowSource


@dataclass(frozen=True)
class InpaintedWindows(RowSource):
    """Each image with each window filled in, and last with all of it hidden.

    Attributes
    ----------
    windows : Windows
        Positions of the window.
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The images.
    seed : int
        Of the noise.
    """

    windows: Windows
    images: Any
    seed: int

    @property
    def n_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def n_columns(self) -> int:
        return int(np.prod(self.images.shape[1:]))

    def n_rows(self, block: int) -> int:
        return self.windows.n_windows + 1

    def build(self, block: int, part: slice) -> Any:
        inpainter = Inpainter(self.images[block], self.seed)
        return np.stack([inpainter.filled(hidden) for hidden in self.windows.hidden(part)])

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.windows.n_windows) if part is None else (part.start, part.stop - 1)
        return f"row {block} under windows {first} to {last}"
