"""From arrays to the input of a torch module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch

from agnostix.core.frames import is_frame, to_array
from agnostix.core.models.torch_failures import channels_hint
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError

_BRIGHTEST = 2.0
_DARKEST = -1.0
"""Images from 0 to 1 stay within these, even after cubic resizing or a little noise."""

CHANNELS_LAST = (
    "Parts of pictures are hidden with channels last: transpose the pictures to (n_rows, height, width, "
    "n_channels), and use layout='HWC'."
)


@dataclass(frozen=True)
class TorchInput:
    """Layout, range and normalization of a module's input.

    Attributes
    ----------
    name : str
        Class of the module, for messages.
    mean, std : sequence of float or None
        Normalization by channel, of images from 0 to 1.
    layout : {"HWC", "CHW"}
        Where the channels of the arrays are.
    value_range : {"auto", "0-1", "0-255"}
        Of the arrays.
    """

    name: str
    mean: Sequence[float] | None
    std: Sequence[float] | None
    layout: str
    value_range: str

    def to_tensor(self, rows: Any, device: Any, dtype: Any = torch.float32) -> Any:
        """Rows as the module's input, see `load` and `prepare`."""
        rows = self.read(rows)
        return self.prepare(self.load(rows, device, dtype), rows.dtype == np.uint8)

    def load(self, rows: Any, device: Any, dtype: Any) -> Any:
        """Checked rows on the device, in their own layout and range."""
        is_bytes = rows.dtype == np.uint8  # cross to the device as such, four times smaller
        host = np.uint8 if is_bytes else np.float64 if dtype == torch.float64 else np.float32
        return torch.as_tensor(np.array(rows, dtype=host, order="C")).to(device).to(dtype)

    def prepare(self, batch: Any, is_bytes: bool) -> Any:
        """Loaded images with channels first and normalized; loaded tables as they are. Differentiable."""
        if batch.ndim < 3:
            return batch
        if batch.ndim == 3:
            batch = batch[:, None]
        elif self.layout == "HWC":
            batch = batch.permute(0, 3, 1, 2)
        if self.value_range == "0-255" or (self.value_range == "auto" and is_bytes):
            batch = batch / 255.0
        if self.mean is not None:
            self._check_range(batch.detach())
            mean, std = (self._by_channel(values, batch) for values in (self.mean, self.std))
            batch = (batch - mean) / std
        return batch.contiguous(memory_format=torch.channels_last)

    def to_layout(self, segments: Codes, X: Any) -> Codes:
        """Segments of rows' values in the layout of the module's input, one channel where they have none."""
        segments = np.ascontiguousarray(segments)
        if segments.ndim < X.ndim:
            self.check_channels_last(X[0])
        if segments.ndim == 4 and self.layout == "HWC":
            return np.ascontiguousarray(segments.transpose(0, 3, 1, 2))
        return segments[:, None] if segments.ndim == 3 else segments

    def check_channels_last(self, x: Any) -> None:
        """Check that masks over (height, width) fit an image."""
        if x.ndim == 3 and self.layout == "CHW":
            raise DataError(CHANNELS_LAST)

    def read(self, X: Any) -> Any:
        """Rows as a checked array."""
        rows = to_array(X) if is_frame(X) else np.asarray(X)
        if rows.dtype == object and all(isinstance(one, Real | np.bool_) for one in rows.flat):
            rows = rows.astype(float)  # frames of several types come as objects
        self._check(rows)
        return rows

    def _check(self, rows: Any) -> None:
        if rows.dtype.kind not in "biuf":
            raise DataError(
                f"The module {self.name} takes numbers, got rows of type {rows.dtype}. Encode other "
                "columns first, or wrap encoding and module in a function."
            )
        if not 2 <= rows.ndim <= 4 or 0 in rows.shape:
            raise DataError(
                f"The module {self.name} takes tables, or pictures of shape (n_rows, height, width) or with "
                f"channels, at least one of each, got shape {rows.shape}."
            )
        if (
            rows.ndim > 2
            and rows.dtype.kind in "iu"
            and rows.dtype != np.uint8
            and self.value_range == "auto"
        ):
            raise DataError(
                f"Pictures of type {rows.dtype} have no known range. Pass X.astype(np.uint8), or "
                "value_range='0-255', or decimal pictures from 0 to 1."
            )
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            bad = np.flatnonzero(~np.isfinite(rows.reshape(rows.shape[0], -1)).all(axis=1))[0]
            raise DataError(
                f"Row {bad} holds NaN or infinity, for which the outputs of the module {self.name} are "
                "meaningless. Impute them first."
            )

    def _check_range(self, batch: Any) -> None:
        lowest, highest = float(batch.min()), float(batch.max())
        if highest > _BRIGHTEST:
            raise DataError(
                f"The module {self.name} is normalized by mean and std of pictures from 0 to 1, and these "
                f"reach {highest:.6g}. Decimal pictures from 0 to 255 need value_range='0-255'."
            )
        if lowest < _DARKEST:
            raise DataError(
                f"The module {self.name} is normalized by mean and std of pictures from 0 to 1, and these "
                f"go down to {lowest:.6g}. Leave mean and std out if they are normalized already."
            )

    def _by_channel(self, values: Any, batch: Any) -> Any:
        given = torch.as_tensor(values, dtype=batch.dtype, device=batch.device).reshape(1, -1, 1, 1)
        if given.shape[1] not in (1, batch.shape[1]):
            raise DataError(
                f"mean and std of as_predictor have {given.shape[1]} channels, and the pictures have "
                f"{batch.shape[1]}.{channels_hint(given.shape[1], batch)}"
            )
        return given
