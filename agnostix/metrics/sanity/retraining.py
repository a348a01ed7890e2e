"""What training again tells: explanations of a model of shuffled labels, and ROAR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.frames import column_names, column_values, constant_row, copy_table, is_frame
from agnostix.core.intervals import check_level
from agnostix.core.masking import MaskBlock
from agnostix.core.masking.fills import as_pixels
from agnostix.core.models import Predictor, as_predictor
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_explainer, check_one_of, check_whole
from agnostix.metrics.maps import check_finite
from agnostix.metrics.orders import RANDOM, comparable, generator, ranked, row_seeds
from agnostix.metrics.read import ATTRIBUTIONS, BY_SIZE, check_explanation, check_quantity, predict_rows
from agnostix.metrics.refits import check_labels, refit_of, rows_at
from agnostix.metrics.removal.curves import checked_proportions
from agnostix.metrics.result import MetricCurve, MetricResult
from agnostix.metrics.sanity.explain_again import (
    SIMILARITIES,
    background_of,
    choose_similarity,
    copy_for,
    explain_first,
)
from agnostix.metrics.sanity.verdicts import (
    Stage,
    check_margin,
    judge,
    judge_order,
    measure_stage,
    seeds_of,
    stage_result,
)
from agnostix.metrics.units import Units, is_table, make_units

PROPORTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)


def data_randomization(
    model: Any,
    X: Any,
    y: Any,
    explainer: Any,
    *,
    refit: Callable[[Any, Any], Any] | None = None,
    rows: Any = None,
    n_draws: int = 5,
    similarity: str = "auto",
    background: Any = None,
    outputs: Any = None,
    margin: float = 0.05,
    level: float = 0.95,
    random_state: int = 0,
) -> MetricResult:
    """Similarity of explanations to those of a model trained on shuffled labels; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained.
    X : DataFrame, array-like, images or texts of n_rows
        Rows that it was trained on.
    y : array-like of shape (n_rows,)
        Their labels or targets.
    explainer : fitted explainer
        Clones of it explain `model` and the others, with the same seed.
    refit : callable, default=None
        Trains a model on (X, y) and returns it; None: a clone of `model` is fitted, if it is an estimator.
    rows : DataFrame, array-like, images or texts, default=None
        Rows to explain; None: X.
    n_draws : int, default=5
        Ways to shuffle the labels, a model each.
    similarity : {"auto", "absolute-spearman", "spearman", "ssim"}, default="auto"
        As in `model_randomization`.
    background : rows, default=None
        On which clones of the explainer are fitted; None: its own background where it keeps one, else X.
    outputs : str or int, default=None
        Whose maps are compared; None: of each row the one that `model` predicts.
    margin : float, default=0.05
        By how much similarity may exceed that to other rows' maps.
    level : float, default=0.95
        Of the intervals that the verdict is read from.
    random_state : int, default=0
        Of the shuffles.

    Returns
    -------
    MetricResult
        As of `model_randomization`; the interval is over rows and shuffles.

    Raises
    ------
    DataError
        If the model is no estimator and there is no `refit`, or labels and rows do not fit.

    Notes
    -----
    The labels are shuffled, so that their distribution stays as it was. An explanation that stays the same
    shows what the rows are like, not what the labels have to do with them [1]_.

    References
    ----------
    .. [1] Adebayo, J., et al. (2018). Sanity checks for saliency maps. NeurIPS.
       https://doi.org/10.48550/arXiv.1810.03292

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import data_randomization
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y)
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = data_randomization(model, X, y, explainer, rows=X[:30], n_draws=2)
    >>> abs(result.score) < 0.5, result.details["draws"].array.shape
    (True, (30, 2))
    """
    by = "data_randomization"
    check_explainer(explainer, by)
    check_one_of(by, "similarity", similarity, ("auto", *SIMILARITIES))
    check_whole(by, "n_draws", n_draws, 1)
    check_whole(by, "random_state", random_state, 0)
    check_margin(by, margin)
    check_level(level)
    labels = check_labels(X, y, by)
    train = refit_of(model, refit, by, "random_logit and deletion need predictions alone.")
    rows = X if rows is None else rows
    fitted_on = background_of(explainer, background, X)
    first = explain_first(copy_for(explainer, model, *fitted_on), rows, outputs, as_predictor(model), by)
    similarity = choose_similarity(by, similarity, first)

    def shuffled(draw: int) -> Callable[[], tuple[Any, None]]:
        order = np.random.default_rng(seeds_of(random_state, draw)).permutation(len(labels))
        return lambda: (train(X, labels[order]), None)

    stage = Stage(1.0, "labels", tuple(shuffled(draw) for draw in range(n_draws)))
    measured = measure_stage(stage, explainer, fitted_on, rows, first, similarity, random_state)
    own, others = measured.own[similarity], measured.others
    return stage_result(
        by,
        first,
        [measured],
        similarity,
        [measured],
        "proportion of labels shuffled",
        verdict=judge(own, others, "the labels", similarity, margin, level),
        params={
            "n_draws": n_draws,
            "similarity": similarity,
            "margin": margin,
            "level": level,
            "random_state": random_state,
        },
    )


def roar(
    model: Any,
    X: Any,
    y: Any,
    explainer: Any,
    *,
    refit: Callable[[Any, Any], Any] | None = None,
    test: Any = None,
    proportions: Sequence[float] = PROPORTIONS,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    n_random: int = 1,
    level: float = 0.95,
    random_state: int = 0,
) -> MetricResult:
    """ROAR, remove and retrain: accuracy of models trained without the most relevant units; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained.
    X : DataFrame, array-like, images or texts of n_rows
        Rows to train on again.
    y : array-like of shape (n_rows,)
        Their labels or targets.
    explainer : fitted explainer
        Of this model. It explains all rows, once.
    refit : callable, default=None
        Trains a model on (X, y) and returns it; None: a clone of `model` is fitted, if it is an estimator.
    test : tuple (X, y), default=None
        Rows to measure on; None: a quarter of the rows, drawn by chance, which is not trained on.
    proportions : sequence of float, default=(0.1, 0.3, 0.5, 0.7, 0.9)
        Of units that are removed, above 0 and below 1; at least one unit each.
    fill : object, default=None
        For images, what replaces pixels and segments, as in `deletion`; None: the mean of each
        channel over X.
    masker : Masker or a row, default=None
        For tables, the row whose values replace the columns; None: means, of integers medians, of
        others the most frequent. For texts a masker, as in `deletion`.
    outputs : str or int, default=None
        Whose values order the units; None: each row's predicted output.
    n_random : int, default=1
        Random orders to average over, with models of their own: reference "random".
    level : float, default=0.95
        Of the interval that the verdict is read from.
    random_state : int, default=0
        Of ties, random orders and the rows to measure on.

    Returns
    -------
    MetricResult
        Scores are of rows to measure on: the proportion of models that are right, or for a regression their
        mean squared error (then greater is better), over all proportions removed. The curve starts
        with a model trained on whole rows. ``against("random")`` is positive where the explanation
        finds what the labels depend on, and `verdict` says whether it is beyond the interval.

    Raises
    ------
    DataError
        If the model is no estimator and there is no `refit`, or labels and rows do not fit.

    Notes
    -----
    Units are removed from rows to train on and to measure on alike, so that models are
    not measured on inputs of a kind that they have not seen [1]_. What is measured is what can be
    learned from the rest, not what `model` uses: units that others can replace do not count. The
    interval is over rows, for the models as they were trained.

    References
    ----------
    .. [1] Hooker, S., Erhan, D., Kindermans, P.-J., Kim, B. (2019). A benchmark for interpretability
       methods in deep neural networks. NeurIPS. https://doi.org/10.48550/arXiv.1806.10758

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import roar
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y)
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = roar(model, X, y, explainer, proportions=[0.2, 0.6])
    >>> result.curve.x
    array([0. , 0.2, 0.6])
    """
    by = "roar"
    check_explainer(explainer, by)
    check_whole(by, "n_random", n_random, 0)
    check_whole(by, "random_state", random_state, 0)
    check_level(level)
    shares = checked_proportions(by, proportions)
    train = refit_of(model, refit, by, "deletion hides units without training, and needs predictions alone.")
    split = _split(X, y, test, random_state, by)
    fill, masker = _fill_of(split.X, fill, masker, by)
    parts = [
        RemovedRows.from_rows(explainer, rows, outputs, fill, masker, random_state)
        for rows in (split.X, split.X_test)
    ]
    names = [("explanation", 0), *(("random", draw) for draw in range(n_random))]
    kept, held = (part.units.rows.unmasked for part in parts)
    whole, is_error = _measure(train(kept, split.y), held, split.y_test, by)
    curves: dict[str, list[Floats]] = {}
    for name, draw in names:
        points = [whole]
        for share in shares:
            rows, rows_test = (part.without(share, name, draw) for part in parts)
            points.append(_measure(train(rows, split.y), rows_test, split.y_test, by)[0])
        curves.setdefault(name, []).append(np.stack(points, axis=1))
    means = {name: np.mean(found, axis=0) for name, found in curves.items()}
    result = _roar_result(parts, means, shares, is_error, n_random, random_state)
    return replace(result, verdict=judge_order(result, level)) if n_random else result


def _roar_result(
    parts: Sequence[RemovedRows],
    means: dict[str, Floats],
    shares: Floats,
    is_error: bool,
    n_random: int,
    random_state: int,
) -> MetricResult:
    measured = parts[1]
    explanation, units = measured.explanation, measured.units
    own, others = means.pop("explanation"), means
    return MetricResult(
        name="roar",
        scores=own[:, 1:].mean(axis=1),
        greater_is_better=is_error,
        made_for=ATTRIBUTIONS,
        quantity=explanation.quantity,
        curve=MetricCurve(
            np.array([0.0, *shares]),
            own,
            others,
            f"proportion of {units.kind}s removed",
            "squared error" if is_error else "accuracy",
        ),
        references={name: one[:, 1:].mean(axis=1) for name, one in others.items()},
        fill=units.fill,
        n_model_rows=sum(part.explanation.n_model_rows for part in parts)
        + len(own) * (1 + (1 + n_random) * shares.size),
        output_names=explanation.output_names,
        row_names=explanation.row_names,
        row_keys=row_seeds(measured.units.rows.data),
        params={"proportions": shares.tolist(), "n_random": n_random, "random_state": random_state},
        notes=(*measured.notes, "The interval is over rows, for the models as they were trained."),
    )


@dataclass(frozen=True)
class Split:
    """Rows to train on, and rows to measure on."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any


