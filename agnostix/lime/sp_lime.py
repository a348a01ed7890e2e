"""SP-LIME: a few rows whose explanations cover the important features, by submodular pick."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, DESIGN_ERRORS, SHARED_ERRORS
from agnostix.core.explanation.statistics import by_value
from agnostix.core.intervals import interval_ends
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

LEVEL = 0.95
"""Coverage of the intervals."""


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
    coverage_std_errors, coverage_low, coverage_high : ndarray of shape (n_picked,)
        Standard errors and 95 % intervals of the coverage, given the rows and what each shows; NaN without
        standard errors of the values.
    importance : DataFrame
        Features (or conditions on them) in descending order of importance: ``feature``, ``importance``,
        its ``std_error`` and 95 % interval ``low`` and ``high``, and ``row``, the first picked row that shows
        it, or -1.
    """

    rows: Codes
    explanation: Explanation
    coverage: Floats
    coverage_std_errors: Floats
    coverage_low: Floats
    coverage_high: Floats
    importance: pd.DataFrame


def submodular_pick(explanation: Explanation, n_picks: int = 5, *, max_features: int = 5) -> Pick:
    """Pick a few rows whose explanations together cover the important features (SP-LIME).

    Each row shows its `max_features` features with the largest absolute values,
    summed over outputs. The importance of a feature is the square root of the sum
    of its absolute values over all rows and outputs; with binned numbers, each bin
    counts as a feature of its own. Rows are picked greedily, each the one that adds
    most importance not yet covered, which covers at least 63 % (1 - 1/e) of what
    the best set of as many rows would.

    Errors of importance and coverage are those of the values of these very rows,
    what rows share in their errors included; that other rows would be of other
    importance is not in them. Absolute values of noise add up: a feature without
    an effect has the importance of its errors, and its interval does not reach 0.

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
    is_covered = np.array([(first >= 0) & (first <= k) for k in range(rows.size)]).reshape(-1, names.size)
    total = importance.sum() or 1.0
    coverage = np.array([importance[shown].sum() for shown in is_covered]) / total
    errors = _ImportanceErrors.from_explanation(explanation, feature_of, importance)
    own, of_coverage = errors.std_errors, errors.of_coverage(is_covered, coverage, total)
    ends = interval_ends(importance, own, LEVEL, errors.degrees_of_freedom, "log")
    columns = {"feature": names, "importance": importance, "std_error": own, "low": ends[0], "high": ends[1]}
    order = np.argsort(-importance, kind="stable")
    table = pd.DataFrame({name: column[order] for name, column in columns.items()})
    table["row"] = np.append(rows, -1)[first][order]
    least_dof = float(errors.degrees_of_freedom.min(initial=np.inf))
    low, high = interval_ends(coverage, of_coverage, LEVEL, least_dof, "logit")
    return Pick(rows, explanation[rows], coverage, of_coverage, low, high, table)


@dataclass(frozen=True)
class _ImportanceErrors:
    """Errors of the importances of names, by their parts."""

    shared: Floats  # (n_names, n_components), what rows share
    own: Floats  # (n_names,), independent of other names
    degrees_of_freedom: Floats  # (n_names,)

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, feature_of: Codes, importance: Floats
    ) -> _ImportanceErrors:
        """Of the names `feature_of` (n_rows, n_features), by the delta method; NaN if values have none."""
        n_names, values = importance.size, explanation.values
        if explanation.std_errors is None:
            unknown = np.full(n_names, np.nan)
            return cls(np.zeros((n_names, 0)), unknown, np.full(n_names, np.inf))
        errors = np.where(np.isnan(values), 0.0, explanation.std_errors)
        shared, together = _shared_parts(explanation)
        own = np.sqrt(np.maximum(errors**2 - (shared**2).sum(axis=-1) - together**2, 0.0))

        def sums(parts: Floats) -> Floats:
            """Over rows, (n_rows, n_features) to (n_names,)."""
            return np.asarray(np.bincount(feature_of.ravel(), parts.ravel(), n_names), dtype=float)

        # Outputs of a row rest on the same draws, so that their errors add up as they are.
        signed = np.moveaxis(np.sign(np.nan_to_num(values))[..., None] * shared, -1, 0).sum(axis=-1)
        components = np.column_stack([*map(sums, signed), sums(together.sum(axis=2))])
        of_own = np.sqrt(sums(own.sum(axis=2) ** 2))
        dof = by_value(explanation, DEGREES_OF_FREEDOM, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            fewer = sums(np.where(errors > 0, errors**4 / dof, 0.0).sum(axis=2))
            joint = np.where(fewer > 0, sums((errors**2).sum(axis=2)) ** 2 / fewer, np.inf)
        # The root of a sum moves by half of what the sum does, divided by the root.
        least = np.sqrt(np.hypot(np.sqrt((components**2).sum(axis=1)), of_own)) / 2.0
        slope = 0.5 / np.maximum(np.maximum(importance, least), 1e-300)
        return cls(components * slope[:, None], of_own * slope, joint)

    @property
    def std_errors(self) -> Floats:
        """Of the importances, (n_names,)."""
        return np.asarray(np.sqrt((self.shared**2).sum(axis=1) + self.own**2))

    def of_coverage(self, is_covered: Bools, coverage: Floats, total: float) -> Floats:
        """Of the fraction (n_picked,) of all importance that the covered names (n_picked, n_names) have."""
        factors = (is_covered - coverage[:, None]) / total
        own = np.where(factors == 0.0, 0.0, (factors * self.own) ** 2)
        return np.asarray(np.sqrt(((factors @ self.shared) ** 2).sum(axis=1) + own.sum(axis=1)))


def _shared_parts(explanation: Explanation) -> tuple[Floats, Floats]:
    """What rows share, (n_rows, n_features, n_outputs, n_components), and errors of a design, (...,)."""
    shape = explanation.values.shape
    shared, design = (explanation.extras.get(key) for key in (SHARED_ERRORS, DESIGN_ERRORS))
    parts = np.zeros((*shape, 0)) if shared is None else np.asarray(shared.array, dtype=float)
    together = np.zeros(shape) if design is None else np.abs(np.asarray(design.array, dtype=float))
    return np.nan_to_num(parts), np.nan_to_num(together)


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
