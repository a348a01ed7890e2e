"""Monotonicity, by two definitions: of single units' effects, and of the prediction as units are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.differences.association import is_constant
from agnostix.metrics.differences.correlations import read_contributions
from agnostix.metrics.differences.subsets import DrawSpec, check_falls, rounding, shuffled_values
from agnostix.metrics.intervals import mean_known
from agnostix.metrics.perturbation import MaskJob, predict_jobs
from agnostix.metrics.read import ATTRIBUTIONS, ExplainedRows
from agnostix.metrics.removal.ordered import (
    OrderSpec,
    average_orders,
    ordered_result,
    orders_of_rows,
    predict_orders,
)
from agnostix.metrics.result import MetricResult
from agnostix.metrics.similarity import spearman

DEFINITIONS = ("nguyen", "arya")


def monotonicity(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    definition: str = "nguyen",
    patch: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Monotonicity: do units with larger values matter more? Greater is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `faithfulness_correlation`.
    definition : {"nguyen", "arya"}, default="nguyen"
        "nguyen" [1]_: the rank correlation, over units, of the size of a unit's value and the mean
        squared change of the prediction when this unit alone is hidden.
        "arya" [2]_ [3]_: whether the prediction never falls while units are shown one by one,
        those with the least values first.
    patch, fill, masker, outputs : object
        As in `faithfulness_correlation`.
    n_random : int, default=1
        Random orders of each row's values to average over: reference "random"; 0 for none.
    n_ties : int, default=2
        For "arya": orders of each row where units have equal values.
    random_state : int, default=0
        Of ties and random orders, which depend on it and on what a row holds.
    n_jobs, verbose : object
        As in `faithfulness_correlation`.

    Returns
    -------
    MetricResult
        Scores of "nguyen" are Spearman correlations, NaN where undefined; those of "arya" are 1 or
        0, with Wilson's interval, or the mean over ties. Of "arya", ``details["rising_steps"]`` is
        the proportion of steps in which the prediction does not fall.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or no score is defined.

    Notes
    -----
    "nguyen" says nothing of signs, and looks at one unit at a time. "arya" begins with everything
    hidden, and counts the first step. It says little of the order: of a linear model, any order
    scores 1 where no contribution w (x - b) is negative, and none does where one is.

    References
    ----------
    .. [1] Nguyen, A., Rodríguez Martínez, M. (2020). On quantitative aspects of model
       interpretability. https://doi.org/10.48550/arXiv.2007.07584
    .. [2] Arya, V., et al. (2019). One explanation does not fit all: A toolkit and taxonomy of AI
       explainability techniques. https://doi.org/10.48550/arXiv.1909.03012
    .. [3] Luss, R., et al. (2021). Leveraging latent features for local explanations. KDD.
       https://doi.org/10.1145/3447548.3467265

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.metrics import monotonicity
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge().fit(X, y)
    >>> baseline = X.tail(1)
    >>> exp = KernelShapExplainer(model, random_state=0).fit(baseline).explain(X.head(20))
    >>> round(monotonicity(model, X.head(20), exp, masker=baseline).score, 6)
    1.0
    """
    if definition not in DEFINITIONS:
        raise DataError(f"The 'definition' of monotonicity must be 'nguyen' or 'arya', got {definition!r}.")
    spec = OrderSpec(False, n_random, n_ties, random_state).checked("monotonicity")
    options = {"masker": masker, "fill": fill, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    draws = DrawSpec(0, n_random, random_state)
    explained = read_contributions("monotonicity", model, X, explanation, patch, draws, **options)
    by_definition = nguyen_result if definition == "nguyen" else arya_result
    return by_definition(explained, spec, n_jobs, verbose)


def nguyen_result(explained: ExplainedRows, spec: OrderSpec, n_jobs: Any, verbose: Any) -> MetricResult:
    """Monotonicity of single units of rows that were read."""
    by, squeeze, shape = "monotonicity (nguyen)", explained.squeeze, (len(explained), explained.n_selected)
    effects, n = single_effects(explained, n_jobs, verbose)
    check_falls(explained, range(len(effects)), [np.sqrt(one) for one in effects], by)
    scores, random = np.full(shape, np.nan), np.full((spec.n_random, *shape), np.nan)
    for row, effect in enumerate(effects):
        units = np.flatnonzero(explained.units.present[row])
        own = effect.T.copy()
        still = is_constant(np.sqrt(effect), rounding(explained, explained.scores[row][None]))
        own[still] = 0.0
        scores[row] = spearman(explained.values[row, units].T, own, absolute=True)
        for draw in range(spec.n_random):
            values = shuffled_values(explained, row, draw)[units]
            random[draw, row] = spearman(values.T, own, absolute=True)
    return MetricResult(
        name=by,
        scores=squeeze(scores),
        greater_is_better=True,
        made_for=ATTRIBUTIONS,
        references={"random": squeeze(mean_known(random, axis=0))} if spec.n_random else {},
        n_model_rows=explained.n_model_rows + n,
        params={"definition": "nguyen", "n_random": spec.n_random, "random_state": spec.random_state},
        notes=explained.notes + _note_on_undefined(scores, explained, by),
        **explained.result_fields(),
    )


def single_effects(explained: ExplainedRows, n_jobs: Any, verbose: Any) -> tuple[list[Floats], int]:
    """Mean squared change of predictions (n_present, n_selected) when each unit is hidden, and model rows."""
    n_units = explained.units.n_units
    groups, alone = np.arange(n_units), ~np.eye(n_units, dtype=bool)
    jobs = [MaskJob(row, groups, alone[present]) for row, present in enumerate(explained.units.present)]
    return predict_jobs(
        explained.predictor,
        explained.units,
        jobs,
        explained.outputs,
        explained.predictions,
        squared=True,
        n_jobs=n_jobs,
        verbose=verbose,
    )


def _note_on_undefined(scores: Floats, explained: ExplainedRows, by: str) -> tuple[str, ...]:
    n = int(np.isnan(scores).sum())
    if n == scores.size:
        raise DataError(
            f"No score of {by} is defined: in each row all sizes of values or all effects of single "
            f"{explained.units.kind}s are equal. Use faithfulness_correlation, another fill or background."
        )
    if n == 0:
        return ()
    return (
        f"{n} of {scores.size} scores are undefined and left out: all sizes of values, or all effects of "
        f"single {explained.units.kind}s, are equal.",
    )


def arya_result(explained: ExplainedRows, spec: OrderSpec, n_jobs: Any, verbose: Any) -> MetricResult:
    """Monotonicity of the prediction while units are shown, of rows that were read."""
    by = "monotonicity (arya)"
    notes = _note_on_negative(explained)
    explained = replace(explained, values=-explained.values, notes=explained.notes + notes)
    counts = [np.arange(n + 1) for n in explained.units.present.sum(axis=1)]
    orders = orders_of_rows(explained, spec, counts)
    answers, n = predict_orders(explained, orders, reveals=True, n_jobs=n_jobs, verbose=verbose)
    check_falls(
        explained,
        [one.row for one in orders],
        [explained.scores[one.row] - p[:, None] for one, p in zip(orders, answers, strict=True)],
        by,
    )
    longest = max(counts, key=len)
    curves, steps = (
        average_orders(
            explained,
            orders,
            answers,
            longest / longest[-1],
            lambda _row, _selected, p, reduce=reduce: float(reduce(rises(explained, p))),
        )
        for reduce in (np.all, np.mean)
    )
    own = curves.scores["explanation"]
    return ordered_result(
        explained,
        spec,
        curves,
        by,
        n,
        greater_is_better=True,
        interval_kind="wilson" if np.isin(own, (0.0, 1.0)).all() else "student",
        x_label=f"proportion of {explained.units.kind}s shown, least values first",
        params={"definition": "arya"},
        details={"rising_steps": Detail(steps.scores["explanation"], ("row", "output"))},
    )


def rises(explained: ExplainedRows, p: Floats) -> Bools:
    """Whether predictions p (n_points,) do not fall, beyond rounding, at each of n_points - 1 steps."""
    return np.asarray(np.diff(p) >= -rounding(explained, p[:, None])[0])


def _note_on_negative(explained: ExplainedRows) -> tuple[str, ...]:
    n = int((explained.values < 0).any(axis=(1, 2)).sum())
    if n == 0:
        return ()
    return (
        f"{n} of {len(explained)} rows have negative values: where these are right, the prediction falls as "
        f"their {explained.units.kind}s are shown, and the score is 0.",
    )
