"""Maps of several methods or layers side by side, beside the images that they explain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import LAYER
from agnostix.core.files import one_line
from agnostix.core.typing import Bools, Floats
from agnostix.plotting.attributions import find_row, name_predicted
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.images import (
    cut_out,
    frame_panels,
    pale,
    show_pale,
    stretch,
    take_image,
    to_gray,
    to_rgb,
)
from agnostix.plotting.style import INK, MUTED, add_colorbar, color_scale, diverging, sequential
from agnostix.plotting.words import describe_quantity, has_signs, wrap_lines

_DIMS = ("row", "y", "x", "output")
_SIZE = 1.9
"""Inches of a panel's longer side."""
_BAR = 0.13
"""Inches of a color scale's height."""
_PER_INCH = 12
"""Characters of a heading or a name to an inch."""


@dataclass(frozen=True)
class _Column:
    """Maps of one method or layer."""

    name: str
    label: str  # of its color scale
    maps: Floats  # (n_down, height, width)
    is_signed: bool
    are_masks: bool = False
    failed: Bools | None = None  # (n_down,), masks that were not found; None is as all False


@dataclass(eq=False, repr=False)
class PixelsGridDisplay(ExplanationDisplay):
    """Maps of several methods or layers, one a column, beside the images that they explain.

    A row of the grid is an image and an output: several outputs of one image, or
    several images. Each column has one color scale, since methods have units of
    their own; within a column, colors compare outputs and images. Blue is positive,
    orange negative, white 0; maps without negative values run from white to blue.
    Learned masks have no color scale: the part of the image that one keeps is
    outlined and has its own colors; a mask whose search failed is not drawn. The map of
    a layer is stretched over the image, each of its values over as many pixels.

    Parameters
    ----------
    table : DataFrame
        Columns row, output, method, y, x, value.
    columns : sequence
        Maps of each method, with its name, label and sign.
    images : sequence of ndarray of shape (height, width) or (height, width, n_channels)
        The image of each row of the grid.
    names : sequence of str
        Text at the left of each row of the grid.
    saturation : float, default=0.005
        Share of a column's values that are beyond its color scale, whose ends are
        then pointed: single pixels of a gradient would leave the others white.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_down, n_columns + 1)
        Where it was drawn; the images come first.
    ax_, figure_ : matplotlib Axes and Figure
        The first of them, and their figure.
    colorbars_ : list of matplotlib Colorbar
        The color scale of each column; None for masks.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SlidingWindow
    >>> from agnostix.plotting import PixelsGridDisplay
    >>> images = np.random.default_rng(0).random((2, 8, 8))
    >>> def corner(images):
    ...     return images[:, :4, :4].sum((1, 2))
    >>> explainers = {f"size {n}": OcclusionExplainer(corner, masker=SlidingWindow(n, n)) for n in (2, 4)}
    >>> explanations = {name: one.fit(images).explain(images) for name, one in explainers.items()}
    >>> display = PixelsGridDisplay.from_explanations(explanations, rows=[0, 1]).plot()
    >>> display.axes_.shape, len(display.frame())
    ((2, 3), 256)
    """

    table: pd.DataFrame
    columns: Sequence[Any]
    images: Sequence[Any]
    names: Sequence[str]
    saturation: float = 0.005

    name: ClassVar[str] = "pixels_grid"
    dims: ClassVar = tuple(
        ("row", *between, "y", "x", "output") for between in (("method",), ("layer",), ("layer", "method"))
    )

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        rows: Hashable | Sequence[Hashable] = 0,
        outputs: str | int | Sequence[str | int] | None = None,
        saturation: float = 0.005,
    ) -> PixelsGridDisplay:
        """Select the maps of all methods or layers of an explanation.

        Parameters
        ----------
        explanation : Explanation
            Of images, with a dim "method" or "layer" after "row".
        rows : int, hashable or sequence of them, default=0
            Positions of the images, or their names unless these are integers.
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs; by default all.
        saturation : float, default=0.005
            Share of a method's values that are beyond its color scale; 0 for none.

        Returns
        -------
        PixelsGridDisplay
        """
        cls._check(explanation)
        parts = _split(explanation)
        return cls.from_explanations(parts, rows=rows, outputs=outputs, saturation=saturation)

    @classmethod
    def from_explanations(
        cls,
        explanations: Mapping[str, Explanation],
        *,
        rows: Hashable | Sequence[Hashable] = 0,
        outputs: str | int | Sequence[str | int] | None = None,
        saturation: float = 0.005,
    ) -> PixelsGridDisplay:
        """Select the maps of several explanations of the same images.

        Parameters
        ----------
        explanations : dict of str to Explanation
            By the names of their columns; each of dims ("row", "y", "x", "output"). Maps of
            layers may be of any size.
        rows : int, hashable or sequence of them, default=0
            Positions of the images, or their names unless these are integers.
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs; by default all.
        saturation : float, default=0.005
            Share of a method's values that are beyond its color scale; 0 for none.

        Returns
        -------
        PixelsGridDisplay

        Raises
        ------
        ValueError
            If there are none, they are not of the same images and outputs, or
            saturation is no share.
        """
        if not explanations:
            raise ValueError("explanations must have at least one Explanation, by its name.")
        if not 0.0 <= saturation < 1.0:
            raise ValueError(f"saturation must be at least 0 and less than 1, got {saturation!r}.")
        selected = {
            name: _over_image(one if outputs is None else one.sel(outputs=outputs))
            for name, one in explanations.items()
        }
        check_same_images(selected)
        first = next(iter(selected.values()))
        listed = [rows] if isinstance(rows, str) or not np.iterable(rows) else list(rows)
        places = [find_row(first, row) for row in listed]
        columns = [_column(name, one, places) for name, one in selected.items()]
        names = _name_rows(first, places)
        images = [take_image(first, i) for i in np.repeat(places, len(first.output_names))]
        return cls(_tabulate(columns, first, places), columns, images, names, saturation)

    def _figsize(self) -> tuple[float, float]:
        _, height, width = self.columns[0].maps.shape
        scale = _SIZE / max(height, width)
        across, down = len(self.columns) + 1, len(self.images)
        return max(across * (scale * width + 0.15) + 0.5, 3.0), down * (scale * height + 0.15) + 1.1

    def _set_axes(self, ax: Any) -> None:
        from matplotlib.figure import FigureBase

        shape = (len(self.images), len(self.columns) + 1)
        self._bars: list[Any] = [None] * len(self.columns)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=self._figsize(), layout="compressed")  # for images, whose shape is fixed
        if isinstance(ax, FigureBase):
            # The color scales have a row of their own, so that images and maps stay aligned.
            ratios = [1.0] * shape[0] + [_BAR / _SIZE]
            grid = ax.subplots(shape[0] + 1, shape[1], squeeze=False, height_ratios=ratios)
            grid[-1, 0].set_axis_off()
            axes, self._bars = grid[:-1], list(grid[-1, 1:])
        else:
            axes = np.asarray(ax, dtype=object)
            if axes.size != shape[0] * shape[1]:
                raise ValueError(
                    f"ax must be {shape[0]} x {shape[1]} axes, one for each image and each map, got "
                    f"{axes.size}."
                )
            axes = axes.reshape(shape)
        self.axes_, self.ax_, self.figure_ = axes, axes[0, 0], axes[0, 0].figure
        frame_panels(axes.flat)

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        for i, (image, name) in enumerate(zip(self.images, self.names, strict=True)):
            self.axes_[i, 0].imshow(to_rgb(image), interpolation="nearest")
            words = self._fit_words(name, self.columns[0].maps.shape[1])
            self.axes_[i, 0].set_ylabel(words, color=INK, fontsize=9, parse_math=False)
        self.colorbars_: list[Any] = []
        for j, column in enumerate(self.columns):
            if column.are_masks:
                self._draw_masks(j, column)
                self.colorbars_.append(None)
            else:
                self.colorbars_.append(self._draw_column(j, column, factor, suffix, cmap))
        for panel, column in zip(self.axes_[0, 1:], self.columns, strict=True):
            words = self._fit_words(column.name, column.maps.shape[2])
            panel.set_title(words, fontsize=10, parse_math=False)

    def _fit_words(self, name: str, n_pixels: int) -> str:
        """A name in up to two lines, as long as a side of a panel that is so many pixels."""
        inches = _SIZE * n_pixels / max(self.columns[0].maps.shape[1:])
        return wrap_lines(one_line(name), max(int(_PER_INCH * inches), 8))

    def _draw_masks(self, j: int, column: _Column) -> None:
        """What the masks of a method keep of the images, and what the outline means."""
        n_down = len(self.images)
        failed = np.zeros(n_down, dtype=bool) if column.failed is None else column.failed
        for i, panel in enumerate(self.axes_[:, j + 1]):
            if failed[i]:
                show_pale(panel, self.images[i])
                panel.set_xlabel("no mask found", color=MUTED, fontsize=8)
            else:
                cut_out(panel, column.maps[i], self.images[i])
        if self._bars[j] is not None:
            self._bars[j].set_axis_off()
            note = wrap_lines("outlined: what the mask keeps", 22)
            look = {"transform": self._bars[j].transAxes, "va": "top", "fontsize": 8, "color": INK}
            self._bars[j].text(0.0, 1.0, note, **look)

    def _draw_column(self, j: int, column: _Column, factor: float, suffix: str, cmap: Any) -> Any:
        """The maps of a method over the pale images, and its color scale."""
        numbers = factor * column.maps
        palette = cmap or (diverging(pale=True) if column.is_signed else sequential())
        sizes = np.abs(numbers)
        limit = np.quantile(sizes, 1.0 - self.saturation, method="higher") or sizes.max()  # most may be 0
        colors = color_scale(pd.Series([limit]), palette, column.is_signed)
        panels = self.axes_[:, j + 1]
        for panel, values, image in zip(panels, numbers, self.images, strict=True):
            panel.imshow(colors.to_rgba(values)[..., :3] * pale(to_gray(image)), interpolation="nearest")
        beyond = ("both" if column.is_signed else "max") if sizes.max() > limit else "neither"
        look = {"orientation": "horizontal", "aspect": 14, "cax": self._bars[j], "extend": beyond}
        bar = add_colorbar(colors, list(panels), column.label, suffix, width=22, **look)
        bar.ax.tick_params(labelsize=8)
        bar.locator.set_params(nbins=2)  # that numbers of neighbors have room
        bar.ax.xaxis.label.set_fontsize(8)
        return bar


