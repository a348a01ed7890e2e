"""Constraints on the model's predictions and on its error rate: what population would have them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Context
from agnostix.what_if.predictions import Predictions


@dataclass(frozen=True)
class Prediction(Average):
    """The mean prediction."""

    target: Any
    output: str | None = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "mean"

    @property
    def named(self) -> tuple[str, Any]:
        """The prediction and its output."""
        return "prediction", self.output

    @property
    def shifted(self) -> tuple[str, ...]:
        """No column."""
        return ()

    def parts(self, context: Context) -> tuple[Prediction, ...]:
        """The same, its output named."""
        return (replace(self, output=output_name(context.predictions, self.output, self.target)),)

    def numbers(self, context: Context) -> Numbers:
        """The output, shape (n_rows,)."""
        name = output_name(context.predictions, self.output, self.target)
        place = context.predictions.output_names.index(name)
        return context.sample.restrict(context.predictions.values[:, place])


@dataclass(frozen=True)
class ErrorRate(Average):
    """The share of misclassified rows."""

    target: Any
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "share"
    is_share = True

    @property
    def named(self) -> tuple[str, Any]:
        """The error rate."""
        return "error_rate", None

    @property
    def shifted(self) -> tuple[str, ...]:
        """No column."""
        return ()

    def numbers(self, context: Context) -> Numbers:
        """1 where the most probable class is wrong, shape (n_rows,)."""
        return context.sample.restrict(errors_of(context.predictions))


def output_name(predictions: Predictions, output: Any, target: Any) -> str:
    """The output that is meant; ValueError if there is none of the name, or several and none is named."""
    names = predictions.output_names
    if output is not None:
        if str(output) not in names:
            raise ValueError(f"There is no output {output!r}. The outputs: {', '.join(names)}.")
        return str(output)
    if len(names) > 2 or (len(names) == 2 and not predictions.probabilities):
        raise ValueError(
            f"The model has {len(names)} outputs ({', '.join(names)}): say which, as "
            f"prediction={{{names[-1]!r}: {target!r}}} or Prediction({target!r}, output={names[-1]!r})."
        )
    return names[-1]


def errors_of(predictions: Predictions) -> Floats:
    """1 for misclassified rows, else 0, shape (n_rows,)."""
    if predictions.truth is None or predictions.task != "classification" or not predictions.predicted:
        raise DataError(
            "error_rate needs a classifier's predictions and the true labels: pass y to fit. "
            "For a regression, state prediction instead."
        )
    return (predictions.predicted_class != predictions.truth).astype(np.float64)
