"""Texts with their words in the colors of their values."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Detail, Explanation
from agnostix.core.typing import Codes
from agnostix.plotting.attributions import conditions_in_row, find_output, find_row, intervals_in_row
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.fidelity import describe_fidelity
from agnostix.plotting.style import (
    ACCENT,
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    add_colorbar,
    color_scale,
    contains_zero,
    diverging,
    text_color,
    write_fidelity,
)
from agnostix.plotting.words import describe_quantity, format_count, format_numbers

_FONT = "DejaVu Sans Mono"
"""All letters are 0.602 as wide as the font size; comes with matplotlib."""
_N_COLUMNS = 72
"""Letters in a line of the figure."""
_MOST_LINES = 60
"""Lines of a new figure before letters shrink."""
_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
_CHUNK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]|[^\S\n\r\v\f\x85\u2028\u2029]+|\S+")
"""The end of a line, spaces, or what stands between spaces."""
_BOX = f"background:{PAPER};color:{INK};font:15px/1.75 system-ui,sans-serif;max-width:46em;padding:10px 14px"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 10px"
_SMALL = "font-size:12.5px;line-height:1.4;margin:2px 0"
_BAR = (
    f"width:220px;height:8px;border:1px solid {FAINT};"
    f"background:linear-gradient(to right,{CONTRAST},{PAPER},{ACCENT})"
)
_ENDS = "display:flex;justify-content:space-between;width:222px"


@dataclass(eq=False, repr=False)
class TextDisplay(ExplanationDisplay):
    """A text with its words in the colors of their values.

    Blue is positive, orange negative, white 0. Words whose interval contains 0 are
    underlined with dots. A word has one value for all its occurrences. Notebooks show
    `html`.

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
        Where it was drawn, in lines of 72 characters. A new figure is as high as the text
        up to 60 lines; beyond, and in given Axes, the font shrinks.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import TextMasker
    >>> from agnostix.plotting import TextDisplay
    >>> texts = np.array(["long, long, but good."])
    >>> explainer = OcclusionExplainer(np.vectorize(len), masker=TextMasker()).fit(texts)
    >>> display = TextDisplay.from_explainer(explainer, texts).plot()
    >>> display.frame()[["word", "n_occurrences"]].head(1)
       word  n_occurrences
    0  long              2
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

    @classmethod
    def from_tokens(
        cls,
        explanation: Explanation,
        texts: Any,
        spans: Any,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int | None = None,
        confidence_level: float = 0.95,
    ) -> TextDisplay:
        """Select one text of an explanation of token ids, by where the tokens stand in the text.

        Parameters
        ----------
        explanation : Explanation
            Of token ids, with a value for each token, as by `LrpExplainer` with `layer=` the
            embedding.
        texts : sequence of str of length n_rows
            What the ids were made from.
        spans : array-like of shape (n_rows, n_tokens, 2)
            First character of each token, and the one after its last, as a tokenizer's
            offsets. Tokens without characters, such as padding, have twice the same number.
        row : label, default=0
            As in `from_explanation`.
        output : str or int, default=None
            As in `from_explanation`.
        max_features : int, default=None
            As in `from_explanation`.
        confidence_level : float, default=0.95
            As in `from_explanation`.

        Returns
        -------
        TextDisplay

        Raises
        ------
        ValueError
            If texts or spans are not those of the rows and tokens.

        Examples
        --------
        >>> import numpy as np
        >>> import torch
        >>> from agnostix import SaliencyExplainer
        >>> from agnostix.plotting import TextDisplay
        >>> class Reader(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.embedding = torch.nn.Embedding.from_pretrained(torch.tensor([[0.0], [2.0], [-1.0]]))
        ...     def forward(self, ids):
        ...         return self.embedding(ids.long()).sum(dim=1)
        >>> ids = np.array([[1, 2, 0]])
        >>> explainer = SaliencyExplainer(Reader(), method="gradient_x_input", layer="embedding")
        >>> exp = explainer.fit(ids).explain(ids)
        >>> display = TextDisplay.from_tokens(exp, ["good, bad"], [[(0, 4), (6, 9), (0, 0)]])
        >>> display.frame()[["word", "value"]]
           word  value
        0  good    2.0
        1   bad   -1.0
        """
        places, shape = np.asarray(spans), explanation.values.shape
        if len(texts) != shape[0] or places.shape != (*shape[:2], 2) or places.dtype.kind not in "iu":
            raise ValueError(
                f"texts and spans must be those of the explanation's {shape[0]} rows of {shape[1]} tokens: "
                f"spans are integers of shape {(*shape[:2], 2)}; got {len(texts)} texts and spans of "
                f"{places.dtype} and shape {places.shape}."
            )
        owners = np.where(places[..., 0] < places[..., 1], np.arange(shape[1]), -1)
        words = [
            [text[start:end] for start, end in ends]
            for text, ends in zip(texts, places.tolist(), strict=True)
        ]
        details = {
            "words": Detail(np.array(words, dtype=str), ("row", "feature")),
            "spans": Detail(places, ("row", "token", "end")),
            "span_features": Detail(owners, ("row", "token"), points_to="feature"),
        }
        values = np.where((owners >= 0)[..., None], explanation.values, np.nan)
        read = replace(
            explanation,
            values=values,
            data=np.array(texts, dtype=object),
            extras={**explanation.extras, **details},
        )
        return cls.from_explanation(
            read, row=row, output=output, max_features=max_features, confidence_level=confidence_level
        )

    def frame(self) -> pd.DataFrame:
        """All words, the largest first.

        Returns
        -------
        DataFrame
            Columns word, n_occurrences, value, std_error, low, high.
        """
        return self.words.drop(columns="place")

    def html(self, *, factor: float = 1.0, suffix: str = "") -> str:
        """The text as HTML, without scripts, everything escaped.

        Parameters
        ----------
        factor : float, default=1.0
            Multiplies all numbers, such as 100 for percent.
        suffix : str, default=""
            Unit after the numbers.

        Returns
        -------
        str
            A `div`; each word's value and interval are in its tooltip.
        """
        note = "; ".join([self.quantity_label, *self._notes()])
        return text_html(self._drawn(factor), self.chunks, note, self.fidelity, self.is_poor, suffix)

    def _repr_html_(self) -> str:
        return self.html()

    def _figsize(self) -> tuple[float, float]:
        n_lines = min(_count_lines(break_lines(self.chunks, _N_COLUMNS)), _MOST_LINES)
        return 7.2, 0.9 + 0.22 * n_lines + (0.3 if self.fidelity else 0.0)

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


