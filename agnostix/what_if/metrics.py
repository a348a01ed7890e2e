"""Quantities that are measured under any weights: means, losses and metrics.

There are three kinds, by what their standard errors need. A mean over rows is linear in the weights. A
smooth function of the weights comes with its derivative by each row's weight (its influence function).
Any other metric is only a function of the weights; its error comes from a jackknife over blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.event_metrics import average_precision, of_decisions, rarest
from agnostix.what_if.inference import DIFFERENCE
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.table import Table

UNIT = (0.0, 1.0)
POSITIVE = (0.0, np.inf)
ANY = (-np.inf, np.inf)
_PROBABILISTIC = ("log_loss", "brier_score")


@dataclass(frozen=True)
class MeanQuantity:
    """A weighted mean over rows."""

    name: str  # "prediction", "outcome", or the metric
    output: str | None  # the output that is averaged
    rows: Floats  # (n_rows,), what is averaged
    bounds: tuple[float, float] = ANY  # of its values, by definition
    counts: bool = False  # whether it is a share of rows, each of which is either 0 or 1
    scale: str = "student"  # kind of its intervals in `inference.interval`
    events: tuple[Floats, Floats] | None = None  # (n_rows,) each: seen where, and how large it would be

    @property
    def kind(self) -> str:
        """Kind of its intervals."""
        return "wilson" if self.counts else self.scale


@dataclass(frozen=True)
class SmoothQuantity:
    """A smooth function of the weights."""

    name: str  # the metric
    measure: Callable[[Floats], tuple[float, Floats]]
    bounds: tuple[float, float] = ANY  # of its values, by definition
    output: None = None
    counts: bool = False
    groups: Callable[[Floats], Floats] | None = None  # `groups` of `inference.interval` under weights
    kind: str = "student"  # of its intervals in `inference.interval`
    carriers: Callable[[Floats], float] | None = (
        None  # effective rows that it is a share of, or of a rare kind
    )

    def groups_at(self, weights: Floats) -> Floats | None:
        """What `inference.interval` takes of its groups at weights (n_rows,), (n_groups, 2)."""
        return None if self.groups is None else self.groups(weights)


@dataclass(frozen=True)
class BlockQuantity:
    """A metric without a known derivative."""

    name: str  # the metric
    measure: Callable[[Floats], float]  # from weights of shape (n_rows,) to the value
    bounds: tuple[float, float] = ANY
    output: None = None
    counts: bool = False
    kind: str = "student"


@runtime_checkable
class Measure(Protocol):
    """What is measured on a table's columns too, as a rate in a group is."""

    @property
    def label(self) -> str:
        """Its name."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that make its groups."""

    def quantities(self, table: Table, predictions: Predictions) -> list[Quantity]:
        """What it measures."""


Metric: TypeAlias = str | Callable[..., float] | Measure


def prediction_means(predictions: Predictions) -> list[Quantity]:
    """The mean of each output."""
    name = "prediction" if predictions.predicted else "outcome"
    bounds = UNIT if predictions.probabilities else ANY
    return [
        MeanQuantity(name, output, predictions.values[:, j], bounds)
        for j, output in enumerate(predictions.output_names)
    ]


def r2(predictions: Predictions) -> SmoothQuantity:
    """Share of the outcome's variance explained, with its influence function."""
    assert predictions.truth is not None
    y = np.asarray(predictions.truth, dtype=float)
    squared = (y - predictions.values[:, 0]) ** 2

    def measure(weights: Floats) -> tuple[float, Floats]:
        total = weights.sum()
        mean = weights @ y / total
        left = weights @ squared
        around = (y - mean) ** 2
        all_ = weights @ around
        if all_ <= 0.0:
            return np.nan, np.full(y.size, np.nan)
        return float(1.0 - left / all_), -squared / all_ + left * around / all_**2

    return SmoothQuantity("r2", measure, (-np.inf, 1.0), kind="log_complement")


def root_mean_squared_error(predictions: Predictions) -> SmoothQuantity:
    """Root of the mean squared error, with its influence function."""
    assert predictions.truth is not None
    squared = (predictions.truth - predictions.values[:, 0]) ** 2

    def measure(weights: Floats) -> tuple[float, Floats]:
        total = weights.sum()
        mean = weights @ squared / total
        root = float(np.sqrt(mean))
        return root, (squared - mean) / (2.0 * total * root) if root > 0 else np.zeros(squared.size)

    return SmoothQuantity("root_mean_squared_error", measure, POSITIVE, kind="log")


