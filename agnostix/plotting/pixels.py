"""A picture with the value of each pixel laid over it, or with what a mask leaves in its own colours."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Floats
from agnostix.plotting.attributions import one_row_of, row_index
from agnostix.plotting.in_row import named_in_row
from agnostix.plotting.marks import colours_of, diverging
from agnostix.plotting.panels import draw_scale, frame_picture, panels_for
from agnostix.plotting.pictures import as_colours, as_grey, hatch, outlines
from agnostix.plotting.style import ACCENT, INK, MUTED, house_style, shortened
from agnostix.plotting.words import effect_words

_LEAST_GREY = 0.72
"""How dark the picture is at most, so that colours stay colours on it."""
_EDGE = 0.5
"""Of a mask, where its outline is drawn."""


class PixelsDisplay:
    """A picture, pale and grey, in the colours of its pixels' values, or with what masks leave of it.

    Blue raises the output and orange lowers it, with paper at 0, which is where
    the scale has its middle whatever the values are; all outputs share one scale.
    A pixel's shade follows the picture below it; the scale has the colours as
    they are where it is white. Pixels whose interval contains 0 are hatched: which
    way they pull, if at all, is not known. Of learned masks, which are 1 where the
    picture counts and else 0, the part that counts is shown in its own colours, outlined.

    Parameters
    ----------
    values : ndarray of shape (height, width, n_outputs)
        In model output units; of masks from 0 to 1.
    picture : ndarray of shape (height, width) or (height, width, n_channels)
        The picture, from 0 to 255 where its type is uint8.
    output_names : sequence of str
        Names of the outputs.
    std_errors : ndarray of shape (height, width, n_outputs), default=None
        Of the values.
    quantity_label : str, default="value"
        Name of the scale.
    are_masks : bool, default=False
        Whether the values are masks, which say what is drawn in its own colours.
    notes : dict of str to str, default=None
        What is written below each output.
    margins : ndarray of shape (height, width, n_outputs), default=None
        Half the width of each value's interval; None where there are none.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where it was drawn, one for each output.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Its figure.
    colorbar_ : matplotlib Colorbar or None
        The scale; None for masks.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import PixelsDisplay
    >>> pictures = np.random.default_rng(0).random((1, 8, 8))
    >>> explainer = OcclusionExplainer(lambda X: X[:, :4, :4].sum((1, 2)), window=4, stride=4, fill=0)
    >>> display = PixelsDisplay.from_explainer(explainer.fit(pictures), pictures).plot()
    >>> display.frame().shape, int(display.frame()["row"].max())
    ((64, 5), 7)
    """

    def __init__(
        self,
        values: Floats,
        picture: Any,
        output_names: Sequence[str],
        std_errors: Floats | None = None,
        quantity_label: str = "value",
        are_masks: bool = False,
        notes: dict[str, str] | None = None,
        margins: Floats | None = None,
    ) -> None:
        self.values = values
        self.picture = picture
        self.output_names = output_names
        self.std_errors = std_errors
        self.quantity_label = quantity_label
        self.are_masks = are_masks
        self.notes = notes or {}
        self.margins = margins

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        outputs: str | int | Sequence[str | int] | None = None,
        confidence_level: float = 0.95,
    ) -> PixelsDisplay:
        """Take one picture.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned, of pictures point by point.
        row : int or hashable, default=0
            Place of the picture, or its name, which is no integer.
        outputs : str, int or sequence of them, default=None
            Names or places of outputs, side by side; all by default.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.

        Returns
        -------
        PixelsDisplay

        Raises
        ------
        ValueError
            If values are not those of pixels, there is no such output, or the level is not between 0 and 1.
        """
        if explanation.dims != ("row", "y", "x", "output"):
            raise ValueError(
                "PixelsDisplay needs a value for each pixel, and these are of features. Pictures in segments "
                "are drawn by SegmentsDisplay, rows of tables by WaterfallDisplay and BarDisplay."
            )
        explanation = explanation if outputs is None else explanation.sel(outputs=outputs)
        i, extras = row_index(explanation, row), explanation.extras
        names = named_in_row(explanation, i).output_names
        values = explanation.values[i]
        errors = None if explanation.std_errors is None else explanation.std_errors[i]
        margins = None if errors is None else explanation[i].interval(confidence_level)[1][0] - values
        picture = np.ones(values.shape[:2]) if explanation.data is None else explanation.data[i]
        are_masks = explanation.quantity == "mask"
        notes = _scores(extras, i, names) if "shown" in extras else {}
        label = effect_words(explanation, names[0] if len(names) == 1 else "the output")
        return cls(values, picture, names, errors, label, are_masks, notes, margins)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        row: Hashable = 0,
        outputs: Any = None,
        confidence_level: float = 0.95,
        **explain: Any,
    ) -> PixelsDisplay:
        """Explain one picture and take it.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted one.
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            The pictures; where `row` is a place, only that one is explained.
        row : int or hashable, default=0
            Place of the picture, or its name, which is no integer.
        outputs : str, int or sequence of them, default=None
            As for `explain`; all that is explained is drawn side by side.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        PixelsDisplay
        """
        X, row = one_row_of(X, row)
        explanation = explainer.explain(X, outputs=outputs, **explain)
        return cls.from_explanation(explanation, row=row, confidence_level=confidence_level)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture: of each output all pixels, row by row.

        Returns
        -------
        DataFrame
            Columns output, row, column, value, std_error (NaN where it is not known).
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

    def plot(
        self, ax: Any = None, *, factor: float = 1.0, suffix: str = "", cmap: Any = None
    ) -> PixelsDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, one for each output, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            All numbers of the scale are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the scale.
        cmap : str or matplotlib Colormap, default=None
            A diverging palette; the house's own by default.

        Returns
        -------
        self : PixelsDisplay
        """
        with house_style():
            self.axes_ = panels_for(ax, len(self.output_names), self.values.shape)
            self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
            numbers = factor * self.values
            colours = colours_of(pd.Series(numbers.ravel()), diverging(pale=True) if cmap is None else cmap)
            for k, panel in enumerate(self.axes_):
                if self.are_masks:
                    self._cut_out(panel, self.values[..., k])
                else:
                    self._colour(panel, colours.to_rgba(numbers[..., k]), self._unsure(k))
                self._name(panel, k)
            label = self.quantity_label
            self.colorbar_ = None if self.are_masks else draw_scale(self.axes_, colours, label, suffix)
        return self

    def _colour(self, panel: Any, colours: Floats, unsure: Bools) -> None:
        """The picture in colours, hatched where it is unsure."""
        from matplotlib.colors import to_rgba

        panel.imshow(colours[..., :3] * self._shade, interpolation="nearest")
        hatch(panel, unsure, to_rgba(INK, 0.35))

    def _cut_out(self, panel: Any, mask: Floats) -> None:
        """What the mask leaves, outlined and in its own colours; what it hides is pale and grey."""
        from matplotlib.collections import LineCollection

        shown = mask[..., None]
        painted = shown * as_colours(self.picture) + (1.0 - shown) * self._shade
        panel.imshow(painted, interpolation="nearest")
        panel.add_collection(LineCollection(outlines(mask > _EDGE), colors=ACCENT, linewidths=1.2))

    @property
    def _shade(self) -> Floats:
        return (_LEAST_GREY + (1.0 - _LEAST_GREY) * as_grey(self.picture))[..., None]

    def _unsure(self, k: int) -> Bools:
        """Pixels that have an interval which contains 0."""
        if self.margins is None:
            return np.zeros(self.values.shape[:2], dtype=bool)
        margins = self.margins[..., k]
        return (margins > 0) & (np.abs(self.values[..., k]) <= margins)

    def _name(self, panel: Any, k: int) -> None:
        frame_picture(panel)
        output = self.output_names[k]
        if len(self.axes_) > 1 or self.are_masks:
            panel.set_title(shortened(output), parse_math=False)
        unsure = "hatched: the interval contains 0" if self._unsure(k).any() else ""
        panel.set_xlabel(self.notes.get(output, unsure), color=MUTED, fontsize=9)


def _scores(extras: Any, i: int, names: tuple[str, ...]) -> dict[str, str]:
    """What masks do."""
    scores = zip(names, extras["shown"].array[i], extras["hidden"].array[i], strict=True)
    return {name: f"shown alone: {shown:.3g}\nhidden: {hidden:.3g}" for name, shown, hidden in scores}
