"""Images: panels side by side, grayscale, outlines of segments, hatching."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.style import ACCENT, FAINT, INK

UNSURE = "hatched: the interval contains 0"
_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue."""
_DARKEST = 0.72
"""Gray level of black, so that colors laid over the image stay colors."""
_FINE = 600
"""Points along a mask's longer side from which its corners look sharp."""
_N_ABREAST = 4
"""Panels side by side at most."""
_EDGE = 0.5
"""Level of a mask at which its outline is drawn."""

Line = tuple[tuple[float, float], tuple[float, float]]


class ImagePanels(ExplanationDisplay):
    """Base class of Displays with one panel for each output."""

    axes_: list[Any]
    colorbar_: Any

    def _panels(self) -> tuple[int, tuple[int, ...]]:
        """Number of panels, and height and width of the image."""
        raise NotImplementedError

    def _set_axes(self, ax: Any) -> None:
        n, shape = self._panels()
        self.axes_ = _new_panels(n, shape) if ax is None else list(np.ravel(ax))
        if len(self.axes_) != n:
            raise ValueError(f"ax must be {n} axes, one for each output, got {len(self.axes_)}.")
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        frame_panels(self.axes_)


def frame_panels(panels: Iterable[Any]) -> None:
    """Give panels of images a faint frame, and no ticks."""
    for panel in panels:
        panel.set_xticks([])
        panel.set_yticks([])
        for spine in panel.spines.values():
            spine.set(visible=True, color=FAINT)


def _new_panels(n: int, shape: tuple[int, ...]) -> list[Any]:
    import matplotlib.pyplot as plt

    n_down, size = -(-n // _N_ABREAST), 4.2 if n == 1 else 2.9
    n_across = -(-n // n_down)
    height = size * shape[0] / shape[1] + 1.2  # room for a heading and two lines below
    figsize = (size * n_across + 1.1, height * n_down)
    _, grid = plt.subplots(n_down, n_across, squeeze=False, figsize=figsize)
    for unused in grid.flat[n:]:
        unused.set_axis_off()
    return list(grid.flat[:n])


def check_segments(explanation: Explanation) -> None:
    """Raise ValueError unless the segments name features and have the shape of the images."""
    segments: Any = explanation.extras["segments"]
    if segments.dims != ("row", "y", "x") or segments.points_to != "feature":
        raise ValueError(
            "extras['segments'] must be a Detail with dims ('row', 'y', 'x') that points_to 'feature'; got "
            f"dims {segments.dims} and points_to={segments.points_to!r}."
        )
    segments = segments.array
    data: Any = explanation.data
    if data is not None and (np.ndim(data) not in (3, 4) or data.shape[1:3] != segments.shape[1:]):
        raise ValueError(
            f"The images have shape {np.shape(data)[1:]} and their segments {segments.shape[1:]}: data "
            "must have shape (n_rows, height, width), or channels as a last axis, with the segments' height "
            "and width."
        )


def take_image(explanation: Explanation, row: int) -> Any:
    """The image of a row, on which its map is drawn; white, of the map's size, where data are no images."""
    data: Any = explanation.data
    if np.ndim(data) in (3, 4):
        return data[row]
    sides = (explanation.values.shape[explanation.dims.index(dim)] for dim in ("y", "x"))
    return np.ones(tuple(sides))


def stretch(array: Any, sides: tuple[int, ...]) -> Any:
    """An array (height, width, ...) with height and width as `sides`: each entry is repeated, none mixed."""
    for axis, (n, size) in enumerate(zip(sides, array.shape[:2], strict=True)):
        if n != size:
            array = array.take(np.arange(n) * size // n, axis=axis)
    return array


def to_gray(image: Any) -> Floats:
    """Gray levels (height, width) from 0, black, to 1 of an image with or without channels; NaN is white.

    uint8 is divided by 255, numbers from 0 to 1 are kept, others are scaled to their
    range. Of four channels the last is left out.
    """
    shown = _scale_to_1(np.asarray(image))
    if shown.ndim == 3:
        n_channels = shown.shape[2]
        shown = shown[..., :3] @ _LUMINANCE if n_channels in (3, 4) else shown.mean(axis=2)
    return np.nan_to_num(shown, nan=1.0)


def to_rgb(image: Any) -> Floats:
    """Red, green and blue (height, width, 3) from 0 to 1; as `to_gray` unless there are 3 or 4 channels."""
    shown = np.asarray(image)
    if shown.ndim == 3 and shown.shape[2] in (3, 4):
        return np.nan_to_num(_scale_to_1(shown)[..., :3], nan=1.0)
    return np.repeat(to_gray(shown)[..., None], 3, axis=2)


def _scale_to_1(image: Any) -> Floats:
    numbers = image.astype(float)
    if image.dtype == np.uint8:
        return numbers / 255.0
    known = numbers[np.isfinite(numbers)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        return numbers
    return (numbers - low) / (high - low) if high > low else np.ones_like(numbers)


def pale(gray: Floats) -> Floats:
    """Gray levels (height, width, 1) bright enough to lay colors over them."""
    return (_DARKEST + (1.0 - _DARKEST) * gray)[..., None]


def outlines(labels: Numbers) -> list[Line]:
    """Lines between pixels of different segments, each as long as possible, in pixel coordinates."""
    beside, below = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    upright = [((x, a), (x, b)) for x, a, b in _stretches(beside.T)]
    level = [((a, y), (b, y)) for y, a, b in _stretches(below)]
    return upright + level


def _stretches(flags: Bools) -> list[tuple[float, float, float]]:
    """Row, begin and end of each stretch of True."""
    padded = np.pad(flags.astype(int), ((0, 0), (1, 1)))
    turns = np.diff(padded, axis=1)
    (row, begin), (_, end) = np.nonzero(turns == 1), np.nonzero(turns == -1)
    return list(zip(row + 0.5, begin - 0.5, end - 0.5, strict=True))


def cut_out(ax: Any, mask: Floats, image: Any) -> None:
    """What a mask (height, width) keeps of an image, in its own colors and outlined, on the pale image."""
    from matplotlib.collections import LineCollection

    shown, shade = mask[..., None], pale(to_gray(image))
    ax.imshow(shown * to_rgb(image) + (1.0 - shown) * shade, interpolation="nearest")
    ax.add_collection(LineCollection(outlines(mask > _EDGE), colors=ACCENT, linewidths=1.2))


def show_pale(ax: Any, image: Any) -> None:
    """The pale image alone."""
    shade = pale(to_gray(image))
    ax.imshow(np.broadcast_to(shade, (*shade.shape[:2], 3)), interpolation="nearest")


def hatch(ax: Any, mask: Bools, pattern: str = "///") -> None:
    """Hatch the pixels of a mask (height, width)."""
    from matplotlib.colors import to_rgba

    if not mask.any():
        return
    times = max(1, _FINE // max(mask.shape))
    fine = mask.repeat(times, axis=0).repeat(times, axis=1).astype(float)
    x, y = ((np.arange(n * times) + 0.5) / times - 0.5 for n in mask.shape[::-1])
    filled = ax.contourf(x, y, fine, levels=[0.5, 1.5], colors="none", hatches=[pattern])
    filled.set_edgecolor(to_rgba(INK, 0.35))
    filled.set_linewidth(0.0)
