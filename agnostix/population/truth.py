"""From a model's answers and the user's y to Answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import column_names, is_frame
from agnostix.core.models import Predictor
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.population.answers import Answers


def from_model(predictor: Predictor, predictions: Floats, y: Any) -> Answers:
    """Answers of a model, next to the truth where it is known.

    Parameters
    ----------
    predictor : Predictor
        The model.
    predictions : ndarray of shape (n_rows, n_outputs)
        What it answered.
    y : array-like of shape (n_rows,) or None
        What is true.

    Returns
    -------
    Answers
    """
    names = list(predictor.names(predictions.shape[1]))
    if names == ["prediction"] and getattr(y, "name", None) not in (None, ""):
        names = [str(y.name)]
    probabilities = predictor.task == "classification" and _is_distribution(predictions)
    classes = predictor.classes
    truth: Any = None
    if y is not None:
        values = one_value_a_row(y, predictions.shape[0])
        if predictor.task == "classification":
            if classes is None:
                classes = tuple(sorted(set(values.tolist())))
            if predictor.response == "predict":
                _check_scores(predictor, predictions)
            truth = _codes(values, classes, max(predictions.shape[1], 2))
        elif predictor.task == "regression":
            truth = _numbers(values)
    return Answers(predictions, tuple(names), predictor.task, probabilities, classes, truth)


def from_predictions(predictions: Any, y: Any, n_rows: int) -> Answers:
    """Answers that were recorded elsewhere.

    Parameters
    ----------
    predictions : array-like of shape (n_rows,) or (n_rows, n_outputs)
        One number a row, or one column a class; a frame names its outputs.
    y : array-like of shape (n_rows,) or None
        What is true.
    n_rows : int
        How many rows there are.

    Returns
    -------
    Answers
    """
    try:
        values = np.asarray(predictions, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            "predictions must be numbers: probabilities of classes rather than labels, for example."
        ) from None
    matrix = values[:, None] if values.ndim == 1 else values
    if matrix.ndim != 2 or matrix.shape[0] != n_rows or not np.isfinite(matrix).all():
        raise DataError(
            f"predictions must be finite numbers of shape ({n_rows},) or ({n_rows}, n_outputs), got shape "
            f"{values.shape} with {int((~np.isfinite(values)).sum())} values that are not finite."
        )
    labels = None if y is None else one_value_a_row(y, n_rows)
    found = None if labels is None else tuple(sorted(set(labels.tolist())))
    between = bool((matrix >= 0.0).all() and (matrix <= 1.0).all())
    n_classes = matrix.shape[1] if matrix.shape[1] > 1 else 2
    classifies = found is not None and between and len(found) == n_classes
    names = tuple(column_names(predictions)) if is_frame(predictions) else None
    if classifies:
        assert found is not None
        assert labels is not None
        names = names or tuple(str(label) for label in (found if matrix.shape[1] > 1 else found[1:]))
        truth = _codes(labels, found, n_classes)
        return Answers(matrix, names, "classification", _is_distribution(matrix), found, truth)
    names = names or Predictor(lambda X: X).names(matrix.shape[1])
    task: Any = "regression" if labels is not None and matrix.shape[1] == 1 else None
    return Answers(matrix, names, task, truth=_numbers(labels) if task else None)


def from_truth(y: Any, n_rows: int) -> Answers:
    """The outcome itself in the place of predictions: its average, or each label's share.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        The outcome.
    n_rows : int
        How many rows there are.

    Returns
    -------
    Answers
    """
    values = one_value_a_row(y, n_rows)
    if values.dtype == object:
        values = pd.Series(values).infer_objects().to_numpy()
    if values.dtype.kind in "fiu":
        name = str(getattr(y, "name", None) or "y")
        return Answers(values.astype(float)[:, None], (name,), predicted=False)
    codes, labels = pd.factorize(values, sort=True)
    shares = np.eye(len(labels))[codes]
    names = tuple(str(label) for label in labels)
    return Answers(shares, names, "classification", True, tuple(labels), codes, predicted=False)


def one_value_a_row(y: Any, n_rows: int) -> np.ndarray:
    """Check y.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        The outcome.
    n_rows : int
        How many rows there are.

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    DataError
        If it has another length, or misses values.
    """
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n_rows,):
        raise DataError(f"y must have one value for each of the {n_rows} rows, got shape {values.shape}.")
    lacking = int(pd.isna(values).sum())
    if lacking:
        raise DataError(f"y misses {lacking} of {n_rows} values. Leave those rows out of X and y.")
    return values


def _check_scores(predictor: Predictor, labels: Floats) -> None:
    """Labels can stand for scores of the second class only where 0.5 or 0 lies between the two."""
    if not any(np.isin(labels, pair).all() for pair in ((0.0, 1.0), (-1.0, 1.0))):
        raise DataError(
            f"The model {predictor.name} is asked for labels, which cannot be compared with y unless they "
            "are 0 and 1. Ask for its predict_proba or its decision_function, or leave y out."
        )


def _is_distribution(predictions: Floats) -> bool:
    between = bool((predictions >= 0.0).all() and (predictions <= 1.0).all())
    return between and (predictions.shape[1] == 1 or bool(np.allclose(predictions.sum(1), 1.0, atol=1e-6)))


def _codes(values: np.ndarray, classes: tuple[Any, ...], n_classes: int) -> Codes:
    if len(classes) != n_classes:
        raise DataError(
            f"y has {len(classes)} different labels, and the model tells {n_classes} classes apart: "
            f"{', '.join(str(label) for label in classes[:10])}."
        )
    place = {label: j for j, label in enumerate(classes)}
    by_text = {str(label): j for j, label in enumerate(classes)}
    codes = np.array([place.get(v, by_text.get(str(v), -1)) for v in values.tolist()], dtype=np.intp)
    if (codes < 0).any():
        strange = values.tolist()[int(np.flatnonzero(codes < 0)[0])]
        raise DataError(
            f"y holds the label {strange!r}, which the model does not know. Its classes: "
            f"{', '.join(repr(label) for label in classes[:10])}."
        )
    return codes


def _numbers(values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"y must hold numbers for a regression, got values such as {values.tolist()[0]!r}."
        ) from None
