"""Images with hidden parts: fills in the image's units and dtype, inpainting, soft masks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from agnostix.core.explanation import Detail
from agnostix.core.frames import missing_as_nan
from agnostix.core.inputs import (
    check_single_input,
    check_sizes,
    conversion_error,
    is_several_inputs,
    several_inputs_error,
)
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

MOST_CHANNELS = 4
"""Of color, with transparency; as height of a picture it is less likely than as their number."""
TO_CHANNELS_LAST = "X.transpose(0, 2, 3, 1), or X.permute(0, 2, 3, 1) of a tensor"
_MANY_CHANNELS = 8
_LONG_SERIES = 16
_FILLS = ("mean", "segment_mean", "blur", "inpaint", "noise")
_ROUNDING = 1e-9
"""How far the weights' sum may be from 1."""
_SMALLEST = 1e-140
"""Size of numbers in images from which on their squares are precise."""
_EVEN = 8
"""Sides of a picture that a Gaussian has as sigma, beyond which it leaves nothing but the mean."""
NOISE = 0.01
"""Standard deviation of what is added, as a share of each channel's range."""
_NEAR = [
    (-1, 0, 2.0),
    (1, 0, 2.0),
    (0, -1, 2.0),
    (0, 1, 2.0),
    (-1, -1, 1.0),
    (-1, 1, 1.0),
    (1, -1, 1.0),
    (1, 1, 1.0),
]
"""Neighbors down and to the right, with weights: direct ones have twice that of diagonal ones."""


def as_pixels(X: Any) -> Any:
    """Pictures as a finite numeric array in C order; DataError if they are not."""
    if isinstance(X, Mapping):
        check_single_input(X)
    try:
        pixels = np.asarray(missing_as_nan(X))
    except ValueError:
        if isinstance(X, tuple):
            check_single_input(X)
        inputs = f" Or else {several_inputs_error(X)}" if is_several_inputs(X) else ""
        raise DataError(
            f"X must be pictures of one size; pass those of another size by themselves.{inputs}"
        ) from None
    except (RuntimeError, TypeError) as error:
        raise conversion_error(X, error) from error
    if pixels.ndim not in (3, 4) or 0 in pixels.shape or pixels.dtype.kind not in "biuf":
        if pixels.ndim == 5 and is_several_inputs(X):
            raise several_inputs_error(X)
        raise DataError(
            "X must be numbers of shape (n_rows, height, width) or (n_rows, height, width, n_channels), "
            f"at least one of each, got {pixels.dtype} of shape {pixels.shape}.{_other_axes(pixels.shape)}"
        )
    _check_layout(pixels.shape)
    check_sizes(pixels, X)
    return np.ascontiguousarray(pixels)  # so that no bit of a mean depends on the layout


