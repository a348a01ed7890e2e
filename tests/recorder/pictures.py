"""Pictures pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def compare_pictures(before: Path, after: Path, target: Path | None = None) -> str:
    """How two PNGs differ, in words; where they do, they are stored side by side with their difference."""
    one, other = _read(before), _read(after)
    if one.shape == other.shape:
        gap = np.abs(one.astype(int) - other).max(axis=2)
        if not gap.any():
            return ""
        how = f"{(gap > 0).sum()} of {gap.size} pixels differ, by up to {gap.max()} of 255"
    else:
        how = "size {1} x {0} -> {3} x {2}".format(*one.shape[:2], *other.shape[:2])
    if target is not None:
        _write(target, side_by_side(one, other))
    return how


def side_by_side(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Before, after, and the difference in black on white; both on canvases of the larger size."""
    height, width = (max(sizes) for sizes in zip(one.shape[:2], other.shape[:2], strict=True))
    canvases = np.full((2, height, width, 3), 255, dtype=np.uint8)
    for canvas, picture in zip(canvases, (one, other), strict=True):
        canvas[: picture.shape[0], : picture.shape[1]] = picture
    gap = np.abs(canvases[0].astype(int) - canvases[1]).max(axis=2)
    # Any difference is to be seen, the smallest too.
    shown = np.where(gap > 0, np.minimum(200 - gap, 160).clip(0), 255).astype(np.uint8)
    line = np.full((height, 4, 3), 128, dtype=np.uint8)
    return np.concatenate(
        [canvases[0], line, canvases[1], line, np.repeat(shown[:, :, None], 3, axis=2)], axis=1
    )


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def _write(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
