"""Images in the colors of their pixels' values, or with what a mask keeps in its own colors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Floats
from agnostix.plotting.attributions import find_row, name_predicted
from agnostix.plotting.images import (
    UNSURE,
    ImagePanels,
    cut_out,
    hatch,
    pale,
    show_pale,
    stretch,
    take_image,
    to_gray,
)
from agnostix.plotting.style import MUTED, add_colorbar, color_scale, diverging, sequential
from agnostix.plotting.words import describe_quantity, has_signs, shorten


@dataclass(eq=False, repr=False)
class PixelsDisplay(ImagePanels):
    """A gray image in the colors of its pixels' values, or with what masks keep in its own colors.

    Blue is positive, orange negative, white 0; unsigned sensitivities run from white
    to blue. All outputs have the same scale, which shows the colors on white; a pixel
    is darker where the image is. Pixels whose interval contains 0 are hatched. The
    part of the image that a learned mask keeps is outlined, with the predictions for
    it and for the rest below; a mask whose search failed is not drawn.

    A layer's map has a grid of its own, which is stretched over the image, each value
    over as many pixels.

    Parameters
    ----------
    values : ndarray of shape (height, width, n_outputs)
        In units of the output; masks from 0 to 1.
    image : ndarray of shape (height, width) or (height, width, n_channels)
        The image, from 0 to 255 if its dtype is uint8.
    output_names : sequence of str
        Names of the outputs.
    std_errors : ndarray of shape (height, width, n_outputs), default=None
        Standard errors of the values.
    quantity_label : str, default="value"
        Name of the color scale.
    are_masks : bool, default=False
        Whether the values are masks.
    failed : sequence of str, default=()
        Outputs whose mask failed.
    notes : dict of str to str, default={}
        Text below each output's image.
    margins : ndarray of shape (height, width, n_outputs), default=None
        Half widths of the intervals.
    is_signed : bool, default=True
        Whether 0 is the middle of the color scale, or its lower end.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where it was drawn, one for each output.
    ax_, figure_ : matplotlib Axes and Figure
        The first of them, and their figure.
    colorbar_ : matplotlib Colorbar or None
        The color scale; None for masks.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SlidingWindow
    >>> from agnostix.plotting import PixelsDisplay
    >>> images = np.random.default_rng(0).random((1, 8, 8))
    >>> explainer = OcclusionExplainer(lambda X: X[:, :4, :4].sum((1, 2)), masker=SlidingWindow(4, 4))
    >>> display = PixelsDisplay.from_explainer(explainer.fit(images), images).plot()
    >>> display.frame().shape, int(display.frame()["row"].max())
    ((64, 5), 7)
    """

    values: Floats
    image: Any
    output_names: Sequence[str]
    std_errors: Floats | None = None
    quantity_label: str = "value"
    are_masks: bool = False
    failed: Sequence[str] = ()
    notes: dict[str, str] = field(default_factory=dict)
    margins: Floats | None = None
    is_signed: bool = True

    name: ClassVar[str] = "pixels"
    dims: ClassVar = (("row", "y", "x", "output"), ("y", "x", "output"))

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        outputs: str | int | Sequence[str | int] | None = None,
        confidence_level: float = 0.95,
    ) -> PixelsDisplay:
        """Select one image.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`, of images pixel by pixel.
        row : int or hashable, default=0
            Position of the image, or its name unless that is an integer; not used for a
            map over all images.
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs, drawn side by side; by default all.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        PixelsDisplay
        """
        cls._check(explanation, confidence_level=confidence_level)
        explanation = explanation if outputs is None else explanation.sel(outputs=outputs)
        if "row" in explanation.dims:
            explanation = name_predicted(explanation[find_row(explanation, row)], 0)
        shape, names = explanation.values.shape[-3:], explanation.output_names
        values, errors = explanation.values.reshape(shape), explanation.std_errors
        high = explanation.interval(confidence_level)[1].reshape(shape)
        label = describe_quantity(explanation, names[0] if len(names) == 1 else "the output")
        return cls(
            values,
            take_image(explanation, 0),
            names,
            None if errors is None else errors.reshape(shape),
            label,
            explanation.quantity == "mask",
            _failed_masks(explanation),
            _mask_scores(explanation),
            None if errors is None else high - values,
            has_signs(explanation, values),
        )

    def frame(self) -> pd.DataFrame:
        """All pixels of each output, row by row.

        Returns
        -------
        DataFrame
            Columns output, row, column, value, std_error (NaN where unknown).
        """
        height, width, n = self.values.shape
        errors = np.full(self.values.shape, np.nan) if self.std_errors is None else self.std_errors
        return pd.DataFrame(
            {
                "output": np.repeat(np.array(self.output_names, dtype=object), height * width),
                "row": np.tile(np.repeat(np.arange(height), width), n),
                "column": np.tile(np.arange(width), n * height),
                "value": self.values.transpose(2, 0, 1).ravel(),
                "std_error": errors.transpose(2, 0, 1).ravel(),
            }
        )

    def _panels(self) -> tuple[int, tuple[int, ...]]:
        return len(self.output_names), self._sides

    @property
    def _sides(self) -> tuple[int, ...]:
        """Height and width on which map and image are drawn."""
        return tuple(map(max, self.values.shape[:2], np.shape(self.image)[:2]))

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        numbers = factor * stretch(self.values, self._sides)
        palette = cmap or (diverging(pale=True) if self.is_signed else sequential())
        colors = color_scale(pd.Series(numbers.ravel()), palette, self.is_signed)
        image = stretch(np.asarray(self.image), self._sides)
        shade = pale(to_gray(image))
        for k, panel in enumerate(self.axes_):
            if self.are_masks and self.output_names[k] in self.failed:
                show_pale(panel, image)
            elif self.are_masks:
                cut_out(panel, self.values[..., k], image)
            else:
                panel.imshow(colors.to_rgba(numbers[..., k])[..., :3] * shade, interpolation="nearest")
                hatch(panel, stretch(self._unsure(k), self._sides))
            self._name_panel(panel, k)
        self.colorbar_ = None
        if not self.are_masks:
            self.colorbar_ = add_colorbar(
                colors, self.axes_, self.quantity_label, suffix, aspect=28, shrink=0.8
            )

    def _unsure(self, k: int) -> Bools:
        """Pixels (height, width) with an interval that contains 0."""
        if self.margins is None:
            return np.zeros(self.values.shape[:2], dtype=bool)
        margins = self.margins[..., k]
        return (margins > 0) & (np.abs(self.values[..., k]) <= margins)

    def _name_panel(self, panel: Any, k: int) -> None:
        output = self.output_names[k]
        if len(self.axes_) > 1 or self.are_masks:
            panel.set_title(shorten(output), parse_math=False)
        unsure = UNSURE if self._unsure(k).any() else ""
        panel.set_xlabel(self.notes.get(output, unsure), color=MUTED, fontsize=9)


def _mask_scores(explanation: Explanation) -> dict[str, str]:
    """By output the predictions for what the mask keeps and for the rest, where they are known."""
    if not {"shown", "hidden"} <= explanation.extras.keys():
        return {}
    shown, hidden = (explanation.extras[name].array[0] for name in ("shown", "hidden"))
    scores = zip(explanation.output_names, shown, hidden, strict=True)
    notes = {name: f"shown alone: {shown:.3g}\nhidden: {hidden:.3g}" for name, shown, hidden in scores}
    failed = _failed_masks(explanation)
    return notes | {name: f"no mask found{_shortfall(explanation, name)}\n{notes[name]}" for name in failed}


def _shortfall(explanation: Explanation, output: str) -> str:
    """The percentage of the score that the mask of an output reaches and needs, where these are known."""
    if not {"reached", "needed"} <= explanation.extras.keys():
        return ""
    k = explanation.output_names.index(output)
    reached, needed = (explanation.extras[name].array[0, k] for name in ("reached", "needed"))
    if not np.isfinite(reached):
        return "\nthe fill has the same score"
    return f"\n{100 * reached:.3g} % of the score, {100 * needed:.3g} % needed"


def _failed_masks(explanation: Explanation) -> tuple[str, ...]:
    """Outputs whose mask failed, where that is known."""
    if "succeeded" not in explanation.extras:
        return ()
    succeeded = explanation.extras["succeeded"].array[0]
    return tuple(name for name, did in zip(explanation.output_names, succeeded, strict=True) if not did)
