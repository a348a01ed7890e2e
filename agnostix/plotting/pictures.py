"""Pictures and their segments, made ready to be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Floats, Numbers

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue."""
_FINE = 600
"""Points along a mask's longer side from which its corners look sharp."""

Line = tuple[tuple[float, float], tuple[float, float]]


def check_pictures(explanation: Explanation) -> None:
    """Check that there are segments, that they are features, and that they are those of the pictures.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.

    Raises
    ------
    ValueError
        If not.
    """
    segments: Any = explanation.extras.get("segments")
    if segments is None:
        raise ValueError(
            "SegmentsDisplay needs the segments of pictures, and extras['segments'] is not there. Rows of "
            "tables are drawn by WaterfallDisplay and BarDisplay, texts by TextDisplay."
        )
    if segments.dims != ("row", "y", "x") or segments.points_to != "feature":
        raise ValueError(
            "extras['segments'] must be a Detail with dims ('row', 'y', 'x') that points_to 'feature'; got "
            f"dims {segments.dims} and points_to={segments.points_to!r}."
        )
    segments = segments.array
    n_features = len(explanation.feature_names)
    largest = int(segments.max()) if segments.size else -1
    if largest >= n_features:
        raise ValueError(
            f"extras['segments'] names feature {largest}, and there are {n_features}, counted from 0."
        )
    data: Any = explanation.data
    if data is not None and (np.ndim(data) not in (3, 4) or data.shape[1:3] != segments.shape[1:]):
        raise ValueError(
            f"The pictures have shape {np.shape(data)[1:]} and their segments {segments.shape[1:]}: data "
            "must have shape (n_rows, height, width), or channels as a last axis, with the segments' height "
            "and width."
        )


def as_grey(picture: Any) -> Floats:
    """A picture from 0, black, to 1, white, whatever its numbers are.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        From 0 to 255 where its type is uint8, from 0 to 1 where all are; else the
        least is shown black and the largest white. Of four channels the last is left out.

    Returns
    -------
    ndarray of shape (height, width)
        White where a number is not known.
    """
    shown = _from_0_to_1(np.asarray(picture))
    if shown.ndim == 3:
        n_channels = shown.shape[2]
        shown = shown[..., :3] @ _LUMINANCE if n_channels in (3, 4) else shown.mean(axis=2)
    return np.nan_to_num(shown, nan=1.0)


def as_colours(picture: Any) -> Floats:
    """A picture in red, green and blue from 0 to 1, whatever its numbers are.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        As for `as_grey`; anything but three or four channels becomes shades of grey.

    Returns
    -------
    ndarray of shape (height, width, 3)
    """
    shown = np.asarray(picture)
    if shown.ndim == 3 and shown.shape[2] in (3, 4):
        return np.nan_to_num(_from_0_to_1(shown)[..., :3], nan=1.0)
    return np.repeat(as_grey(shown)[..., None], 3, axis=2)


def _from_0_to_1(picture: Any) -> Floats:
    numbers = picture.astype(float)
    if picture.dtype == np.uint8:
        return numbers / 255.0
    known = numbers[np.isfinite(numbers)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        return numbers
    return (numbers - low) / (high - low) if high > low else np.ones_like(numbers)


def outlines(labels: Numbers) -> list[Line]:
    """Lines between pixels of different segments, each as long as it can be.

    Parameters
    ----------
    labels : ndarray of int of shape (height, width)
        Each pixel's segment.

    Returns
    -------
    list of pairs of points (x, y)
        In pixels, the first of which has its middle at 0.
    """
    beside, below = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    upright = [((x, a), (x, b)) for x, a, b in _stretches(beside.T)]
    level = [((a, y), (b, y)) for y, a, b in _stretches(below)]
    return upright + level


def _stretches(flags: Bools) -> list[tuple[float, float, float]]:
    """The place of each row, and where its stretches of True begin and end."""
    padded = np.pad(flags.astype(int), ((0, 0), (1, 1)))
    turns = np.diff(padded, axis=1)
    (row, begin), (_, end) = np.nonzero(turns == 1), np.nonzero(turns == -1)
    return list(zip(row + 0.5, begin - 0.5, end - 0.5, strict=True))


def hatch(ax: Any, mask: Bools, colour: Any) -> None:
    """Hatch some of a picture's pixels.

    Parameters
    ----------
    ax : matplotlib Axes
        Where the picture is drawn.
    mask : ndarray of bool of shape (height, width)
        Which.
    colour : tuple
        Of the hatching.
    """
    if not mask.any():
        return
    times = max(1, _FINE // max(mask.shape))
    fine = mask.repeat(times, axis=0).repeat(times, axis=1).astype(float)
    x, y = ((np.arange(n * times) + 0.5) / times - 0.5 for n in mask.shape[::-1])
    filled = ax.contourf(x, y, fine, levels=[0.5, 1.5], colors="none", hatches=["///"])
    filled.set_edgecolor(colour)
    filled.set_linewidth(0.0)
