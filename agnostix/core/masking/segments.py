"""Hiding segments of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.masking.background_subset import BackgroundSubset, fill_subsets
from agnostix.core.masking.fills import (
    as_type,
    blur_fill,
    check_fill,
    is_fill,
    is_stack,
    mean_fill,
    noise_fills,
    segment_mean_fill,
)
from agnostix.core.masking.inpainting import inpaint_fill
from agnostix.core.masking.masker import MaskDistribution
from agnostix.core.masking.pictures import MaskedPictures, as_pixels
from agnostix.core.masking.segmenters import as_map, grid, numbered, quickshift, slic
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_ROUNDING = 1e-9
"""How far the weights' sum may be from 1."""


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

    background: ClassVar[None] = None
    merges: ClassVar[bool] = False
    mask_distribution: ClassVar[MaskDistribution] = "bernoulli"

    def __post_init__(self) -> None:
        _check_number("n_segments", self.n_segments, Integral, "a whole number of at least 1", 1)
        _check_number("sigma", self.sigma, Real, "a number above 0", np.nextafter(0.0, 1.0))
        _check_number("n_draws", self.n_draws, Integral, "a whole number of at least 1", 1)
        _check_number("random_state", self.random_state, Integral, "a whole number of at least 0", 0)
        if not is_fill(self.fill):
            is_array = isinstance(self.fill, np.ndarray)
            got = f"an array of shape {self.fill.shape}" if is_array else repr(self.fill)
            raise DataError(
                "The 'fill' of SegmentMasker must be 'mean', 'segment_mean', 'blur', 'inpaint', 'noise', a "
                "number, one number for each channel, or an array of pictures of shape (n_fill, height, "
                f"width) or (n_fill, height, width, n_channels), got {got}."
            )
        labels = as_map(self.segments)
        if labels is not None:
            object.__setattr__(self, "segments", labels)
        object.__setattr__(self, "_names", None if labels is None else np.unique(labels))
        n_fill = len(self.fill) if is_stack(self.fill) else self.n_draws if self._is("fill", "noise") else 1
        object.__setattr__(self, "weights", _checked_weights(self.weights, n_fill))

    @property
    def same_features(self) -> bool:
        """Whether all images are cut the same way."""
        return self._names is not None or self._is("segments", "grid")

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
        check_fill(self.fill, pixels)
        labels = self._labels(pixels)
        n_fill = self.weights.size
        return MaskedPictures(pixels, labels, self._fills(pixels, labels), n_fill, self._names)

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

    def _is(self, parameter: str, word: str) -> bool:
        value = getattr(self, parameter)
        return isinstance(value, str) and value == word

    def _labels(self, pixels: Any) -> Codes:
        """Segments (n_rows, height, width) of each picture, or (1, height, width) of all."""
        shape = pixels.shape[1:3]
        if self._names is not None:
            return numbered(self.segments, shape, "The 'segments' of SegmentMasker")[None]
        if self._is("segments", "grid"):
            return grid(shape[0], shape[1], self.n_segments)[None]
        where = "What the 'segments' of SegmentMasker gives for row {} of X"
        return np.stack(
            [numbered(self._cut(picture), shape, where.format(i)) for i, picture in enumerate(pixels)]
        )

    def _cut(self, picture: Any) -> Any:
        if self._is("segments", "slic"):
            return slic(picture, self.n_segments)
        return quickshift(picture) if self._is("segments", "quickshift") else self.segments(picture.copy())

    def _fills(self, pixels: Any, labels: Codes) -> Any:
        """Fills (n_rows or 1, n_fill, ...) of the pictures, or a function of the pixels for noise."""
        if self._is("fill", "noise"):
            return partial(noise_fills, n_draws=self.n_draws, seed=self.random_state)
        if is_stack(self.fill):
            return as_type(self.fill, pixels.dtype)[None]
        if not isinstance(self.fill, str):
            color = as_type(np.asarray(self.fill), pixels.dtype)
            return np.broadcast_to(color, (1, 1, 1, 1, *pixels.shape[3:]))
        # Picture by picture, so that the bits of one do not depend on the others.
        maps = np.broadcast_to(labels, pixels.shape[:3])
        return np.stack([self._fill_of(*pair)[None] for pair in zip(pixels, maps, strict=True)])

    def _fill_of(self, picture: Any, labels: Codes) -> Any:
        """Fill of one picture, of its shape or with axes of length 1."""
        if self.fill == "mean":
            return mean_fill(picture)
        if self.fill == "blur":
            return blur_fill(picture, self.sigma)
        if self.fill == "inpaint":
            return inpaint_fill(picture, labels, self.random_state)
        return segment_mean_fill(picture, labels)


def _checked_weights(weights: Any, n_fill: int) -> Floats:
    checked = np.full(n_fill, 1.0 / n_fill) if weights is None else np.asarray(weights, dtype=float)
    if checked.shape != (n_fill,) or not (checked > 0).all() or abs(checked.sum() - 1.0) > _ROUNDING:
        raise DataError(
            f"The 'weights' of SegmentMasker must be None or one number above 0 for each of the {n_fill} "
            f"fill pictures, adding up to 1; got shape {checked.shape} and a sum of {checked.sum():.6g}."
        )
    return checked


def _check_number(name: str, value: Any, kind: Any, allowed: str, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < np.inf:
        raise DataError(f"The {name!r} of SegmentMasker must be {allowed}, got {value!r}.")
