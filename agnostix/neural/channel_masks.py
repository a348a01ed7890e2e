"""Score-CAM's masks: each feature map of an image, from 0 to 1, as what the image is multiplied by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import softmax

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.row_sources import ModelCaller, RowSource
from agnostix.core.typing import Codes, Floats

_PIXELS = 2**22
"""Of enlarged maps that are held at a time."""


@dataclass(frozen=True)
class ChannelMaskRows(RowSource):
    """Each image under each of its feature maps."""

    maps: list[Floats]  # of each image (n_channels, height, width), those of a layer
    images: Any  # (n_images, height, width[, n_channels])
    fill: Any  # as many axes, those of length 1 broadcast
    is_composed: bool = False  # by the model, which gets the masks instead of masked images

    @property
    def n_items(self) -> int:
        return len(self.maps)

    @property
    def n_columns(self) -> int:
        return int(np.prod(self.maps[0].shape[1:])) + (
            0 if self.is_composed else int(np.prod(self.images.shape[1:]))
        )

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> ChannelMaskRows:
        return replace(self, is_composed=predictor.supports(MaskComposer))

    def n_rows(self, block: int) -> int:
        return len(self.maps[block])

    def build(self, block: int, part: slice) -> Any:
        return self.batch(block, part).compose(self.images[block], self._fill_of(block))

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        if not self.is_composed:
            return super().predict(block, part, caller)
        fill = self._fill_of(block)[None, None]
        return caller.predict_masked(self.images[block][None], self.batch(block, part), fill)[0, :, 0]

    def batch(self, block: int, part: slice) -> SoftMaskBatch:
        """Some of the masks: enlarged, they go from 0 to 1; 0 where a map is constant."""
        shape = self.images.shape[1:3]
        weights = [linear_weights(*pair) for pair in zip(self.maps[block].shape[1:], shape, strict=True)]
        grids = stretched(self.maps[block][part], *weights)
        offsets = np.zeros((len(grids), 2), dtype=np.intp)
        return SoftMaskBatch(grids, offsets, weights[0][None], weights[1][None])

    def _fill_of(self, block: int) -> Any:
        return self.fill[0 if self.fill.shape[0] == 1 else block]

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"row {block} under feature maps {first} to {last}"


def stretched(grids: Floats, row_weights: Floats, column_weights: Floats) -> Floats:
    """Grids (n, height, width) shifted and scaled so that enlarged they go from 0 to 1."""
    # Weights of a pixel sum to 1, so that enlarging and stretching commute.
    low, high = np.empty(len(grids)), np.empty(len(grids))
    size = max(1, _PIXELS // (len(row_weights) * len(column_weights)))
    for start in range(0, len(grids), size):
        part = slice(start, start + size)
        enlarged = row_weights @ grids[part] @ column_weights.T
        low[part], high[part] = enlarged.min(axis=(1, 2)), enlarged.max(axis=(1, 2))
    spans = np.where(high > low, high - low, np.inf)
    return (grids - low[:, None, None]) / spans[:, None, None]


@lru_cache(maxsize=64)
def linear_weights(n_cells: int, length: int) -> Floats:
    """Weights (length, n_cells) of linear interpolation between the centers of cells."""
    at = np.clip((np.arange(length) + 0.5) * n_cells / length - 0.5, 0.0, n_cells - 1.0)
    weights = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(n_cells)))
    weights.flags.writeable = False  # kept for the next call
    return weights


def weigh_channels(outputs: Codes) -> Callable[[Any, int, Floats], Floats]:
    """Reduction of an image's predictions (n_channels, n_outputs) to weights (n_selected, n_channels)."""
    # The paper subtracts the prediction for a baseline image, which a softmax does not see.
    return lambda _source, item, predictions: softmax(predictions[:, outputs[item]], axis=0).T