def roc_auc(predictions: Predictions) -> SmoothQuantity:
    """Area under the ROC curve of a binary classifier, with its influence function."""
    # The derivative by the weight of a positive row is the weighted share of negatives that it outranks
    # less the area, over the positives' weight; and the mirror image for a negative row.
    assert predictions.truth is not None
    positive = np.asarray(predictions.truth) == 1
    _, rank = np.unique(predictions.class_scores[:, 1], return_inverse=True)
    size = int(rank.max()) + 1

    def measure(weights: Floats) -> tuple[float, Floats]:
        up = np.bincount(rank, np.where(positive, weights, 0.0), size)
        down = np.bincount(rank, np.where(positive, 0.0, weights), size)
        all_up, all_down = up.sum(), down.sum()
        if all_up <= 0.0 or all_down <= 0.0:
            return np.nan, np.full(rank.size, np.nan)
        below = (np.cumsum(down) - 0.5 * down) / all_down
        above = (all_up - np.cumsum(up) + 0.5 * up) / all_up
        area = float(up @ below / all_up)
        psi = np.where(positive, (below[rank] - area) / all_up, (above[rank] - area) / all_down)
        return area, psi

    def carriers(weights: Floats) -> float:
        return rarest(positive, weights)

    return SmoothQuantity("roc_auc", measure, UNIT, kind="logit", carriers=carriers)


def of_positives(name: str, predictions: Predictions) -> SmoothQuantity:
    """F1, precision, recall or average precision of the class 1, with its influence function."""
    assert predictions.truth is not None
    positive = np.asarray(predictions.truth) == 1
    if name == "average_precision":
        measure, carriers = average_precision(positive, predictions.class_scores[:, 1])
        return SmoothQuantity(name, measure, UNIT, kind="logit", carriers=carriers)
    measure, carriers = of_decisions(name, positive, predictions.predicted_class == 1)
    return SmoothQuantity(name, measure, UNIT, kind="wilson", carriers=carriers)


def quantities_for(
    metric: Metric | Sequence[Metric] | None,
    predictions: Predictions,
    table: Table | None = None,
    by: str | None = None,
) -> list[Quantity]:
    """Quantities of a metric, or of several, which measures of groups take from columns of the table."""
    metrics: Sequence[Any] = metric if isinstance(metric, list | tuple) else [metric]
    quantities: list[Quantity] = []
    if not metrics:
        raise ValueError("The 'metric' parameter is an empty list: name at least one, or pass None.")
    for one in metrics:
        if isinstance(one, Measure) and not isinstance(one, type):
            quantities.extend(_measure(one, predictions, table, by))
        else:
            quantities.extend(_resolve(one, predictions))
    return quantities


def _measure(
    measure: Measure, predictions: Predictions, table: Table | None, by: str | None
) -> list[Quantity]:
    if table is None:
        raise ValueError(
            f"The {measure.label} is a metric of groups, which are made by columns of a table. Pass the name "
            "of a metric, or use explain, rank, what_if or baseline of EntropicProjection."
        )
    if by is not None and by in measure.features:
        raise ValueError(
            f"by={by!r} looks at each of its groups alone, and the {measure.label} is about some of them. "
            "Leave by= out."
        )
    return measure.quantities(table, predictions)


def scenario_quantities(
    metric: Metric | Sequence[Metric] | None, predictions: Predictions, table: Table
) -> list[Quantity]:
    """The mean of each output, and a metric or several; None for those that suit the model."""
    chosen = default_metrics(predictions) if metric is None else metric
    more: list[Any] = list(chosen) if isinstance(chosen, list | tuple) else [chosen]
    more = [one for one in more if one not in (None, "prediction", "outcome")]
    return quantities_for(["prediction", *more], predictions, table)


def default_metrics(predictions: Predictions) -> list[Metric]:
    """Metrics that suit the model and have a closed-form standard error; none without ground truth."""
    if predictions.truth is None or not predictions.predicted or predictions.task is None:
        return []
    if predictions.task == "regression" and predictions.values.shape[1] > 1:
        return []
    if predictions.task == "regression":
        return ["mean_absolute_error", "root_mean_squared_error", "r2"]
    names: list[Metric] = ["accuracy", "error_rate"]
    if predictions.probabilities:
        names += ["log_loss", "brier_score"]
    if predictions.class_scores.shape[1] == 2:
        names += ["roc_auc"]
    return names


