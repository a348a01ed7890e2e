"""Windows over series and volumes, which are hidden as the cells of images one pixel wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.frames import missing_as_nan
from agnostix.core.inputs import check_single_input, conversion_error
from agnostix.core.masking.fills import as_pixels
from agnostix.core.masking.segments import MaskedPictures, SegmentMasker
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError

_SHAPES = {1: "(n_rows, length)", 2: "(n_rows, height, width)", 3: "(n_rows, depth, height, width)"}


def as_arrays(X: Any, n_axes: int) -> Any:
    """Finite numbers (n_rows, ...) with `n_axes` axes that windows slide over, perhaps one of channels."""
    if n_axes == 2:
        return as_pixels(X)
    check_single_input(X)
    try:
        array = np.asarray(missing_as_nan(X))
    except ValueError:
        raise DataError("X must be arrays of one size; pass those of another size by themselves.") from None
    except (RuntimeError, TypeError) as error:
        raise conversion_error(X, error) from error
    if array.ndim not in (n_axes + 1, n_axes + 2) or 0 in array.shape or array.dtype.kind not in "biuf":
        shape = _SHAPES.get(n_axes, f"of {n_axes + 1} axes")
        count = "1 length" if n_axes == 1 else f"{n_axes} lengths"
        raise DataError(
            f"The 'size' of SlidingWindow has {count}, so X must be numbers of shape {shape}, with channels "
            f"as an optional last axis, got {array.dtype} of shape {array.shape}. Pass a length for each "
            "axis after the first, except for channels."
        )
    return as_pixels(folded(array, n_axes)).reshape(array.shape)


def folded(array: Any, n_axes: int) -> Any:
    """Arrays (n_rows, ..., [n_channels]) as images (n_rows, n_places, 1, [n_channels])."""
    return array.reshape(array.shape[0], -1, 1, *array.shape[1 + n_axes :])


@dataclass(frozen=True)
class ArrayMasker(SegmentMasker):
    """Hides segments (n_places, 1) of arrays with `n_axes` axes besides rows and channels."""

    n_axes: int = 1

    def read(self, X: Any) -> MaskedArrays:
        """Check arrays, and compute their fills."""
        array = as_arrays(X, self.n_axes)
        rows = super().read(folded(array, self.n_axes))
        return MaskedArrays(rows.pixels, rows.labels, rows.fills, rows.n_fill, rows.names, array.shape[1:])


@dataclass(frozen=True)
class MaskedArrays(MaskedPictures):
    """Images one pixel wide, which the model sees as the arrays that they were made of."""

    shape: tuple[int, ...]  # of an array

    @property
    def unmasked(self) -> Any:
        """The arrays."""
        return self.pixels.reshape(-1, *self.shape)

    @property
    def data(self) -> Any:
        """The arrays."""
        return self.unmasked

    def compose(self, rows: Codes) -> None:
        """None: a model that composes images would see those."""
        return

    def fill_details(self) -> dict[str, Detail]:
        """The fill (n_rows, ...), with axes of length 1 where it is uniform; nothing for several fills."""
        if self.n_fill > 1:
            return {}
        fill = np.broadcast_to(self.fill[:, 0], (len(self), *self.fill.shape[2:]))
        n_axes = len(self.shape) - (fill.ndim - 3)
        shape = self.shape if fill.shape[1] > 1 else (*[1] * n_axes, *self.shape[n_axes:])
        names = [f"fill_axis_{axis + 1}" for axis in range(n_axes)]
        return {"fill": Detail(fill.reshape(len(self), *shape), ("row", *names, "channel")[: 1 + len(shape)])}

    def masked(self, masks: Bools, rows: Codes, draws: Codes) -> Any:
        """Arrays (n, ...) under masks (n, n_segments), with the rows (n,) and the fills (n,) to take."""
        return super().masked(masks, rows, draws).reshape(-1, *self.shape)
