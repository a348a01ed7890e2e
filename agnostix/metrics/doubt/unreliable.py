"""Do doubts about an explanation single out predictions that are wrong?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.core.intervals import check_level
from agnostix.core.models import as_predictor
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_whole
from agnostix.metrics.comparison.compared import explain_one
from agnostix.metrics.doubt.signals import SIGNALS, signals_of
from agnostix.metrics.doubt.unreliable_result import MARGIN, UnreliableResult
from agnostix.metrics.doubt.wrong_predictions import wrong_predictions
from agnostix.metrics.read import (
    check_explanation,
    check_same_model,
    check_same_rows,
    explained_outputs,
    predict_rows,
    select_outputs,
)
from agnostix.metrics.units import plain_rows

_BY = "unreliable"


def unreliable(
    model: Any,
    X: Any,
    y: Any,
    explainer: Any,
    *,
    tolerance: float | None = None,
    signals: Sequence[str] | None = None,
    outputs: Any = None,
    n_neighbors: int = 5,
    level: float = 0.95,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> UnreliableResult:
    """Whether instability or misfit of explanations singles out predictions that are wrong.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained.
    X : DataFrame, array-like, images or texts
        Rows that the model was not fitted on: on those that it was, few predictions are wrong.
    y : array-like of shape (n_rows,)
        True labels or numbers.
    explainer : fitted explainer or Explanation
        What explains the rows.
    tolerance : float, default=None
        Of regressions, where it is needed: a prediction is wrong that is further from the truth.
    signals : sequence of str, default=None
        Which to look at. "std_error": standard errors of the values, relative to the values' size;
        "misfit": 1 - R2 of a local surrogate; "surrogate_gap": distance of its output from the
        model's; "completeness_gap": what is missing from the sum of the values; "neighbors": mean
        distance to the explanations of the same output of the nearest rows of X, relative to the
        values' size. None: all that the explanation offers.
    outputs : str or int, default=None
        Which explained output to look at; None: the only one, or each row's predicted one.
    n_neighbors : int, default=5
        Nearest rows by Gower's distance, for tables; 0 leaves "neighbors" out.
    level : float, default=0.95
        Of all intervals.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    UnreliableResult
        Areas under the ROC curves with intervals, beside that of the model's own margin.

    Raises
    ------
    DataError
        If fewer than two predictions are wrong, or right; if labels are unknown; if the explanation
        offers none of the signals, or is of other rows or another model.

    Notes
    -----
    Intervals of areas are DeLong's [1]_ on the scale of their logit, and Newcombe's method 5 where
    wrong and right predictions are separated, for which DeLong's error is 0. The difference from
    the margin is paired. P-values are corrected by Holm's method over the explanation's signals.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Comparing the areas under two
       or more correlated receiver operating characteristic curves: A nonparametric approach.
       Biometrics, 44. https://doi.org/10.2307/2531595

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import LimeExplainer
    >>> from agnostix.metrics import unreliable
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[::2], y[::2])
    >>> lime = LimeExplainer(model, n_samples=500, random_state=0).fit(X[::2])
    >>> result = unreliable(model, X[1::2], y[1::2], lime, signals=["misfit"])
    >>> result.to_frame()["signal"].tolist()
    ['misfit', 'margin']
    """
    check_level(level)
    check_whole(_BY, "n_neighbors", n_neighbors, 0)
    _check_signals(signals)
    predictor = as_predictor(model)
    one = explain_one(X, type(explainer).__name__, explainer, outputs, _BY)
    explanation = one.explanation
    check_explanation(explanation, _BY)
    rows = plain_rows(X, explanation)
    check_same_rows(explanation, rows, _BY)
    predictions, n_model_rows = predict_rows(predictor, rows, n_jobs, verbose)
    notes = check_same_model(explanation, predictor, predictions, _BY)
    is_wrong = wrong_predictions(predictor, predictions, y, tolerance)
    selected = select_outputs(explanation, predictor, predictions, outputs, _BY)
    if selected.explained.shape[1] > 1:
        raise DataError(f"{_BY} looks at one output at a time, got {', '.join(selected.names[:8])}.")
    places = explained_outputs(explanation, predictor, predictions, _BY)
    offered = signals_of(explanation, selected, places, rows, n_neighbors)
    own, more = _choose(offered, signals, is_wrong, explanation.method)
    if predictions.shape[1] > 1 and tolerance is None:
        two = np.sort(predictions, axis=1)[:, -2:]
        own[MARGIN] = 1.0 - (two[:, 1] - two[:, 0])
    return UnreliableResult(
        signals=own,
        is_wrong=is_wrong,
        level=level,
        n_model_rows=n_model_rows + (explanation.n_model_rows if one.explainer is not None else 0),
        method=explanation.method,
        notes=notes + more,
    )


def _check_signals(signals: Any) -> None:
    listed = [] if signals is None else signals
    unknown = [one for one in listed if one not in SIGNALS] if not isinstance(listed, str) else [listed]
    if unknown:
        known = ", ".join(map(repr, SIGNALS))
        raise DataError(f"The 'signals' of {_BY} must be a list of {known}, or None; got {unknown[0]!r}.")


def _choose(
    offered: dict[str, Floats], signals: Sequence[str] | None, is_wrong: Bools, method: str
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """The signals wanted that have two rows of each kind, and notes on those left out."""
    wanted = list(SIGNALS) if signals is None else list(signals)
    own: dict[str, Floats] = {}
    notes: tuple[str, ...] = ()
    for name in wanted:
        if name not in offered:
            if signals is not None:
                notes += (f"{name} is left out: the explanation has none, or the same for every row.",)
            continue
        known = np.isfinite(offered[name])
        if min(is_wrong[known].sum(), (~is_wrong[known]).sum()) < 2:
            notes += (f"{name} is left out: too few rows have it.",)
            continue
        if not known.all():
            notes += (f"{name}: {int((~known).sum())} of {known.size} rows have none, and are left out.",)
        own[name] = offered[name]
    if not own:
        meanings = "; ".join(f"{name}, {SIGNALS[name]}" for name in wanted)
        raise DataError(
            f"The explanation by {method} gives {_BY} no signal that differs between rows. Looked for: "
            f"{meanings}. KernelShapExplainer and LimeExplainer give some, and tables have neighbors."
        )
    return own, notes
