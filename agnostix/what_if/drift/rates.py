"""The metric whose gap is explained, as a ratio of two means over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.names import did_you_mean
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Context
from agnostix.what_if.constraints.decisions import decide, is_of_class
from agnostix.what_if.metrics import ANY, UNIT, MeanQuantity, Metric, quantities_for
from agnostix.what_if.predictions import Predictions

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
"""Rates of decisions, for which a class is the positive one."""


@dataclass(frozen=True)
class RateQuantity:
    """Mean of a numerator over that of a denominator, which is 1 in all rows of a plain mean."""

    name: str
    output: str | None  # the output that is averaged
    numerator: Floats  # (n_rows,)
    denominator: Floats  # (n_rows,)
    of_covariates: bool  # whether it is a function of the columns alone, as predictions are
    bounds: tuple[float, float] = ANY
    kind: str = "student"  # of its intervals in `inference.interval`

    def take(self, rows: Bools) -> RateQuantity:
        """The same on some rows (n_rows,)."""
        numerator, denominator = self.numerator[rows], self.denominator[rows]
        return RateQuantity(
            self.name, self.output, numerator, denominator, self.of_covariates, self.bounds, self.kind
        )

    @property
    def is_mean(self) -> bool:
        """Whether the denominator is 1 in every row."""
        return bool((self.denominator == 1.0).all())

    def value(self, weights: Floats) -> float:
        """The rate under weights (n_rows,); NaN where no row counts."""
        below = float(weights @ self.denominator)
        return float(weights @ self.numerator) / below if below > 0.0 else np.nan

    def residual(self, weights: Floats) -> Floats:
        """Derivative (n_rows,) of the rate by each row's weight: outcomes whose weighted mean is 0."""
        below = float(weights @ self.denominator)
        return (self.numerator - self.value(weights) * self.denominator) / below


def rate_quantity(
    metric: Metric | None, context: Context, output: Any, positive: Any, threshold: float | None
) -> RateQuantity:
    """The quantity that a metric names; ValueError or DataError where it has no gap to take apart."""
    predictions = context.predictions
    if isinstance(metric, str) and metric in RATES:
        return _decision_rate(metric, context, positive, threshold)
    for name, value in (("positive", positive), ("threshold", threshold)):
        if value is not None:
            raise ValueError(f"{name}= is for the metrics {', '.join(RATES)}; got metric={metric!r}.")
    quantities = quantities_for(metric, predictions)
    quantity = quantities[_place(output, predictions) if len(quantities) > 1 else 0]
    if not isinstance(quantity, MeanQuantity):
        more = " (mean_squared_error has one)" if quantity.name == "root_mean_squared_error" else ""
        raise ValueError(
            f"explain_gap takes means over rows apart, and {quantity.name!r} is none{more}. Use "
            "'prediction', 'accuracy', 'error_rate', 'log_loss', 'brier_score', 'mean_absolute_error', "
            f"'mean_squared_error', {', '.join(map(repr, RATES))}."
        )
    if output is not None and quantity.output is None:
        raise ValueError(f"output= is for the mean prediction; metric={metric!r} has one value for each row.")
    ones = np.ones(quantity.rows.size)
    is_prediction = quantity.name == "prediction"
    return RateQuantity(
        quantity.name, quantity.output, quantity.rows, ones, is_prediction, quantity.bounds, quantity.kind
    )


def _place(output: Any, predictions: Predictions) -> int:
    names = predictions.output_names
    if output is None:
        return len(names) - 1
    if str(output) not in names:
        known = ", ".join(names)
        raise ValueError(f"There is no output {output!r}. The outputs: {known}.{did_you_mean(output, names)}")
    return names.index(str(output))


def _decision_rate(name: str, context: Context, positive: Any, threshold: float | None) -> RateQuantity:
    """A rate of decisions for the positive class, among all rows or those of its or another true class."""
    if not context.predictions.predicted:
        raise DataError(f"The metric {name!r} needs predictions: pass a model, or predictions to fit.")
    selected = decide(context, positive, threshold, "positive")
    if name == "selection_rate":
        return RateQuantity(name, None, selected, np.ones(selected.size), True, UNIT, "wilson")
    is_positive = is_of_class(context, positive, "positive")
    among = (is_positive if name == "true_positive_rate" else ~is_positive).astype(float)
    return RateQuantity(name, None, selected * among, among, False, UNIT, "wilson")
