"""Decisions of a model: the favorable class, or a score from a threshold on."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Context
from agnostix.what_if.predictions import Predictions


def decide(context: Context, favorable: Any, threshold: float | None, name: str = "favorable") -> Floats:
    """1 for rows with the favorable decision, else 0, shape (n_rows,); `name` is that of the parameter."""
    predictions = context.predictions
    is_number = isinstance(threshold, int | float | np.integer | np.floating)
    if threshold is not None and not (is_number and np.isfinite(threshold)):
        raise ValueError(f"The threshold of a decision must be a number, got {threshold!r}.")
    if predictions.classes is None:
        return context.sample.restrict(_decide_by_score(predictions, favorable, threshold, name))
    code = class_code(predictions, favorable, name)
    if threshold is None:
        decided = predictions.predicted_class == code
    else:
        decided = predictions.class_scores[:, code] >= threshold
    return context.sample.restrict(decided.astype(np.float64))


def is_of_class(context: Context, favorable: Any, name: str = "favorable") -> Bools:
    """Rows (n_rows,) whose true class is the favorable one."""
    predictions = context.predictions
    if predictions.truth is None or predictions.task != "classification":
        raise DataError(
            "True and false positive rates need the true classes: pass y, the labels of a classifier, to fit."
        )
    if not predictions.predicted:
        raise DataError(
            "True and false positive rates compare predictions with y, and there is y alone: pass a model to "
            "EntropicProjection, or predictions= to fit."
        )
    is_of = np.asarray(predictions.truth) == class_code(predictions, favorable, name)
    return is_of if context.sample.rows is None else is_of[context.sample.rows]


def class_code(predictions: Predictions, favorable: Any, name: str = "favorable") -> int:
    """The class that is meant, the second of two by default."""
    classes = list(predictions.classes or ())
    if favorable is None:
        if len(classes) == 2:
            return 1
        raise ValueError(
            f"The model has {len(classes)} classes ({', '.join(map(str, classes))}): say which is meant, as "
            f"{name}={classes[-1]!r}."
        )
    codes = [code for code, known in enumerate(classes) if known == favorable or str(known) == str(favorable)]
    if not codes:
        raise ValueError(f"There is no class {favorable!r}. The classes: {', '.join(map(repr, classes))}.")
    return codes[0]


def _decide_by_score(predictions: Predictions, favorable: Any, threshold: float | None, name: str) -> Floats:
    """Of numbers without classes: from the threshold on, or those that are 0 and 1 themselves."""
    names = predictions.output_names
    if favorable is None and len(names) == 1:
        scores = predictions.values[:, 0]
    elif str(favorable) in names:
        scores = predictions.values[:, names.index(str(favorable))]
    else:
        raise ValueError(f"{name} must be one of the outputs, {', '.join(names)}, got {favorable!r}.")
    if threshold is not None:
        return (scores >= threshold).astype(np.float64)
    if not np.isin(scores, (0.0, 1.0)).all():
        raise ValueError(
            f"The predictions are numbers from {scores.min():g} to {scores.max():g} without classes: say "
            "from which on a decision is favorable, as threshold=0.5."
        )
    return scores.astype(np.float64)
