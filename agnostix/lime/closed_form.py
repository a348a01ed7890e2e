"""What LIME comes to with infinitely many draws, where that has a closed form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.core.explanation import Explanation
from agnostix.core.frames import column_names, is_frame
from agnostix.core.typing import Bools, Codes
from agnostix.exceptions import DataError
from agnostix.lime.exact import AdditiveParts
from agnostix.lime.exact_trees import FORESTS, TREES, TreeParts
from agnostix.lime.explainer import RIDGE, LimeExplainer
from agnostix.lime.features import BinnedFeature
from agnostix.lime.lime_moments import Moments, boxes_moments, row_shares, tilted
from agnostix.lime.lime_surrogate import surrogate_of
from agnostix.lime.row_fits import RowFits
from agnostix.lime.table_vicinity import TableVicinity
from agnostix.lime.vicinity import Found


def lime_exact(
    explainer: LimeExplainer, X: Any, *, additive: bool = False, outputs: Any = None
) -> Explanation:
    """Explain rows as a fitted LimeExplainer would with infinitely many draws.

    For models that are sums of functions of single features, and for
    scikit-learn's decision trees and forests, which are sums of boxes and are
    opened for it. The penalty of the surrogate is that of the explainer's own number
    of draws, so that its `explain` differs from this by its standard errors alone.

    Parameters
    ----------
    explainer : LimeExplainer
        Fitted, for a table with bins; with ``surrogate`` "ridge" or "klasso", all
        features, and ``sampling`` "kernel" or "tilted".
    X : DataFrame or array-like of shape (n_rows, n_columns)
        Rows to be explained.
    additive : bool, default=False
        Whether the model is a sum of functions of single features. It is asked about
        the values of each, one feature at a time, and the sum is checked on the rows by
        which the explainer knows the model.
    outputs : None, "predicted", name, index or list of these, default=None
        As for `LimeExplainer.explain`.

    Returns
    -------
    Explanation
        Of completeness "surrogate", in model output units; all standard errors are 0.
        ``fidelity`` is None for forests, whose R2 has no short form.

    Raises
    ------
    ValueError
        If the model or the explainer has no closed form, or the model is not additive.

    References
    ----------
    .. [1] Garreau, D., von Luxburg, U. (2020). Looking deeper into tabular
       LIME. https://doi.org/10.48550/arXiv.2008.11092

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from agnostix import LimeExplainer, lime_exact
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, y)
    >>> explainer = LimeExplainer(model, random_state=0).fit(X)
    >>> exact, drawn = lime_exact(explainer, X.head(5)), explainer.explain(X.head(5))
    >>> bool((abs(drawn.values - exact.values) <= 6 * drawn.std_errors + 1e-9).all())
    True
    """
    vicinity = _checked(explainer)
    rows, selection = vicinity.read(X), explainer._select_outputs(outputs)
    answers = explainer._predict(rows)
    bins = vicinity.neighbourhood.centres(rows).astype(np.intp)
    unseen = vicinity.neighbourhood.unseen(bins)
    fits = RowFits.empty(unseen.shape[0], unseen.shape[1], answers.shape[1])
    r = float(np.exp(-0.5 / explainer.kernel_width_**2))
    if additive:
        parts = AdditiveParts(explainer._evaluate, explainer._predictor.name, vicinity.neighbourhood)
        moments, n_asked = parts.moments(bins, r)
        _put(fits, explainer, vicinity, bins, r, moments)
        n_asked += _put_contrasts(fits, parts, rows, unseen)
    else:
        _check_seen(unseen, explainer.features_.names)
        moments, n_asked = _tree_moments(explainer, vicinity, bins, r), 0
        _put(fits, explainer, vicinity, bins, r, moments)
    there = np.ones_like(unseen)
    found = Found(answers, fits, there, vicinity.extras(bins), rows.shape[0] + n_asked)
    exp = explainer._make_explanation(rows, selection, explainer._to_attribution(found, selection))
    return replace(exp, method="lime_exact", fidelity=None if moments.square is None else exp.fidelity)


def _checked(explainer: Any) -> TableVicinity:
    """The vicinity of an explainer that has a closed form."""
    if not isinstance(explainer, LimeExplainer):
        raise TypeError(f"lime_exact takes a fitted LimeExplainer, got {explainer!r}.")
    check_is_fitted(explainer)
    explainer._check_has_model()
    vicinity = explainer._vicinity
    reason = ""
    if not isinstance(vicinity, TableVicinity):
        reason = "a masker"
    elif not all(isinstance(one, BinnedFeature) for one in vicinity.neighbourhood.features):
        reason = "numbers without bins; use discretizer='quartile'"
    elif not (isinstance(explainer.surrogate, str) and explainer.surrogate in ("ridge", "klasso")):
        reason = f"surrogate={explainer.surrogate!r}; use 'ridge'"
    elif explainer.max_features is not None:
        reason = f"max_features={explainer.max_features}; use None"
    if reason:
        raise DataError(f"lime_exact has no closed form for a LimeExplainer with {reason}.")
    assert isinstance(vicinity, TableVicinity)
    return vicinity


def _tree_moments(explainer: LimeExplainer, vicinity: TableVicinity, bins: Codes, r: float) -> Moments:
    model = explainer.model_
    if type(model) not in TREES + FORESTS:  # what a subclass answers need not be its leaves
        raise DataError(
            "lime_exact opens decision trees, random forests and extra trees of scikit-learn, got "
            f"{type(model).__name__}. Pass additive=True if it is a sum of functions of single features, or "
            "use LimeExplainer.explain."
        )
    table = vicinity.neighbourhood.like
    names = getattr(model, "feature_names_in_", None)
    columns = np.arange(table.shape[1])
    if names is not None and is_frame(table):
        columns = np.array([column_names(table).index(str(name)) for name in names])
    owner = {place: j for j, one in enumerate(vicinity.neighbourhood.features) for place in one.positions}
    parts = TreeParts(model, np.array([owner[column] for column in columns]), vicinity.neighbourhood)
    shares = [one.seen for one in vicinity.neighbourhood.features if isinstance(one, BinnedFeature)]
    return boxes_moments(parts.boxes(), shares, bins, r, disjoint=parts.is_one_tree)


def _put(
    fits: RowFits, explainer: LimeExplainer, vicinity: TableVicinity, bins: Codes, r: float, moments: Moments
) -> None:
    """Give the rows their surrogates."""
    shares = [one.seen for one in vicinity.neighbourhood.features if isinstance(one, BinnedFeature)]
    alpha, weight = tilted(row_shares(shares, bins), r)
    if explainer.sampling == "tilted":
        weight = np.ones_like(weight)
    ridge = RIDGE if explainer.surrogate == "ridge" else 0.0
    exact = surrogate_of(alpha, weight, vicinity.n_draws, moments, ridge)
    rare = (vicinity.contrasted(bins) & (alpha > 0))[..., None]
    freed = surrogate_of(alpha, weight, vicinity.n_draws, moments, 0.0).coefficients - exact.coefficients
    fits.effects[:] = exact.coefficients + np.where(rare, freed, 0.0)
    fits.output[:] = exact.outputs + np.where(rare, freed, 0.0).sum(axis=1)
    fits.r2[:] = np.nan if exact.r2 is None else exact.r2
    fits.selected[:] = True
    fits.n_draws[:] = vicinity.n_draws
    fits.effective[:] = np.inf


def _put_contrasts(fits: RowFits, parts: AdditiveParts, rows: Any, unseen: Bools) -> int:
    """Give values that were not seen in fit their effects; counts the model rows that they take."""
    n_asked = 0
    for place in np.flatnonzero(unseen.any(axis=0)):
        those = np.flatnonzero(unseen[:, place])
        effects, n_more = parts.contrasts(rows, those, int(place))
        fits.effects[those, place] = effects
        fits.output[those] += effects
        n_asked += n_more
    return n_asked


def _check_seen(unseen: Bools, names: tuple[str, ...]) -> None:
    if unseen.any():
        row, place = np.argwhere(unseen)[0]
        raise DataError(
            f"Row {row} has a value of {names[place]!r} that was not seen in fit, which lime_exact cannot "
            "follow through trees. Use LimeExplainer.explain."
        )