def _other_axes(shape: tuple[int, ...]) -> str:
    """How series and volumes are explained."""
    windows = "OcclusionExplainer takes them with windows of their own, masker=SlidingWindow("
    if len(shape) == 2:
        return (
            f" Series: {windows}({min(8, shape[1])},), 1); other explainers as pictures one pixel wide, "
            "X[:, :, None], of the model lambda P: f(P[:, :, 0])."
        )
    if len(shape) == 5:
        n_rows, depth, height, width, n_channels = shape
        flat = (n_rows, depth * height, width, n_channels)
        return (
            f" Volumes: {windows}{tuple(min(4, length) for length in shape[1:4])}, 1); other explainers as "
            f"pictures, X.reshape{flat}, of the model lambda P: f(P.reshape(-1, {depth}, {height}, {width}, "
            f"{n_channels}))."
        )
    return ""


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether images of a shape (n_rows, ...) have one to four channels before height and width."""
    return len(shape) == 4 and shape[1] <= MOST_CHANNELS < min(shape[2:])


def _check_layout(shape: tuple[int, ...]) -> None:
    """Refuse images whose channels come first; warn where a layout other than channels last is likelier."""
    if has_channels_first(shape):
        raise DataError(
            f"X has shape {shape}: pictures of {shape[1]} x {shape[2]} pixels with {shape[3]} channels, "
            f"unless channels come first. Put them last: {TO_CHANNELS_LAST}. A torch module gets "
            "them first all the same; a function f puts them back: lambda P: f(P.transpose(0, 3, 1, 2))."
        )
    *_, height, width = shape[:3]
    if len(shape) == 4 and _is_likelier_first(*shape[1:]):
        warnings.warn(
            f"X has shape {shape}, which is taken for pictures of {height} x {width} pixels with {shape[3]} "
            f"channels. If channels come first, put them last: {TO_CHANNELS_LAST}. Volumes "
            "(n_rows, depth, height, width) need their slices last too: parts of all slices are hidden.",
            UserWarning,
            stacklevel=3,
        )
    if len(shape) == 3 and 2 <= min(shape[1:]) <= MOST_CHANNELS and max(shape[1:]) >= _LONG_SERIES:
        first, n_channels = height < width, min(shape[1:])
        series = f"{'X.transpose(0, 2, 1)' if first else 'X'}[:, :, None, :]"
        back = f"lambda P: f(P[:, :, 0]{'.transpose(0, 2, 1)' if first else ''})"
        warnings.warn(
            f"X has shape {shape}, which is taken for gray pictures of {height} x {width} pixels. A single "
            f"picture of {n_channels} channels needs an axis of rows: X[None]. Series of {n_channels} "
            f"channels are pictures one pixel wide, {series}, of the model {back}.",
            UserWarning,
            stacklevel=3,
        )


def _is_likelier_first(height: int, width: int, n_channels: int) -> bool:
    """Whether many channels are rather the width of square or less oblong images, or of slices."""
    is_square = width == n_channels and height <= width
    return n_channels >= _MANY_CHANNELS and (is_square or min(width, n_channels) >= 2 * height)


@dataclass(frozen=True)
class ImageFill:
    """What replaces hidden pixels; messages name its `owner`, the class that a user has called.

    The other fields are parameters of the owner, checked here: see `SegmentMasker`.
    """

    fill: Any
    sigma: float = 10.0
    n_draws: int = 10
    random_state: int = 0
    weights: Any = None
    owner: str = "SegmentMasker"

    def __post_init__(self) -> None:
        check_number(self.owner, "sigma", self.sigma, Real, "a number above 0", 5e-324)
        for name, least in (("n_draws", 1), ("random_state", 0)):
            allowed = f"a whole number of at least {least}"
            check_number(self.owner, name, getattr(self, name), Integral, allowed, least)
        if not is_fill(self.fill):
            is_array = isinstance(self.fill, np.ndarray)
            got = f"an array of shape {self.fill.shape}" if is_array else repr(self.fill)
            raise DataError(
                f"The 'fill' of {self.owner} must be 'mean', 'segment_mean', 'blur', 'inpaint', 'noise', a "
                "number, one number for each channel, or an array of pictures of shape (n_fill, height, "
                f"width) or (n_fill, height, width, n_channels), got {got}."
            )
        n_fill = len(self.fill) if is_stack(self.fill) else self.n_draws if self.is_("noise") else 1
        object.__setattr__(self, "weights", self._checked_weights(n_fill))

    def is_(self, word: str) -> bool:
        """Whether the fill is the one of this name."""
        return isinstance(self.fill, str) and self.fill == word

    def compute(self, pixels: Any, labels: Codes) -> Any:
        """Fills (n_rows or 1, n_fill, ...) of the pixels' type, or a function from pixels to them for noise.

        Axes of length 1 hold for all places; labels (n_rows or 1, height, width) are the segments. Raises
        DataError if the pictures cannot have the fill.
        """
        self._check(pixels)
        if self.is_("noise"):
            return partial(noise_fills, n_draws=self.n_draws, seed=self.random_state)
        if is_stack(self.fill):
            return as_type(self.fill, pixels.dtype)[None]
        if not isinstance(self.fill, str):
            color = as_type(_as_color(self.fill), pixels.dtype)
            return np.broadcast_to(color, (1, 1, 1, 1, *pixels.shape[3:]))
        # Picture by picture, so that the bits of one do not depend on the others.
        maps = np.broadcast_to(labels, pixels.shape[:3])
        return np.stack([self._fill_of(*pair)[None] for pair in zip(pixels, maps, strict=True)])

    def _fill_of(self, picture: Any, labels: Codes) -> Any:
        if self.fill == "mean":
            return mean_fill(picture)
        if self.fill == "blur":
            return blur_fill(picture, self.sigma)
        if self.fill == "inpaint":
            return inpaint_fill(picture, labels, self.random_state)
        return segment_mean_fill(picture, labels)

    def _checked_weights(self, n_fill: int) -> Floats:
        weights = np.full(n_fill, 1.0 / n_fill) if self.weights is None else np.asarray(self.weights, float)
        if weights.shape != (n_fill,) or not (weights > 0).all() or abs(weights.sum() - 1.0) > _ROUNDING:
            raise DataError(
                f"The 'weights' of {self.owner} must be None or one number above 0 for each of the {n_fill} "
                f"fill pictures, adding up to 1; got shape {weights.shape} and a sum of {weights.sum():.6g}."
            )
        return weights

    def _check(self, pixels: Any) -> None:
        """Raise DataError unless the pictures have the fill's shape or channels, in a dtype that holds it."""
        if isinstance(self.fill, str):
            return
        color, shape = _as_color(self.fill), pixels.shape[1:]
        is_images = is_stack(self.fill)
        if is_images and color.shape[1:] != shape:
            raise DataError(
                f"The 'fill' of {self.owner} has pictures of shape {color.shape[1:]}, and X has pictures of "
                f"shape {shape}. Resize them."
            )
        if not is_images and color.ndim and color.shape != shape[2:]:
            has = f"{shape[2]} channels" if len(shape) == 3 else "no channels"
            raise DataError(
                f"The 'fill' of {self.owner} has {color.size} numbers, and pictures of shape {shape} have "
                f"{has}."
            )
        if not _is_held(color, pixels.dtype):
            raise DataError(
                f"The 'fill' of {self.owner} is {'pictures of values' if is_images else repr(self.fill)}, "
                f"which pictures of type {pixels.dtype} cannot hold."
            )


