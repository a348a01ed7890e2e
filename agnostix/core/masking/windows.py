"""Windows that slide over images, series and volumes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial, reduce
from numbers import Integral
from typing import Any

import numpy as np

from agnostix.core.masking.arrays import ArrayMasker, as_arrays, folded
from agnostix.core.masking.fills import ImageFill, is_stack
from agnostix.core.masking.segments import SegmentMasker, with_owner
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_MOST_AXES = 4


@dataclass(frozen=True, repr=False)
class SlidingWindow:
    """Hides parts of images, series or volumes one after the other: a window that slides over them.

    For `OcclusionExplainer(masker=...)`, which hides one window at a time and
    gives each pixel the mean effect of the windows that cover it. The other
    explainers hide several parts at once and need a `SegmentMasker`.

    Parameters
    ----------
    size : int or tuple of int, default=16
        Size of the window in pixels: an int for squares in images, or a length
        for each axis that the window slides over. (height, width): images;
        (length,): series of shape (n_rows, length) or (n_rows, length,
        n_channels); (depth, height, width): volumes, with channels as an optional
        last axis. With a length for every axis, such as (height, width, 1) of
        color images, the window slides over the channels too.
    stride : int or tuple of int, default=8
        Pixels from one position to the next, along all axes or for each; at most
        the window's size. The last windows are cut at the border.
    fill : str, float, sequence of float or array of images, default="mean"
        What replaces the pixels in the window. "mean": the mean color of the
        image. "blur": the blurred image. "inpaint": interpolated from the
        pixels around the window, with noise [1]_. "noise": `n_draws` images of
        noise with the mean and spread of each channel. A number, or one for
        each channel, in the units of the images. An array of shape (n_fill,
        height, width) or (n_fill, height, width, n_channels): other images,
        over which predictions are averaged. Series and volumes take "mean",
        "noise", numbers, and arrays of their own shape.
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    n_draws : int, default=10
        Number of noise images.
    random_state : int, default=0
        Seed of "noise" and "inpaint"; the same for all images.
    weights : ndarray of shape (n_fill,), default=None
        Weights of the images in an array passed as `fill`, adding up to 1; None
        for equal weights.

    Raises
    ------
    DataError
        If a parameter is invalid.

    References
    ----------
    .. [1] Rong, Y., et al. (2022). A consistent and efficient evaluation strategy
       for attribution methods. ICML. https://doi.org/10.48550/arXiv.2202.00449

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SlidingWindow
    >>> images = np.random.default_rng(0).random((1, 8, 8))
    >>> window = SlidingWindow(4, stride=2, fill="blur", sigma=2.0)
    >>> explainer = OcclusionExplainer(lambda X: X[:, :4, :4].sum((1, 2)), masker=window)
    >>> explainer.fit(images).explain(images).extras["windows"].array.shape
    (1, 9, 1)
    """

    size: Any = 16
    stride: Any = 8
    fill: Any = "mean"
    sigma: float = 10.0
    n_draws: int = 10
    random_state: int = 0
    weights: Any = None

    def __post_init__(self) -> None:
        size = _as_lengths("size", self.size, 2)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "stride", _as_lengths("stride", self.stride, len(size)))
        if len(size) != 2 and isinstance(self.fill, str) and self.fill in ("blur", "inpaint"):
            raise DataError(
                f"fill={self.fill!r} of SlidingWindow needs images, whose windows have a height and a width, "
                f"got size={size}. Use 'mean', 'noise', a number or an array of the shape of X."
            )
        # Checked before there are images.
        fill = self._folded_fill()
        ImageFill(fill, self.sigma, self.n_draws, self.random_state, self.weights, "SlidingWindow")

    def __repr__(self) -> str:
        fill = f"{len(self.fill)} images" if is_stack(self._folded_fill()) else repr(self.fill)
        numbers = f"sigma={self.sigma}, n_draws={self.n_draws}, random_state={self.random_state}"
        return f"SlidingWindow({self.size}, {self.stride}, fill={fill}, {numbers})"

    @property
    def inpaints(self) -> bool:
        """Whether each window has a fill of its own."""
        return isinstance(self.fill, str) and self.fill == "inpaint"

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes that the window slides over."""
        return ("y", "x") if len(self.size) == 2 else tuple(f"axis_{j + 1}" for j in range(len(self.size)))

    def read(self, X: Any) -> Any:
        """Check arrays over which the window can slide.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Images, series or volumes.

        Returns
        -------
        ndarray of shape (n_rows, ...)

        Raises
        ------
        DataError
            If they are not finite numbers, or have other axes.
        """
        return as_arrays(X, len(self.size))

    def to_masker(self, cells: Codes, owner: str = "SlidingWindow") -> SegmentMasker:
        """A masker that hides the cells between the borders of windows.

        Parameters
        ----------
        cells : ndarray of int of shape (height, width), or of the axes that the window slides over
            As `Windows.cells` numbers them.
        owner : str, default="SlidingWindow"
            The class that the fill was passed to, for messages.

        Returns
        -------
        SegmentMasker
        """
        fill = "mean" if self.inpaints else self._folded_fill()  # inpainting depends on the whole window
        make: Any = SegmentMasker
        if len(self.size) != 2:
            make, cells = partial(ArrayMasker, n_axes=len(self.size)), cells.reshape(-1, 1)
        masker = make(
            cells,
            fill,
            sigma=self.sigma,
            n_draws=self.n_draws,
            random_state=self.random_state,
            weights=self.weights,
        )
        return with_owner(masker, owner)

    def _folded_fill(self) -> Any:
        """The fill, an array of series or volumes as images one pixel wide."""
        n_axes = len(self.size)
        is_array = isinstance(self.fill, np.ndarray) and self.fill.ndim in (n_axes + 1, n_axes + 2)
        return folded(self.fill, n_axes) if is_array and n_axes != 2 else self.fill


