"""From a metric's name or function to something measurable under any weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.population.answers import Answers
from agnostix.population.quantities import (
    POSITIVE,
    UNIT,
    BlockQuantity,
    MeanQuantity,
    Quantity,
    SmoothQuantity,
    prediction_means,
    r2,
    roc_auc,
    root_mean_squared_error,
)

Metric = str | Callable[..., float]

_CLASSIFICATION = ("accuracy", "error_rate", "log_loss", "brier_score", "roc_auc")
_REGRESSION = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2")
_PROBABILISTIC = ("log_loss", "brier_score")


def quantities_for(metric: Metric | Sequence[Metric] | None, answers: Answers) -> list[Quantity]:
    """What is to be measured.

    Parameters
    ----------
    metric : str, callable, list of these, or None
        "prediction" or None: each output's mean. A metric's plain name, a
        scikit-learn scorer's name, or ``f(y_true, y_pred, sample_weight)``,
        where y_pred are labels for a classifier.
    answers : Answers
        Predictions and truth.

    Returns
    -------
    list of Quantity
    """
    wanted: Sequence[Any] = metric if isinstance(metric, list | tuple) else [metric]
    found: list[Quantity] = []
    if not wanted:
        raise ValueError("The 'metric' parameter is an empty list: name at least one, or pass None.")
    for one in wanted:
        found.extend(_resolve(one, answers))
    return found


def default_metrics(answers: Answers) -> list[Metric]:
    """The metrics that say how good a model is, cheap and with exact errors.

    Parameters
    ----------
    answers : Answers
        Predictions and truth.

    Returns
    -------
    list of str
        Empty where the truth or the task is not known.
    """
    if answers.truth is None or not answers.predicted or answers.task is None:
        return []
    if answers.task == "regression" and answers.predictions.shape[1] > 1:
        return []
    if answers.task == "regression":
        return ["mean_absolute_error", "root_mean_squared_error", "r2"]
    names: list[Metric] = ["accuracy", "error_rate"]
    if answers.probabilities:
        names += ["log_loss", "brier_score"]
    if answers.class_scores.shape[1] == 2:
        names += ["roc_auc"]
    return names


def _resolve(metric: Metric | None, answers: Answers) -> list[Quantity]:
    if metric is None or metric in ("prediction", "outcome"):
        return prediction_means(answers)
    if not (isinstance(metric, str) or callable(metric)):
        raise ValueError(
            f"The 'metric' parameter must be a str, a callable, a list of these or None, got {metric!r}."
        )
    _check_measurable(metric, answers)
    if callable(metric):
        return [_from_function(metric, answers)]
    plain, sign = (metric[4:], -1.0) if metric.startswith("neg_") else (metric, 1.0)
    if plain in _CLASSIFICATION + _REGRESSION:
        _check_task(plain, answers)
        if plain != "roc_auc" or answers.class_scores.shape[1] == 2:
            quantity = _SMOOTH[plain](answers) if plain in _SMOOTH else _mean_loss(plain, answers)
            return [quantity if sign > 0 else _negated(quantity)]
    if metric in get_scorer_names():
        return [_from_scorer(metric, answers)]
    own = ", ".join(_CLASSIFICATION + _REGRESSION)
    raise ValueError(
        f"There is no metric {metric!r}. Known: {own}, every scorer of sklearn.metrics.get_scorer_names(), "
        "or a function f(y_true, y_pred, sample_weight)."
    )


def _check_measurable(metric: Metric, answers: Answers) -> None:
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")
    if not answers.predicted:
        raise DataError(f"The metric {name!r} needs predictions: pass a model, or predictions to fit.")
    if answers.truth is None and answers.task is None:
        raise DataError(
            f"The metric {name!r} compares predictions with the truth: pass y to fit. A function must also "
            "say what it does, as as_predictor(function, task='classification'); recorded predictions of "
            "classes need a column for each label of y."
        )
    if answers.truth is None:
        raise DataError(f"The metric {name!r} compares predictions with the truth: pass y to fit.")


def _check_task(name: str, answers: Answers) -> None:
    allowed = _CLASSIFICATION if answers.task == "classification" else _REGRESSION
    if name not in allowed:
        raise ValueError(
            f"The metric {name!r} does not suit a {answers.task}. Those that do: {', '.join(allowed)}."
        )
    if name in _PROBABILISTIC and not answers.probabilities:
        raise ValueError(f"The metric {name!r} needs probabilities, and the model gives scores.")
    if answers.task == "regression" and answers.predictions.shape[1] > 1:
        raise ValueError(f"The metric {name!r} needs one output, and the model gives several.")


def _mean_loss(name: str, answers: Answers) -> MeanQuantity:
    truth = answers.truth
    assert truth is not None
    if name in ("accuracy", "error_rate"):
        right = (answers.decided == truth).astype(float)
        return MeanQuantity(name, None, right if name == "accuracy" else 1.0 - right, UNIT, counts=True)
    if name == "mean_absolute_error":
        return MeanQuantity(name, None, np.abs(truth - answers.predictions[:, 0]), POSITIVE)
    if name == "mean_squared_error":
        return MeanQuantity(name, None, (truth - answers.predictions[:, 0]) ** 2, POSITIVE)
    p = answers.class_scores
    if name == "log_loss":
        chosen = p[np.arange(p.shape[0]), truth] / p.sum(1)
        eps = np.finfo(float).eps
        return MeanQuantity(name, None, -np.log(np.clip(chosen, eps, 1.0 - eps)), POSITIVE)
    gaps = ((p - np.eye(p.shape[1])[truth]) ** 2).sum(1)
    return MeanQuantity(name, None, 0.5 * gaps if p.shape[1] == 2 else gaps, POSITIVE)


_SMOOTH: dict[str, Callable[[Answers], SmoothQuantity]] = {
    "r2": r2,
    "roc_auc": roc_auc,
    "root_mean_squared_error": root_mean_squared_error,
}


def _negated(quantity: MeanQuantity | SmoothQuantity) -> Quantity:
    bounds = (-quantity.bounds[1], -quantity.bounds[0])
    name = f"neg_{quantity.name}"
    if isinstance(quantity, MeanQuantity):
        return MeanQuantity(name, None, -quantity.rows, bounds)
    measure = quantity.measure

    def negated(weights: Floats) -> tuple[float, Floats]:
        value, psi = measure(weights)
        return -value, -psi

    return SmoothQuantity(name, negated, bounds)


def _from_function(metric: Callable[..., float], answers: Answers) -> BlockQuantity:
    y_true, y_pred = _labels(answers)

    def measure(weights: Floats) -> float:
        live, weight = _live(weights)
        return float(metric(y_true[live], y_pred[live], sample_weight=weight))

    return BlockQuantity(getattr(metric, "__name__", type(metric).__name__), measure)


def _from_scorer(name: str, answers: Answers) -> BlockQuantity:
    scorer = get_scorer(name)
    kind = _RecordedClassifier if answers.task == "classification" else _RecordedRegressor
    recorded = kind(answers).fit(None)
    y_true, _ = _labels(answers)
    index = np.arange(y_true.shape[0])[:, None]

    def measure(weights: Floats) -> float:
        live, weight = _live(weights)
        return float(scorer(recorded, index[live], y_true[live], sample_weight=weight))

    return BlockQuantity(name, measure)


def _live(weights: Floats) -> tuple[Bools, Floats]:
    """Rows that count, and their weights with mean 1."""
    live = weights > 0
    return live, weights[live] / weights[live].mean()


def _labels(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    assert answers.truth is not None
    if answers.task == "classification":
        return answers.label_of(np.asarray(answers.truth, dtype=np.intp)), answers.label_of(answers.decided)
    many = answers.predictions.shape[1] > 1
    return answers.truth, answers.predictions if many else answers.predictions[:, 0]


class _Recorded(BaseEstimator):
    """An estimator that has been asked already: its rows are indices into the answers."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers

    def fit(self, X: Any, y: Any = None) -> _Recorded:
        """Nothing is left to learn."""
        self.is_fitted_ = True
        return self


class _RecordedClassifier(ClassifierMixin, _Recorded):
    @property
    def classes_(self) -> np.ndarray:
        """Labels in the order of the outputs."""
        return np.asarray(self.answers.classes)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likeliest label of each row."""
        return self.answers.label_of(self.answers.decided)[X[:, 0]]

    def predict_proba(self, X: np.ndarray) -> Floats:
        """The recorded probabilities."""
        return self.answers.class_scores[X[:, 0]]


class _RecordedRegressor(RegressorMixin, _Recorded):
    def predict(self, X: np.ndarray) -> Floats:
        """The recorded predictions."""
        return _labels(self.answers)[1][X[:, 0]]
