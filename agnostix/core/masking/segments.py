"""Hiding segments of images: how they are cut, and what the model sees."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.features import Features
from agnostix.core.masking.fills import ImageFill, as_pixels, check_number, fill_details
from agnostix.core.masking.masker import (
    BackgroundSubset,
    MaskBlock,
    MaskDistribution,
    MaskingInputs,
    fill_subsets,
)
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

CUTS = ("grid", "slic", "quickshift")


@dataclass(frozen=True)
class SegmentMasker:
    """Hides segments of images, which get another color.

    Parameters
    ----------
    segments : {"grid", "slic", "quickshift"}, array-like of int or callable, default="grid"
        How images are cut. "grid": into nearly square cells. "slic" and
        "quickshift": along the edges of each image, with scikit-image
        (``pip install 'agnostix[images]'``). An array of shape (height, width):
        the segment of each pixel, any whole numbers, for all images. A
        callable: from one image to such an array.
    fill : str, float, sequence of float or array of images, default="mean"
        Color of hidden pixels. "mean", "segment_mean": the mean of the image or
        of the segment, by channel. "blur": the blurred image. "inpaint":
        interpolated from the pixels around the segment, with noise [1]_.
        "noise": `n_draws` images of noise with the mean and spread of each
        channel. A number, or one for each channel, in the units of the images.
        An array of shape (n_fill, height, width) or (n_fill, height, width,
        n_channels): other images, over which predictions are averaged. With the
        default nothing but the mean color is left when everything is hidden, so
        the values account for the whole image; in a mosaic of segment means or
        a blurred image the content can still be recognized.
    n_segments : int, default=50
        Approximate number of segments, for "grid" and "slic".
    sigma : float, default=10.0
        Standard deviation of the blur, in pixels.
    n_draws : int, default=10
        Number of noise images.
    random_state : int, default=0
        Seed of the noise, also that of "inpaint"; the same for all images.
    weights : ndarray of shape (n_fill,), default=None
        Weights of the images in an array passed as `fill`, adding up to 1; None
        for equal weights.

    Raises
    ------
    DataError
        If a parameter is invalid.

    Notes
    -----
    Channels are the last axis. Images keep their units and dtype: fills of
    integer images are rounded. "slic" (compactness 10) and "quickshift"
    (kernel_size 4, max_dist 200, ratio 0.2, as in lime) see each image
    rescaled to [0, 1], so its units do not matter, and as gray unless it has
    three channels.

    "inpaint" fills each segment as if it were the only one hidden. Where
    neighboring segments are hidden too, traces of them remain at its edges.

    With a callable, "slic" or "quickshift", each image has its own segments,
    as many as are found; values of segments that an image does not have are NaN.

    References
    ----------
    .. [1] Rong, Y., et al. (2022). A consistent and efficient evaluation strategy
       for attribution methods. ICML. https://doi.org/10.48550/arXiv.2202.00449

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.maskers import SegmentMasker
    >>> pictures = np.random.default_rng(0).random((2, 4, 4))
    >>> masker = SegmentMasker("grid", n_segments=4)
    >>> explainer = KernelShapExplainer(lambda x: x[:, :2, :2].sum((1, 2)), masker=masker)
    >>> exp = explainer.fit(pictures).explain(pictures)
    >>> exp.feature_names, bool(np.abs(exp.values[:, 1:]).max() < 1e-12)
    (('segment 0', 'segment 1', 'segment 2', 'segment 3'), True)
    >>> exp.extras["segments"].array[0]
    array([[0, 0, 1, 1],
           [0, 0, 1, 1],
           [2, 2, 3, 3],
           [2, 2, 3, 3]])
    """

    segments: Any = "grid"
    fill: Any = "mean"
    n_segments: int = 50
    sigma: float = 10.0
    n_draws: int = 10
    random_state: int = 0
    weights: Any = field(default=None, repr=False)
    _names: Any = field(init=False, repr=False)
    _image_fill: ImageFill = field(init=False, repr=False)

    background: ClassVar[None] = None
    merges: ClassVar[bool] = False
    mask_distribution: ClassVar[MaskDistribution] = "bernoulli"

    def __post_init__(self) -> None:
        allowed = "a whole number of at least 1"
        check_number("SegmentMasker", "n_segments", self.n_segments, Integral, allowed, 1)
        image_fill = ImageFill(self.fill, self.sigma, self.n_draws, self.random_state, self.weights)
        labels = as_map(self.segments)
        if labels is not None:
            object.__setattr__(self, "segments", labels)
        object.__setattr__(self, "_names", None if labels is None else np.unique(labels))
        object.__setattr__(self, "_image_fill", image_fill)
        object.__setattr__(self, "weights", image_fill.weights)

    @property
    def same_features(self) -> bool:
        """Whether all images are cut the same way."""
        return self._names is not None or self._cuts("grid")

    def read(self, X: Any) -> MaskedPictures:
        """Check images, cut them into segments and compute their fills.

        Parameters
        ----------
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            The images.

        Returns
        -------
        MaskedPictures

        Raises
        ------
        DataError
            If they are not finite numbers, differ in shape from the segments or
            cannot hold the fill.
        """
        pixels = as_pixels(X)
        labels = self._labels(pixels)
        if self._names is None and not self._cuts("grid"):
            _warn_uncut(labels, self.segments, pixels.shape[1:3])
        fills = self._image_fill.compute(pixels, labels)
        return MaskedPictures(pixels, labels, fills, self.weights.size, self._names)

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """All fills of a mask that hides anything.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_segments)
            True where a segment is kept.

        Returns
        -------
        list of BackgroundSubset
            One for each mask.
        """
        return fill_subsets(masks, self.weights)

    def _cuts(self, word: str) -> bool:
        return isinstance(self.segments, str) and self.segments == word

    def _labels(self, pixels: Any) -> Codes:
        """Segments (n_rows, height, width) of each picture, or (1, height, width) of all."""
        shape = pixels.shape[1:3]
        if self._names is not None:
            return numbered(self.segments, shape, "The 'segments' of SegmentMasker")[None]
        if self._cuts("grid"):
            return grid(shape[0], shape[1], self.n_segments)[None]
        where = "What the 'segments' of SegmentMasker gives for row {} of X"
        return np.stack(
            [numbered(self._cut(picture), shape, where.format(i)) for i, picture in enumerate(pixels)]
        )

    def _cut(self, picture: Any) -> Any:
        if self._cuts("slic"):
            return slic(picture, self.n_segments)
        return quickshift(picture) if self._cuts("quickshift") else self.segments(picture.copy())


def _warn_uncut(labels: Codes, segments: Any, shape: tuple[int, ...]) -> None:
    """Warn of pictures that a segmentation leaves in one piece, labels (n_rows, height, width)."""
    whole = np.flatnonzero(labels.max(axis=(1, 2)) == 0)
    if whole.size:
        how = repr(segments) if isinstance(segments, str) else "the function 'segments'"
        more = "" if whole.size == 1 else f", as are {whole.size} of {len(labels)} rows"
        warnings.warn(
            f"Row {whole[0]} of X, a picture of {shape[0]} x {shape[1]} pixels, is a single segment to {how} "
            f"of SegmentMasker{more}, so nothing tells its parts apart. Pass segments='grid' with "
            "n_segments, or a map of your own.",
            UserWarning,
            stacklevel=3,
        )


def with_owner(masker: SegmentMasker, owner: str) -> SegmentMasker:
    """A copy of a masker whose messages about the fill name the class that the fill was passed to."""
    copy = replace(masker)
    object.__setattr__(copy, "_image_fill", replace(masker._image_fill, owner=owner))
    return copy


@dataclass(frozen=True)
class MaskedPictures:
    """Pictures (n_rows, height, width[, n_channels]) cut into segments, and the fills of these."""

    pixels: Any
    labels: Codes  # (n_rows or 1, height, width), in each picture from 0 without gaps
    fills: Any  # (n_rows or 1, n_fill, ...), or a function of the pixels where they are too large to keep
    n_fill: int
    names: Any  # of the segments, where one map holds for all pictures; else None

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def __getitem__(self, places: Any) -> MaskedPictures:
        fills = self.fills if callable(self.fills) else _own_part(self.fills, places)
        return replace(self, pixels=self.pixels[places], labels=_own_part(self.labels, places), fills=fills)

    @property
    def features(self) -> Features:
        """Segments by number, or by name where there is one map for all pictures."""
        names = range(self.present.shape[1]) if self.names is None else self.names
        return Features.without_columns(f"segment {name}" for name in names)

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
        return {} if self.n_fill > 1 else fill_details(self.fill[:, 0], len(self))

    def distinct(self) -> tuple[Codes, Codes]:
        """Every picture by itself: equal ones are not looked for."""
        return np.arange(len(self)), np.arange(len(self))

    def builder(self, rows: Codes, capacity: int) -> SegmentBuilder:
        """Builds some of the pictures with segments hidden."""
        return SegmentBuilder(self[rows])

    def compose(self, rows: Codes) -> MaskingInputs | None:
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


def _own_part(array: Any, places: Any) -> Any:
    """The rows' own parts, unless one part holds for all rows."""
    return array[places] if array.shape[0] > 1 else array


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
    n_segments = min(int(n_segments), height * width)
    n_down = int(np.clip(round((n_segments * height / width) ** 0.5), 1, min(height, n_segments)))
    n_across = int(np.clip(round(n_segments / n_down), 1, width))
    down, across = np.arange(height) * n_down // height, np.arange(width) * n_across // width
    return down[:, None] * n_across + across


def slic(picture: Any, n_segments: int) -> Any:
    """Labels (height, width) of about n_segments clusters of near pixels of like color.

    Achanta, R., et al. (2012). SLIC superpixels compared to state-of-the-art superpixel methods.
    IEEE TPAMI, 34(11). https://doi.org/10.1109/TPAMI.2012.120
    """
    n_segments = min(int(n_segments), picture.shape[0] * picture.shape[1])
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
    array = np.asarray(labels)
    if array.shape != shape or array.dtype.kind not in "iu":
        raise DataError(
            f"{where} must be whole numbers of the picture's shape {shape}, got {array.dtype} of shape "
            f"{array.shape}."
        )
    return np.unique(array, return_inverse=True)[1].reshape(shape)


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
