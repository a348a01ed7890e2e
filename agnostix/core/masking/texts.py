"""Hiding words of texts."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Detail
from agnostix.core.features import Features
from agnostix.core.frames import column_at, is_frame
from agnostix.core.masking.masker import BackgroundSubset, MaskBlock, MaskDistribution, fill_subsets
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_UNKNOWN = "UNKWORDZ"
"""Replaces words that keep their places, unless there is a mask token; as in lime."""
_LEAST_WIDTH = 64
"""Numbers that a short text takes once a model has made columns of it."""
_JOINERS = "\u00ad\u200c\u200d\u2060"
"""Soft hyphen, joiners and non-joiners, which occur inside words."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of Thai, Lao, Burmese, Khmer, Tai, Japanese and Chinese, which have no spaces between words."""
_LONG_WORD = 4
"""Letters of these scripts in a row, on average, beyond which they are hardly single words."""

Places = list[tuple[int, int]]
"""Start and end of each word of a text."""


@dataclass(frozen=True)
class TextMasker:
    r"""Hides words of texts, which are removed or replaced by another word.

    Parameters
    ----------
    pattern : str or callable, default=r"\W+"
        What separates words: a regular expression, or a function from a text to the
        list of its words in order, or of their (start, end). What is between words is
        always kept. No expression separates a letter from combining marks on it, such
        as vowel signs. Pass a function for scripts without spaces between words, or
        "" for single characters.
    bow : bool, default=True
        Whether all occurrences of a word in a text are one feature, as for
        bag-of-words models; words are case-sensitive. False: each occurrence is
        a feature.
    mask_token : str, default=None
        Replaces hidden words. None: words are removed with bow=True, and
        replaced by "UNKWORDZ" with bow=False, as in lime [1]_, so that the other
        words keep their positions; "" removes them with bow=False too.

    Raises
    ------
    DataError
        If the pattern is neither a regular expression nor a function, or another
        parameter has the wrong type.

    Notes
    -----
    Texts may be passed as a list, a 1-d array, a Series or a DataFrame with one
    column. The model gets an array of str objects of shape (n,), which
    scikit-learn's vectorizers accept like a list; a Pipeline that was fitted on
    a DataFrame with one column gets such a DataFrame.

    Features are numbered, "word 0" to the most that a text has; values of words
    that a text does not have are NaN. ``extras["words"]`` of the explanation
    holds the words themselves, ``extras["spans"]`` the start and end of each
    occurrence and ``extras["span_features"]`` its feature. A
    word that equals the mask token already cannot be hidden, and its value is exactly 0.

    References
    ----------
    .. [1] Ribeiro, M. T., Singh, S., Guestrin, C. (2016). "Why should I trust
       you?" KDD. https://doi.org/10.1145/2939672.2939778

    Examples
    --------
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.maskers import TextMasker
    >>> def praise(texts):
    ...     return [text.count("good") - text.count("bad") for text in texts]
    >>> texts = ["good food, good beer", "bad service"]
    >>> exp = KernelShapExplainer(praise, masker=TextMasker()).fit(texts).explain(texts)
    >>> exp.extras["words"].array.tolist()
    [['good', 'food', 'beer'], ['bad', 'service', '']]
    >>> exp.values[:, :, 0].round(8) + 0.0
    array([[ 2.,  0.,  0.],
           [-1.,  0., nan]])
    """

    pattern: str | Callable[[str], Any] = r"\W+"
    bow: bool = True
    mask_token: str | None = None
    weights: Floats = field(init=False, repr=False)

    background: ClassVar[None] = None
    merges: ClassVar[bool] = False
    mask_distribution: ClassVar[MaskDistribution] = "sizes"
    same_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.bow, bool | np.bool_):
            raise DataError(f"The 'bow' of TextMasker must be True or False, got {self.bow!r}.")
        if not isinstance(self.mask_token, str | None):
            raise DataError(f"The 'mask_token' of TextMasker must be a str or None, got {self.mask_token!r}.")
        if not (isinstance(self.pattern, str) or callable(self.pattern)):
            raise DataError(f"The 'pattern' of TextMasker must be a str or a function, got {self.pattern!r}.")
        try:
            re.compile(self.pattern if isinstance(self.pattern, str) else "")
        except re.error as error:
            raise DataError(
                f"The 'pattern' of TextMasker must be a regular expression, got {self.pattern!r}: {error}."
            ) from None
        object.__setattr__(self, "weights", np.ones(1))

    def read(self, X: Any) -> MaskedTexts:
        """Split texts into words.

        Parameters
        ----------
        X : list, 1-d array or Series of str, or DataFrame with one column of them
            The texts.

        Returns
        -------
        MaskedTexts

        Raises
        ------
        DataError
            If they are not texts, or one has no words.
        """
        replacement = self.mask_token
        if replacement is None:
            replacement = "" if self.bow else _UNKNOWN
        return MaskedTexts.from_container(X, self.pattern, bool(self.bow), replacement)

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """The one replacement of hidden words, for each mask.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_features)
            True where a word is kept.

        Returns
        -------
        list of BackgroundSubset
            One for each mask.
        """
        return fill_subsets(masks, self.weights)


