"""Rows as a torch module takes them."""

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
"""Pictures that go from 0 to 1 reach no further, cubic resizing and a little noise included."""


@dataclass(frozen=True)
class TorchInput:
    """How arrays become a module's input.

    Attributes
    ----------
    name : str
        The module's.
    mean, std : sequence of float or None
        Its own normalisation, by channel, on pictures from 0 to 1.
    layout : {"HWC", "CHW"}
        Where the channels of the pictures that come in are.
    value_range : {"auto", "0-1", "0-255"}
        Of the pictures.
    """

    name: str
    mean: Sequence[float] | None
    std: Sequence[float] | None
    layout: str
    value_range: str

    def made(self, rows: Any, device: Any) -> Any:
        """Tables as they are, pictures with channels first and normalised, on a device.

        Parameters
        ----------
        rows : ndarray of n_rows rows
            A table, or pictures.
        device : torch.device
            Where to.

        Returns
        -------
        tensor of float32

        Raises
        ------
        DataError
            If they are no finite numbers, or do not fit the normalisation.
        """
        rows = self.read(rows)
        is_bytes = rows.dtype == np.uint8
        rows = np.array(rows, dtype=np.uint8 if is_bytes else np.float32, order="C")
        batch = torch.as_tensor(rows).to(device).to(torch.float32)
        if batch.ndim < 3:
            return batch
        if batch.ndim == 3:
            batch = batch[:, None]
        elif self.layout == "HWC":
            batch = batch.permute(0, 3, 1, 2)
        if self.value_range == "0-255" or (self.value_range == "auto" and is_bytes):
            batch = batch / 255.0
        if self.mean is not None:
            self._check_range(batch)
            mean, std = (self._by_channel(values, batch) for values in (self.mean, self.std))
            batch = (batch - mean) / std
        return batch.contiguous(memory_format=torch.channels_last)

    def spread(self, labels: Codes, X: Any) -> Codes:
        """Labels of rows' places, as those of the module's input.

        Parameters
        ----------
        labels : ndarray of int, of X's axes or the leading ones
            The player of each place.
        X : ndarray of shape (n_rows, ...)
            The rows.

        Returns
        -------
        ndarray of int
            With channels first; one for all channels where they have none of their own.
        """
        labels = np.ascontiguousarray(labels)
        if labels.ndim < X.ndim:
            self.check_channels_are_last(X[0])
        if labels.ndim == 4 and self.layout == "HWC":
            return np.ascontiguousarray(labels.transpose(0, 3, 1, 2))
        return labels[:, None] if labels.ndim == 3 else labels

    def check_channels_are_last(self, x: Any) -> None:
        """Check that parts of a picture can be hidden.

        Parameters
        ----------
        x : ndarray of shape (height, width) or (height, width, n_channels)
            The picture.

        Raises
        ------
        DataError
            If channels come first.
        """
        if x.ndim == 3 and self.layout == "CHW":
            raise DataError(
                "Parts of pictures are hidden with channels last: transpose the pictures to (n_rows, height, "
                "width, n_channels), and use layout='HWC'."
            )

    def read(self, X: Any) -> Any:
        """Rows as an array, checked.

        Parameters
        ----------
        X : DataFrame or array-like of n_rows rows
            A table, or pictures.

        Returns
        -------
        ndarray

        Raises
        ------
        DataError
            As `check`.
        """
        rows = to_array(X) if is_frame(X) else np.asarray(X)
        if rows.dtype == object and all(isinstance(one, Real | np.bool_) for one in rows.flat):
            rows = rows.astype(float)  # frames of several types come as objects
        self.check(rows)
        return rows

    def check(self, rows: Any) -> None:
        """Check rows before anything is made of them.

        Parameters
        ----------
        rows : ndarray of n_rows rows
            A table, or pictures.

        Raises
        ------
        DataError
            If they are no finite numbers, of another shape, or whole numbers of an unknown range.
        """
        if rows.dtype.kind not in "biuf":
            raise DataError(
                f"The module {self.name} takes numbers, got rows of type {rows.dtype}. Encode what is no "
                "number first, or put the encoding into a function with the module."
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
                f"Pictures of type {rows.dtype} may go from 0 to anything. Pass X.astype(np.uint8), or "
                "value_range='0-255', or decimal pictures from 0 to 1."
            )
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            bad = np.flatnonzero(~np.isfinite(rows.reshape(rows.shape[0], -1)).all(axis=1))[0]
            raise DataError(
                f"Row {bad} has values that are NaN or infinite, of which the module {self.name} would "
                "make answers that mean nothing. Fill them first."
            )

    def _check_range(self, batch: Any) -> None:
        lowest, highest = float(batch.min()), float(batch.max())
        if highest > _BRIGHTEST:
            raise DataError(
                f"The module {self.name} is normalised by mean and std on pictures from 0 to 1, and these "
                f"reach {highest:.6g}. Decimal pictures from 0 to 255 need value_range='0-255'."
            )
        if lowest < _DARKEST:
            raise DataError(
                f"The module {self.name} is normalised by mean and std on pictures from 0 to 1, and these "
                f"go down to {lowest:.6g}. Leave mean and std out if they are normalised already."
            )

    def _by_channel(self, values: Any, batch: Any) -> Any:
        given = torch.as_tensor(values, dtype=torch.float32, device=batch.device).reshape(1, -1, 1, 1)
        if given.shape[1] not in (1, batch.shape[1]):
            raise DataError(
                f"mean and std of as_predictor have {given.shape[1]} channels, and the pictures have "
                f"{batch.shape[1]}.{channels_hint(given.shape[1], batch)}"
            )
        return given
