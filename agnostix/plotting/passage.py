"""A text in pieces: which characters belong to which word, and where they stand when set in lines."""

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
class Piece:
    """Characters side by side that belong to one feature, or to none.

    Attributes
    ----------
    text : str
        The characters.
    place : int
        The feature's place; -1 for none.
    """

    text: str
    place: int


@dataclass(frozen=True)
class SetPiece:
    """A piece in its line.

    Attributes
    ----------
    piece : Piece
        What is set.
    line : int
        Which line, counted from 0.
    x, width : float
        Where it begins, and how wide it is.
    """

    piece: Piece
    line: int
    x: float
    width: float


def check_texts(explanation: Explanation) -> None:
    """Check that there are texts, and where the words are in them.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.

    Raises
    ------
    ValueError
        If not.
    """
    spans: Any = explanation.extras.get("spans")
    if spans is None:
        raise ValueError(
            "TextDisplay needs the places of words in texts, and extras['spans'] is not there. Rows of "
            "tables are drawn by WaterfallDisplay and BarDisplay, pictures by SegmentsDisplay."
        )
    owners: Any = explanation.extras.get("span_features")
    if (
        spans.dims != ("row", "token", "end")
        or spans.array.shape[2] != 2
        or spans.array.dtype.kind not in "iu"
    ):
        raise ValueError(
            "extras['spans'] must be whole numbers with dims ('row', 'token', 'end'), a start and an end for "
            f"each token; got {spans.array.dtype} of shape {spans.array.shape} with dims {spans.dims}."
        )
    if owners is None or owners.array.shape != spans.array.shape[:2] or owners.points_to != "feature":
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


def read_chunks(text: str, spans: Codes, owners: Codes, n_features: int) -> list[list[Piece]]:
    """Cut a text at its spaces, and what stands between them where words begin and end.

    Parameters
    ----------
    text : str
        All of it.
    spans : ndarray of int of shape (n_tokens, 2)
        Start and end of each token.
    owners : ndarray of int of shape (n_tokens,)
        Its feature; -1 where there is none.
    n_features : int
        How many features there are.

    Returns
    -------
    list of list of Piece
        Together they are the text.

    Raises
    ------
    ValueError
        If a token lies outside of the text, or belongs to a feature that is not there.
    """
    places = np.full(len(text), -1)
    there = owners >= 0
    for (start, end), place in zip(spans[there].tolist(), owners[there].tolist(), strict=True):
        if not 0 <= start <= end <= len(text):
            raise ValueError(
                f"extras['spans'] has a word from character {start} to {end}, and the text has {len(text)}: "
                "they must be those of the texts in data."
            )
        if place >= n_features:
            raise ValueError(
                f"extras['span_features'] names feature {place}, and there are {n_features}, counted from 0."
            )
        places[start:end] = place
    return [_pieces(text, places, *found.span()) for found in _CHUNK.finditer(text)]


def _pieces(text: str, places: Codes, start: int, end: int) -> list[Piece]:
    runs = groupby(range(start, end), key=lambda j: int(places[j]))
    return [Piece("".join(text[j] for j in run), place) for place, run in runs]


def set_in_lines(chunks: list[list[Piece]], width: float, measure: Callable[[str], float]) -> list[SetPiece]:
    """Set a text in lines, broken at spaces, or within a word that is wider than a line.

    Parameters
    ----------
    chunks : list of list of Piece
        The text.
    width : float
        Of a line.
    measure : callable
        From some characters to their width, in the same units.

    Returns
    -------
    list of SetPiece
        Without spaces at which a line is broken.
    """
    out: list[SetPiece] = []
    line, x = 0, 0.0
    for chunk in chunks:
        if _ends_line(chunk):
            line, x = line + 1, 0.0
            continue
        parts = [(piece, measure(piece.text)) for piece in chunk]
        whole = sum(wide for _, wide in parts)
        if x > 0.0 and x + whole > width:
            line, x = line + 1, 0.0
            if chunk[0].text.isspace():
                continue
        for piece, wide in parts if whole <= width else _letters(chunk, measure):
            if x > 0.0 and x + wide > width:
                line, x = line + 1, 0.0
            out.append(SetPiece(piece, line, x, wide))
            x += wide
    return out


def drawable(text: str) -> str:
    """A text in which signs that have no shape are replaced.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        Of the same length.
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def width_of(text: str) -> float:
    """How wide a text is, in sizes of its letters, with the spaces at its ends.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    float
    """
    return _extent(f"|{drawable(text)}|") - _extent("||")


def _extent(text: str) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0.0, 0.0), text, size=100.0, usetex=False).get_extents().width) / 100.0


def _ends_line(chunk: list[Piece]) -> bool:
    return chunk[0].text[0] in "\n\r\v\f\x85\u2028\u2029"


def _letters(chunk: list[Piece], measure: Callable[[str], float]) -> Iterator[tuple[Piece, float]]:
    for piece in chunk:
        for letter in piece.text:
            yield Piece(letter, piece.place), measure(letter)