@dataclass(frozen=True)
class Tokens:
    """A text in pieces: separator, word, separator, ..., word, separator."""

    words: tuple[str, ...]  # one for each feature, in the order in which they first occur
    pieces: Any  # (2 * n_tokens + 1,), joined they are the text
    features: Codes  # (2 * n_tokens + 1,): the feature of each piece, -1 for separators
    spans: Codes  # (n_tokens, 3): start, end and feature of each word

    @classmethod
    def from_places(cls, text: str, places: Places, bow: bool) -> Tokens:
        """Words of a text at their places; with bow equal words are one feature."""
        known: dict[Any, int] = {}
        keys = [text[slice(*place)] if bow else place for place in places]
        features = [known.setdefault(key, len(known)) for key in keys]
        words = tuple(key if bow else text[slice(*key)] for key in known)
        cuts = [0, *(cut for place in places for cut in place), len(text)]
        pieces = np.empty(len(cuts) - 1, dtype=object)
        pieces[:] = [text[start:stop] for start, stop in pairwise(cuts)]
        owners = np.full(pieces.size, -1)
        owners[1::2] = features
        spans = np.array([(*place, owner) for place, owner in zip(places, features, strict=True)], dtype=int)
        return cls(words, pieces, owners, spans.reshape(-1, 3))

    def masked(self, masks: Bools, replacement: str) -> list[str]:
        """The text under each mask (n_masks, n_features or more), hidden words replaced."""
        shown = masks[:, self.features] | (self.features < 0)
        return list(map("".join, np.where(shown, self.pieces, replacement).tolist()))


@dataclass(frozen=True)
class MaskedTexts:
    """Texts (n_rows,), the words of each, and what replaces hidden words."""

    texts: Any
    tokens: tuple[Tokens, ...]
    replacement: str

    @classmethod
    def from_container(
        cls, X: Any, pattern: str | Callable[[str], Any], bow: bool, replacement: str
    ) -> MaskedTexts:
        """Texts of a list, Series, 1-d array or one-column DataFrame; DataError if one has no words."""
        texts = _as_texts(X)
        places = [_find_words(text, row, pattern) for row, text in enumerate(texts)]
        for row, own in enumerate(places):
            if not own:
                raise DataError(
                    f"Row {row} of X has no word that could be hidden: {_shortened(texts[row])}, split at "
                    f"the pattern {pattern!r} of TextMasker. Leave it out, or pass another pattern."
                )
        if isinstance(pattern, str):
            _warn_unspaced(texts, places)
        tokens = tuple(Tokens.from_places(text, own, bow) for text, own in zip(texts, places, strict=True))
        return cls(texts, tokens, replacement)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, places: Any) -> MaskedTexts:
        chosen = np.arange(len(self))[places]
        return MaskedTexts(self.texts[chosen], tuple(self.tokens[row] for row in chosen), self.replacement)

    @cached_property
    def words(self) -> Any:
        """The word of each feature, (n_rows, n_features), "" where a text has none."""
        return _padded([one.words for one in self.tokens], "").astype(str)

    @property
    def spans(self) -> Codes:
        """Start, end and feature of each word, (n_rows, n_tokens, 3), -1 where a text has none."""
        return _padded([one.spans for one in self.tokens], -1, 3)

    @property
    def features(self) -> Features:
        """Words by number."""
        return Features.without_columns(f"word {number}" for number in range(self.present.shape[1]))

    @property
    def present(self) -> Bools:
        """Words that each text has, (n_rows, n_features)."""
        counts = np.array([len(one.words) for one in self.tokens])
        return np.arange(counts.max()) < counts[:, None]

    @property
    def varying(self) -> Bools:
        """Words that differ from their replacement, (n_rows, n_features)."""
        return self.present & (self.words != self.replacement)

    @property
    def unmasked(self) -> Any:
        """The texts as an array of objects, (n_rows,)."""
        return self.texts

    @property
    def data(self) -> Any:
        """The texts as an array of str, (n_rows,), which is stored without pickle."""
        return self.texts.astype(str)

    @property
    def n_values(self) -> int:
        """A number for each character of the longest text, as an estimate of what a model makes of it."""
        return max(_LEAST_WIDTH, *(len(text) for text in self.texts))

    def details(self) -> dict[str, Detail]:
        """The words, start and end of each token, and its feature; -1 where a text has no more tokens."""
        return {
            "words": Detail(self.words, ("row", "feature")),
            "spans": Detail(self.spans[..., :2], ("row", "token", "end")),
            "span_features": Detail(self.spans[..., 2], ("row", "token"), points_to="feature"),
        }

    def distinct(self) -> tuple[Codes, Codes]:
        """First text of each kind, and kind of each text."""
        which = pd.factorize(self.texts)[0]
        return np.unique(which, return_index=True)[1], which

    def builder(self, rows: Codes, capacity: int) -> TextBuilder:
        """Builds some of the texts with words hidden."""
        return TextBuilder(self[rows])

    def compose(self, rows: Codes) -> None:
        """None: a text is no array of numbers."""
        return


