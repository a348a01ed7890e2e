"""Hiding segments of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.masking.draws import Draws, MaskBlock
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
from agnostix.core.masking.masker import Composition, Law
from agnostix.core.masking.pictures import Pictures, as_pixels
from agnostix.core.masking.players import Players
from agnostix.core.masking.segmenters import as_map, grid, numbered, quickshift, slic
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_ROUNDING = 1e-9
"""How far the weights' sum may be from 1."""


@dataclass(frozen=True)
class SegmentMasker:
    """Segments of pictures as players; what is hidden gets another colour.

    Parameters
    ----------
    segments : {"grid", "slic", "quickshift"}, array-like of int or callable, default="grid"
        How pictures are cut. "grid": into nearly square cells. "slic" and
        "quickshift": along the edges of each picture, with scikit-image
        (``pip install 'agnostix[images]'``). An array of shape (height, width):
        the segment of each pixel, any whole numbers, for all pictures. A
        callable: from one picture to such an array.
    fill : str, float, sequence of float or array of pictures, default="mean"
        What hidden pixels get. "mean", "segment_mean": the picture's mean or
        their own segment's, by channel. "blur": the blurred picture. "inpaint":
        what the pixels around their segment suggest, by noisy linear
        interpolation [1]_. "noise": `n_draws` pictures of noise with the mean and
        spread of each channel. A number, or one for each channel, in the
        pictures' own units. An array of shape (n_fill, height, width) or
        (n_fill, height, width, n_channels): other pictures, as many answers
        being averaged. The default leaves nothing of a picture but its
        mean colour where all is hidden, so that values share out all of it; a
        mosaic of segments' means, or a blurred picture, can still be recognised.
    n_segments : int, default=50
        About how many segments; used by "grid" and "slic".
    sigma : float, default=10.0
        Standard deviation of the blur, in pixels.
    n_draws : int, default=10
        Pictures of noise.
    random_state : int, default=0
        Of the noise, that of "inpaint" included: the same for all pictures.
    weights : ndarray of shape (n_fill,), default=None
        Of an array of pictures as the fill, adding up to 1; None for equal ones.

    Raises
    ------
    DataError
        If a parameter cannot be used.

    Notes
    -----
    Channels are the last axis. Pictures keep their units and type: whole
    numbers are rounded. "slic" (compactness 10) and "quickshift"
    (kernel_size 4, max_dist 200, ratio 0.2, as in lime) see each picture
    stretched to 0 to 1, so that its units do not matter, and anything but
    three channels as shades of grey.

    "inpaint" takes a segment to be hidden alone: where its neighbours are hidden
    too, what they were can still be seen at its edges.

    With a callable, "slic" or "quickshift" each picture has segments of its
    own, and as many as it has: values of segments that it does not have are NaN.

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

    def __post_init__(self) -> None:
        _check_number("n_segments", self.n_segments, Integral, "a whole number of at least 1", 1)
        _check_number("sigma", self.sigma, Real, "a number above 0", np.nextafter(0.0, 1.0))
        _check_number("n_draws", self.n_draws, Integral, "a whole number of at least 1", 1)
        _check_number("random_state", self.random_state, Integral, "a whole number of at least 0", 0)
        if not is_fill(self.fill):
            got = (
                f"an array of shape {self.fill.shape}"
                if isinstance(self.fill, np.ndarray)
                else repr(self.fill)
            )
            raise DataError(
                "The 'fill' of SegmentMasker must be 'mean', 'segment_mean', 'blur', 'inpaint', 'noise', a "
                "number, one number for each channel, or an array of pictures of shape (n_fill, height, "
                f"width) or (n_fill, height, width, n_channels), got {got}."
            )
        labels = as_map(self.segments)
        if labels is not None:
            object.__setattr__(self, "segments", labels)
        object.__setattr__(self, "_names", None if labels is None else np.unique(labels))
        n_fill = len(self.fill) if is_stack(self.fill) else self.n_draws if self._fills_with("noise") else 1
        object.__setattr__(self, "weights", _checked_weights(self.weights, n_fill))

    @property
    def merges(self) -> bool:
        """False: masks of pictures that differ give pictures that differ."""
        return False

    @property
    def mask_law(self) -> Law:
        """Each segment is kept with chance 1/2."""
        return "bernoulli"

    @property
    def same_players(self) -> bool:
        """Whether all pictures are cut alike."""
        return self._names is not None or self._is("grid")

    def read(self, X: Any) -> Pictures:
        """Check pictures, cut them into segments, and make what stands in.

        Parameters
        ----------
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            The pictures.

        Returns
        -------
        Pictures

        Raises
        ------
        DataError
            If they are no finite numbers, have another shape than the segments,
            or cannot hold the fill.
        """
        pixels = as_pixels(X)
        check_fill(self.fill, pixels)
        labels = self._labels(pixels)
        return Pictures(pixels, labels, self._standing(pixels, labels))

    def unmasked(self, X: Pictures) -> Any:
        """The pictures' pixels.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        ndarray of n_rows pictures
        """
        return X.pixels

    def data(self, X: Pictures) -> Any:
        """The pictures' pixels.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        ndarray of n_rows pictures
        """
        return X.pixels

    def players_of(self, X: Pictures) -> Players:
        """Segments by number, or by label where there is one map for all pictures.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        Players
        """
        names = range(X.present.shape[1]) if self._names is None else self._names
        segments = tuple(f"segment {name}" for name in names)
        return Players(segments, ((),) * len(segments))

    def present(self, X: Pictures) -> Bools:
        """Segments that each picture has.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_segments)
        """
        return X.present

    def varying(self, X: Pictures) -> Bools:
        """Segments of each picture that are not as what stands in already.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_segments)
        """
        return X.varying

    def extras(self, X: Pictures) -> dict[str, Any]:
        """Where the segments are, and what stands in for them.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        dict
            "segments", each pixel's feature; and where one picture stands in, "fill", with axes of
            length 1 where it is even.
        """
        labels = np.broadcast_to(X.labels, X.shape[:3])
        return {"segments": Detail(labels, ("row", "y", "x"), points_to="feature")} | self.told_fill(X)

    def told_fill(self, X: Pictures) -> dict[str, Any]:
        """What stands in, where it is one picture.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        dict
            "fill", n_rows pictures, with axes of length 1 where they are even; or nothing.
        """
        if self.weights.size > 1:
            return {}
        fill = np.broadcast_to(X.fill[:, 0], (len(X), *X.fill.shape[2:]))
        # Axes of an even fill have length 1, so they are not those of the values.
        return {"fill": Detail(fill, ("row", "fill_y", "fill_x", "channel")[: fill.ndim])}

    def draws(self, masks: Bools) -> list[Draws]:
        """Every picture that stands in, where a mask hides anything.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_segments)
            The masks.

        Returns
        -------
        list of Draws
        """
        every = np.arange(self.weights.size)
        none = np.zeros_like(every)
        hidden, whole = Draws(every, self.weights, every), Draws(none[:1], np.ones(1), none)
        return [whole if mask.all() else hidden for mask in masks]

    def distinct(self, X: Pictures) -> tuple[Codes, Codes]:
        """Every picture is taken for one of a kind.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        tuple of ndarray of int
        """
        return np.arange(len(X)), np.arange(len(X))

    def width(self, X: Pictures) -> int:
        """Numbers in a picture.

        Parameters
        ----------
        X : Pictures
            The pictures.

        Returns
        -------
        int
        """
        return int(np.prod(X.shape[1:]))

    def builder(self, X: Pictures, rows: Codes, room: int) -> _SegmentBuilder:
        """Make a builder of pictures with segments hidden.

        Parameters
        ----------
        X : Pictures
            The pictures.
        rows : ndarray of int of shape (n,)
            Which of them.
        room : int
            Not used.

        Returns
        -------
        Builder
        """
        return _SegmentBuilder(X[rows])

    def compose(self, X: Pictures, rows: Codes) -> Composition:
        """Pictures in pieces.

        Parameters
        ----------
        X : Pictures
            The pictures.
        rows : ndarray of int
            Which of them.

        Returns
        -------
        Composition
        """
        own = X[rows]
        fill = np.broadcast_to(own.fill, (*own.fill.shape[:2], *own.shape[1:]))
        return Composition(own.pixels, fill, own.labels)

    def _is(self, word: str) -> bool:
        return isinstance(self.segments, str) and self.segments == word

    def _labels(self, pixels: Any) -> Codes:
        """The segments of each picture, or of all."""
        shape = pixels.shape[1:3]
        if self._names is not None:
            return numbered(self.segments, shape, "The 'segments' of SegmentMasker")[None]
        if self._is("grid"):
            return grid(shape[0], shape[1], self.n_segments)[None]
        where = "What the 'segments' of SegmentMasker gives for row {} of X"
        return np.stack(
            [numbered(self._cut(picture), shape, where.format(i)) for i, picture in enumerate(pixels)]
        )

    def _cut(self, picture: Any) -> Any:
        if self._is("slic"):
            return slic(picture, self.n_segments)
        return quickshift(picture) if self._is("quickshift") else self.segments(picture.copy())

    def _fills_with(self, word: str) -> bool:
        return isinstance(self.fill, str) and self.fill == word

    def _standing(self, pixels: Any, labels: Codes) -> Any:
        """What stands in, picture by picture, so that its bits do not depend on the others."""
        if self._fills_with("noise"):
            return partial(noise_fills, n_draws=self.n_draws, seed=self.random_state)
        if is_stack(self.fill):
            return as_type(self.fill, pixels.dtype)[None]
        if not isinstance(self.fill, str):
            colour = as_type(np.asarray(self.fill), pixels.dtype)
            return np.broadcast_to(colour, (1, 1, 1, 1, *pixels.shape[3:]))
        maps = np.broadcast_to(labels, pixels.shape[:3])
        return np.stack([self._stand_ins(*pair) for pair in zip(pixels, maps, strict=True)])

    def _stand_ins(self, picture: Any, labels: Codes) -> Any:
        """Of one picture, of shape (n_fill, ...)."""
        if self.fill == "mean":
            return mean_fill(picture)[None]
        if self.fill == "blur":
            return blur_fill(picture, self.sigma)[None]
        if self.fill == "inpaint":
            return inpaint_fill(picture, labels, self.random_state)[None]
        return segment_mean_fill(picture, labels)[None]


@dataclass(frozen=True)
class _SegmentBuilder:
    own: Pictures

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Pictures by mask, then by row."""
        n_rows = len(self.own)
        draw, row = np.divmod(np.arange(block.n_draws * n_rows)[cells], n_rows)
        mask = np.searchsorted(block.starts, draw, side="right") - 1
        return self.own.masked(block.masks[mask], row, block.rows[draw])

    def is_whole(self, table: Any) -> bool:
        """Nothing else holds the pictures."""
        return True


def _checked_weights(weights: Any, n_fill: int) -> Floats:
    found = np.full(n_fill, 1.0 / n_fill) if weights is None else np.asarray(weights, dtype=float)
    if found.shape != (n_fill,) or not (found > 0).all() or abs(found.sum() - 1.0) > _ROUNDING:
        raise DataError(
            f"The 'weights' of SegmentMasker must be None or one number above 0 for each of the {n_fill} "
            f"pictures that stand in, adding up to 1; got shape {found.shape} and a sum of {found.sum():.6g}."
        )
    return found


def _check_number(name: str, value: Any, kind: Any, allowed: str, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < np.inf:
        raise DataError(f"The {name!r} of SegmentMasker must be {allowed}, got {value!r}.")