def _split(explanation: Explanation) -> dict[str, Explanation]:
    """Explanations of each method and layer, by its name."""
    between = explanation.dims[1:-3]
    if not between:
        return {"": explanation}
    dim, errors = between[0], explanation.std_errors
    known = explanation.coords.get(dim, np.arange(explanation.values.shape[1]))
    parts: dict[str, Explanation] = {}
    for k, name in enumerate(known):
        one = replace(
            explanation,
            values=explanation.values[:, k],
            std_errors=None if errors is None else errors[:, k],
            dims=("row", *explanation.dims[2:]),
            coords={key: value for key, value in explanation.coords.items() if key != dim},
            extras=_extras_of(explanation, dim, k),
        )
        parts |= {", ".join(filter(None, (str(name), inner))): part for inner, part in _split(one).items()}
    return parts


def _extras_of(explanation: Explanation, dim: str, k: int) -> dict[str, Any]:
    """Extras of one method or layer: those that all share, and its own plain values."""
    extras: dict[str, Any] = {}
    for key, value in explanation.extras.items():
        dims = getattr(value, "dims", ())
        if dims == (dim,):
            extras[key] = value.array[k].item()
        elif dim not in dims:
            extras[key] = value
    return extras


def _over_image(explanation: Explanation) -> Explanation:
    """The explanation with a layer's map stretched over the image; others as they are."""
    sides = np.shape(explanation.data)[1:3]
    if (
        LAYER not in explanation.extras
        or explanation.dims != _DIMS
        or np.ndim(explanation.data) not in (3, 4)
    ):
        return explanation
    by_row = [stretch(one, sides) for one in explanation.values]
    values = np.stack(by_row) if by_row else np.zeros((0, *sides, explanation.values.shape[-1]))
    return replace(explanation, values=values, std_errors=None)


