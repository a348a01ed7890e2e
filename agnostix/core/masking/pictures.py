"""Pictures that are cut into segments, and the fills of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.frames import conversion_error
from agnostix.core.masking.background_subset import MaskBlock
from agnostix.core.masking.masker import MaskingInputs
from agnostix.core.masking.players import Players
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class MaskedPictures:
    """Pictures cut into segments, and their fills.

    Attributes
    ----------
    pixels : ndarray of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures.
    labels : ndarray of int of shape (n_rows, height, width), or (1, height, width) for all pictures
        The segment of each pixel, from 0 without gaps in each picture.
    fills : ndarray of shape (n_rows or 1, n_fill, ...), or callable
        The fills, or a function from pixels to them, where they are too large to keep for all rows.
    n_fill : int
        Fills of each picture.
    names : sequence of int or None
        Names of the segments, where one map holds for all pictures.
    """

    pixels: Any
    labels: Codes
    fills: Any
    n_fill: int
    names: Any

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def __getitem__(self, places: Any) -> MaskedPictures:
        fills = self.fills if callable(self.fills) else _own(self.fills, places)
        labels = _own(self.labels, places)
        return MaskedPictures(self.pixels[places], labels, fills, self.n_fill, self.names)

    @property
    def features(self) -> Players:
        """Segments by number, or by name where there is one map for all pictures."""
        names = range(self.present.shape[1]) if self.names is None else self.names
        return Players.without_columns(f"segment {name}" for name in names)

    @cached_property
    def present(self) -> Bools:
        """Segments that each picture has, (n_rows, n_segments)."""
        counts = self.labels.max(axis=(1, 2)) + 1
        present = np.arange(counts.max()) < counts[:, None]
        return np.broadcast_to(present, (len(self), present.shape[1]))

    @property
    def varying(self) -> Bools:
        """Segments that any fill would change, (n_rows, n_segments)."""
        row, *place = np.nonzero(np.stack([self[[i]]._differing for i in range(len(self))]))
        varying = np.zeros(self.present.shape, dtype=bool)
        varying[row, self.labels[(row if self.labels.shape[0] > 1 else 0, *place)]] = True
        return varying

    @property
    def _differing(self) -> Bools:
        """Pixels of a single picture that any fill would change, (height, width)."""
        apart = (self.fill != self.pixels[:, None])[0]
        return apart.reshape(*apart.shape[:3], -1).any(axis=(0, 3))

    @cached_property
    def fill(self) -> Any:
        """Fills of the pixels' type, (n_rows, n_fill, ...); axes of length 1 hold for all rows or places."""
        return self.fills(self.pixels) if callable(self.fills) else self.fills

    @property
    def unmasked(self) -> Any:
        """The pixels."""
        return self.pixels

    @property
    def data(self) -> Any:
        """The pixels."""
        return self.pixels

    @property
    def n_values(self) -> int:
        """Numbers in a picture."""
        return int(np.prod(self.pixels.shape[1:]))

    def details(self) -> dict[str, Detail]:
        """The segment of each pixel, and the fill where there is only one."""
        labels = np.broadcast_to(self.labels, self.pixels.shape[:3])
        return {"segments": Detail(labels, ("row", "y", "x"), points_to="feature")} | self.fill_details()

    def fill_details(self) -> dict[str, Detail]:
        """The fill (n_rows, ...), with axes of length 1 where it is uniform; nothing for several fills."""
        if self.n_fill > 1:
            return {}
        fill = np.broadcast_to(self.fill[:, 0], (len(self), *self.fill.shape[2:]))
        # The axes of a uniform fill have length 1, so they are not those of the values.
        return {"fill": Detail(fill, ("row", "fill_y", "fill_x", "channel")[: fill.ndim])}

    def distinct(self) -> tuple[Codes, Codes]:
        """Every picture by itself: equal ones are not looked for."""
        return np.arange(len(self)), np.arange(len(self))

    def builder(self, rows: Codes, capacity: int) -> SegmentBuilder:
        """Builds some of the pictures with segments hidden."""
        return SegmentBuilder(self[rows])

    def compose(self, rows: Codes) -> MaskingInputs:
        """Some of the pictures, their fills and segments."""
        own = self[rows]
        fill = np.broadcast_to(own.fill, (*own.fill.shape[:2], *own.pixels.shape[1:]))
        return MaskingInputs(own.pixels, fill, own.labels)

    def masked(self, masks: Bools, rows: Codes, draws: Codes) -> Any:
        """Pictures (n, ...) under masks (n, n_segments), with the rows (n,) and the fills (n,) to take."""
        own = self[rows]
        if own.labels.shape[0] == 1:
            shown = masks[:, own.labels[0]]
        else:
            shown = np.take_along_axis(masks, own.labels.reshape(rows.size, -1), axis=1)
        shown = shown.reshape(*own.pixels.shape[:3], *[1] * (own.pixels.ndim - 3))
        others = self.fill[rows if self.fill.shape[0] > 1 else 0, draws]
        return np.where(shown, own.pixels, others)


@dataclass(frozen=True)
class SegmentBuilder:
    """Builds pictures with segments hidden."""

    own: MaskedPictures

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Pictures (n_cells, ...) by draw, then by row."""
        n_rows = len(self.own)
        draw, row = np.divmod(np.arange(block.n_draws * n_rows)[cells], n_rows)
        mask = np.searchsorted(block.starts, draw, side="right") - 1
        return self.own.masked(block.masks[mask], row, block.rows[draw])

    def is_whole(self, table: Any) -> bool:
        """True: nothing else holds the pictures."""
        return True


def as_pixels(X: Any) -> Any:
    """Pictures as a finite numeric array in C order; DataError if they are not."""
    try:
        pixels = np.asarray(X)
    except ValueError:
        raise DataError("X must be pictures of one size; pass those of another size by themselves.") from None
    except (RuntimeError, TypeError) as error:
        raise conversion_error(X, error) from error
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


def _own(array: Any, places: Any) -> Any:
    """The rows' own parts, unless one part holds for all rows."""
    return array[places] if array.shape[0] > 1 else array