@dataclass(frozen=True)
class Token:
    """Adjacent characters of one feature, given by its place; -1 for characters of none."""

    text: str
    place: int


def check_texts(explanation: Explanation) -> None:
    """Raise ValueError unless data are texts and the spans have the right shape."""
    spans: Any = explanation.extras["spans"]
    owners: Any = explanation.extras.get("span_features")
    dtype, shape = spans.array.dtype, spans.array.shape
    if spans.dims != ("row", "token", "end") or shape[2] != 2 or dtype.kind not in "iu":
        raise ValueError(
            "extras['spans'] must be integers with dims ('row', 'token', 'end'), a start and an end for "
            f"each token; got {dtype} of shape {shape} with dims {spans.dims}."
        )
    if owners is None or owners.array.shape != shape[:2] or owners.points_to != "feature":
        raise ValueError(
            "extras['span_features'] must have the feature of each token: a Detail with dims ('row', "
            f"'token') that points_to 'feature'; got {owners}."
        )
    data: Any = explanation.data
    if not (isinstance(data, np.ndarray) and data.ndim == 1 and all(isinstance(one, str) for one in data)):
        got = "None" if data is None else f"a {type(data).__name__} of shape {np.shape(data)}"
        raise ValueError(
            f"TextDisplay needs the texts: data must be an array of str of shape (n_rows,), got {got}."
        )


