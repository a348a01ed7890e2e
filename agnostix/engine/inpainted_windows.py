"""Pictures under windows that are filled in from what is around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.masking import Inpainter
from agnostix.core.typing import Floats
from agnostix.perturb import Windows


@dataclass(frozen=True)
class InpaintedWindows:
    """Each picture under each window, and last with all of it hidden.

    Attributes
    ----------
    windows : Windows
        Where they are.
    pictures : ndarray of shape (n_pictures, height, width) or (n_pictures, height, width, n_channels)
        The pictures.
    seed : int
        Of the noise.
    """

    windows: Windows
    pictures: Any
    seed: int

    def opened(self) -> InpaintedWindows:
        """Keeps nothing."""
        return self

    @property
    def n_items(self) -> int:
        """Pictures."""
        return int(self.pictures.shape[0])

    @property
    def width(self) -> int:
        """Numbers in a picture."""
        return int(np.prod(self.pictures.shape[1:]))

    def size(self, item: int) -> int:
        """Windows, and all of the picture."""
        return self.windows.n_windows + 1

    def build(self, item: int, part: slice) -> Any:
        """A picture with some of the windows filled in."""
        inpainter = Inpainter(self.pictures[item], self.seed)
        return np.stack([inpainter.filled(hidden) for hidden in self.windows.hidden(part)])

    def digest(self, item: int, answers: Floats) -> tuple[Floats]:
        """The answers as they are, of shape (n_windows + 1, n_outputs)."""
        return (answers,)

    def told(self, item: int, part: slice) -> str:
        """Name the picture and the windows."""
        return f"row {item} under windows {part.start} to {part.stop - 1}"
