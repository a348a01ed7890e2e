"""Predictions and ground truth, row by row: of a model, recorded elsewhere, or the outcome itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from agnostix.core.frames import column_names, is_frame, missing_as_nan
from agnostix.core.models import Predictor
from agnostix.core.models.outputs import are_probabilities, between_zero_and_one, single_class
from agnostix.core.objects import infer_type
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Predictions:
    """Predictions and ground truth, row by row."""

    values: Floats  # (n_rows, n_outputs), in model output units
    output_names: tuple[str, ...]  # names of the outputs
    task: Task | None = None  # None if unknown
    probabilities: bool = False  # whether the predictions are probabilities of `classes`
    classes: tuple[Any, ...] | None = None  # labels in the order of the outputs
    truth: Floats | Codes | None = None  # (n_rows,), class indices for a classifier, else numbers
    predicted: bool = True  # False if the values are the outcome itself

    def take(self, rows: Codes) -> Predictions:
        """Predictions of some rows, in the order of `rows`."""
        truth = None if self.truth is None else self.truth[rows]
        return Predictions(
            self.values[rows],
            self.output_names,
            self.task,
            self.probabilities,
            self.classes,
            truth,
            self.predicted,
        )

    @cached_property
    def predicted_class(self) -> Codes:
        """The most probable class of each row, shape (n_rows,)."""
        return self.class_scores.argmax(1)

    @cached_property
    def class_scores(self) -> Floats:
        """Scores (n_rows, n_classes); a single score of two classes gets its complement as first column."""
        if self.values.shape[1] > 1:
            return self.values
        score = self.values[:, 0]
        return np.column_stack([1.0 - score if self.probabilities else -score, score])

    def class_labels(self, codes: Codes) -> np.ndarray:
        """Class labels of class indices."""
        return np.asarray(self.classes)[codes]


_SIZES = 1e-151, 1e151
"""Sizes of predictions whose squares, and sums of these, double precision holds."""


def check_sizes(predictions: Predictions, owner: str = "EntropicProjection") -> None:
    """DataError if standard errors, which take squares of predictions, would be infinite or falsely 0."""
    for name, values in zip(predictions.output_names, predictions.values.T, strict=True):
        largest = np.abs(values).max()
        is_small = 0.0 < largest < _SIZES[0] and values.min() < values.max()
        if is_small or largest > _SIZES[1]:
            what = f"those of output {name!r}" if predictions.predicted else f"the values of {name!r}"
            raise DataError(
                f"{owner} squares predictions, which must be between {_SIZES[0]:g} and "
                f"{_SIZES[1]:g} in size, and {what} reach {largest:.3g}. Divide them by "
                f"1e{int(np.floor(np.log10(largest)))} first."
            )


def from_model(predictor: Predictor, outputs: Floats, y: Any) -> Predictions:
    """Predictions of a model, with the ground truth if y is known."""
    names = list(predictor.names(outputs.shape[1]))
    if names == ["prediction"] and getattr(y, "name", None) not in (None, ""):
        names = [str(y.name)]
    probabilities = predictor.task == "classification" and _could_be_probabilities(outputs)
    classes = predictor.classes
    truth: Any = None
    if y is not None:
        values = check_one_value_per_row(y, outputs.shape[0])
        if predictor.task == "classification":
            if classes is None:
                classes = tuple(sorted(set(values.tolist())))
            _check_several(predictor)
            truth = _codes(values, classes, max(outputs.shape[1], 2))
        elif predictor.task == "regression":
            truth = _numbers(values)
    return Predictions(outputs, tuple(names), predictor.task, probabilities, classes, truth)


def from_predictions(predictions: Any, y: Any, n_rows: int) -> Predictions:
    """Predictions that were computed elsewhere."""
    try:
        values = np.asarray(missing_as_nan(predictions), dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            "predictions must be numbers: probabilities of classes rather than labels, for example."
        ) from None
    matrix = values[:, None] if values.ndim == 1 else values
    if matrix.ndim != 2 or matrix.shape[0] != n_rows or not np.isfinite(matrix).all():
        raise DataError(
            f"predictions must be finite numbers of shape ({n_rows},) or ({n_rows}, n_outputs), got shape "
            f"{values.shape} with {int((~np.isfinite(values)).sum())} values that are not finite."
        )
    labels = None if y is None else check_one_value_per_row(y, n_rows)
    known_labels = None if labels is None else tuple(sorted(set(labels.tolist())))
    between = between_zero_and_one(matrix)
    n_classes = matrix.shape[1] if matrix.shape[1] > 1 else 2
    classifies = known_labels is not None and between and len(known_labels) == n_classes
    names = tuple(column_names(predictions)) if is_frame(predictions) else None
    if classifies:
        assert known_labels is not None
        assert labels is not None
        names = names or tuple(
            str(label) for label in (known_labels if matrix.shape[1] > 1 else known_labels[1:])
        )
        truth = _codes(labels, known_labels, n_classes)
        return Predictions(
            matrix, names, "classification", _could_be_probabilities(matrix), known_labels, truth
        )
    names = names or Predictor(lambda X: X).names(matrix.shape[1])
    task: Any = "regression" if labels is not None and matrix.shape[1] == 1 else None
    return Predictions(matrix, names, task, truth=_numbers(labels) if task else None)


def from_outcome(y: Any, n_rows: int) -> Predictions:
    """The outcome itself instead of predictions: numbers, or one indicator per label."""
    values = check_one_value_per_row(y, n_rows)
    if values.dtype == object:
        values = infer_type(pd.Series(values)).to_numpy()
    if values.dtype.kind in "fiu":
        name = str(getattr(y, "name", None) or "y")
        return Predictions(values.astype(float)[:, None], (name,), predicted=False)
    codes, labels = pd.factorize(values, sort=True)
    shares = np.eye(len(labels))[codes]
    names = tuple(str(label) for label in labels)
    return Predictions(shares, names, "classification", True, tuple(labels), codes, predicted=False)


def check_one_value_per_row(y: Any, n_rows: int) -> np.ndarray:
    """Ground truth as an array (n_rows,), without missing values."""
    values = np.asarray(missing_as_nan(y))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.shape[0] == n_rows:
        one = "y.iloc[:, 0]" if isinstance(y, pd.DataFrame) else "y[:, 0]"
        raise DataError(
            f"y must have one value for each of the {n_rows} rows, got {values.shape[1]} targets, shape "
            f"{values.shape}. Pass one of them, {one}, and a function that predicts it alone: "
            "lambda X: model(X)[:, 0]."
        )
    if values.shape != (n_rows,):
        raise DataError(f"y must have one value for each of the {n_rows} rows, got shape {values.shape}.")
    lacking = int(pd.isna(values).sum())
    if lacking:
        raise DataError(f"y has no value in {lacking} of {n_rows} rows. Leave those rows out of X and y.")
    return values


def _could_be_probabilities(predictions: Floats) -> bool:
    """Whether predictions (n_rows, n_outputs) are probabilities of classes, or of the second of two."""
    return between_zero_and_one(predictions) if predictions.shape[1] == 1 else are_probabilities(predictions)


def _check_several(predictor: Predictor) -> None:
    if predictor.classes is not None and len(predictor.classes) == 1:
        raise single_class(predictor)


def _codes(values: np.ndarray, classes: tuple[Any, ...], n_classes: int) -> Codes:
    if len(classes) != n_classes:
        raise DataError(
            f"y has {len(classes)} different labels, and the model predicts {n_classes} classes: "
            f"{', '.join(str(label) for label in classes[:10])}."
        )
    codes_of = {label: j for j, label in enumerate(classes)}
    by_text = {str(label): j for j, label in enumerate(classes)}
    codes = np.array([codes_of.get(v, by_text.get(str(v), -1)) for v in values.tolist()], dtype=np.intp)
    if (codes < 0).any():
        unknown = values.tolist()[int(np.flatnonzero(codes < 0)[0])]
        raise DataError(
            f"y holds the label {unknown!r}, which the model does not know. Its classes: "
            f"{', '.join(repr(label) for label in classes[:10])}."
        )
    return codes


def _numbers(values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"y must hold numbers for a regression, got values such as {values.tolist()[0]!r}."
        ) from None