def tokenize(text: str, spans: Codes, owners: Codes) -> list[list[Token]]:
    """Split a text at spaces, and between them where words begin and end.

    Spans (n_tokens, 2) are start and end of each occurrence of a word, owners (n_tokens,) its feature or -1.
    """
    places = np.full(len(text), -1)
    owned = owners >= 0
    for (start, end), place in zip(spans[owned].tolist(), owners[owned].tolist(), strict=True):
        if not 0 <= start <= end <= len(text):
            raise ValueError(
                f"extras['spans'] has a word from character {start} to {end}, and the text has {len(text)}: "
                "they must be those of the texts in data."
            )
        places[start:end] = place
    return [_tokens(text, places, *match.span()) for match in _CHUNK.finditer(text)]


def _tokens(text: str, places: Codes, start: int, end: int) -> list[Token]:
    runs = groupby(range(start, end), key=lambda j: int(places[j]))
    return [Token("".join(text[j] for j in run), place) for place, run in runs]


def break_lines(chunks: list[list[Token]], width: int) -> list[tuple[Token, int, int]]:
    """Tokens with line and column, in lines of `width` letters, broken at spaces or within longer words."""
    out: list[tuple[Token, int, int]] = []
    line = column = 0
    for chunk in chunks:
        n_letters = sum(len(token.text) for token in chunk)
        if chunk[0].text[0] in _LINE_ENDS or (column > 0 and column + n_letters > width):
            line, column = line + 1, 0
            if chunk[0].text.isspace():
                continue
        for token in chunk:
            rest = token.text
            while rest:
                if column == width:
                    line, column = line + 1, 0
                part, rest = rest[: width - column], rest[width - column :]
                out.append((Token(part, token.place), line, column))
                column += len(part)
    return out


def replace_unprintable(text: str) -> str:
    """A text of the same length without characters that have no glyph."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def text_html(
    words: pd.DataFrame, chunks: list[list[Token]], note: str, fidelity: str, is_poor: bool, suffix: str
) -> str:
    """HTML of a text with its words (as `TextDisplay` draws them) in colors."""
    marks = _marks(words, suffix)
    text = "".join(_token(token, marks) for chunk in chunks for token in chunk)
    above = f'<p style="{_SMALL};color:{CONTRAST if is_poor else MUTED}">{escape(fidelity)}</p>'
    most = float(words["value"].abs().max()) if len(words) else 0.0
    ends = "".join(
        f"<span>{end}{escape(suffix)}</span>" for end in format_numbers([-most, 0.0, most], signed=True)
    )
    scale = f'<div style="{_BAR}"></div><div style="{_SMALL};{_ENDS}">{ends}</div>'
    below = f'{scale}<p style="{_SMALL}">{escape(note)}</p>'
    return f'<div style="{_BOX}">{above if fidelity else ""}<p style="{_TEXT}">{text}</p>{below}</div>'


def _marks(words: pd.DataFrame, suffix: str) -> dict[int, str]:
    """The attributes of each word's span, by its place."""
    from matplotlib.colors import to_hex

    colors = color_scale(words["value"], diverging(pale=True))
    columns = [
        format_numbers(words[name], signed=True, like=words["value"]) for name in ("value", "low", "high")
    ]
    out = {}
    for word, value, low, high in zip(words.to_dict("records"), *columns, strict=True):
        fill = colors.to_rgba(word["value"])
        style = f"background:{to_hex(fill)};color:{text_color(fill)};padding:2px 1px;border-radius:3px"
        style += f";border-bottom:2px dotted {MUTED}" if word["unsure"] else ""
        title = f"{word['word']}: {value}{suffix}" + _interval(word, low, high) + _times(word)
        out[word["place"]] = f'style="{style}" title="{escape(title)}"'
    return out


def _interval(word: dict[Any, Any], low: str, high: str) -> str:
    return f" ({low} to {high})" if word["high"] > word["low"] else ""


def _times(word: dict[Any, Any]) -> str:
    return f", {word['n_occurrences']} times" if word["n_occurrences"] > 1 else ""


def _token(token: Token, marks: dict[int, str]) -> str:
    text = escape(token.text)
    return f"<span {marks[token.place]}>{text}</span>" if token.place in marks else text
