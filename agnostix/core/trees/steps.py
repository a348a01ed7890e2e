"""What stands before the trees of a model: steps of a Pipeline, and what else wraps an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def unfold(model: Any) -> tuple[list[Any], Any]:
    """The steps before the last of a Pipeline, and the last; a search and a FrozenEstimator are unfolded."""
    steps: list[Any] = []
    while True:
        if getattr(model, "steps", None):
            steps += [step for _, step in model.steps[:-1] if not _is_sampler(step)]
            model = model.steps[-1][1]
            continue
        inner = model.best_estimator_ if hasattr(model, "best_estimator_") else None
        if type(model).__name__ == "FrozenEstimator":
            inner = model.estimator
        if inner is None:
            return steps, model
        model = inner


def transform(steps: Sequence[Any], X: Any) -> Any:
    """A table as it leaves fitted steps."""
    for step in steps:
        if step is None or isinstance(step, str):
            continue
        X = step.transform(X)
        if isinstance(X, list | tuple):
            X = np.asarray(X)
    return X


def shown_steps(steps: Sequence[Any]) -> str:
    """Names of steps, for messages."""
    return " > ".join(type(step).__name__ for step in steps if not isinstance(step, str | None))


def _is_sampler(step: Any) -> bool:
    """Whether a step changes the rows of training alone."""
    return hasattr(step, "fit_resample") and not hasattr(step, "transform")
