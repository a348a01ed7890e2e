"""Explanations of texts by their words, of which the same in several texts is one feature."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, INTERVAL_KIND, Detail
from agnostix.core.explanation.statistics import by_value

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

WORDS = "words"
"""Key of the Detail with the word of each row and feature, "" where a text has no more words."""


def word_labels(explanation: Explanation) -> np.ndarray | None:
    """Word of each row and feature, as "the (2)" where it is another feature again; None without words."""
    words = explanation.extras.get(WORDS)
    if getattr(words, "dims", None) != ("row", "feature") or explanation.dims.count("feature") != 1:
        return None
    assert isinstance(words, Detail)
    labels = words.array.astype(object)
    place = np.arange(labels.size) // max(labels.shape[1], 1)
    count = pd.Series(labels.ravel()).groupby([place, labels.ravel()]).cumcount().to_numpy() + 1
    for j in np.flatnonzero((count > 1) & (labels.ravel() != "")):
        labels.flat[j] = f"{labels.flat[j]} ({count[j]})"
    return labels


def by_words(explanation: Explanation) -> Explanation:
    """The explanation with a feature for each word of its texts, NaN where a text has none."""
    labels = word_labels(explanation)
    if labels is None or "row" not in explanation.dims:
        return explanation
    rows, features = np.nonzero(labels != "")
    codes, words = pd.factorize(labels[rows, features])

    def spread(array: np.ndarray, dims: tuple[str, ...]) -> np.ndarray:
        axes = dims.index("row"), dims.index("feature")
        by_feature = np.moveaxis(array, axes, (0, 1))
        nothing = np.nan if array.dtype.kind == "f" else "student"  # of a word that a text lacks
        by_word = np.full((len(by_feature), len(words), *by_feature.shape[2:]), nothing, dtype=array.dtype)
        by_word[rows, codes] = by_feature[rows, features]
        return np.moveaxis(by_word, (0, 1), axes)

    extras: dict[str, Any] = {}
    for key, value in explanation.extras.items():
        if not isinstance(value, Detail) or "feature" not in (*value.dims, value.points_to):
            extras[key] = value
        elif key in (DEGREES_OF_FREEDOM, INTERVAL_KIND):
            kind = "<U14" if key == INTERVAL_KIND else float
            whole = by_value(explanation, key, None).astype(kind)
            extras[key] = Detail(spread(whole, explanation.dims), explanation.dims)
        elif {"row", "feature"} <= set(value.dims) and value.array.dtype.kind == "f":
            extras[key] = Detail(spread(value.array, value.dims), value.dims)
    errors = explanation.std_errors
    return replace(
        explanation,
        values=spread(explanation.values, explanation.dims),
        std_errors=None if errors is None else spread(errors, explanation.dims),
        feature_names=tuple(map(str, words)),
        extras=extras,
    )
