"""Texts that are cut into words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_at, is_frame
from agnostix.core.masking.tokens import Tokens
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Texts:
    """Rows of `TextMasker`: texts and their words.

    Attributes
    ----------
    texts : ndarray of object of shape (n_rows,)
        The texts, each a str.
    tokens : tuple of Tokens
        Their words.
    """

    texts: Any
    tokens: tuple[Tokens, ...]

    @classmethod
    def of(cls, X: Any, separator: re.Pattern[str], bow: bool) -> Texts:
        """Cut texts into words.

        Parameters
        ----------
        X : list, 1-d array or Series of str, or DataFrame with one column of them
            The texts.
        separator : Pattern
            What separates words.
        bow : bool
            Whether all occurrences of a word in a text are one player.

        Returns
        -------
        Texts

        Raises
        ------
        DataError
            If they are no texts, or one has no words.
        """
        texts = _as_texts(X)
        tokens = tuple(Tokens.of(text, separator, bow) for text in texts)
        for row, one in enumerate(tokens):
            if not one.words:
                raise DataError(
                    f"Row {row} of X has no word that could be hidden: {_shortened(texts[row])}, split at "
                    f"the pattern {separator.pattern!r} of TextMasker. Leave it out, or pass another pattern."
                )
        return cls(texts, tokens)

    @property
    def shape(self) -> tuple[int]:
        """The number of texts."""
        return (len(self.tokens),)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Any) -> Texts:
        places = np.arange(len(self))[rows]
        return Texts(self.texts[places], tuple(self.tokens[place] for place in places))

    @cached_property
    def words(self) -> Any:
        """The word of each player, of shape (n_rows, n_players), "" where a text has none."""
        return _padded([one.words for one in self.tokens], "").astype(str)

    @property
    def present(self) -> Bools:
        """Players that each text has, of shape (n_rows, n_players)."""
        counts = np.array([len(one.words) for one in self.tokens])
        return np.arange(counts.max()) < counts[:, None]

    @property
    def spans(self) -> Codes:
        """Start, end and player of each word, of shape (n_rows, n_tokens, 3), -1 where a text has none."""
        return _padded([one.spans for one in self.tokens], -1, 3)


def _padded(parts: Sequence[Any], nothing: Any, *inner: int) -> Any:
    """Parts of unequal lengths in one array."""
    dtype = object if isinstance(nothing, str) else int
    found = np.full((len(parts), max(len(part) for part in parts), *inner), nothing, dtype=dtype)
    for row, part in enumerate(parts):
        found[row, : len(part)] = part
    return found


def _as_texts(X: Any) -> Any:
    """One str for each row, in an array of objects."""
    column = column_at(X, 0) if is_frame(X) and X.shape[1] == 1 else X
    is_flat = isinstance(column, list | tuple) or len(getattr(column, "shape", ())) == 1
    if not is_flat or len(column) == 0:
        shape = getattr(X, "shape", None)
        got = f"{type(X).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
        raise DataError(
            "X must be texts: at least one, in a list, an array of one dimension, a Series, or a DataFrame "
            f"of one column; got {'an empty ' if is_flat and shape is None else 'a '}{got}."
        )
    for row, text in enumerate(column):
        if not isinstance(text, str):
            what = "a missing value" if pd.api.types.is_scalar(text) and pd.isna(text) else repr(text)
            raise DataError(
                f"Row {row} of X is no text but {what}, of type {type(text).__name__}. Convert it, or leave "
                "it out."
            )
    texts = np.empty(len(column), dtype=object)
    texts[:] = [str(text) for text in column]
    return texts


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