def check_number(owner: str, name: str, value: Any, kind: Any, allowed: str, least: float) -> None:
    """Raise DataError unless a parameter is a number of a kind, finite and not below the least."""
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < np.inf:
        raise DataError(f"The {name!r} of {owner} must be {allowed}, got {value!r}.")


def is_fill(fill: Any) -> bool:
    """Whether `fill` is one by name, a number, a number for each channel, or an array of pictures."""
    if isinstance(fill, str):
        return fill in _FILLS
    if is_stack(fill):
        return True
    is_list = isinstance(fill, list | tuple) or (isinstance(fill, np.ndarray) and fill.ndim == 1)
    numbers = list(fill) if is_list else [fill]
    return bool(numbers) and all(isinstance(one, Real) and not isinstance(one, bool) for one in numbers)


def is_stack(fill: Any) -> bool:
    """Whether `fill` is an array of pictures, (n_fill, height, width) with or without channels."""
    is_array = isinstance(fill, np.ndarray) and fill.ndim in (3, 4)
    return is_array and fill.size > 0 and fill.dtype.kind in "biuf" and bool(np.isfinite(fill).all())


def fill_details(fill: Any, n_rows: int) -> dict[str, Detail]:
    """A fill (n_rows or 1, ...) as an Explanation keeps it, (n_rows, ...)."""
    fill = np.broadcast_to(fill, (n_rows, *fill.shape[1:]))
    # The axes of a uniform fill have length 1, so they are not those of the values.
    return {"fill": Detail(fill, ("row", "fill_y", "fill_x", "channel")[: fill.ndim])}


def mean_fill(picture: Any) -> Any:
    """Mean of each channel, (1, 1) or (1, 1, n_channels)."""
    whole = np.zeros(picture.shape[:2], dtype=np.intp)
    return as_type(_means(picture, whole)[None], picture.dtype)


def segment_mean_fill(picture: Any, labels: Codes) -> Any:
    """Mean of each segment and channel at all of its pixels, of the picture's shape."""
    return as_type(_means(picture, labels), picture.dtype)[labels]


