"""Texts with their words in the colors of their values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.artists import (
    add_colorbar,
    color_scale,
    contains_zero,
    diverging,
    text_color,
    write_fidelity,
)
from agnostix.plotting.attributions import conditions_in_row, find_output, find_row, intervals_in_row
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.fidelity import describe_fidelity
from agnostix.plotting.passage import Token, break_lines, check_texts, replace_unprintable, tokenize
from agnostix.plotting.style import INK, MUTED
from agnostix.plotting.text_html import text_html
from agnostix.plotting.words import describe_quantity, format_count

_FONT = "DejaVu Sans Mono"
"""All letters are 0.602 as wide as the font size; comes with matplotlib."""
_N_COLUMNS = 72
"""Letters in a line of the figure."""
_MOST_LINES = 60
"""Lines of a new figure before letters shrink."""


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
        Where it was drawn, in lines of 72 letters of equal width. A new figure is as high as
        the text, up to 60 lines; beyond, and in given Axes, letters shrink until all fits.
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

    def _figsize(self) -> tuple[float, float]:
        return 7.2, 0.9 + 0.22 * min(_count_lines(break_lines(self.chunks, _N_COLUMNS)), _MOST_LINES)

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        from matplotlib.patches import Rectangle

        self.ax_.set_axis_off()
        write_fidelity(self.ax_, self.fidelity, self.is_poor, _N_COLUMNS)
        drawn, tokens = self._drawn(factor), break_lines(self.chunks, _N_COLUMNS)
        colors = color_scale(drawn["value"], diverging(pale=True) if cmap is None else cmap)
        label = "; ".join([self.quantity_label, *self._notes()])
        below = {"location": "bottom", "shrink": 0.5, "aspect": 40, "anchor": (0.0, 1.0)}
        self.colorbar_ = add_colorbar(colors, self.ax_, label, suffix, _N_COLUMNS, **below)
        look = {"fontsize": self._set_grid(_count_lines(tokens)), "ha": "center", "va": "center"}
        words = drawn.set_index("place")
        for token, line, column in tokens:
            n, color = len(token.text), INK
            if token.place in words.index:
                word = words.loc[token.place]
                fill = colors.to_rgba(word["value"])
                color = text_color(fill)
                self.ax_.add_patch(Rectangle((column, line + 0.1), n, 0.8, color=fill, lw=0))
                if word["unsure"]:
                    ends = [column, column + n], [line + 0.93] * 2
                    self.ax_.plot(*ends, color=MUTED, lw=1.2, ls=(0, (1, 1.5)))
            letters, look["color"] = replace_unprintable(token.text), color
            self.ax_.text(column + n / 2, line + 0.5, letters, family=_FONT, parse_math=False, **look)

    def _set_grid(self, n_lines: int) -> float:
        """Limits in columns and lines, and the font size in points at which they fit into the axes."""
        self.figure_.canvas.figure.draw_without_rendering()
        box = self.ax_.get_window_extent()
        size = min(box.width / (0.602 * _N_COLUMNS), box.height / (1.5 * n_lines))
        self.ax_.set(xlim=(0, box.width / (0.602 * size)), ylim=(box.height / (1.5 * size), 0))
        return size * 72.0 / self.figure_.dpi

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


def _count_lines(tokens: list[tuple[Token, int, int]]) -> int:
    return 1 + max((line for _, line, _ in tokens), default=0)


def _words(explanation: Explanation, i: int, k: int, owners: Any, confidence_level: float) -> pd.DataFrame:
    table = intervals_in_row(explanation, i, k, confidence_level)
    own = zip(conditions_in_row(explanation, i), explanation.feature_names, strict=True)
    names = [word or name for word, name in own]
    counts = np.bincount(owners[owners >= 0], minlength=len(names))
    table.insert(1, "word", pd.Series([names[j] for j in table["place"]], dtype=object))
    table.insert(2, "n_occurrences", counts[table["place"]])
    return table
