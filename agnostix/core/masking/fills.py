"""What stands in for hidden parts of a picture, in the picture's own units and type."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import ndimage

from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

FILLS = ("mean", "segment_mean", "blur", "inpaint", "noise")


def is_fill(fill: Any) -> bool:
    """Tell whether something can stand in for parts of pictures, of whatever type they are.

    Parameters
    ----------
    fill : object
        One of `FILLS`, a number, one number for each channel, or an array of pictures.

    Returns
    -------
    bool
    """
    if isinstance(fill, str):
        return fill in FILLS
    if is_stack(fill):
        return True
    is_list = isinstance(fill, list | tuple) or (isinstance(fill, np.ndarray) and fill.ndim == 1)
    numbers = list(fill) if is_list else [fill]
    return bool(numbers) and all(isinstance(one, Real) and not isinstance(one, bool) for one in numbers)


def is_stack(fill: Any) -> bool:
    """Tell whether it is pictures.

    Parameters
    ----------
    fill : object
        Whatever.

    Returns
    -------
    bool
    """
    is_array = isinstance(fill, np.ndarray) and fill.ndim in (3, 4)
    return is_array and fill.size > 0 and fill.dtype.kind in "biuf" and bool(np.isfinite(fill).all())


def check_fill(fill: Any, pixels: Any) -> None:
    """Check that pictures can have a fill.

    Parameters
    ----------
    fill : str, float or sequence of float
        For which `is_fill` holds.
    pixels : ndarray of n_rows pictures
        The pictures.

    Raises
    ------
    DataError
        If they have another number of channels, or their type cannot hold it.
    """
    if isinstance(fill, str):
        return
    colour = np.asarray(fill)
    if is_stack(fill):
        _check_stack(colour, pixels)
    elif colour.ndim and colour.shape != pixels.shape[3:]:
        has = f"{pixels.shape[3]} channels" if pixels.ndim == 4 else "no channels"
        raise DataError(
            f"The 'fill' of SegmentMasker has {colour.size} numbers, and pictures of shape "
            f"{pixels.shape[1:]} have {has}."
        )
    if not _is_held(colour, pixels.dtype):
        raise DataError(
            f"The 'fill' of SegmentMasker is {'pictures of values' if is_stack(fill) else repr(fill)}, which "
            f"pictures of type {pixels.dtype} cannot hold."
        )


def mean_fill(picture: Any) -> Any:
    """The picture's mean, channel by channel.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        A picture.

    Returns
    -------
    ndarray of shape (1, 1) or (1, 1, n_channels)
    """
    whole = np.zeros(picture.shape[:2], dtype=np.intp)
    return as_type(_means(picture, whole)[None], picture.dtype)


def segment_mean_fill(picture: Any, labels: Codes) -> Any:
    """The mean of each segment, channel by channel, on all of its pixels.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        A picture.
    labels : ndarray of int of shape (height, width)
        Its segments, from 0 without gaps.

    Returns
    -------
    ndarray of picture's shape
    """
    return as_type(_means(picture, labels), picture.dtype)[labels]


def blur_fill(picture: Any, sigma: float) -> Any:
    """The picture, smoothed by a Gaussian; beyond its edges it is mirrored.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        A picture.
    sigma : float
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    ndarray of picture's shape
    """
    wide = (sigma, sigma, *[0.0] * (picture.ndim - 2))
    origin = picture[:1, :1].astype(float)  # counted from a pixel, so that what is even stays so to the bit
    return as_type(origin + ndimage.gaussian_filter(picture - origin, wide), picture.dtype)


def noise_fills(pixels: Any, n_draws: int, seed: int) -> Any:
    """Normal noise with the mean and the spread of each picture's channels, cut off at their extremes.

    Parameters
    ----------
    pixels : ndarray of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures.
    n_draws : int
        How many.
    seed : int
        Of the noise, which is the same for all pictures of a shape, but for its mean and spread.

    Returns
    -------
    ndarray of shape (n_rows, n_draws, *pixels.shape[1:])
    """
    out = np.empty((pixels.shape[0], n_draws, *pixels.shape[1:]), dtype=pixels.dtype)
    spans = [_span(picture) for picture in pixels]
    for draw in range(n_draws):
        noise = np.random.default_rng([seed, 6, draw]).standard_normal(pixels.shape[1:])
        for row, (low, high, mean, spread) in enumerate(spans):
            out[row, draw] = as_type(np.clip(noise * spread + mean, low, high), pixels.dtype)
    return out


def by_channel(values: Floats, of: Any) -> Floats:
    """A number for each channel.

    Parameters
    ----------
    values : ndarray of shape (height, width) or (height, width, n_channels)
        A picture.
    of : callable
        From an array and an axis to numbers, as `numpy.mean`.

    Returns
    -------
    ndarray of shape () or (n_channels,)
    """
    return np.asarray(of(values.reshape(-1, *values.shape[2:]), axis=0))


def as_type(values: Floats, dtype: np.dtype) -> Any:
    """Numbers as a picture's type, rounded where it has no decimals.

    Parameters
    ----------
    values : ndarray
        Numbers that the type can hold.
    dtype : dtype
        The picture's.

    Returns
    -------
    ndarray
    """
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def _span(picture: Any) -> tuple[Floats, ...]:
    """Least, largest, mean and standard deviation of each channel."""
    values = picture.astype(float)
    return tuple(by_channel(values, of) for of in (np.min, np.max, np.mean, np.std))


def _check_stack(fill: Any, pixels: Any) -> None:
    if fill.shape[1:] != pixels.shape[1:]:
        raise DataError(
            f"The 'fill' of SegmentMasker has pictures of shape {fill.shape[1:]}, and X has pictures of "
            f"shape {pixels.shape[1:]}. Resize them."
        )


def _means(picture: Any, labels: Codes) -> Floats:
    """Means of the segments, of shape (n_segments,) or (n_segments, n_channels)."""
    places = labels.ravel()
    pixels = picture.reshape(places.size, -1).astype(float)
    counts = np.bincount(places)
    origin = pixels[np.unique(places, return_index=True)[1]]
    apart = pixels - origin[places]
    sums = np.stack([np.bincount(places, channel) for channel in apart.T], axis=1)
    return (origin + sums / counts[:, None]).reshape(counts.size, *picture.shape[2:])


def _is_held(colour: Any, dtype: np.dtype) -> bool:
    """Whether pixels of a type can have the colour; decimals may be rounded."""
    with np.errstate(invalid="ignore", over="ignore"):
        cast = colour.astype(dtype)
        held = np.isfinite(cast) == np.isfinite(colour) if dtype.kind == "f" else cast == colour
    return bool(np.all(held))
