"""HTML of a text in colors: one element, no script, everything escaped."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from agnostix.plotting.artists import color_scale, diverging, text_color
from agnostix.plotting.passage import Token
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, PAPER
from agnostix.plotting.words import format_numbers

_BOX = f"background:{PAPER};color:{INK};font:15px/1.75 system-ui,sans-serif;max-width:46em;padding:10px 14px"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 10px"
_SMALL = "font-size:12.5px;line-height:1.4;margin:2px 0"
_BAR = (
    f"width:220px;height:8px;border:1px solid {FAINT};"
    f"background:linear-gradient(to right,{CONTRAST},{PAPER},{ACCENT})"
)
_ENDS = "display:flex;justify-content:space-between;width:222px"


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
