"""Images with their segments in the colors of their values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Codes, Floats
from agnostix.plotting.attributions import (
    check_any_value,
    find_outputs,
    find_row,
    intervals_in_row,
    name_predicted,
)
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.images import UNSURE, ImagePanels, check_segments, hatch, outlines, pale, to_gray
from agnostix.plotting.style import (
    INK,
    MUTED,
    add_colorbar,
    color_scale,
    contains_zero,
    diverging,
    write_fidelity,
)
from agnostix.plotting.words import describe_quantity, format_count, shorten


@dataclass(eq=False, repr=False)
class SegmentsDisplay(ImagePanels):
    """A gray image with its segments in the colors of their values.

    Blue is positive, orange negative, white 0. All outputs have the same scale, which
    shows the colors on white; a segment is darker where the image is. Segments whose
    interval contains 0 are hatched.

    Parameters
    ----------
    segments : DataFrame
        One row per output and segment: output, place (in `labels`), segment, value,
        std_error, low, high, n_pixels; in units of the output, the largest first.
    labels : ndarray of int of shape (height, width)
        Place of each pixel's segment; other numbers belong to none.
    gray : ndarray of shape (height, width)
        The image, from 0, black, to 1, white.
    max_features : int, default=None
        Segments drawn for each output: those with the largest values; by default all.
    quantity_label : str, default="value"
        Name of the color scale.
    fidelity : dict of str to Fidelity, default={}
        Fidelity of each output's surrogate, written above.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where it was drawn, one for each output.
    ax_, figure_ : matplotlib Axes and Figure
        The first of them, and their figure.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SegmentMasker
    >>> from agnostix.plotting import SegmentsDisplay
    >>> images = np.random.default_rng(0).random((1, 8, 8))
    >>> masker = SegmentMasker("grid", n_segments=4, fill=0.0)
    >>> explainer = OcclusionExplainer(lambda X: X[:, :4, :4].sum((1, 2)), masker=masker)
    >>> display = SegmentsDisplay.from_explainer(explainer.fit(images), images).plot()
    >>> display.frame()[["segment", "n_pixels"]].head(1)
         segment  n_pixels
    0  segment 0        16
    """

    segments: pd.DataFrame
    labels: Codes
    gray: Floats
    max_features: int | None = None
    quantity_label: str = "value"
    fidelity: dict[str, Fidelity] = field(default_factory=dict)

    name: ClassVar[str] = "segments"
    dims: ClassVar = (("row", "feature", "output"),)
    needs: ClassVar = ("segments",)

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
        """Select one image.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`, of images in segments.
        row : int or hashable, default=0
            Position of the image, or its name unless that is an integer.
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs, drawn side by side; by default the only one,
            or the second of two.
        max_features : int, default=None
            Segments drawn for each output: those with the largest values; by default all.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        SegmentsDisplay
        """
        cls._check(explanation, max_features, confidence_level)
        check_segments(explanation)
        places, i = find_outputs(explanation, outputs), find_row(explanation, row)
        check_any_value(explanation.values[i][:, places])
        explanation = name_predicted(explanation, i)
        labels = np.asarray(explanation.extras["segments"].array[i], dtype=int)
        names = explanation.output_names
        parts = [_of_output(explanation, i, k, labels, confidence_level) for k in places]
        fits = {names[k]: Fidelity.from_explanation(explanation, i, k, confidence_level) for k in places}
        gray = np.ones(labels.shape) if explanation.data is None else to_gray(explanation.data[i])
        output_name = names[places[0]] if len(places) == 1 else "the output"
        return cls(
            pd.concat(parts, ignore_index=True),
            labels,
            gray,
            max_features,
            describe_quantity(explanation, output_name),
            {name: fidelity for name, fidelity in fits.items() if fidelity is not None},
        )

    def frame(self) -> pd.DataFrame:
        """All segments of each output, the largest first.

        Returns
        -------
        DataFrame
            Columns output, segment, value, std_error, low, high, n_pixels.
        """
        return self.segments.drop(columns="place")

    def _outputs(self) -> list[str]:
        return list(dict.fromkeys(self.segments["output"]))

    def _panels(self) -> tuple[int, tuple[int, ...]]:
        return len(self._outputs()), self.labels.shape

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        colors = color_scale(factor * self.segments["value"], diverging(pale=True) if cmap is None else cmap)
        for panel, output in zip(self.axes_, self._outputs(), strict=True):
            own = self.segments[self.segments["output"] == output]
            drawn = own if self.max_features is None else own.head(self.max_features)
            self._draw_segments(panel, drawn, factor, colors)
            unsure = UNSURE if contains_zero(drawn).any() else ""
            count = format_count(len(drawn), len(own), "segments")
            self._name_panel(panel, output, "; ".join(filter(None, [count, unsure])))
        self.colorbar_ = add_colorbar(colors, self.axes_, self.quantity_label, suffix, aspect=28, shrink=0.8)

    def _draw_segments(self, panel: Any, drawn: pd.DataFrame, factor: float, colors: Any) -> None:
        from matplotlib.collections import LineCollection

        places = drawn["place"].to_numpy()
        shown = np.where(np.isin(self.labels, places), self.labels, -1)
        painted = np.ones((*shown.shape, 3))
        for place, value in zip(places, factor * drawn["value"], strict=True):
            painted[shown == place] = colors.to_rgba(value)[:3]
        panel.imshow(painted * pale(self.gray), interpolation="nearest")
        hatch(panel, np.isin(shown, places[contains_zero(drawn)]))
        panel.add_collection(LineCollection(outlines(shown), colors=INK, linewidths=0.6, alpha=0.7))

    def _name_panel(self, panel: Any, output: str, note: str) -> None:
        fit, several = self.fidelity.get(output), len(self.axes_) > 1
        words, is_poor = (fit.r2_words if several else fit.words, fit.is_poor) if fit else ("", False)
        heading = shorten(output) if several else ""
        if words:
            write_fidelity(panel, words, is_poor, heading=heading)
        elif heading:
            panel.set_title(heading, parse_math=False)
        panel.set_xlabel(note, color=MUTED, fontsize=9)


def _of_output(
    explanation: Explanation, i: int, k: int, labels: Codes, confidence_level: float
) -> pd.DataFrame:
    table = intervals_in_row(explanation, i, k, confidence_level)
    names = explanation.feature_names
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    table.insert(0, "output", explanation.output_names[k])
    table.insert(2, "segment", pd.Series([names[j] for j in table["place"]], dtype=object))
    return table.assign(n_pixels=counts[table["place"]])
