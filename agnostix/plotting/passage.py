"""Texts in tokens: which characters belong to which word, and in which line they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Codes

_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
_CHUNK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]|[^\S\n\r\v\f\x85\u2028\u2029]+|\S+")
"""The end of a line, spaces, or what stands between spaces."""


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
