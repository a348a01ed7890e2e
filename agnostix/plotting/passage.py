"""Texts in tokens: which characters belong to which word, and where they stand when broken into lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Codes

_CHUNK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]|[^\S\n\r\v\f\x85\u2028\u2029]+|\S+")
"""The end of a line, spaces, or what stands between spaces."""


@dataclass(frozen=True)
class Token:
    """Adjacent characters of one feature, given by its place; -1 for characters of none."""

    text: str
    place: int


@dataclass(frozen=True)
class PlacedToken:
    """A token in its line, counted from 0: where it begins, and how wide it is."""

    token: Token
    line: int
    x: float
    width: float


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


def break_lines(
    chunks: list[list[Token]], width: float, measure: Callable[[str], float]
) -> list[PlacedToken]:
    """Place tokens in lines, broken at spaces, which are dropped, or within a word wider than a line."""
    out: list[PlacedToken] = []
    line, x = 0, 0.0
    for chunk in chunks:
        if _ends_line(chunk):
            line, x = line + 1, 0.0
            continue
        parts = [(token, measure(token.text)) for token in chunk]
        whole = sum(wide for _, wide in parts)
        if x > 0.0 and x + whole > width:
            line, x = line + 1, 0.0
            if chunk[0].text.isspace():
                continue
        for token, wide in parts if whole <= width else _letters(chunk, measure):
            if x > 0.0 and x + wide > width:
                line, x = line + 1, 0.0
            out.append(PlacedToken(token, line, x, wide))
            x += wide
    return out


def replace_unprintable(text: str) -> str:
    """A text of the same length without characters that have no glyph."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def measure_width(text: str) -> float:
    """Width of a text with the spaces at its ends, in font sizes."""
    return _extent(f"|{replace_unprintable(text)}|") - _extent("||")


def _extent(text: str) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0.0, 0.0), text, size=100.0, usetex=False).get_extents().width) / 100.0


def _ends_line(chunk: list[Token]) -> bool:
    return chunk[0].text[0] in "\n\r\v\f\x85\u2028\u2029"


def _letters(chunk: list[Token], measure: Callable[[str], float]) -> Iterator[tuple[Token, float]]:
    for token in chunk:
        for letter in token.text:
            yield Token(letter, token.place), measure(letter)
