"""Rows as explainers read them: tables, or images where no masker reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.frames import as_table, is_frame, take_rows
from agnostix.core.masking.pictures import as_pixels
from agnostix.core.masking.schema import check_schema
from agnostix.exceptions import DataError

_N_TABLE_ROWS = 20
_N_IMAGES = 2


def count_axes(X: Any) -> int:
    """Axes of a table (2) or of images (3 or 4), be they arrays, frames or nested lists."""
    if is_frame(X):
        return 2
    if hasattr(X, "ndim"):
        return int(X.ndim)
    is_list = isinstance(X, list | tuple) and len(X) > 0
    return 1 + count_axes(X[0]) if is_list else np.asarray(X, dtype=object).ndim


def read_rows_or_images(X: Any) -> Any:
    """A checked table, or images if X has more than two axes."""
    return as_pixels(X) if count_axes(X) > 2 else as_table(X)


def take_examples(rows: Any) -> Any:
    """The first rows (of images few), whose predictions identify a model."""
    most = _N_TABLE_ROWS if count_axes(rows) == 2 else _N_IMAGES
    return take_rows(rows, np.arange(min(most, rows.shape[0])))


def read_rows_like(X: Any, examples: Any, owner: str) -> Any:
    """X read as `examples` were, a table or images; DataError if columns, types or the size differ."""
    if count_axes(examples) == 2:
        table = as_table(X)
        check_schema(table, examples)
        return table
    pixels = as_pixels(X)
    check_image_shape(pixels, examples.shape[1:], owner)
    return pixels


def check_image_shape(pixels: Any, shape: tuple[int, ...], owner: str) -> None:
    """Raise DataError unless images have the shape that those seen in `fit` had."""
    if pixels.shape[1:] != shape:
        raise DataError(
            f"X has pictures of shape {pixels.shape[1:]}, and {owner} was fitted on pictures of shape "
            f"{shape}. Resize them, or fit again."
        )