def _resolve(metric: Metric | None, predictions: Predictions) -> list[Quantity]:
    if metric is None or metric in ("prediction", "outcome"):
        return prediction_means(predictions)
    if not (isinstance(metric, str) or callable(metric)):
        raise ValueError(
            "The 'metric' parameter must be a str, a callable, a rate or comparison of groups, a list of "
            f"these or None, got {metric!r}."
        )
    _check_measurable(metric, predictions)
    if callable(metric):
        return [_from_function(metric, predictions)]
    plain, sign = (metric[4:], -1.0) if metric.startswith("neg_") else (metric, 1.0)
    if plain in _CLASSIFICATION + _REGRESSION:
        _check_task(plain, predictions)
        if plain != "roc_auc" or predictions.class_scores.shape[1] == 2:
            quantity = _SMOOTH[plain](predictions) if plain in _SMOOTH else _mean_loss(plain, predictions)
            return [quantity if sign > 0 else _negated(quantity)]
    if metric in _OF_POSITIVES and _has_positives(predictions):
        return [of_positives(metric, predictions)]
    if metric in get_scorer_names():
        return [_from_scorer(metric, predictions)]
    own = ", ".join(_CLASSIFICATION + _REGRESSION)
    raise ValueError(
        f"There is no metric {metric!r}. Known: {own}, every scorer of sklearn.metrics.get_scorer_names() "
        "with sample_weight, or a function f(y_true, y_pred, sample_weight)."
    )


def _has_positives(predictions: Predictions) -> bool:
    """Whether the classes are 0 and 1 (or booleans), of which scikit-learn's scorers know the positive."""
    classes = predictions.classes
    return predictions.task == "classification" and classes is not None and list(classes) == [0, 1]


def _check_measurable(metric: Metric, predictions: Predictions) -> None:
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")
    if not predictions.predicted:
        raise DataError(f"The metric {name!r} needs predictions: pass a model, or predictions to fit.")
    if predictions.truth is None and predictions.task is None:
        raise DataError(
            f"The metric {name!r} compares predictions with the truth: pass y to fit. A function must also "
            "say what it does, as as_predictor(function, task='classification'); recorded predictions of "
            "classes need a column for each label of y."
        )
    if predictions.truth is None:
        raise DataError(f"The metric {name!r} compares predictions with the truth: pass y to fit.")


def _check_task(name: str, predictions: Predictions) -> None:
    allowed = _CLASSIFICATION if predictions.task == "classification" else _REGRESSION
    if name not in allowed:
        raise ValueError(
            f"The metric {name!r} does not suit a {predictions.task}. Those that do: {', '.join(allowed)}."
        )
    if name in _PROBABILISTIC and not predictions.probabilities:
        raise ValueError(f"The metric {name!r} needs probabilities, and the model gives scores.")
    if predictions.task == "regression" and predictions.values.shape[1] > 1:
        raise ValueError(f"The metric {name!r} needs one output, and the model gives several.")


def _mean_loss(name: str, predictions: Predictions) -> MeanQuantity:
    truth = predictions.truth
    assert truth is not None
    if name in ("accuracy", "error_rate"):
        right = (predictions.predicted_class == truth).astype(float)
        return MeanQuantity(name, None, right if name == "accuracy" else 1.0 - right, UNIT, counts=True)
    if name == "mean_absolute_error":
        return MeanQuantity(name, None, np.abs(truth - predictions.values[:, 0]), POSITIVE, scale="log")
    if name == "mean_squared_error":
        return MeanQuantity(name, None, (truth - predictions.values[:, 0]) ** 2, POSITIVE, scale="log")
    p = predictions.class_scores
    if name == "log_loss":
        eps = np.finfo(float).eps
        losses = -np.log(np.clip(p / p.sum(1, keepdims=True), eps, 1.0 - eps))
    else:
        losses = ((p**2).sum(1, keepdims=True) - 2.0 * p + 1.0) * (0.5 if p.shape[1] == 2 else 1.0)
    own = losses[np.arange(truth.size), truth]
    # What a row adds if its class is not the predicted one, but the next most probable.
    wrong = (predictions.predicted_class != truth).astype(float)
    ordered = np.partition(losses, 1, axis=1) if losses.shape[1] > 1 else np.hstack([losses, losses])
    added = ordered[:, 1] - ordered[:, 0]
    return MeanQuantity(name, None, own, POSITIVE, scale="log", events=(wrong, added))


def _negated(quantity: MeanQuantity | SmoothQuantity) -> Quantity:
    bounds = (-quantity.bounds[1], -quantity.bounds[0])
    name = f"neg_{quantity.name}"
    kind = "-" + quantity.kind
    if isinstance(quantity, MeanQuantity):
        return MeanQuantity(name, None, -quantity.rows, bounds, scale=kind)
    measure = quantity.measure

    def negated(weights: Floats) -> tuple[float, Floats]:
        value, psi = measure(weights)
        return -value, -psi

    return SmoothQuantity(name, negated, bounds, kind=kind, carriers=quantity.carriers)


