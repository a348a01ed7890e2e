"""A few rows whose explanations show together what the model does."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Pick:
    """Rows in the order in which they were picked.

    Attributes
    ----------
    rows : ndarray of int of shape (n_picked,)
        Their places in the explanation.
    explanation : Explanation
        Of these rows.
    coverage : ndarray of shape (n_picked,)
        Share of all importance that is shown by each row and those before it.
    importance : DataFrame
        One row for each feature, or condition on one, the most important first: its name (``feature``),
        its ``importance``, and the picked row that shows it first (``row``, -1 where none does).
    """

    rows: Codes
    explanation: Explanation
    coverage: Floats
    importance: pd.DataFrame


def submodular_pick(explanation: Explanation, n_picks: int = 5, *, max_features: int = 5) -> Pick:
    """Pick rows that show as much of what matters as so few can.

    Each row shows its `max_features` largest features, over all outputs. A
    feature matters by the root of the sum of its absolute values over all
    rows; where numbers have bins, each bin is a feature of its own. Rows are
    picked one after the other, each the one that adds most importance not yet
    shown, which is at least 63 % of what the best set would show.

    Parameters
    ----------
    explanation : Explanation
        Of many rows of a table, by any explainer.
    n_picks : int, default=5
        Rows at most; fewer where nothing is left to be shown.
    max_features : int, default=5
        Features that a row shows.

    Returns
    -------
    Pick

    Raises
    ------
    ValueError
        If the rows have features of their own (pictures, texts), or a number is below 1.

    References
    ----------
    .. [1] Ribeiro, M. T., Singh, S., Guestrin, C. (2016). "Why should I trust
       you?" Explaining the predictions of any classifier. KDD.
       https://doi.org/10.1145/2939672.2939778

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import LimeExplainer, submodular_pick
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = LimeExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> pick = submodular_pick(explainer.explain(X), n_picks=4)
    >>> pick.rows.shape, bool((pick.coverage[1:] > pick.coverage[:-1]).all())
    ((4,), True)
    """
    _check(explanation, n_picks, max_features)
    sizes = np.nan_to_num(np.abs(explanation.values)).sum(axis=2)
    names, which = _named(explanation)
    shown = np.zeros((len(explanation), names.size), dtype=bool)
    row, place = np.nonzero(_largest(sizes, max_features))
    shown[row, which[row, place]] = True
    importance = np.sqrt(np.bincount(which.ravel(), sizes.ravel(), names.size))
    rows, first = _greedy(shown, importance, n_picks)
    covered = np.array([importance[(first >= 0) & (first <= k)].sum() for k in range(rows.size)])
    order = np.argsort(-importance, kind="stable")
    by = np.append(rows, -1)[first]
    table = pd.DataFrame({"feature": names[order], "importance": importance[order], "row": by[order]})
    total = importance.sum()
    return Pick(rows, explanation[rows], covered / total if total > 0 else covered, table)


def _check(explanation: Explanation, n_picks: int, max_features: int) -> None:
    for name, given in (("n_picks", n_picks), ("max_features", max_features)):
        if not isinstance(given, Integral) or isinstance(given, bool) or given < 1:
            raise DataError(f"The {name!r} of submodular_pick must be a whole number above 0, got {given!r}.")
    own = {"segments", "words"} & explanation.extras.keys()
    if explanation.dims != ("row", "feature", "output") or own:
        raise DataError(
            "submodular_pick needs features that are the same in every row, as columns of a table are; the "
            "segments of a picture and the words of a text are each row's own."
        )
    if len(explanation) == 0:
        raise DataError("The explanation has no rows to pick from.")


def _named(explanation: Explanation) -> tuple[np.ndarray, Codes]:
    """Names of all features or conditions, and which of them each value of each row is."""
    n_rows, d = explanation.values.shape[:2]
    features = np.array(explanation.feature_names, dtype=object)
    if "conditions" not in explanation.extras:
        return features, np.tile(np.arange(d), (n_rows, 1))
    words = explanation.extras["conditions"].array.astype(object)
    words = np.where(words == "", features, words)
    # Two groups may be told in the same words, as "a combination not seen in fit".
    known, _ = pd.factorize(words.ravel())
    places, _ = pd.factorize(known * d + np.tile(np.arange(d), n_rows))
    first = np.unique(places, return_index=True)[1]
    return words.ravel()[first], places.reshape(n_rows, d)


def _largest(sizes: Floats, n: int) -> Bools:
    """The n largest of each row, as far as they are above 0."""
    order = np.argsort(-sizes, axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    return (rank < n) & (sizes > 0)


def _greedy(shown: Bools, importance: Floats, n_picks: int) -> tuple[Codes, Codes]:
    """Rows, and for each feature the place among them of the first that shows it, -1 for none."""
    first = np.full(importance.size, -1)
    rows: list[int] = []
    while len(rows) < min(n_picks, shown.shape[0]):
        # Row by row, and not as a product, whose last bits depend on where a row stands.
        gain = (shown * np.where(first < 0, importance, 0.0)).sum(axis=1)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        first[shown[best] & (first < 0)] = len(rows)
        rows.append(best)
    return np.array(rows, dtype=np.intp), first
