"""explain_gap: why a prediction, an error or a rate differs between two tables."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.core.explanation import GapExplanation
from agnostix.core.intervals import check_level
from agnostix.core.reproducibility import one_blas_thread, seed_of
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Context, Where
from agnostix.what_if.drift.comparison import Comparison, Options
from agnostix.what_if.drift.margins import MATCHES
from agnostix.what_if.drift.rates import rate_quantity
from agnostix.what_if.drift.tables import Side, choose_columns, rows_where, share_columns
from agnostix.what_if.explainer import EntropicProjection
from agnostix.what_if.metrics import Metric


@one_blas_thread
def explain_gap(
    A: EntropicProjection,
    B: EntropicProjection,
    *,
    metric: Metric | None = None,
    output: Any = None,
    where: Any = None,
    positive: Any = None,
    threshold: float | None = None,
    columns: str | Sequence[str] | None = None,
    match: str = "means",
    n_orders: int | None = None,
    max_ratio: float = 20.0,
    confidence_level: float = 0.95,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> GapExplanation:
    """Take apart why a prediction, an error or a rate differs between two tables.

    The gap is the sum of what the margins of each column explain, what the
    dependence between columns adds and, for errors and rates that involve y,
    what no shift of the columns explains: the outcome itself changed for rows
    that look the same.

    Parameters
    ----------
    A, B : EntropicProjection
        Fitted on the two tables, with the same model: the reference, such as
        last year, and the table that differs, such as this month.
    metric : str or callable, default=None
        What differs. None or "prediction" for the mean prediction (without a
        model the mean of y); "accuracy", "error_rate", "log_loss",
        "brier_score", "mean_absolute_error", "mean_squared_error";
        "selection_rate", "true_positive_rate" or "false_positive_rate" of a
        classifier.
    output : str, default=None
        Output whose mean prediction is compared; None: the last, which of two
        classes is the second.
    where : mapping, default=None
        A group, in both tables: for each column a level, a list of levels, or a
        pair (low, high) of numbers, as ``{"sex": "Female", "age": (30, 40)}``.
        Columns are matched within the group.
    positive : object, default=None
        Class that the rates call positive; None: the second of two.
    threshold : float, default=None
        Score from which a row is selected; None: where the class is the most
        probable one.
    columns : str or list of str, default=None
        Columns whose margins are explained; None: all that both tables have.
    match : {"means", "variances", "deciles"}, default="means"
        Which statistics of numeric columns A is reweighted to: the mean, also
        the variance, or also the proportion up to each of B's deciles. Labels
        have the proportion of each level, missing values that of their own.
    n_orders : int, default=None
        Orders of columns that are sampled, in pairs of an order and its reverse.
        None averages all orders of up to 12 columns, and samples 40 above.
    max_ratio : float, default=20.0
        Density ratios of B to A above it, of mean 1, are cut.
    confidence_level : float, default=0.95
        Confidence level of all intervals.
    n_jobs : int, default=None
        Threads that solve coalitions; None is one, -1 all.
    random_state : int, default=0
        Seed of sampled orders and of boosted trees.

    Returns
    -------
    GapExplanation
        Its ``frame`` has a line for each part, with interval and status.

    Raises
    ------
    DataError
        If the tables cannot be compared: no column in common, other outputs,
        numbers in one and labels in the other, or fewer than 10 rows.
    ValueError
        If a parameter is wrong, or the metric is no mean over rows.

    See Also
    --------
    EntropicProjection.what_if : The outcome under averages that you state.

    Notes
    -----
    v(S) is the metric in A, reweighted with the least Kullback-Leibler
    divergence so that the statistics of the columns S are those of B. The part
    of a column is its Shapley value in this game [1]_: the mean, over all orders
    of columns, of what v changes by when its statistics are matched too. In a
    linear model of independent columns it is the slope times the difference of
    means, as in the decomposition of Kitagawa [2]_, Oaxaca [3]_ and Blinder.
    Dependence is what B's covariates have beyond the matched statistics. Of
    mean predictions it is known from B's own predictions; of errors it takes a
    density ratio and a regression of the error, both cross-fitted [4]_, as does
    the conditional part, the Y | X shift of [5]_. A column "moved" if its own
    multiplier in the reweighting to all columns is not 0: the other columns do
    not account for its shift. No part is causal.

    References
    ----------
    .. [1] Zhang, H., Singh, H., Ghassemi, M., Joshi, S. (2023). "Why did the
       Model Fail?": Attributing model performance changes to distribution
       shifts. ICML, PMLR 202. https://proceedings.mlr.press/v202/zhang23ai.html
    .. [2] Kitagawa, E. M. (1955). Components of a difference between two rates.
       JASA 50(272). https://doi.org/10.1080/01621459.1955.10501299
    .. [3] Oaxaca, R. (1973). Male-female wage differentials in urban labor
       markets. International Economic Review 14(3).
       https://doi.org/10.2307/2525981
    .. [4] Chernozhukov, V. et al. (2018). Double/debiased machine learning for
       treatment and structural parameters. The Econometrics Journal 21(1).
       https://doi.org/10.1111/ectj.12097
    .. [5] Cai, T., Namkoong, H., Yadlowsky, S. Diagnosing model performance under
       distribution shift. Operations Research.
       https://doi.org/10.1287/opre.2023.0217

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import EntropicProjection, explain_gap
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = LinearRegression().fit(X, y)
    >>> older = X["age"] > 50
    >>> A, B = (EntropicProjection(model).fit(X[rows], y[rows]) for rows in (~older, older))
    >>> gap = explain_gap(A, B, columns=["bmi", "bp", "s5"])
    >>> gap.totals["value"].round(1).to_dict()
    {'A': 141.6, 'B': 163.2, 'gap': 21.6}
    >>> gap.frame[["part", "value"]].round(1)
                part  value
    0   margin of bp   10.8
    1   margin of s5   10.2
    2  margin of bmi    3.4
    3     dependence   -2.8
    """
    _check(A, B)
    options = _check_options(match, n_orders, max_ratio, confidence_level)
    shared, lacking = share_columns(A.table_, B.table_)
    chosen = choose_columns(columns, shared, A.table_, B.table_)
    condition = Where.parse(where)
    sides = [
        Side.from_table(
            name,
            one.table_,
            rate_quantity(
                metric, Context.of_table(one.table_, one.predictions_), output, positive, threshold
            ),
            one.predictions_.values if one.predictions_.predicted else np.empty((one.table_.n_rows, 0)),
            rows_where(condition, one.table_, name),
        )
        for name, one in (("A", A), ("B", B))
    ]
    within = () if condition is None else (f"Rows where {condition.label}.",)
    notes = within + _notes_on_tables(A, B, lacking)
    comparison = Comparison(sides[0], sides[1], chosen, shared, A.config_.min_ess_fraction, notes)
    return comparison.explain(options, n_jobs, seed_of(random_state))


def _check(A: Any, B: Any) -> None:
    """DataError or TypeError unless A and B are fitted, and predict the same outputs."""
    for name, one in (("A", A), ("B", B)):
        if not isinstance(one, EntropicProjection):
            raise TypeError(
                f"{name} must be a fitted EntropicProjection, got {type(one).__name__}. Pass "
                f"EntropicProjection(model).fit(X, y) of each table."
            )
        check_is_fitted(one, "n_features_in_")
    a, b = A.predictions_, B.predictions_
    if a.predicted != b.predicted:
        without = "A" if b.predicted else "B"
        raise DataError(f"{without} has no predictions and the other table has. Fit both with the model.")
    if a.output_names != b.output_names:
        raise DataError(
            f"A has the outputs {', '.join(a.output_names)} and B {', '.join(b.output_names)}. Fit both with "
            "the same model."
        )
    if a.classes != b.classes and None not in (a.classes, b.classes):
        raise DataError(f"A has the classes {a.classes} and B {b.classes}. Fit both with the same model.")


def _check_options(match: Any, n_orders: Any, max_ratio: Any, confidence_level: Any) -> Options:
    """ValueError for parameters out of range."""
    if match not in MATCHES:
        raise ValueError(f"match must be one of {', '.join(map(repr, MATCHES))}, got {match!r}.")
    if n_orders is not None and (not isinstance(n_orders, Integral) or int(n_orders) < 4):
        raise ValueError(f"n_orders must be None or an int of 4 or more, got {n_orders!r}.")
    if not isinstance(max_ratio, Real) or not float(max_ratio) > 1.0:
        raise ValueError(f"max_ratio must be a number above 1, got {max_ratio!r}.")
    check_level(confidence_level, "confidence_level")
    return Options(
        str(match), None if n_orders is None else int(n_orders), float(max_ratio), confidence_level
    )


def _notes_on_tables(A: EntropicProjection, B: EntropicProjection, lacking: Sequence[str]) -> tuple[str, ...]:
    """What a reader should know of the tables before anything is computed."""
    notes = []
    if lacking:
        shown = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        notes.append(f"One of the tables lacks {shown}, left out here.")
    if getattr(A, "model_", None) is not getattr(B, "model_", None):
        notes.append("A and B have two model objects; the parts are those of one model only if they agree.")
    return tuple(notes)