def blur_fill(picture: Any, sigma: float) -> Any:
    """The picture smoothed by a Gaussian of `sigma` pixels, mirrored beyond its edges."""
    sigma = min(sigma, _EVEN * max(picture.shape[:2]))  # the filter is 8 sigma long
    wide = (sigma, sigma, *[0.0] * (picture.ndim - 2))
    origin = picture[:1, :1].astype(float)  # counted from a pixel, so that what is even stays so to the bit
    apart = (picture - origin).astype(float, copy=False)  # scipy takes no long doubles
    return as_type(origin + ndimage.gaussian_filter(apart, wide), picture.dtype)


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
    return tuple(by_channel(values, one) for one in (np.min, np.max, np.mean, _deviation))


def _deviation(values: Floats, axis: int) -> Floats:
    """Standard deviation, also of numbers whose squares are 0."""
    size = np.abs(values).max(initial=0.0)
    scale = size if 0.0 < size < _SMALLEST else 1.0
    return np.asarray(scale * np.std(values / scale, axis=axis))


def _means(picture: Any, labels: Codes) -> Floats:
    """Means of the segments, (n_segments,) or (n_segments, n_channels)."""
    places = labels.ravel()
    pixels = picture.reshape(places.size, -1).astype(float)
    counts = np.bincount(places)
    origin = pixels[np.unique(places, return_index=True)[1]]
    apart = pixels - origin[places]
    sums = np.stack([np.bincount(places, channel) for channel in apart.T], axis=1)
    return (origin + sums / counts[:, None]).reshape(counts.size, *picture.shape[2:])


def _as_color(fill: Any) -> Any:
    """A fill as an array of numbers; of objects if one of them is beyond double precision."""
    color = np.asarray(fill)
    if color.dtype != object:
        return color
    try:
        return color.astype(float)  # of whole numbers beyond 64 bits, or fractions
    except OverflowError:
        return color


def _is_held(color: Any, dtype: np.dtype) -> bool:
    """Whether a dtype can represent the color; floats may be rounded."""
    if color.dtype == object:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        cast = color.astype(dtype)
        held = np.isfinite(cast) == np.isfinite(color) if dtype.kind == "f" else cast == color
    return bool(np.all(held))


class Inpainter:
    """Fills holes in one picture by noisy linear interpolation.

    Each hidden pixel is the weighted mean of its eight neighbors, hidden ones included, which is a sparse
    linear system. The noise is the same for all pictures of a shape, scaled to the range of each channel.
    """

    def __init__(self, picture: Any, seed: int) -> None:
        self.picture = picture
        self._values = picture.reshape(*picture.shape[:2], -1).astype(float)
        low, high = by_channel(self._values, np.min), by_channel(self._values, np.max)
        noise = np.random.default_rng([seed, 7]).standard_normal(picture.shape)
        self._noise = NOISE * (high - low) * noise.reshape(self._values.shape)
        self._bounds = (low, high)
        self._solvers: dict[tuple[Any, ...], Any] = {}

    def filled(self, hidden: Bools) -> Any:
        """The picture with hidden pixels (height, width) filled in; the mean color if all are hidden."""
        out = self._values.copy()
        if hidden.any():
            out[hidden] = self.values(hidden)
        return as_type(out.reshape(self.picture.shape), self.picture.dtype)

    def values(self, hidden: Bools) -> Floats:
        """Values of the hidden pixels (n_hidden, n_channels), clipped to the range of each channel."""
        if hidden.all():
            smooth = np.broadcast_to(self._values.mean(axis=(0, 1)), (hidden.size, self._values.shape[2]))
        else:
            smooth = self._smooth(hidden)
        return np.clip(smooth + self._noise[hidden], *self._bounds)

    def _smooth(self, hidden: Bools) -> Floats:
        """Solve around the hole only; holes of one form share their system."""
        part = tuple(
            _around(np.flatnonzero(hidden.any(axis=1 - axis)), hidden.shape[axis]) for axis in (0, 1)
        )
        hole, values = hidden[part], self._values[part]
        key = (hole.tobytes(), hole.shape)
        if key not in self._solvers:
            self._solvers[key] = _system(hole)
        solver, known = self._solvers[key]
        return np.column_stack([solver.solve(known @ channel) for channel in values[~hole].T])


