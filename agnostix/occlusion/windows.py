"""Windows over pictures: what they hide in all of them, how they are interpolated, and what a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.masking import Inpainter, Windows
from agnostix.core.masking.fills import MOST_CHANNELS
from agnostix.core.models import Predictor
from agnostix.core.models.capabilities import Configured
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Bools
from agnostix.exceptions import DataError


def fixed_cells(images: Any, windows: Windows) -> Bools:
    """Cells (n_cells,) of windows that are the same in all images."""
    place = tuple(range(1 + windows.cells.ndim, images.ndim))
    same = (images == images[:1]).all(axis=(0, *place))
    fixed = np.ones(windows.masks.shape[1], dtype=bool)
    np.logical_and.at(fixed, windows.cells.ravel(), same.ravel())
    return fixed


def check_layout_of_arrays(predictor: Predictor, shape: tuple[int, ...], n_axes: int) -> None:
    """DataError for a torch module and arrays of a shape that it would get as images, channels first."""
    is_image = n_axes == 3 and len(shape) == 3 and shape[-1] <= MOST_CHANNELS
    if not predictor.supports(Configured) or len(shape) == 1 or is_image:
        return
    tensor = "torch.from_numpy(X)" + (".movedim(-1, 1)" if len(shape) > n_axes else "[:, None]")
    raise DataError(
        f"The module {predictor.name} takes images, and windows over {n_axes} axes of X need a function that "
        f"takes arrays of shape (n_rows, {', '.join(map(str, shape))}). Pass lambda X: "
        f"module({tensor}).detach().numpy(), or however the module takes them."
    )


@dataclass(frozen=True)
class InpaintedWindows(RowSource):
    """Each image with each window interpolated from the pixels around it, and last with all of it hidden."""

    windows: Windows
    images: Any  # (n_images, height, width[, n_channels])
    seed: int  # of the noise

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
