"""Training a model again: by a function of the caller's, or a clone of an estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone

from agnostix.core.frames import is_frame, take_rows
from agnostix.core.models import Predictor, as_predictor, is_fitted
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError


def refit_of(model: Any, refit: Any, by: str, instead: str) -> Callable[[Any, Any], Any]:
    """What trains the model again on (X, y); DataError, with what works `instead`, where nothing does."""
    if refit is not None:
        if not callable(refit):
            raise DataError(
                f"The 'refit' of {by} must be a function from (X, y) to a fitted model, got {refit!r}."
            )
        return lambda X, y: _checked(refit(X, y), by)
    estimator = _estimator_of(model)
    if estimator is None:
        raise DataError(
            f"{by} trains the model again, and {as_predictor(model).name} is no estimator that can be "
            f"cloned. Pass refit, a function from (X, y) to a fitted model. {instead}"
        )
    if not isinstance(model, Predictor):
        return lambda X, y: clone(estimator).fit(X, y)
    own = model
    return lambda X, y: as_predictor(
        clone(estimator).fit(X, y), task=own.task, output=own.response, output_names=own.output_names
    )


def check_labels(X: Any, y: Any, by: str, name: str = "y") -> Any:
    """Labels (n_rows,) as an array; DataError unless there is one for each row."""
    labels = np.asarray(y)
    n_rows = len(X)
    if labels.ndim != 1 or len(labels) != n_rows:
        raise DataError(
            f"The {name!r} of {by} must have one label for each of the {n_rows} rows, got shape "
            f"{labels.shape}."
        )
    return labels


def rows_at(X: Any, rows: Codes) -> Any:
    """Rows of a table, of pictures or of a list of texts."""
    if isinstance(X, list | tuple):
        return [X[row] for row in rows]
    return take_rows(X if is_frame(X) else np.asarray(X), rows)


def _estimator_of(model: Any) -> Any:
    """The estimator that a model is, or whose method it is; None for others."""
    owner = model.function if isinstance(model, Predictor) else model
    owner = getattr(owner, "__self__", owner)
    return owner if hasattr(owner, "fit") and hasattr(owner, "get_params") else None


def _checked(model: Any, by: str) -> Any:
    """What a function of the caller's gives; DataError unless it is a fitted model."""
    if model is None or not is_fitted(model):
        raise DataError(
            f"The 'refit' of {by} must return a fitted model, got {model!r}. Return it after fit, as "
            "lambda X, y: clone(model).fit(X, y) does."
        )
    return model
