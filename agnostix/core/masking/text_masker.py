"""Hiding words of texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from agnostix.core.masking.background import BackgroundSubset, fill_subsets
from agnostix.core.masking.masker import MaskDistribution
from agnostix.core.masking.texts import MaskedTexts
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError

_UNKNOWN = "UNKWORDZ"
"""Replaces words that keep their places, unless there is a mask token; as in lime."""


@dataclass(frozen=True)
class TextMasker:
    r"""Hides words of texts, which are removed or replaced by another word.

    Parameters
    ----------
    pattern : str, default=r"\W+"
        Regular expression that separates words. Separators are always kept.
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
        If the pattern is not a regular expression, or another parameter has the wrong type.

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

    pattern: str = r"\W+"
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
        if not isinstance(self.pattern, str):
            raise DataError(f"The 'pattern' of TextMasker must be a str, got {self.pattern!r}.")
        try:
            re.compile(self.pattern)
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
        return MaskedTexts.from_container(X, re.compile(self.pattern), bool(self.bow), replacement)

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