def check_same_images(explanations: Mapping[str, Explanation]) -> None:
    """Raise ValueError unless all explain the same outputs of images of one size, pixel by pixel."""
    (name, first), *others = explanations.items()
    for label, one in explanations.items():
        if one.dims != _DIMS:
            raise ValueError(
                f"PixelsGridDisplay draws explanations with dims {_DIMS}, and {label!r} has {one.dims}."
            )
        if 0 in one.values.shape:
            raise ValueError(f"The explanation {label!r} has shape {one.values.shape}: nothing to draw.")
        shape, sides = np.shape(one.data), one.values.shape[1:3]
        if one.data is not None and (len(shape) not in (3, 4) or shape[1:3] != sides):
            raise ValueError(
                f"The explanation {label!r} has maps of {sides[0]} x {sides[1]} pixels and data of shape "
                f"{shape}: data must be images of that height and width, with channels as a last axis."
            )
    for label, one in others:
        if one.values.shape != first.values.shape or one.output_names != first.output_names:
            raise ValueError(
                f"Explanations must be of the same images and outputs: {name!r} has shape "
                f"{first.values.shape} with outputs {', '.join(first.output_names)}, {label!r} "
                f"{one.values.shape} with {', '.join(one.output_names)}. Explain the same images and "
                "outputs with both."
            )
        if first.data is not None and one.data is not None and not _are_equal(first.data, one.data):
            raise ValueError(
                f"Explanations must be of the same images: {name!r} and {label!r} have different data. "
                "Explain the same images with both."
            )


