"""Pictures that are cut into segments, each with what stands in for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.frames import unreadable
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Pictures:
    """Rows of `SegmentMasker`: pictures, their segments and their fills.

    Attributes
    ----------
    pixels : ndarray of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures.
    labels : ndarray of int of shape (n_rows, height, width), or (1, height, width) for all alike
        The segment of each pixel, from 0 without gaps in each picture.
    standing : ndarray, or callable
        The `fill`, or a function from pixels to it, where it is too much to be kept for all rows.
    """

    pixels: Any
    labels: Codes
    standing: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the pixels."""
        return tuple(self.pixels.shape)

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def __getitem__(self, rows: Any) -> Pictures:
        standing = self.standing if callable(self.standing) else _picked(self.standing, rows)
        return Pictures(self.pixels[rows], _picked(self.labels, rows), standing)

    @cached_property
    def fill(self) -> Any:
        """What stands in, of the pixels' type, with an axis of fills after that of the rows.

        Axes of length 1 hold for all rows or places.
        """
        return self.standing(self.pixels) if callable(self.standing) else self.standing

    @cached_property
    def present(self) -> Bools:
        """Segments that each picture has, of shape (n_rows, n_segments)."""
        counts = self.labels.max(axis=(1, 2)) + 1
        there = np.arange(counts.max()) < counts[:, None]
        return np.broadcast_to(there, (len(self), there.shape[1]))

    @property
    def varying(self) -> Bools:
        """Segments that what stands in would change, of shape (n_rows, n_segments)."""
        row, *place = np.nonzero(np.stack([self[[i]]._differing for i in range(len(self))]))
        found = np.zeros(self.present.shape, dtype=bool)
        found[row, self.labels[(row if self.labels.shape[0] > 1 else 0, *place)]] = True
        return found

    @property
    def _differing(self) -> Bools:
        """Pixels of a single picture that any fill would change, of shape (height, width)."""
        apart = (self.fill != self.pixels[:, None])[0]
        return apart.reshape(*apart.shape[:3], -1).any(axis=(0, 3))

    def masked(self, masks: Bools, rows: Codes, draws: Codes) -> Any:
        """Pictures with segments hidden.

        Parameters
        ----------
        masks : ndarray of bool of shape (n, n_segments)
            True where a segment stays.
        rows : ndarray of int of shape (n,)
            The picture under each mask.
        draws : ndarray of int of shape (n,)
            Which of the pictures that stand in does so.

        Returns
        -------
        ndarray of n pictures
        """
        own = self[rows]
        if own.labels.shape[0] == 1:
            shown = masks[:, own.labels[0]]
        else:
            shown = np.take_along_axis(masks, own.labels.reshape(rows.size, -1), axis=1)
        shown = shown.reshape(*own.shape[:3], *[1] * (len(own.shape) - 3))
        others = self.fill[rows if self.fill.shape[0] > 1 else 0, draws]
        return np.where(shown, own.pixels, others)


def as_pixels(X: Any) -> Any:
    """Check pictures.

    Parameters
    ----------
    X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures.

    Returns
    -------
    ndarray of X's shape
        In C order.

    Raises
    ------
    DataError
        If they are no finite numbers of such a shape.
    """
    try:
        pixels = np.asarray(X)
    except ValueError:
        raise DataError("X must be pictures of one size; pass those of another size by themselves.") from None
    except (RuntimeError, TypeError) as error:
        raise unreadable(X, error) from error
    if pixels.ndim not in (3, 4) or 0 in pixels.shape or pixels.dtype.kind not in "biuf":
        raise DataError(
            "X must be numbers of shape (n_rows, height, width) or (n_rows, height, width, n_channels), "
            f"at least one of each, got {pixels.dtype} of shape {pixels.shape}."
        )
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        row = np.flatnonzero(~np.isfinite(pixels).reshape(pixels.shape[0], -1).all(axis=1))[0]
        raise DataError(
            f"X must hold finite numbers, but row {row} has NaN or infinity. Fill these in, or leave it out."
        )
    return np.ascontiguousarray(pixels)  # so that no bit of a mean depends on the layout


def _picked(array: Any, rows: Any) -> Any:
    """The rows' own parts, where they have any."""
    return array[rows] if array.shape[0] > 1 else array