@dataclass(frozen=True)
class Windows:
    """Positions of a window on arrays of one shape, in C order; the last ones are cut at the border."""

    shape: tuple[int, ...]  # of the axes that the window slides over: height and width of images
    size: tuple[int, ...]  # of the window
    stride: tuple[int, ...]  # from one position to the next along each axis

    def __post_init__(self) -> None:
        images = len(self.shape) == 2
        for axis in self._axes:
            size, length, stride = self.size[axis], self.shape[axis], self.stride[axis]
            name = ("height", "width")[axis] if images else f"length along axis {axis + 1}"
            if size > length:
                raise DataError(
                    f"The 'size' of SlidingWindow has a {name} of {size} pixels, but the "
                    f"{'images have' if images else 'arrays of X have'} {length}. Use "
                    f"masker=SlidingWindow(size, stride) with a {name} of {length} or less."
                )
            if stride > size:
                raise DataError(
                    f"The 'stride' of SlidingWindow is {stride} pixels and its {name} {size}, so some pixels "
                    f"would never be hidden. Use a stride of {size} or less."
                )

    @property
    def _axes(self) -> range:
        return range(len(self.shape))

    @property
    def n_windows(self) -> int:
        """Number of positions."""
        return int(np.prod([self._covered(axis).shape[0] for axis in self._axes]))

    @cached_property
    def cells(self) -> Codes:
        """Cells (height, width) between the borders of all windows."""
        along = [self._cell_of(axis) for axis in self._axes]
        return np.ravel_multi_index(np.ix_(*along), [int(cells[-1]) + 1 for cells in along])

    @property
    def masks(self) -> Bools:
        """Cells that each window leaves visible, (n_windows, n_cells)."""
        hidden = np.ones((1, 1), dtype=bool)
        for axis in self._axes:
            _, first = np.unique(self._cell_of(axis), return_index=True)
            own = self._covered(axis)[:, first]
            both = hidden[:, None, :, None] & own[None, :, None, :]
            hidden = both.reshape(hidden.shape[0] * own.shape[0], -1)
        return ~hidden

    def hidden(self, part: slice) -> Bools:
        """Pixels that some windows hide, (n, height, width); the one after the last hides the whole image."""
        masks = np.vstack([self.masks, np.zeros((1, self.masks.shape[1]), dtype=bool)])
        return ~masks[part][:, self.cells]

    def average(self, effects: Floats) -> Floats:
        """Mean effect of the windows that cover each pixel: (n_rows, n_windows, n_outputs) to maps."""
        covered = [self._covered(axis).astype(float) for axis in self._axes]
        total = effects.reshape(effects.shape[0], *[own.shape[0] for own in covered], -1)
        places, new = list(range(total.ndim)), total.ndim
        for axis in reversed(self._axes):
            summed = [new if place == axis + 1 else place for place in places]
            total = np.einsum(covered[axis], [axis + 1, new], total, places, summed)
        counts = reduce(np.multiply.outer, [own.sum(axis=0) for own in covered])
        return total / counts[..., None]

    def _covered(self, axis: int) -> Bools:
        """Pixels that each position covers along an axis, (n_positions, n_pixels)."""
        length, size, step = self.shape[axis], self.size[axis], self.stride[axis]
        starts = step * np.arange(-(-(length - size) // step) + 1)
        pixels = np.arange(length)
        return (pixels >= starts[:, None]) & (pixels < starts[:, None] + size)

    def _cell_of(self, axis: int) -> Codes:
        """The cell of each pixel along an axis."""
        covered = self._covered(axis)
        changes = (covered[:, 1:] != covered[:, :-1]).any(axis=0)
        return np.concatenate([[0], np.cumsum(changes)])


def _as_lengths(name: str, given: Any, n_axes: int) -> tuple[int, ...]:
    """A length for each axis; one number is that of all."""
    lengths = (given,) * n_axes if isinstance(given, Integral) else tuple(given)
    n_allowed = range(1, _MOST_AXES + 1) if name == "size" else (n_axes,)
    is_whole = all(isinstance(one, int | np.integer) and one >= 1 for one in lengths)
    if len(lengths) not in n_allowed or not is_whole:
        count = "one for each axis that the window slides over" if name == "size" else f"{n_axes} of them"
        raise DataError(
            f"The {name!r} of SlidingWindow must be a whole number of pixels of at least 1, or {count}, "
            f"such as down and to the right, got {given!r}."
        )
    return tuple(int(one) for one in lengths)