def inpaint_fill(picture: Any, labels: Codes, seed: int) -> Any:
    """Each segment interpolated as if it alone were hidden, of the picture's shape."""
    inpainter = Inpainter(picture, seed)
    out = np.empty((*labels.shape, int(np.prod(picture.shape[2:]))))
    for label in np.unique(labels):
        hidden = labels == label
        out[hidden] = inpainter.values(hidden)
    return as_type(out.reshape(picture.shape), picture.dtype)


def _around(places: Codes, length: int) -> slice:
    """From the first to the last, and one more on both sides."""
    return slice(max(0, int(places[0]) - 1), min(length, int(places[-1]) + 2))


def _system(hole: Bools) -> tuple[Any, Any]:
    """Factorized system of the hidden pixels, and the matrix of the known ones on its right-hand side."""
    place = np.full(hole.shape, -1)
    place[hole] = np.arange(hole.sum())
    place[~hole] = np.arange((~hole).sum())
    row, column = np.nonzero(hole)
    inner: list[tuple[Codes, Codes, Floats]] = []
    outer: list[tuple[Codes, Codes, Floats]] = []
    total = np.zeros(row.size)
    for down, right, weight in _NEAR:
        there = (row + down >= 0) & (row + down < hole.shape[0])
        there &= (column + right >= 0) & (column + right < hole.shape[1])
        near = (row[there] + down, column[there] + right)
        total[there] += weight
        for kept, own in ((inner, hole[near]), (outer, ~hole[near])):
            kept.append((np.flatnonzero(there)[own], place[near][own], np.full(own.sum(), weight)))
    left = sparse.diags_array(total) - _matrix(inner, (row.size, row.size))
    return splu(left.tocsc()), _matrix(outer, (row.size, int((~hole).sum())))


def _matrix(entries: list[tuple[Codes, Codes, Floats]], shape: tuple[int, int]) -> sparse.csr_array:
    rows, columns, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    return sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()


@dataclass(frozen=True)
class SoftMaskBatch:
    """Soft masks of images, kept as coarse grids and interpolation weights.

    A mask is 1 where the image is visible, 0 where it is replaced by the fill,
    and in between at the edges of cells. The grids are a few hundred times
    smaller than the masks, so they are what crosses to a device.

    Parameters
    ----------
    grids : ndarray of shape (n_masks, n_cells, n_cells)
        1 for the cells that are visible, 0 for the others.
    offsets : ndarray of int of shape (n_masks, 2)
        Shift of each grid in pixels, down and to the right.
    row_weights : ndarray of shape (n_offsets, height, n_cells)
        Interpolation weights of the grid's rows for each offset.
    column_weights : ndarray of shape (n_offsets, width, n_cells)
        Interpolation weights of the grid's columns for each offset.
    """

    grids: Floats
    offsets: Codes
    row_weights: Floats
    column_weights: Floats

    def __len__(self) -> int:
        return int(self.grids.shape[0])

    def to_array(self) -> Floats:
        """Compute the masks.

        Returns
        -------
        ndarray of shape (n_masks, height, width)
            Between 0 and 1.
        """
        rows, columns = self.row_weights[self.offsets[:, 0]], self.column_weights[self.offsets[:, 1]]
        return rows @ self.grids @ columns.transpose(0, 2, 1)

    def compose(self, x: Floats, fill: Floats) -> Floats:
        """Mix an image with a fill under every mask.

        Parameters
        ----------
        x : ndarray of shape (height, width) or (height, width, n_channels)
            The image.
        fill : ndarray that broadcasts to x
            What replaces the masked parts.

        Returns
        -------
        ndarray of shape (n_masks, *x.shape)
            Of the image's dtype; integers are rounded.
        """
        masks = self.to_array()
        masks = masks.reshape(*masks.shape, *[1] * (x.ndim - 2))
        fill = fill.astype(float)
        mixed = fill + masks * (x - fill)
        return (np.rint(mixed) if x.dtype.kind in "iu" else mixed).astype(x.dtype)
