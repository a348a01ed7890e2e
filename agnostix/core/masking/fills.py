"""Fills of hidden parts of a picture, in the picture's units and dtype."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import ndimage

from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

FILLS = ("mean", "segment_mean", "blur", "inpaint", "noise")


def is_fill(fill: Any) -> bool:
    """Whether `fill` is one of FILLS, a number, a number for each channel, or an array of pictures."""
    if isinstance(fill, str):
        return fill in FILLS
    if is_stack(fill):
        return True
    is_list = isinstance(fill, list | tuple) or (isinstance(fill, np.ndarray) and fill.ndim == 1)
    numbers = list(fill) if is_list else [fill]
    return bool(numbers) and all(isinstance(one, Real) and not isinstance(one, bool) for one in numbers)


def is_stack(fill: Any) -> bool:
    """Whether `fill` is an array of pictures, (n_fill, height, width) with or without channels."""
    is_array = isinstance(fill, np.ndarray) and fill.ndim in (3, 4)
    return is_array and fill.size > 0 and fill.dtype.kind in "biuf" and bool(np.isfinite(fill).all())


def check_fill(fill: Any, pixels: Any) -> None:
    """Raise DataError unless the pictures have the fill's channels or shape, and a dtype that holds it."""
    if isinstance(fill, str):
        return
    color = np.asarray(fill)
    if is_stack(fill):
        _check_stack(color, pixels)
    elif color.ndim and color.shape != pixels.shape[3:]:
        has = f"{pixels.shape[3]} channels" if pixels.ndim == 4 else "no channels"
        raise DataError(
            f"The 'fill' of SegmentMasker has {color.size} numbers, and pictures of shape "
            f"{pixels.shape[1:]} have {has}."
        )
    if not _is_held(color, pixels.dtype):
        raise DataError(
            f"The 'fill' of SegmentMasker is {'pictures of values' if is_stack(fill) else repr(fill)}, which "
            f"pictures of type {pixels.dtype} cannot hold."
        )


def mean_fill(picture: Any) -> Any:
    """Mean of each channel, (1, 1) or (1, 1, n_channels)."""
    whole = np.zeros(picture.shape[:2], dtype=np.intp)
    return as_type(_means(picture, whole)[None], picture.dtype)


def segment_mean_fill(picture: Any, labels: Codes) -> Any:
    """Mean of each segment and channel at all of its pixels, of the picture's shape."""
    return as_type(_means(picture, labels), picture.dtype)[labels]


def blur_fill(picture: Any, sigma: float) -> Any:
    """The picture smoothed by a Gaussian of `sigma` pixels, mirrored beyond its edges."""
    wide = (sigma, sigma, *[0.0] * (picture.ndim - 2))
    origin = picture[:1, :1].astype(float)  # counted from a pixel, so that what is even stays so to the bit
    return as_type(origin + ndimage.gaussian_filter(picture - origin, wide), picture.dtype)


def noise_fills(pixels: Any, n_draws: int, seed: int) -> Any:
    """Normal noise (n_rows, n_draws, ...) with each channel's mean and spread, clipped to its range."""
    out = np.empty((pixels.shape[0], n_draws, *pixels.shape[1:]), dtype=pixels.dtype)
    spans = [_span(picture) for picture in pixels]
    for draw in range(n_draws):
        noise = np.random.default_rng([seed, 6, draw]).standard_normal(pixels.shape[1:])
        for row, (low, high, mean, spread) in enumerate(spans):
            out[row, draw] = as_type(np.clip(noise * spread + mean, low, high), pixels.dtype)
    return out


def by_channel(values: Floats, statistic: Any) -> Floats:
    """A statistic such as numpy.mean of each channel, () or (n_channels,)."""
    return np.asarray(statistic(values.reshape(-1, *values.shape[2:]), axis=0))


def as_type(values: Floats, dtype: np.dtype) -> Any:
    """Values in a picture's dtype, rounded for integers."""
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def _span(picture: Any) -> tuple[Floats, ...]:
    """Minimum, maximum, mean and standard deviation of each channel."""
    values = picture.astype(float)
    return tuple(by_channel(values, one) for one in (np.min, np.max, np.mean, np.std))


def _check_stack(fill: Any, pixels: Any) -> None:
    if fill.shape[1:] != pixels.shape[1:]:
        raise DataError(
            f"The 'fill' of SegmentMasker has pictures of shape {fill.shape[1:]}, and X has pictures of "
            f"shape {pixels.shape[1:]}. Resize them."
        )


def _means(picture: Any, labels: Codes) -> Floats:
    """Means of the segments, (n_segments,) or (n_segments, n_channels)."""
    places = labels.ravel()
    pixels = picture.reshape(places.size, -1).astype(float)
    counts = np.bincount(places)
    origin = pixels[np.unique(places, return_index=True)[1]]
    apart = pixels - origin[places]
    sums = np.stack([np.bincount(places, channel) for channel in apart.T], axis=1)
    return (origin + sums / counts[:, None]).reshape(counts.size, *picture.shape[2:])


def _is_held(color: Any, dtype: np.dtype) -> bool:
    """Whether a dtype can represent the color; floats may be rounded."""
    with np.errstate(invalid="ignore", over="ignore"):
        cast = color.astype(dtype)
        held = np.isfinite(cast) == np.isfinite(color) if dtype.kind == "f" else cast == color
    return bool(np.all(held))
