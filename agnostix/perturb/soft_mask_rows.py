"""RISE: the mean prediction where a pixel is visible under random soft masks, less the mean prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.evaluate import ModelCaller, RowSource
from agnostix.core.models import Predictor
from agnostix.core.typing import Codes, Floats
from agnostix.perturb.fades import FadedRows, Fades


@dataclass(frozen=True)
class SoftMaskRows(RowSource):
    """Each image under all soft masks.

    Attributes
    ----------
    fades : Fades
        The masks.
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The images.
    fill : ndarray of the images' number of axes
        Replaces what is hidden; axes of length 1 broadcast.
    which : ndarray of int of shape (n_images, n_selected)
        Outputs that saliency is estimated of.
    is_composed : bool
        Whether the model composes masked images itself.
    """

    fades: Fades
    images: Any
    fill: Any
    which: Codes
    is_composed: bool = False

    @property
    def n_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def n_columns(self) -> int:
        return self.fades.n_cells**2 if self.is_composed else int(np.prod(self.images.shape[1:]))

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> SoftMaskRows:
        return replace(self, is_composed=predictor.faded is not None)

    def n_rows(self, block: int) -> int:
        return self.fades.points.n_points

    def batch(self, block: int, part: slice) -> FadedRows:
        """An image under some of the masks, in pieces."""
        fill = self.fill[0 if self.fill.shape[0] == 1 else block]
        return self.fades.rows(self.images[block], fill, part)

    def build(self, block: int, part: slice) -> Any:
        return self.batch(block, part).built()

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        if self.is_composed:
            return caller.check(caller.predictor.ask_faded(self.batch(block, part)))
        return super().predict(block, part, caller)

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"row {block} under soft masks {first} to {last}"

    def estimate_saliency(self, item: int, predictions: Floats) -> tuple[Floats, Floats, Floats]:
        """Saliency and its standard errors, each (height, width, n_selected), and the mean predictions.

        The errors are the spread of the sums over blocks of masks: masks of a block are quasi-random and
        depend on each other, blocks do not.
        """
        scores = predictions[:, self.which[item]]
        mean = scores.mean(axis=0)
        apart = (scores - mean) / (scores.shape[0] * self.fades.share)
        points = self.fades.points
        total = np.zeros((*self.fades.shape, mean.size))
        squares = np.zeros_like(total)
        for number in range(points.n_blocks):
            part = slice(number * points.size, (number + 1) * points.size)
            own = self.fades.weighted(apart[part], part) - self.fades.share * apart[part].sum(axis=0)
            total += own
            squares += own**2
        n = points.n_blocks
        errors = np.sqrt(np.maximum(squares - total**2 / n, 0.0) * n / (n - 1))
        return total, errors, mean
