"""One text, cut into words and what is between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes


@dataclass(frozen=True)
class Tokens:
    """The pieces of a text: before, between and after its words, what separates them.

    Attributes
    ----------
    words : tuple of str
        One for each player, in the order in which they first occur.
    pieces : ndarray of object of shape (2 * n_tokens + 1,)
        Separator, word, separator, ..., word, separator; joined they are the text.
    players : ndarray of int of shape (2 * n_tokens + 1,)
        The player of each piece, -1 for separators.
    spans : ndarray of int of shape (n_tokens, 3)
        Of each word where it starts, where it ends and its player, in characters of the text.
    """

    words: tuple[str, ...]
    pieces: Any
    players: Codes
    spans: Codes

    @classmethod
    def of(cls, text: str, separator: re.Pattern[str], bow: bool) -> Tokens:
        """Cut a text.

        Parameters
        ----------
        text : str
            The text.
        separator : Pattern
            What separates words.
        bow : bool
            Whether all occurrences of a word are one player, or each is its own.

        Returns
        -------
        Tokens
            Without words where the pattern leaves none.
        """
        places = _word_places(text, separator)
        found: dict[Any, int] = {}
        keys = [text[slice(*place)] if bow else place for place in places]
        players = [found.setdefault(key, len(found)) for key in keys]
        words = tuple(key if bow else text[slice(*key)] for key in found)
        cuts = [0, *(cut for place in places for cut in place), len(text)]
        pieces = np.empty(len(cuts) - 1, dtype=object)
        pieces[:] = [text[start:stop] for start, stop in pairwise(cuts)]
        owners = np.full(pieces.size, -1)
        owners[1::2] = players
        spans = np.array([(*place, player) for place, player in zip(places, players, strict=True)], dtype=int)
        return cls(words, pieces, owners, spans.reshape(-1, 3))

    def masked(self, masks: Bools, stand_in: str) -> list[str]:
        """The text with words hidden.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_players)
            True where a word stays; there may be more columns than players.
        stand_in : str
            What stands where a word was.

        Returns
        -------
        list of n_masks str
        """
        shown = masks[:, self.players] | (self.players < 0)
        return list(map("".join, np.where(shown, self.pieces, stand_in).tolist()))


def _word_places(text: str, separator: re.Pattern[str]) -> list[tuple[int, int]]:
    """Starts and ends of what is between the separators, where anything is."""
    found, start = [], 0
    for match in separator.finditer(text):
        found.append((start, match.start()))
        start = match.end()
    found.append((start, len(text)))
    return [(start, stop) for start, stop in found if stop > start]