@dataclass(frozen=True)
class TextBuilder:
    """Builds texts with words hidden."""

    own: MaskedTexts

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Texts (n_cells,) by mask, then by row."""
        n_rows = len(self.own)
        mask, row = np.divmod(np.arange(block.n_draws * n_rows)[cells], n_rows)
        built = np.empty(row.size, dtype=object)
        for one in np.unique(row):
            at = np.flatnonzero(row == one)
            built[at] = self.own.tokens[one].masked(block.masks[mask[at]], self.own.replacement)
        return built

    def is_whole(self, table: Any) -> bool:
        """True: nothing else holds the texts."""
        return True


def _padded(parts: Sequence[Any], nothing: Any, *inner: int) -> Any:
    """Parts of unequal lengths in one array."""
    dtype = object if isinstance(nothing, str) else int
    padded = np.full((len(parts), max(len(part) for part in parts), *inner), nothing, dtype=dtype)
    for row, part in enumerate(parts):
        padded[row, : len(part)] = part
    return padded


def _as_texts(X: Any) -> Any:
    """One str for each row, in an array of objects."""
    column = column_at(X, 0) if is_frame(X) and X.shape[1] == 1 else X
    is_flat = isinstance(column, list | tuple) or len(getattr(column, "shape", ())) == 1
    if not is_flat or len(column) == 0:
        shape = getattr(X, "shape", None)
        got = "None" if X is None else f"a{'n empty' * (is_flat and shape is None)} {type(X).__name__}"
        got += "" if shape is None else f" of shape {tuple(shape)}"
        raise DataError(
            "X must be texts: at least one, in a list, an array of one dimension, a Series, or a DataFrame "
            f"of one column; got {got}."
        )
    for row, text in enumerate(column):
        if not isinstance(text, str):
            is_missing = pd.api.types.is_scalar(text) and pd.isna(text)
            what = "a missing value" if is_missing else f"{text!r}, of type {type(text).__name__}"
            raise DataError(f"Row {row} of X is no text but {what}. Convert it, or leave it out.")
    texts = np.empty(len(column), dtype=object)
    texts[:] = [str(text) for text in column]
    return texts


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _find_words(text: str, row: int, pattern: str | Callable[[str], Any]) -> Places:
    """Starts and ends of the words of a text, by a separator or a function."""
    if isinstance(pattern, str):
        return _between_separators(text, re.compile(pattern))
    places: Places = []
    stop = 0
    for word in pattern(text):
        start, stop = _place_of(word, text, stop, row)
        if text[start:stop].strip():
            places.append((start, stop))
    return places


def _place_of(word: Any, text: str, after: int, row: int) -> tuple[int, int]:
    """Start and end of a word that a function has given, which must not be before `after`."""
    if isinstance(word, str):
        start = text.find(word, after)
        place = (start, start + len(word))
    else:
        is_pair = (
            isinstance(word, tuple | list) and len(word) == 2 and all(isinstance(x, Integral) for x in word)
        )
        place = (int(word[0]), int(word[1])) if is_pair else (-1, -1)
    if not after <= place[0] <= place[1] <= len(text):
        raise DataError(
            f"The function 'pattern' of TextMasker gave {word!r} for row {row} of X, which is not in the "
            f"text after character {after}: {_shortened(text)}. It must return the words as they are in the "
            "text, in order, or the (start, end) of each."
        )
    return place


def _between_separators(text: str, separator: re.Pattern[str]) -> Places:
    """Starts and ends of what is between the separators, where anything is."""
    places, start = [], 0
    for match in separator.finditer(text):
        # Marks belong to the letter before them, which no expression of the module re takes into account.
        stop = _skip_marks(text, match.start())
        if stop < match.end() or (stop == match.start() and stop == match.end()):
            places.append((start, stop))
            start = match.end()
    places.append((start, len(text)))
    return [(start, stop) for start, stop in places if stop > start]


def _skip_marks(text: str, place: int) -> int:
    """First place from this on without a combining mark or joiner, if a character is before it."""
    if place == 0:
        return 0
    while place < len(text) and _is_mark(text[place]):
        place += 1
    return place


def _is_mark(character: str) -> bool:
    return character > "\x7f" and (character in _JOINERS or unicodedata.category(character)[0] == "M")


def _warn_unspaced(texts: Any, places: list[Places]) -> None:
    """Warn where words are whole sentences of a script without spaces, or a long text is one word."""
    for row, (text, own) in enumerate(zip(texts, places, strict=True)):
        unspaced = [] if text.isascii() else _UNSPACED.findall(text)
        n_letters = sum(not _is_mark(letter) for letter in unspaced)
        if n_letters > _LONG_WORD * len(own):
            warnings.warn(
                f"Row {row} of X has {len(own)} word{'s' * (len(own) > 1)} to TextMasker, in a script "
                f"without spaces between words: {_shortened(text)}. Pass pattern='' to hide single "
                "characters, or as pattern a function from a text to its words.",
                UserWarning,
                stacklevel=2,
            )
            return
