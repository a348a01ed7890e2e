"""Pixels put together into square patches, which are hidden whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_whole
from agnostix.metrics.read import ExplainedRows

PER_SIDE = 14
"""Patches along the shorter side of a picture, unless a size is chosen."""


def in_patches(explained: ExplainedRows, patch: Any, by: str) -> ExplainedRows:
    """Pixels in squares of `patch` pixels a side, whose values are summed; other units as they are."""
    kind = explained.units.kind
    if kind != "pixel":
        if patch is not None:
            raise DataError(
                f"The 'patch' of {by} must be None for {kind}s, got {patch!r}: it is for maps of pixels."
            )
        return explained
    rows: Any = explained.units.rows
    height, width = rows.pixels.shape[1:3]
    side = -(-min(height, width) // PER_SIDE) if patch is None else patch
    check_whole(by, "patch", side, 1)
    if side == 1:
        return explained
    down, across = -(-height // side), -(-width // side)
    if down * across == 1:
        raise DataError(
            f"The 'patch' of {by} must leave at least two patches of {height} x {width} pixels, got {side}. "
            f"Use patch={max(height, width) // 2}, or less."
        )
    labels = np.arange(height)[:, None] // side * across + np.arange(width) // side
    n_rows, n_selected = len(explained), explained.n_selected
    maps = explained.values.reshape(n_rows, height, width, n_selected)
    padding = ((0, 0), (0, down * side - height), (0, across * side - width), (0, 0))
    cut = np.pad(maps, padding).reshape(n_rows, down, side, across, side, n_selected)
    units = replace(explained.units, kind="patch", rows=replace(rows, labels=labels[None]))
    return replace(explained, units=units, values=cut.sum(axis=(2, 4)).reshape(n_rows, -1, n_selected))
