"""Explainers of one model compared: faithfulness, stability, agreement, cost, and who can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agnostix.core.intervals import check_level
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_whole
from agnostix.metrics.comparison.compared import (
    ComparedExplanations,
    Explained,
    choose_masker,
    compare_explanations,
    explain_all,
)
from agnostix.metrics.comparison.comparison_result import ComparisonResult
from agnostix.metrics.comparison.named import NamedMetric, default_metrics, read_metrics
from agnostix.metrics.remembered import RememberingPredictor
from agnostix.metrics.result import MetricResult
from agnostix.metrics.similarity import agreement_of_pairs
from agnostix.metrics.units import background_masker, is_table, kind_of

_BY = "compare_explainers"


def compare_explainers(
    model: Any,
    X: Any,
    explainers: Mapping[str, Any],
    *,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    masker: Any = None,
    fill: Any = None,
    outputs: Any = None,
    k: int = 5,
    level: float = 0.95,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> ComparisonResult:
    """Compare explainers of a model on the same rows, and tell which of them can be told apart.

    Each explains the rows once, and all metrics share its explanation and the model's predictions.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained.
    X : DataFrame, array-like, images or texts
        The rows to explain.
    explainers : dict of str to fitted explainer or Explanation
        Two or more by name. Of an Explanation neither time nor stability is known.
    metrics : sequence of str or callable, or dict of str to callable, default=None
        Names of functions of `agnostix.metrics`, such as "deletion", or callables
        ``metric(model, X, explanation)`` that return a MetricResult, such as
        ``partial(deletion, fill="blur")``. None: deletion and insertion, infidelity for tables,
        comprehensiveness and sufficiency for texts, average drop and gain for images, and, of
        fitted explainers, how stable they are; those that do not fit are left out, with a note.
    masker : Masker or table, default=None
        What metrics hide columns or words behind, as in `deletion`; None: what the first
        explainer hides them behind.
    fill : str, float, sequence of float, array of images or callable, default=None
        What metrics replace pixels or segments with, as in `deletion`; None: as each metric has it.
    outputs : str or int, default=None
        Which output to explain; None: as each explainer has it, and the predicted one of several.
    k : int, default=5
        Units that count as the most relevant where the agreement of explanations is measured.
    level : float, default=0.95
        Of all intervals; 1 - level is the probability of telling any two apart that are alike.
    random_state : int, default=0
        Of the metrics' draws.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    ComparisonResult
        Scores with intervals, paired differences, agreement, cost, and ``verdicts`` in words.

    Raises
    ------
    DataError
        If explanations are of other rows, models, outputs or units, or a metric in `metrics` does
        not fit them.

    Notes
    -----
    Differences are taken row by row. Their p-values, those of the intervals (McNemar's where
    a row's score is 0 or 1), are corrected by Holm's method [1]_ over all metrics and pairs; two explainers
    are told apart where the corrected value is below 1 - level. Intervals are each by itself.
    Agreement is that of the disagreement problem [2]_: shares of the `k` units largest in size
    that two explanations have in common ("top-k"), with the same sign ("signs") and in the same
    place ("ranks"), and Spearman's correlation. Where one of the two has no signs, as gradients'
    sizes and masks, sizes are compared.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
       Scandinavian Journal of Statistics, 6(2). https://doi.org/10.2307/4615733
    .. [2] Krishna, S., et al. (2022). The disagreement problem in explainable machine learning: A
       practitioner's perspective. https://doi.org/10.48550/arXiv.2202.01602

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from agnostix import KernelShapExplainer, OcclusionExplainer
    >>> from agnostix.metrics import compare_explainers
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RandomForestRegressor(20, random_state=0).fit(X, y)
    >>> explainers = {
    ...     "Shapley values": KernelShapExplainer(model, background_size=10, random_state=0).fit(X),
    ...     "occlusion": OcclusionExplainer(model, random_state=0).fit(X),
    ... }
    >>> result = compare_explainers(model, X.head(20), explainers, metrics=["deletion", "insertion"])
    >>> result.to_frame("pairs")["metric"].tolist()
    ['deletion', 'insertion']
    """
    check_level(level)
    check_whole(_BY, "k", k, 1)
    check_whole(_BY, "random_state", random_state, 0)
    chosen = None if metrics is None else read_metrics(metrics, _BY)
    parts = explain_all(X, explainers, outputs, _BY)
    notes: tuple[str, ...] = ()
    if masker is None:
        masker, notes = choose_masker(parts)
    elif not isinstance(masker, str) and is_table(masker) and kind_of(parts[0].explanation) == "column":
        masker = background_masker(masker, parts[0].explanation)
    predictor = RememberingPredictor.from_model(model)
    shared = {"masker": masker, "fill": fill, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    compared = compare_explanations(predictor, X, parts, by=_BY, **shared)
    options = shared | {"random_state": random_state}
    results, more = _measure(model, predictor, X, compared, chosen, options)
    return ComparisonResult(
        results=results,
        explanations={one.name: one.explanation for one in compared.parts},
        agreement=_agree(compared, k),
        chance=_agree_by_chance(compared.values[0], k),
        k=k,
        n_shared_rows=compared.n_model_rows,
        seconds={one.name: one.seconds for one in parts},
        fit_model_rows={one.name: getattr(one.explainer, "n_model_rows_", None) for one in parts},
        level=level,
        notes=notes + compared.notes + more,
    )


def _measure(
    model: Any,
    predictor: RememberingPredictor,
    X: Any,
    compared: ComparedExplanations,
    chosen: Sequence[NamedMetric] | None,
    options: dict[str, Any],
) -> tuple[dict[str, dict[str, MetricResult]], tuple[str, ...]]:
    """Results by metric and explainer, and notes on metrics that are left out."""
    by_default = chosen is None
    can_explain = all(one.explainer is not None for one in compared.parts)
    metrics = default_metrics(compared.kind, can_explain) if chosen is None else chosen
    results: dict[str, dict[str, MetricResult]] = {}
    notes: tuple[str, ...] = ()
    for metric in metrics:
        try:
            results[metric.name] = _measure_all(metric, model, predictor, X, compared.parts, options)
        except DataError as error:
            if not by_default:
                raise
            notes += (f"{metric.name} is left out: {error}",)
    if not results:
        raise DataError(f"{_BY} has no metric for these explanations. " + " ".join(notes))
    return results, notes


def _measure_all(
    metric: NamedMetric,
    model: Any,
    predictor: RememberingPredictor,
    X: Any,
    parts: tuple[Explained, ...],
    options: dict[str, Any],
) -> dict[str, MetricResult]:
    """Results of one metric by explainer; random orders are those of the rows, and evaluated once."""
    own_model = predictor if metric.shares_model else model
    options = options | {"least": False}
    results = {one.name: metric.measure(own_model, X, one, options, _BY) for one in parts}
    _check_alike(metric.name, results)
    return results


def _agree_by_chance(values: Floats, k: int) -> dict[str, float]:
    """Agreement by measure that random explanations of the units of values (n_rows, n_units) would have."""
    n_units = (~np.isnan(values)).sum(axis=1)
    top = float((np.minimum(k, n_units) / n_units).mean())
    return {"top-k": top, "signs": top / 2.0, "ranks": float((1.0 / n_units).mean()), "spearman": 0.0}


def _check_alike(metric: str, results: dict[str, MetricResult]) -> None:
    """DataError where a metric, which chose its parameters by the explanation, is not the same for all."""
    (first, one), *others = results.items()
    for name, other in others:
        pairs = {key: (one.params.get(key), other.params.get(key)) for key in one.params | other.params}
        pairs |= {"fill": (one.fill, other.fill), "mask": (one.mask, other.mask)}
        for key, (own, another) in pairs.items():
            if own != another:
                raise DataError(
                    f"{metric} has {key}={own!r} for {first!r} and {key}={another!r} for {name!r}: these are "
                    "not comparable. Set it with functools.partial, if both explanations allow it."
                )


def _agree(compared: ComparedExplanations, k: int) -> dict[tuple[str, str], dict[str, Floats]]:
    """Agreement (n_rows,) of all pairs by measure."""
    names, pairs = compared.names, agreement_of_pairs(compared.values, k, compared.are_signed)
    return {(names[i], names[j]): by_measure for (i, j), by_measure in pairs.items()}
