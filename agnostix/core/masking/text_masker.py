"""Hiding words of texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Detail
from agnostix.core.masking.draws import Draws, MaskBlock, sure_draws
from agnostix.core.masking.masker import Law
from agnostix.core.masking.players import Players
from agnostix.core.masking.texts import Texts
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_UNKNOWN = "UNKWORDZ"
"""What stands for words at their places where nothing else is said, as in lime."""
_LEAST_WIDTH = 64
"""Numbers that a short text takes once a model has made columns of it."""


@dataclass(frozen=True)
class TextMasker:
    r"""Words of texts as players; what is hidden is left out, or another word stands there.

    Parameters
    ----------
    pattern : str, default=r"\W+"
        Regular expression of what separates words. Separators always stay.
    bow : bool, default=True
        Whether all occurrences of a word in a text are one player, as for models
        of bags of words; capitals count. False: each occurrence is its own.
    mask_token : str, default=None
        What stands where a hidden word was. None: nothing with bow=True, and
        "UNKWORDZ" with bow=False, as in lime [1]_, so that words keep their
        places; "" removes words with bow=False too.

    Raises
    ------
    DataError
        If the pattern is no regular expression, or another parameter has the wrong type.

    Notes
    -----
    Texts are read from a list, an array of one dimension, a Series or a
    DataFrame of one column. The model gets an array of str objects of shape
    (n,), which scikit-learn's vectorizers take as they take lists; a Pipeline
    that was fitted on a frame of one column gets such a frame.

    Players are known by their places, "word 0" to the most that a text has;
    values of words that a text does not have are NaN. The result's
    ``extras["words"]`` has the words themselves, ``extras["spans"]`` where each of
    their occurrences starts and ends, and ``extras["span_features"]`` whose it is. A word that is the
    mask token already is no player, and its value is exactly 0.

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

    pattern: str = r"\W+"
    bow: bool = True
    mask_token: str | None = None
    weights: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.bow, bool | np.bool_):
            raise DataError(f"The 'bow' of TextMasker must be True or False, got {self.bow!r}.")
        if not isinstance(self.mask_token, str | None):
            raise DataError(f"The 'mask_token' of TextMasker must be a str or None, got {self.mask_token!r}.")
        if not isinstance(self.pattern, str):
            raise DataError(f"The 'pattern' of TextMasker must be a str, got {self.pattern!r}.")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise DataError(
                f"The 'pattern' of TextMasker must be a regular expression, got {self.pattern!r}: {error}."
            ) from None
        object.__setattr__(self, "weights", np.ones(1))

    @property
    def merges(self) -> bool:
        """False: masks that differ give texts that differ, but for rare ones."""
        return False

    @property
    def mask_law(self) -> Law:
        """Any number of words is left out, as in lime."""
        return "sizes"

    @property
    def same_players(self) -> bool:
        """False: each text has words of its own."""
        return False

    def read(self, X: Any) -> Texts:
        """Cut texts into words.

        Parameters
        ----------
        X : list, 1-d array or Series of str, or DataFrame with one column of them
            The texts.

        Returns
        -------
        Texts

        Raises
        ------
        DataError
            If they are no texts, or one has no words.
        """
        return Texts.of(X, re.compile(self.pattern), bool(self.bow))

    def unmasked(self, X: Texts) -> Any:
        """The texts as objects.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        ndarray of object of shape (n_rows,)
        """
        return X.texts

    def data(self, X: Texts) -> Any:
        """The texts, in a type that is stored without pickle.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        ndarray of str of shape (n_rows,)
        """
        return X.texts.astype(str)

    def players_of(self, X: Texts) -> Players:
        """Words by their places.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        Players
        """
        n_players = X.words.shape[1]
        return Players(tuple(f"word {place}" for place in range(n_players)), ((),) * n_players)

    def present(self, X: Texts) -> Bools:
        """Words that each text has.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_players)
        """
        return X.present

    def varying(self, X: Texts) -> Bools:
        """Words that are not what stands in already.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_players)
        """
        return X.present & (X.words != self._stand_in)

    def extras(self, X: Texts) -> dict[str, Any]:
        """The words and where they are.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        dict
            "words", the word of each feature, "" where a text has none; "spans", start and end of each
            token in characters of its text, and "span_features", its feature; -1 where a text has none.
        """
        return {
            "words": Detail(X.words, ("row", "feature")),
            "spans": Detail(X.spans[..., :2], ("row", "token", "end")),
            "span_features": Detail(X.spans[..., 2], ("row", "token"), points_to="feature"),
        }

    def draws(self, masks: Bools) -> list[Draws]:
        """One for each mask: what stands in is no draw.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_players)
            The masks.

        Returns
        -------
        list of Draws
        """
        return sure_draws(masks.shape[0])

    def distinct(self, X: Texts) -> tuple[Codes, Codes]:
        """Find texts that are the same.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        tuple of ndarray of int
            The first text of each kind, and for every text its place there.
        """
        which = pd.factorize(X.texts)[0]
        return np.unique(which, return_index=True)[1], which

    def width(self, X: Texts) -> int:
        """Numbers that a model is taken to make of a text: one for each character.

        Parameters
        ----------
        X : Texts
            The texts.

        Returns
        -------
        int
            For the longest text.
        """
        return max(_LEAST_WIDTH, *(len(text) for text in X.texts))

    def builder(self, X: Texts, rows: Codes, room: int) -> _TextBuilder:
        """Make a builder of texts with words hidden.

        Parameters
        ----------
        X : Texts
            The texts.
        rows : ndarray of int of shape (n,)
            Which of them.
        room : int
            Not used.

        Returns
        -------
        Builder
        """
        return _TextBuilder(X[rows], self._stand_in)

    def compose(self, X: Texts, rows: Codes) -> None:
        """A text is no array of numbers.

        Parameters
        ----------
        X : Texts
            The texts.
        rows : ndarray of int
            Which of them.
        """
        return

    @property
    def _stand_in(self) -> str:
        if self.mask_token is None:
            return "" if self.bow else _UNKNOWN
        return self.mask_token


@dataclass(frozen=True)
class _TextBuilder:
    own: Texts
    stand_in: str

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Texts by mask, then by row."""
        n_rows = len(self.own)
        mask, row = np.divmod(np.arange(block.n_draws * n_rows)[cells], n_rows)
        built = np.empty(row.size, dtype=object)
        for one in np.unique(row):
            at = np.flatnonzero(row == one)
            built[at] = self.own.tokens[one].masked(block.masks[mask[at]], self.stand_in)
        return built

    def is_whole(self, table: Any) -> bool:
        """Nothing else holds the texts."""
        return True
