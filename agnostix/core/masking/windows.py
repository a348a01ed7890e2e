"""Windows that slide over images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np

from agnostix.core.masking.fills import ImageFill, is_stack
from agnostix.core.masking.segments import SegmentMasker, with_owner
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True, repr=False)
class SlidingWindow:
    """Hides rectangles of images one after the other: a window that slides over them.

    For `OcclusionExplainer(masker=...)`, which hides one window at a time and
    gives each pixel the mean effect of the windows that cover it. The other
    explainers hide several parts at once and need a `SegmentMasker`.

    Parameters
    ----------
    size : int or tuple (height, width), default=16
        Size of the window in pixels.
    stride : int or tuple (down, right), default=8
        Pixels from one position to the next, at most the window's size. The
        last windows are cut at the border.
    fill : str, float, sequence of float or array of images, default="mean"
        What replaces the pixels in the window. "mean": the mean color of the
        image. "blur": the blurred image. "inpaint": interpolated from the
        pixels around the window, with noise [1]_. "noise": `n_draws` images of
        noise with the mean and spread of each channel. A number, or one for
        each channel, in the units of the images. An array of shape (n_fill,
        height, width) or (n_fill, height, width, n_channels): other images,
        over which predictions are averaged.
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
        object.__setattr__(self, "size", _as_pair("size", self.size))
        object.__setattr__(self, "stride", _as_pair("stride", self.stride))
        # Checked before there are images.
        ImageFill(self.fill, self.sigma, self.n_draws, self.random_state, self.weights, "SlidingWindow")

    def __repr__(self) -> str:
        fill = f"{len(self.fill)} images" if is_stack(self.fill) else repr(self.fill)
        numbers = f"sigma={self.sigma}, n_draws={self.n_draws}, random_state={self.random_state}"
        return f"SlidingWindow({self.size}, {self.stride}, fill={fill}, {numbers})"

    @property
    def inpaints(self) -> bool:
        """Whether each window has a fill of its own."""
        return isinstance(self.fill, str) and self.fill == "inpaint"

    def to_masker(self, cells: Codes, owner: str = "SlidingWindow") -> SegmentMasker:
        """A masker that hides the cells between the borders of windows.

        Parameters
        ----------
        cells : ndarray of int of shape (height, width)
            As `Windows.cells` numbers them.
        owner : str, default="SlidingWindow"
            The class that the fill was passed to, for messages.

        Returns
        -------
        SegmentMasker
        """
        fill = "mean" if self.inpaints else self.fill  # inpainting depends on the window, not on its cells
        masker = SegmentMasker(
            cells,
            fill,
            sigma=self.sigma,
            n_draws=self.n_draws,
            random_state=self.random_state,
            weights=self.weights,
        )
        return with_owner(masker, owner)


@dataclass(frozen=True)
class Windows:
    """Positions of a window on images of one shape, row by row; the last ones are cut at the border."""

    shape: tuple[int, int]  # height and width of the images
    size: tuple[int, int]  # of the window
    stride: tuple[int, int]  # pixels from one position to the next, down and to the right

    def __post_init__(self) -> None:
        for axis, name in enumerate(("height", "width")):
            size, length, stride = self.size[axis], self.shape[axis], self.stride[axis]
            if size > length:
                raise DataError(
                    f"The 'size' of SlidingWindow has a {name} of {size} pixels, but the images have "
                    f"{length}. Use masker=SlidingWindow(size, stride) with a {name} of {length} or less."
                )
            if stride > size:
                raise DataError(
                    f"The 'stride' of SlidingWindow is {stride} pixels and its {name} {size}, so some pixels "
                    f"would never be hidden. Use a stride of {size} or less."
                )

    @property
    def n_windows(self) -> int:
        """Number of positions."""
        return int(np.prod([self._covered(axis).shape[0] for axis in (0, 1)]))

    @cached_property
    def cells(self) -> Codes:
        """Cells (height, width) between the borders of all windows."""
        rows, columns = (self._cell_of(axis) for axis in (0, 1))
        return rows[:, None] * (columns[-1] + 1) + columns

    @property
    def masks(self) -> Bools:
        """Cells that each window leaves visible, (n_windows, n_cells)."""
        hidden = []
        for axis in (0, 1):
            _, first = np.unique(self._cell_of(axis), return_index=True)
            hidden.append(self._covered(axis)[:, first])
        both = hidden[0][:, None, :, None] & hidden[1][None, :, None, :]
        return ~both.reshape(self.n_windows, -1)

    def hidden(self, part: slice) -> Bools:
        """Pixels that some windows hide, (n, height, width); the one after the last hides the whole image."""
        masks = np.vstack([self.masks, np.zeros((1, self.masks.shape[1]), dtype=bool)])
        return ~masks[part][:, self.cells]

    def average(self, effects: Floats) -> Floats:
        """Mean effect of the windows that cover each pixel: (n_rows, n_windows, n_outputs) to maps."""
        down, right = (self._covered(axis).astype(float) for axis in (0, 1))
        grid = effects.reshape(effects.shape[0], down.shape[0], right.shape[0], -1)
        total = np.einsum("ay,naxc->nyxc", down, np.einsum("bx,nabc->naxc", right, grid))
        return total / np.outer(down.sum(axis=0), right.sum(axis=0))[:, :, None]

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


def _as_pair(name: str, size: Any) -> tuple[int, int]:
    """Height and width; one number is both."""
    pair = (size, size) if isinstance(size, Integral) else tuple(size)
    if len(pair) != 2 or not all(isinstance(one, int | np.integer) and one >= 1 for one in pair):
        raise DataError(
            f"The {name!r} of SlidingWindow must be a whole number of pixels of at least 1, or two of them, "
            f"down and to the right, got {size!r}."
        )
    return int(pair[0]), int(pair[1])
