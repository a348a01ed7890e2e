"""A picture with its segments in the colours of their values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Codes, Floats
from agnostix.plotting.attributions import check_most, one_row_of, output_indices, row_index
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.in_row import intervals_in_row, named_in_row
from agnostix.plotting.marks import colours_of, contains_0, diverging, write_fidelity
from agnostix.plotting.panels import draw_scale, frame_picture, panels_for
from agnostix.plotting.pictures import as_grey, check_pictures, hatch, outlines
from agnostix.plotting.style import INK, MUTED, house_style, shortened
from agnostix.plotting.words import count_words, effect_words

_LEAST_GREY = 0.72
"""How dark the picture is at most, so that colours stay colours on it."""


class SegmentsDisplay:
    """A picture, pale and grey, with its segments in the colours of their values.

    Blue raises the output and orange lowers it, with paper at 0, which is where
    the scale has its middle whatever the values are; all outputs share one scale.
    Segments whose interval contains 0 are hatched: which way they pull, if at
    all, is not known. A segment's shade follows the picture below it, so that
    things can be recognised; the scale has the colours as they are where it is white.

    Parameters
    ----------
    segments : DataFrame
        A segment for an output in each row: output, place (in `labels`), segment, value,
        std_error, low, high, n_pixels; in model output units, the largest first.
    labels : ndarray of int of shape (height, width)
        Each pixel's segment, by its place; other numbers belong to none.
    grey : ndarray of shape (height, width)
        The picture, from 0, black, to 1, white.
    max_features : int, default=None
        How many are drawn: those with the largest values; all by default.
    quantity_label : str, default="value"
        Name of the scale.
    fidelity : dict of str to Fidelity, default=None
        How far each output's values may be believed, written above.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where it was drawn, one for each output.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Its figure.
    colorbar_ : matplotlib Colorbar
        The scale.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.core.explanation import Detail
    >>> from agnostix.plotting import SegmentsDisplay
    >>> quarters = np.arange(4).reshape(1, 2, 2).repeat(4, axis=1).repeat(4, axis=2)
    >>> exp = Explanation(
    ...     values=[[[0.3], [-0.1], [0.02], [0.0]]], std_errors=np.full((1, 4, 1), 0.03),
    ...     base_values=[[0.5]], outputs=[[0.72]], data=np.random.default_rng(0).random((1, 8, 8)),
    ...     feature_names=("segment 0", "segment 1", "segment 2", "segment 3"), output_names=("cat",),
    ...     quantity="contribution", method="by hand",
    ...     extras={"segments": Detail(quarters, ("row", "y", "x"), points_to="feature")},
    ... )
    >>> display = SegmentsDisplay.from_explanation(exp).plot()
    >>> display.frame()[["segment", "value", "n_pixels"]].head(2)
         segment  value  n_pixels
    0  segment 0    0.3        16
    1  segment 1   -0.1        16
    """

    def __init__(
        self,
        segments: pd.DataFrame,
        labels: Codes,
        grey: Floats,
        max_features: int | None = None,
        quantity_label: str = "value",
        fidelity: dict[str, Fidelity] | None = None,
    ) -> None:
        self.segments = segments
        self.labels = labels
        self.grey = grey
        self.max_features = max_features
        self.quantity_label = quantity_label
        self.fidelity = fidelity or {}

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        outputs: str | int | Sequence[str | int] | None = None,
        max_features: int | None = None,
        confidence_level: float = 0.95,
    ) -> SegmentsDisplay:
        """Take one picture.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned, of pictures in segments.
        row : int or hashable, default=0
            Place of the picture, or its name, which is no integer.
        outputs : str, int or sequence of them, default=None
            Names or places of outputs, side by side; by default the only one, or the last of two.
        max_features : int, default=None
            How many segments are drawn for each output: those with the largest
            values; all by default.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.

        Returns
        -------
        SegmentsDisplay

        Raises
        ------
        ValueError
            If there are no segments, or they are not those of the pictures.
        """
        if max_features is not None:
            check_most(max_features)
        places = output_indices(explanation, outputs)
        check_pictures(explanation)
        i = row_index(explanation, row)
        explanation = named_in_row(explanation, i)
        labels = np.asarray(explanation.extras["segments"].array[i], dtype=int)
        names = explanation.output_names
        parts = [_of_output(explanation, i, k, labels, confidence_level) for k in places]
        told = {names[k]: Fidelity.of(explanation, i, k, confidence_level) for k in places}
        grey = np.ones(labels.shape) if explanation.data is None else as_grey(explanation.data[i])
        one = names[places[0]] if len(places) == 1 else "the output"
        return cls(
            pd.concat(parts, ignore_index=True),
            labels,
            grey,
            max_features,
            effect_words(explanation, one),
            {name: fidelity for name, fidelity in told.items() if fidelity is not None},
        )

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        row: Hashable = 0,
        outputs: Any = None,
        max_features: int | None = None,
        confidence_level: float = 0.95,
        **explain: Any,
    ) -> SegmentsDisplay:
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
        max_features : int, default=None
            How many segments are drawn for each output; all by default.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        SegmentsDisplay
        """
        X, row = one_row_of(X, row)
        explanation = explainer.explain(X, outputs=outputs, **explain)
        return cls.from_explanation(
            explanation,
            row=row,
            outputs=None if outputs is None else explanation.output_names,
            max_features=max_features,
            confidence_level=confidence_level,
        )

    def frame(self) -> pd.DataFrame:
        """The data behind the picture: of each output all segments, the largest first.

        Returns
        -------
        DataFrame
            Columns output, segment, value, std_error, low, high, n_pixels.
        """
        return self.segments.drop(columns="place")

    def plot(
        self, ax: Any = None, *, factor: float = 1.0, suffix: str = "", cmap: Any = None
    ) -> SegmentsDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, one for each output, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            All numbers are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the scale.
        cmap : str or matplotlib Colormap, default=None
            A diverging palette; the house's own by default.

        Returns
        -------
        self : SegmentsDisplay
        """
        with house_style():
            outputs = list(dict.fromkeys(self.segments["output"]))
            self.axes_ = panels_for(ax, len(outputs), self.labels.shape)
            self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
            cmap = diverging(pale=True) if cmap is None else cmap
            colours = colours_of(factor * self.segments["value"], cmap)
            for panel, output in zip(self.axes_, outputs, strict=True):
                own = self.segments[self.segments["output"] == output]
                drawn = own if self.max_features is None else own.head(self.max_features)
                self._draw(panel, drawn, factor, colours)
                unsure = "hatched: the interval contains 0" if contains_0(drawn).any() else ""
                count = count_words(len(drawn), len(own), "segments")
                self._name(panel, output, "; ".join(filter(None, [count, unsure])))
            self.colorbar_ = draw_scale(self.axes_, colours, self.quantity_label, suffix)
        return self

    def _draw(self, panel: Any, drawn: pd.DataFrame, factor: float, colours: Any) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba

        places = drawn["place"].to_numpy()
        shown = np.where(np.isin(self.labels, places), self.labels, -1)
        painted = np.ones((*shown.shape, 3))
        for place, value in zip(places, factor * drawn["value"], strict=True):
            painted[shown == place] = colours.to_rgba(value)[:3]
        painted *= (_LEAST_GREY + (1.0 - _LEAST_GREY) * self.grey)[:, :, None]
        panel.imshow(painted, interpolation="nearest")
        unsure = places[contains_0(drawn)]
        hatch(panel, np.isin(shown, unsure), to_rgba(INK, 0.35))
        panel.add_collection(LineCollection(outlines(shown), colors=INK, linewidths=0.6, alpha=0.7))

    def _name(self, panel: Any, output: str, note: str) -> None:
        """What is drawn, how far it may be believed, and what is not written in colours."""
        frame_picture(panel)
        told, several = self.fidelity.get(output), len(self.axes_) > 1
        words, is_poor = (told.r2_words if several else told.words, told.is_poor) if told else ("", False)
        heading = shortened(output) if several else ""
        if words:
            write_fidelity(panel, words, is_poor, heading=heading)
        elif heading:
            panel.set_title(heading, parse_math=False)
        panel.set_xlabel(note, color=MUTED, fontsize=9)


def _of_output(
    explanation: Explanation, i: int, k: int, labels: Codes, confidence_level: float
) -> pd.DataFrame:
    found = intervals_in_row(explanation, i, k, confidence_level)
    names = explanation.feature_names
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    found.insert(0, "output", explanation.output_names[k])
    found.insert(2, "segment", pd.Series([names[j] for j in found["place"]], dtype=object))
    return found.assign(n_pixels=counts[found["place"]])