def _split(X: Any, y: Any, test: Any, random_state: int, by: str) -> Split:
    """Rows to train on and to measure on: those given, or a quarter by chance."""
    labels = check_labels(X, y, by)
    if test is not None:
        if not isinstance(test, tuple) or len(test) != 2:
            raise DataError(f"The 'test' of {by} must be a tuple (X, y), got {type(test).__name__}.")
        return Split(X, labels, test[0], check_labels(*test, by, "test"))
    n_rows = len(labels)
    if n_rows < 4:
        raise DataError(f"{by} holds out a quarter of the rows, and X has {n_rows}. Pass test=(X, y).")
    order = np.random.default_rng(seeds_of(random_state, 1)).permutation(n_rows)
    held, kept = np.sort(order[: n_rows // 4]), np.sort(order[n_rows // 4 :])
    return Split(rows_at(X, kept), labels[kept], rows_at(X, held), labels[held])


@dataclass(frozen=True)
class RemovedRows:
    """Rows with an order of their units, the most relevant of which are replaced."""

    explanation: Explanation
    units: Units
    values: Floats  # (n_rows, n_units)
    seeds: Codes
    notes: tuple[str, ...]

    @classmethod
    def from_rows(
        cls, explainer: Any, X: Any, outputs: Any, fill: Any, masker: Any, random_state: int
    ) -> RemovedRows:
        """Rows explained, each by the chosen output or its predicted one."""
        explanation = explainer.explain(X, outputs="predicted" if outputs is None else [outputs])
        check_explanation(explanation, "roar")
        notes = check_quantity(explanation, "roar", ATTRIBUTIONS, BY_SIZE)
        units = make_units(X, explanation, masker, fill, "roar", random_state)
        values = explanation.values[..., 0].reshape(len(explanation), -1)
        check_finite(values[..., None], explanation, "roar")
        values = np.abs(values) if explanation.quantity in BY_SIZE else values
        if np.size(units.masker.weights) != 1:
            n_fill = np.size(units.masker.weights)
            raise DataError(f"roar replaces units by one value each, got {n_fill} rows. Pass one as masker.")
        return cls(explanation, units, values, row_seeds(units.rows.data, random_state), notes)

    def without(self, share: float, order: str, draw: int) -> Any:
        """Rows whose first units in an order are replaced, a share of them, rounded up."""
        stays = np.ones_like(self.units.present)
        for row, key in enumerate(self.seeds):
            present = np.flatnonzero(self.units.present[row])
            n_removed = max(int(np.ceil(share * present.size - 1e-9)), 1)
            if order == "random":
                places = generator(key, RANDOM, draw).permutation(present.size)
            else:
                places = ranked(comparable(self.values[row, present]), key, draw)
            stays[row, present[places[:n_removed]]] = False
        return replace_units(self.units, stays)


def replace_units(units: Units, stays: Bools) -> Any:
    """Rows with the units replaced that are False in stays (n_rows, n_units), by a single fill."""
    n_rows = len(stays)
    block = MaskBlock(slice(0, n_rows), stays, tuple(units.masker.draws(stays)))
    places = np.arange(n_rows)
    built = units.rows.builder(places, 0).build(block, places * n_rows + places)
    return copy_table(built) if is_frame(built) else np.array(built)


def _fill_of(X: Any, fill: Any, masker: Any, by: str) -> tuple[Any, Any]:
    """Fill and masker: those given, or for images means of channels, for tables a typical row."""
    if fill is not None or masker is not None or isinstance(X, list | tuple):
        return fill, masker
    if is_table(X):
        return None, typical_row(X, by)
    pixels = as_pixels(X)
    means = pixels.reshape(-1, pixels.shape[3] if pixels.ndim == 4 else 1).astype(float).mean(axis=0)
    return (float(means[0]) if means.size == 1 else means.tolist()), None


def typical_row(table: Any, by: str) -> Any:
    """One row of means; of integers their lower medians, of anything else the most frequent values."""
    values = []
    for position in range(len(column_names(table))):
        column = pd.Series(np.asarray(column_values(table, position))).dropna()
        if column.empty:
            values.append(np.nan)
        elif column.dtype.kind == "f":
            values.append(column.mean())
        elif column.dtype.kind in "iu":
            values.append(column.sort_values().iloc[(len(column) - 1) // 2])
        else:
            values.append(column.mode().iloc[0])
    return constant_row(values, table, by)


def _measure(model: Any, X: Any, y: Any, by: str) -> tuple[Floats, bool]:
    """Whether each prediction is right, or its squared error, (n_rows,), and whether it is an error."""
    predictor = as_predictor(model)
    predictions, _ = predict_rows(predictor, X, None, 0)
    if predictions.shape[1] == 1 and predictor.task != "classification":
        return np.square(predictions[:, 0] - np.asarray(y, dtype=float)), True
    if predictions.shape[1] == 1 or predictor.task == "regression":
        raise DataError(
            f"{by} compares labels with the largest of several outputs, or targets with one, and the model "
            f"{predictor.name} has {predictions.shape[1]} for a {predictor.task}. Pass as_predictor(model, "
            "output=...) in refit."
        )
    return (_labels(predictor, predictions.shape[1])[predictions.argmax(axis=1)] == y).astype(float), False


def _labels(predictor: Predictor, n_outputs: int) -> Any:
    """The label that each output is of; their places where the model does not say it."""
    if predictor.classes is None or len(predictor.classes) != n_outputs:
        return np.arange(n_outputs)
    return np.asarray(predictor.classes)