def _are_equal(images: Any, others: Any) -> bool:
    """Whether images have the same pixels; one that is NaN in both is the same."""
    numeric = all(np.issubdtype(one.dtype, np.number) for one in (images, others))
    return np.array_equal(images, others, equal_nan=numeric)


def failed_maps(explanation: Explanation) -> Bools:
    """Masks (n_rows, n_outputs) whose search failed, where that is known; False for other maps."""
    succeeded: Any = explanation.extras.get("succeeded")
    if explanation.quantity != "mask" or getattr(succeeded, "dims", None) != ("row", "output"):
        return np.zeros((len(explanation), len(explanation.output_names)), dtype=bool)
    return ~np.asarray(succeeded.array, dtype=bool)


def _column(name: str, explanation: Explanation, places: list[int]) -> _Column:
    maps = explanation.values[places].transpose(0, 3, 1, 2)
    maps = maps.reshape(-1, *maps.shape[2:])
    label = describe_quantity(explanation, "the output")
    failed = failed_maps(explanation)[places].ravel()
    return _Column(name, label, maps, has_signs(explanation, maps), explanation.quantity == "mask", failed)


def _name_rows(explanation: Explanation, places: list[int]) -> list[str]:
    """A name for each image and output: the output, the image, or both where both vary."""
    names = []
    for i in places:
        row = str(i if explanation.row_names is None else explanation.row_names[i])
        outputs = name_predicted(explanation, i).output_names
        names += [output if len(places) == 1 else f"{row}: {output}" for output in outputs]
    return names


def _tabulate(columns: Sequence[_Column], explanation: Explanation, places: list[int]) -> pd.DataFrame:
    """Values pixel by pixel: columns row, output, method, y, x, value."""
    n_down, height, width = columns[0].maps.shape
    outputs = [name for i in places for name in name_predicted(explanation, i).output_names]
    n_pixels, n_methods = height * width, len(columns)

    def each(labels: Sequence[Any]) -> Any:
        return np.repeat(np.array(labels, dtype=object), n_methods * n_pixels)

    return pd.DataFrame(
        {
            "row": each(list(np.repeat(places, len(explanation.output_names)))).astype(int),
            "output": each(outputs),
            "method": np.tile(np.repeat([column.name for column in columns], n_pixels), n_down),
            "y": np.tile(np.repeat(np.arange(height), width), n_down * n_methods),
            "x": np.tile(np.arange(width), n_down * n_methods * height),
            "value": np.stack([column.maps for column in columns], axis=1).ravel(),
        }
    )