def _from_function(metric: Callable[..., float], predictions: Predictions) -> BlockQuantity:
    y_true, y_pred = _labels(predictions)
    name = getattr(metric, "__name__", type(metric).__name__)

    def measure(weights: Floats) -> float:
        live, weight = _live(weights)
        return _number(name, predictions, lambda: metric(y_true[live], y_pred[live], sample_weight=weight))

    return BlockQuantity(name, measure)


def _from_scorer(name: str, predictions: Predictions) -> BlockQuantity:
    scorer = get_scorer(name)
    kind = _RecordedClassifier if predictions.task == "classification" else _RecordedRegressor
    recorded = kind(predictions).fit(None)
    y_true, _ = _labels(predictions)
    index = np.arange(y_true.shape[0])[:, None]

    def measure(weights: Floats) -> float:
        live, weight = _live(weights)
        return _number(
            name, predictions, lambda: scorer(recorded, index[live], y_true[live], sample_weight=weight)
        )

    return BlockQuantity(name, measure)


def _number(name: str, predictions: Predictions, metric: Callable[[], Any]) -> float:
    """What a metric of weighted rows returns; an error that names it where that is no number."""
    try:
        value = metric()
    except Exception as error:
        if isinstance(error, TypeError) and "sample_weight" in str(error):
            suited = ", ".join(map(str, default_metrics(predictions)))
            raise ValueError(
                f"The metric {name!r} takes no sample_weight, so it cannot be measured in a reweighted "
                "population. Pass a function f(y_true, y_pred, sample_weight) that counts rows by their "
                f"weights{f', or one of {suited}' if suited else ''}."
            ) from error
        raise ValueError(
            f"The metric {name!r} failed on y and the predictions: {type(error).__name__}: {error}"
        ) from error
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"The metric {name!r} returned {type(value).__name__} {value!r}, and one number is needed. Let "
            "it return a float."
        ) from None


def _live(weights: Floats) -> tuple[Bools, Floats]:
    """Rows of positive weight, and their weights scaled to mean 1."""
    live = weights > 0
    return live, weights[live] / weights[live].mean()


def _labels(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    assert predictions.truth is not None
    if predictions.task == "classification":
        return predictions.class_labels(
            np.asarray(predictions.truth, dtype=np.intp)
        ), predictions.class_labels(predictions.predicted_class)
    many = predictions.values.shape[1] > 1
    return predictions.truth, predictions.values if many else predictions.values[:, 0]


class _Recorded(BaseEstimator):
    """A fitted estimator of recorded predictions: its rows are indices into them, as scorers need a model."""

    def __init__(self, predictions: Any) -> None:
        self.predictions = predictions

    def fit(self, X: Any, y: Any = None) -> _Recorded:
        """Do nothing: the predictions are recorded."""
        self.is_fitted_ = True
        return self


class _RecordedClassifier(ClassifierMixin, _Recorded):
    @property
    def classes_(self) -> np.ndarray:
        """Labels in the order of the outputs."""
        return np.asarray(self.predictions.classes)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable label of each row, shape (n_rows,)."""
        return self.predictions.class_labels(self.predictions.predicted_class)[X[:, 0]]

    def predict_proba(self, X: np.ndarray) -> Floats:
        """The recorded probabilities."""
        return self.predictions.class_scores[X[:, 0]]


class _RecordedRegressor(RegressorMixin, _Recorded):
    def predict(self, X: np.ndarray) -> Floats:
        """The recorded predictions."""
        return _labels(self.predictions)[1][X[:, 0]]


Quantity: TypeAlias = MeanQuantity | SmoothQuantity | BlockQuantity


def kind_of_changes(quantity: Quantity) -> str:
    """Kind of the intervals of a quantity's changes in `inference.interval`."""
    return DIFFERENCE if quantity.kind in ("wilson", "logit") else "student"


_CLASSIFICATION = ("accuracy", "error_rate", "log_loss", "brier_score", "roc_auc")


_REGRESSION = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2")


_OF_POSITIVES = ("f1", "precision", "recall", "average_precision")


_SMOOTH: dict[str, Callable[[Predictions], SmoothQuantity]] = {
    "r2": r2,
    "roc_auc": roc_auc,
    "root_mean_squared_error": root_mean_squared_error,
}
