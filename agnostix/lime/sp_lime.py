"""SP-LIME: a few rows whose explanations cover the important features, by submodular pick."""

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
    """Picked rows, in the order in which they were picked.

    Attributes
    ----------
    rows : ndarray of int of shape (n_picked,)
        Positions of the rows in the explanation.
    explanation : Explanation
        Explanation of these rows.
    coverage : ndarray of shape (n_picked,)
        Fraction of the total importance that each row covers together with those picked before it.
    importance : DataFrame
        Features (or conditions on them) in descending order of importance: ``feature``, ``importance``, and
        ``row``, the first picked row that shows it, or -1.
    """

    rows: Codes
    explanation: Explanation
    coverage: Floats
    importance: pd.DataFrame


def submodular_pick(explanation: Explanation, n_picks: int = 5, *, max_features: int = 5) -> Pick:
    """Pick a few rows whose explanations together cover the important features (SP-LIME).

    Each row shows its `max_features` features with the largest absolute values,
    summed over outputs. The importance of a feature is the square root of the sum
    of its absolute values over all rows and outputs; with binned numbers, each bin
    counts as a feature of its own. Rows are picked greedily, each the one that adds
    most importance not yet covered, which covers at least 63 % (1 - 1/e) of what
    the best set of as many rows would.

    Parameters
    ----------
    explanation : Explanation
        Explanation of many rows of a table, by any explainer.
    n_picks : int, default=5
        Maximum number of rows; fewer are picked if nothing is left to cover.
    max_features : int, default=5
        Number of features that each row shows.

    Returns
    -------
    Pick

    Raises
    ------
    ValueError
        If features differ between rows (images, texts), there are no rows, or a number
        is below 1.

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
    names, feature_of = _identify_features(explanation)
    shows = np.zeros((len(explanation), names.size), dtype=bool)
    row, feature = np.nonzero(_top_features(sizes, max_features))
    shows[row, feature_of[row, feature]] = True
    importance = np.sqrt(np.bincount(feature_of.ravel(), sizes.ravel(), names.size))
    rows, first = _pick_greedily(shows, importance, n_picks)
    covered = np.array([importance[(first >= 0) & (first <= k)].sum() for k in range(rows.size)])
    order = np.argsort(-importance, kind="stable")
    shown_by = np.append(rows, -1)[first]
    table = pd.DataFrame({"feature": names[order], "importance": importance[order], "row": shown_by[order]})
    total = importance.sum()
    return Pick(rows, explanation[rows], covered / total if total > 0 else covered, table)


def _check(explanation: Explanation, n_picks: int, max_features: int) -> None:
    for name, value in (("n_picks", n_picks), ("max_features", max_features)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise DataError(
                f"The {name!r} of submodular_pick must be an integer of at least 1, got {value!r}."
            )
    if explanation.dims != ("row", "feature", "output") or {"segments", "words"} & explanation.extras.keys():
        raise DataError(
            "submodular_pick needs features that are the same in every row, such as columns of a table. "
            "Segments of images and words of texts differ between rows."
        )
    if len(explanation) == 0:
        raise DataError("submodular_pick got an explanation with no rows. Explain at least one.")


def _identify_features(explanation: Explanation) -> tuple[np.ndarray, Codes]:
    """Names of features or conditions (n_names,), and which of them each value is, (n_rows, n_features)."""
    n_rows, d = explanation.values.shape[:2]
    features = np.array(explanation.feature_names, dtype=object)
    if "conditions" not in explanation.extras:
        return features, np.tile(np.arange(d), (n_rows, 1))
    conditions = explanation.extras["conditions"].array.astype(object)
    conditions = np.where(conditions == "", features, conditions)
    # Conditions of two features may read the same, as "a combination not seen in fit" of two groups.
    codes, _ = pd.factorize(conditions.ravel())
    which, _ = pd.factorize(codes * d + np.tile(np.arange(d), n_rows))
    first = np.unique(which, return_index=True)[1]
    return conditions.ravel()[first], which.reshape(n_rows, d)


def _top_features(sizes: Floats, n: int) -> Bools:
    """The n largest sizes of each row that are above 0, (n_rows, n_features)."""
    order = np.argsort(-sizes, axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    return (rank < n) & (sizes > 0)


def _pick_greedily(shows: Bools, importance: Floats, n_picks: int) -> tuple[Codes, Codes]:
    """Picked rows, and for each feature which pick shows it first, -1 for none."""
    first = np.full(importance.size, -1)
    rows: list[int] = []
    while len(rows) < min(n_picks, shows.shape[0]):
        # Row by row: the last bits of a matrix product depend on the position of a row.
        gain = (shows * np.where(first < 0, importance, 0.0)).sum(axis=1)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        first[shows[best] & (first < 0)] = len(rows)
        rows.append(best)
    return np.array(rows, dtype=np.intp), first
