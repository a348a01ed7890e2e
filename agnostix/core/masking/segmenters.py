"""Ways to cut a picture into segments; each picture by itself, and the same way each time."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

CUTS = ("grid", "slic", "quickshift")


def as_map(segments: Any) -> Codes | None:
    """The labels (height, width) of all pictures if there is one map; None for a way to cut each."""
    if callable(segments) or (isinstance(segments, str) and segments in CUTS):
        return None
    labels = np.asarray(segments)
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "iu":
        got = repr(segments) if labels.ndim == 0 else f"{labels.dtype} of shape {labels.shape}"
        raise DataError(
            "The 'segments' of SegmentMasker must be 'grid', 'slic', 'quickshift', whole numbers of shape "
            f"(height, width), or a function from a picture to them, got {got}."
        )
    return labels


def grid(height: int, width: int, n_segments: int) -> Codes:
    """Labels (height, width) of about n_segments nearly square cells."""
    n_down = int(np.clip(round((n_segments * height / width) ** 0.5), 1, min(height, n_segments)))
    n_across = int(np.clip(round(n_segments / n_down), 1, width))
    down, across = np.arange(height) * n_down // height, np.arange(width) * n_across // width
    return down[:, None] * n_across + across


def slic(picture: Any, n_segments: int) -> Any:
    """Labels (height, width) of about n_segments clusters of near pixels of like color.

    Achanta, R., et al. (2012). SLIC superpixels compared to state-of-the-art superpixel methods.
    IEEE TPAMI, 34(11). https://doi.org/10.1109/TPAMI.2012.120
    """
    return _skimage("slic").slic(_as_rgb(picture), n_segments, compactness=10.0, start_label=0)


def quickshift(picture: Any) -> Any:
    """Labels (height, width) of segments cut at the modes of color and place, with the settings of lime.

    Vedaldi, A., Soatto, S. (2008). Quick shift and kernel methods for mode seeking. ECCV.
    https://doi.org/10.1007/978-3-540-88693-8_52
    """
    settings = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2, "rng": 0}
    return _skimage("quickshift").quickshift(_as_rgb(picture), **settings)


def numbered(labels: Any, shape: tuple[int, ...], where: str) -> Codes:
    """Labels counted from 0 in ascending order; `where` names their origin in the message."""
    found = np.asarray(labels)
    if found.shape != shape or found.dtype.kind not in "iu":
        raise DataError(
            f"{where} must be whole numbers of the picture's shape {shape}, got {found.dtype} of shape "
            f"{found.shape}."
        )
    return np.unique(found, return_inverse=True)[1].reshape(shape)


def _as_rgb(picture: Any) -> Floats:
    """The picture in three channels from 0 to 1, so that segments do not depend on its units."""
    channels = picture.reshape(*picture.shape[:2], -1).astype(float)
    if channels.shape[2] != 3:
        channels = channels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    low, high = channels.min(), channels.max()
    return (channels - low) / (high - low if high > low else 1.0)


def _skimage(name: str) -> Any:
    try:
        return import_module("skimage.segmentation")
    except ImportError as error:
        raise ImportError(
            f"SegmentMasker({name!r}) needs scikit-image, which is not installed: "
            "pip install 'agnostix[images]'. Without it: segments='grid', or a map of your own."
        ) from error
