"""Which predictions are wrong: of a classifier other labels, of a regression what is far from the truth."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.models import Predictor
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError

_BY = "unreliable"


def wrong_predictions(predictor: Predictor, predictions: Floats, y: Any, tolerance: Any = None) -> Bools:
    """Which predictions (n_rows, n_outputs) are wrong, (n_rows,); DataError unless there are both kinds."""
    truth = np.asarray(y)
    if truth.shape not in ((len(predictions),), (len(predictions), 1)):
        raise DataError(
            f"The 'y' of {_BY} must have one entry for each of {len(predictions)} rows, got shape "
            f"{truth.shape}."
        )
    truth = truth.reshape(-1)
    if tolerance is not None or predictions.shape[1] == 1 or predictor.task == "regression":
        is_wrong = _wrong_numbers(predictions, truth, tolerance)
    else:
        is_wrong = _class_places(predictor, predictions.shape[1], truth) != predictions.argmax(axis=1)
    n_wrong = int(is_wrong.sum())
    if min(n_wrong, is_wrong.size - n_wrong) < 2:
        raise DataError(
            f"{_BY} compares wrong predictions with right ones, at least two of each, and {n_wrong} of "
            f"{is_wrong.size} are wrong. Pass more rows, that the model was not fitted on"
            + (", or another tolerance." if tolerance is not None else ".")
        )
    return is_wrong


def _wrong_numbers(predictions: Floats, truth: Any, tolerance: Any) -> Bools:
    if not isinstance(tolerance, Real) or not float(tolerance) >= 0:
        raise DataError(
            f"{_BY} needs tolerance=, a number of at least 0: predicted numbers further from the truth are "
            f"wrong; got {tolerance!r}. A classifier has an output for each class."
        )
    if predictions.shape[1] > 1:
        raise DataError(
            f"{_BY} takes a tolerance for one predicted number, and the model has {predictions.shape[1]} "
            "outputs. Leave it out for a classifier."
        )
    try:
        numbers = truth.astype(float)
    except (TypeError, ValueError):
        raise DataError(
            f"The 'y' of {_BY} must be numbers where there is a tolerance, got {truth[0]!r}."
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError(
            f"The 'y' of {_BY} has {int((~np.isfinite(numbers)).sum())} missing or infinite numbers."
        )
    return np.asarray(np.abs(numbers - predictions[:, 0]) > float(tolerance))


def _class_places(predictor: Predictor, n_outputs: int, truth: Any) -> Any:
    """Output (n_rows,) of each true label, by the classes, their names, or counted from 0."""
    names = predictor.names(n_outputs)
    classes = predictor.classes if predictor.classes is not None else names
    ways = (list(classes), list(names), list(map(str, names)), list(range(n_outputs)))
    for known in ways[: 4 if predictor.classes is None else 3]:
        places = pd.Index(known, dtype=object).get_indexer(pd.Index(truth.tolist(), dtype=object))
        if (places >= 0).all():
            return places
    places = pd.Index(list(classes), dtype=object).get_indexer(pd.Index(truth.tolist(), dtype=object))
    row = int(np.flatnonzero(places < 0)[0])
    raise DataError(
        f"The 'y' of {_BY} has the label {truth[row].item()!r} in row {row}, and the model's are "
        f"{', '.join(map(repr, list(classes)[:8]))}."
    )
