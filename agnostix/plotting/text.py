"""A text with its words in the colours of their values."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.attributions import check_most, one_row_of, output_index, row_index
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.in_row import intervals_in_row, said_in_row
from agnostix.plotting.marks import (
    colours_of,
    contains_0,
    diverging,
    text_colour,
    write_fidelity,
    write_ticks,
)
from agnostix.plotting.passage import (
    Piece,
    SetPiece,
    check_texts,
    drawable,
    read_chunks,
    set_in_lines,
    width_of,
)
from agnostix.plotting.style import FAINT, INK, MUTED, axes_for, house_style
from agnostix.plotting.text_html import text_html
from agnostix.plotting.words import count_words, effect_words, in_lines

_SIZES = (11, 10, 9, 8, 7, 6)
"""Of letters, in points: the first that leaves room for all of the text."""
_LEADING = 1.65
"""From line to line, in sizes of letters."""
_AROUND = 1.0
"""Points by which a word's colour reaches beyond it, since letters are moved a little to fit pixels."""
_MOST_LINES = 60
"""Lines of a figure of its own."""
_LETTER = 4.9
"""Width of a letter of the scale's name, in points."""
_SCALE = 58.0
"""Room of the scale below the text, in points."""


class TextDisplay:
    """A text with its words in the colours of their values.

    Blue raises the output and orange lowers it, with paper at 0, which is where
    the scale has its middle whatever the values are. Words whose interval
    contains 0 are underlined with dots: which way they pull, if at all, is not
    known. A word's value is that of all its occurrences together.

    Parameters
    ----------
    words : DataFrame
        A word in each row: place, word, n_occurrences, value, std_error, low,
        high; in model output units, the largest first.
    chunks : list of list of Piece
        The text, cut at spaces and where words begin and end; pieces name words by their place.
    max_features : int, default=None
        How many words are coloured: those with the largest values; all by default.
    quantity_label : str, default="value"
        Name of the scale.
    fidelity : str, default=""
        How far it may be believed, written above.
    is_poor : bool, default=False
        Whether that is a warning.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn; its units are points.
    figure_ : matplotlib Figure
        Its figure.
    colorbar_ : matplotlib Colorbar
        The scale.

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

    def __init__(
        self,
        words: pd.DataFrame,
        chunks: list[list[Piece]],
        max_features: int | None = None,
        quantity_label: str = "value",
        fidelity: str = "",
        is_poor: bool = False,
    ) -> None:
        self.words = words
        self.chunks = chunks
        self.max_features = max_features
        self.quantity_label = quantity_label
        self.fidelity = fidelity
        self.is_poor = is_poor

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
        """Take one text and one output.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned, of texts.
        row : int or hashable, default=0
            Place of the text, or its name, which is no integer.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=None
            How many words are coloured: those with the largest values; all by default.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.

        Returns
        -------
        TextDisplay

        Raises
        ------
        ValueError
            If there are no texts, or the words are not theirs.
        """
        if max_features is not None:
            check_most(max_features)
        k = output_index(explanation, output)
        check_texts(explanation)
        i = row_index(explanation, row)
        spans, owners = (explanation.extras[name].array[i] for name in ("spans", "span_features"))
        chunks = read_chunks(str(explanation.data[i]), spans, owners, len(explanation.feature_names))
        told = Fidelity.of(explanation, i, k, confidence_level)
        return cls(
            _words(explanation, i, k, owners, confidence_level),
            chunks,
            max_features,
            effect_words(explanation, explanation.output_names[k]),
            *((told.words, told.is_poor) if told else ()),
        )

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int | None = None,
        confidence_level: float = 0.95,
        **explain: Any,
    ) -> TextDisplay:
        """Explain one text and take it.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted one.
        X : array-like of str of shape (n_rows,)
            The texts; where `row` is a place, only that one is explained.
        row : int or hashable, default=0
            Place of the text, or its name, which is no integer.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=None
            How many words are coloured; all by default.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        TextDisplay
        """
        X, row = one_row_of(X, row)
        return cls.from_explanation(
            explainer.explain(X, **explain),
            row=row,
            output=output,
            max_features=max_features,
            confidence_level=confidence_level,
        )

    def frame(self) -> pd.DataFrame:
        """The data behind the picture: all words, the largest first.

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
            All numbers are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers.

        Returns
        -------
        str
            A `div`; each word says its value and interval when it is pointed at.
        """
        note = "; ".join([self.quantity_label, *self._notes()])
        return text_html(self._drawn(factor), self.chunks, note, self.fidelity, self.is_poor, suffix)

    def _repr_html_(self) -> str:
        return self.html()

    def plot(self, ax: Any = None, *, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> TextDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where: letters are as small as they must be to fit in, and what does not
            fit is cut off. A new figure by default, as high as the text needs, up to 60 lines.
        factor : float, default=1.0
            All numbers are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the scale.
        cmap : str or matplotlib Colormap, default=None
            A diverging palette; the house's own by default.

        Returns
        -------
        self : TextDisplay
        """
        with house_style():
            self.ax_, self.figure_ = axes_for(ax, 7.2, 3.0)
            self.ax_.set_axis_off()
            n_letters = int(self._room()[0] / _LETTER)
            write_fidelity(self.ax_, self.fidelity, self.is_poor, n_letters)
            drawn = self._drawn(factor)
            colours = colours_of(drawn["value"], diverging(pale=True) if cmap is None else cmap)
            size, lines, is_cut = self._set(is_own=ax is None)
            self._draw(lines, size, drawn.set_index("place"), colours)
            notes = [self.quantity_label, *self._notes(), *(["the text is cut off"] if is_cut else [])]
            self._draw_scale(colours, suffix, in_lines("; ".join(notes), n_letters))
        return self

    def _drawn(self, factor: float) -> pd.DataFrame:
        numbers = ["value", "low", "high"]
        drawn = self.words if self.max_features is None else self.words.head(self.max_features)
        return drawn.assign(**{name: factor * drawn[name] for name in numbers}, unsure=contains_0(drawn))

    def _notes(self) -> list[str]:
        drawn = self._drawn(1.0)
        count = count_words(len(drawn), len(self.words), "words")
        return [
            *filter(None, [count]),
            *(["dotted: the interval contains 0"] if drawn["unsure"].any() else []),
        ]

    def _set(self, is_own: bool) -> tuple[int, list[SetPiece], bool]:
        """The size of letters, the lines that have room, and whether others have none."""
        width, height = self._room()
        measure = cache(width_of)
        for size in _SIZES:
            lines = set_in_lines(self.chunks, width / size, measure)
            n_lines = 1 + max((one.line for one in lines), default=0)
            most = _MOST_LINES if is_own else max(int((height - _SCALE) / (size * _LEADING)), 1)
            if is_own or n_lines <= most:
                break
        if is_own:
            across, down = self.figure_.get_size_inches()
            more = min(n_lines, most) * size * _LEADING + _SCALE - height
            self.figure_.set_size_inches(across, down + more / 72.0)
            width, height = self._room()
        self.ax_.set(xlim=(0.0, width), ylim=(0.0, height))
        return size, [one for one in lines if one.line < most], n_lines > most

    def _room(self) -> tuple[float, float]:
        """Width and height of the axes in points, once all has found its place."""
        self.figure_.canvas.figure.draw_without_rendering()
        box = self.ax_.get_window_extent()
        return 72.0 * box.width / self.figure_.dpi, 72.0 * box.height / self.figure_.dpi

    def _draw(self, lines: list[SetPiece], size: int, drawn: pd.DataFrame, colours: Any) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.patches import Rectangle

        top, dots = self.ax_.get_ylim()[1], []
        for one in lines:
            base, colour = top - (one.line + 1) * size * _LEADING + 0.55 * size, INK
            x, width = size * one.x, size * one.width
            if one.piece.place in drawn.index:
                word, below = drawn.loc[one.piece.place], base - 0.34 * size
                fill = colours.to_rgba(word["value"])
                colour = text_colour(fill)
                box = ((x - _AROUND, below), width + 2 * _AROUND, 1.36 * size)
                self.ax_.add_patch(Rectangle(*box, color=fill, lw=0))
                if word["unsure"]:
                    dots.append([(x, below), (x + width, below)])
            if not one.piece.text.isspace():
                look = {"fontsize": size, "color": colour, "va": "baseline", "parse_math": False}
                self.ax_.text(x, base, drawable(one.piece.text), **look)
        self.ax_.add_collection(LineCollection(dots, colors=MUTED, linewidths=1.0, linestyles=(0, (1, 1.5))))

    def _draw_scale(self, colours: Any, suffix: str, label: str) -> None:
        width = 0.5 * self.ax_.get_xlim()[1]
        below = self.ax_.inset_axes((2.0, 38.0, width, 7.0), transform=self.ax_.transData)
        self.colorbar_ = self.figure_.colorbar(colours, cax=below, orientation="horizontal")
        self.colorbar_.outline.set_edgecolor(FAINT)
        below.tick_params(labelsize=9)
        below.set_xlabel(label, fontsize=9, loc="left", parse_math=False)
        self.colorbar_.locator.set_params(nbins=5)
        write_ticks(below.xaxis, suffix)


def _words(explanation: Explanation, i: int, k: int, owners: Any, confidence_level: float) -> pd.DataFrame:
    found = intervals_in_row(explanation, i, k, confidence_level)
    own = zip(said_in_row(explanation, i), explanation.feature_names, strict=True)
    names = [said or name for said, name in own]
    counts = np.bincount(owners[owners >= 0], minlength=len(names))
    found.insert(1, "word", pd.Series([names[j] for j in found["place"]], dtype=object))
    found.insert(2, "n_occurrences", counts[found["place"]])
    return found
