"""Texts with their words in the colors of their values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.artists import (
    color_scale,
    contains_zero,
    diverging,
    text_color,
    write_fidelity,
    write_ticks,
)
from agnostix.plotting.attributions import conditions_in_row, find_output, find_row, intervals_in_row
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.fidelity import describe_fidelity
from agnostix.plotting.passage import (
    PlacedToken,
    Token,
    break_lines,
    check_texts,
    measure_width,
    replace_unprintable,
    tokenize,
)
from agnostix.plotting.style import FAINT, INK, MUTED
from agnostix.plotting.text_html import text_html
from agnostix.plotting.words import describe_quantity, format_count, wrap_lines

_SIZES = (11, 10, 9, 8, 7, 6)
"""Font sizes in points: the first at which all of the text fits."""
_LEADING = 1.65
"""Distance of lines, in font sizes."""
_PADDING = 1.0
"""Points by which a word's color extends beyond it, since letters are snapped to pixels."""
_MOST_LINES = 60
"""Lines of a new figure at most."""
_LETTER = 4.9
"""Width of a letter of the scale's name, in points."""
_SCALE = 58.0
"""Height of the color scale below the text, in points."""


@dataclass(eq=False, repr=False)
class TextDisplay(ExplanationDisplay):
    """A text with its words in the colors of their values.

    Blue raises the output and orange lowers it; white, the middle of the scale, is
    always 0. Words whose interval contains 0 are underlined with dots: the sign of
    their effect is unknown. A word's value is that of all its occurrences together.
    Notebooks show `html`.

    Parameters
    ----------
    words : DataFrame
        One row per word: place, word, n_occurrences, value, std_error, low, high; in
        units of the output, the largest first.
    chunks : list of list of Token
        The text, split at spaces and where words begin and end; tokens name words by their place.
    max_features : int, default=None
        Words colored: those with the largest values; by default all.
    quantity_label : str, default="value"
        Name of the color scale.
    fidelity : str, default=""
        Fidelity of a surrogate, written above.
    is_poor : bool, default=False
        Whether to write it as a warning.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn, in units of points. Letters shrink to fit the Axes, and what
        does not fit is cut off; a new figure is as high as the text, up to 60 lines.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.core.explanation import Detail
    >>> from agnostix.plotting import TextDisplay
    >>> exp = Explanation(
    ...     values=[[[0.3], [-0.1]]], std_errors=[[[0.05], [0.02]]], base_values=[[0.4]], outputs=[[0.6]],
    ...     data=np.array(["Good, good, but long."]), feature_names=("word 0", "word 1"),
    ...     output_names=("praise",), quantity="contribution", method="by hand",
    ...     extras={
    ...         "words": Detail([["good", "long"]], ("row", "feature")),
    ...         "spans": Detail([[[0, 4], [6, 10], [16, 20]]], ("row", "token", "end")),
    ...         "span_features": Detail([[0, 0, 1]], ("row", "token"), points_to="feature"),
    ...     },
    ... )
    >>> display = TextDisplay.from_explanation(exp).plot()
    >>> display.frame()[["word", "n_occurrences", "value"]]
       word  n_occurrences  value
    0  good              2    0.3
    1  long              1   -0.1
    """

    words: pd.DataFrame
    chunks: list[list[Token]]
    max_features: int | None = None
    quantity_label: str = "value"
    fidelity: str = ""
    is_poor: bool = False

    name: ClassVar[str] = "text"
    dims: ClassVar = (("row", "feature", "output"),)
    needs: ClassVar = ("spans",)

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int | None = None,
        confidence_level: float = 0.95,
    ) -> TextDisplay:
        """Select one text and one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`, of texts.
        row : int or hashable, default=0
            Position of the text, or its name unless that is an integer.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        max_features : int, default=None
            Words colored: those with the largest values; by default all.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        TextDisplay
        """
        cls._check(explanation, max_features, confidence_level)
        check_texts(explanation)
        k, i = find_output(explanation, output), find_row(explanation, row)
        spans, owners = (explanation.extras[name].array[i] for name in ("spans", "span_features"))
        return cls(
            _words(explanation, i, k, owners, confidence_level),
            tokenize(str(explanation.data[i]), spans, owners),
            max_features,
            describe_quantity(explanation, explanation.output_names[k]),
            *describe_fidelity(explanation, i, k, confidence_level),
        )

    def frame(self) -> pd.DataFrame:
        """The numbers behind the picture: all words, the largest first.

        Returns
        -------
        DataFrame
            Columns word, n_occurrences, value, std_error, low, high.
        """
        return self.words.drop(columns="place")

    def html(self, *, factor: float = 1.0, suffix: str = "") -> str:
        """The text for a page or a notebook, without scripts, everything escaped.

        Parameters
        ----------
        factor : float, default=1.0
            All numbers are multiplied by it, for example by 100 for per cent.
        suffix : str, default=""
            Unit after the numbers.

        Returns
        -------
        str
            A `div`; pointing at a word shows its value and interval.
        """
        note = "; ".join([self.quantity_label, *self._notes()])
        return text_html(self._drawn(factor), self.chunks, note, self.fidelity, self.is_poor, suffix)

    def _repr_html_(self) -> str:
        return self.html()

    def _set_axes(self, ax: Any) -> None:
        super()._set_axes(ax)
        self._is_own = ax is None

    def _figsize(self) -> tuple[float, float]:
        return 7.2, 3.0

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        self.ax_.set_axis_off()
        n_letters = int(self._room()[0] / _LETTER)
        write_fidelity(self.ax_, self.fidelity, self.is_poor, n_letters)
        drawn = self._drawn(factor)
        colors = color_scale(drawn["value"], diverging(pale=True) if cmap is None else cmap)
        size, lines, is_cut = self._fit_lines()
        self._draw_words(lines, size, drawn.set_index("place"), colors)
        notes = [self.quantity_label, *self._notes(), *(["the text is cut off"] if is_cut else [])]
        self._draw_scale(colors, suffix, wrap_lines("; ".join(notes), n_letters))

    def _drawn(self, factor: float) -> pd.DataFrame:
        numbers = ["value", "low", "high"]
        drawn = self.words if self.max_features is None else self.words.head(self.max_features)
        return drawn.assign(**{name: factor * drawn[name] for name in numbers}, unsure=contains_zero(drawn))

    def _notes(self) -> list[str]:
        drawn = self._drawn(1.0)
        count = format_count(len(drawn), len(self.words), "words")
        return [
            *filter(None, [count]),
            *(["dotted: the interval contains 0"] if drawn["unsure"].any() else []),
        ]

    def _fit_lines(self) -> tuple[int, list[PlacedToken], bool]:
        """Font size, the tokens that fit, and whether the text is cut off; makes a new figure high enough."""
        width, height = self._room()
        measure = cache(measure_width)
        for size in _SIZES:
            lines = break_lines(self.chunks, width / size, measure)
            n_lines = 1 + max((one.line for one in lines), default=0)
            most = _MOST_LINES if self._is_own else max(int((height - _SCALE) / (size * _LEADING)), 1)
            if self._is_own or n_lines <= most:
                break
        if self._is_own:
            across, down = self.figure_.get_size_inches()
            more = min(n_lines, most) * size * _LEADING + _SCALE - height
            self.figure_.set_size_inches(across, down + more / 72.0)
            width, height = self._room()
        self.ax_.set(xlim=(0.0, width), ylim=(0.0, height))
        return size, [one for one in lines if one.line < most], n_lines > most

    def _room(self) -> tuple[float, float]:
        """Width and height of the axes in points, after layout."""
        self.figure_.canvas.figure.draw_without_rendering()
        box = self.ax_.get_window_extent()
        return 72.0 * box.width / self.figure_.dpi, 72.0 * box.height / self.figure_.dpi

    def _draw_words(self, lines: list[PlacedToken], size: int, drawn: pd.DataFrame, colors: Any) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.patches import Rectangle

        top, dots = self.ax_.get_ylim()[1], []
        for one in lines:
            base, color = top - (one.line + 1) * size * _LEADING + 0.55 * size, INK
            x, width = size * one.x, size * one.width
            if one.token.place in drawn.index:
                word, below = drawn.loc[one.token.place], base - 0.34 * size
                fill = colors.to_rgba(word["value"])
                color = text_color(fill)
                box = ((x - _PADDING, below), width + 2 * _PADDING, 1.36 * size)
                self.ax_.add_patch(Rectangle(*box, color=fill, lw=0))
                if word["unsure"]:
                    dots.append([(x, below), (x + width, below)])
            if not one.token.text.isspace():
                look = {"fontsize": size, "color": color, "va": "baseline", "parse_math": False}
                self.ax_.text(x, base, replace_unprintable(one.token.text), **look)
        self.ax_.add_collection(LineCollection(dots, colors=MUTED, linewidths=1.0, linestyles=(0, (1, 1.5))))

    def _draw_scale(self, colors: Any, suffix: str, label: str) -> None:
        width = 0.5 * self.ax_.get_xlim()[1]
        below = self.ax_.inset_axes((2.0, 38.0, width, 7.0), transform=self.ax_.transData)
        self.colorbar_ = self.figure_.colorbar(colors, cax=below, orientation="horizontal")
        self.colorbar_.outline.set_edgecolor(FAINT)
        below.tick_params(labelsize=9)
        below.set_xlabel(label, fontsize=9, loc="left", parse_math=False)
        self.colorbar_.locator.set_params(nbins=5)
        write_ticks(below.xaxis, suffix)


def _words(explanation: Explanation, i: int, k: int, owners: Any, confidence_level: float) -> pd.DataFrame:
    table = intervals_in_row(explanation, i, k, confidence_level)
    own = zip(conditions_in_row(explanation, i), explanation.feature_names, strict=True)
    names = [word or name for word, name in own]
    counts = np.bincount(owners[owners >= 0], minlength=len(names))
    table.insert(1, "word", pd.Series([names[j] for j in table["place"]], dtype=object))
    table.insert(2, "n_occurrences", counts[table["place"]])
    return table
