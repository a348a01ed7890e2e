"""How far predictions reach: what a rare difference that samples missed could be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.features import keys_of, table_codes
from agnostix.core.frames import take_rows
from agnostix.core.models import Predictor
from agnostix.core.typing import Bools, Codes, Floats

N_ROWS = 1000
"""Rows seen in fit that are predicted at most."""
_ROUNDING = 1e-12
"""Differences below it, relative to the predictions."""


@dataclass(frozen=True)
class OutputRanges:
    """Least and largest predictions (n_outputs,) that the model has made, or that it can make."""

    low: Floats | float
    high: Floats | float

    @classmethod
    def from_predictions(cls, predictions: Floats, predictor: Predictor) -> OutputRanges:
        """Of predictions (n, n_outputs); 0 and 1 for probabilities that were all the same."""
        low, high = predictions.min(axis=0), predictions.max(axis=0)
        is_share = predictor.task == "classification" and predictor.response != "decision_function"
        possible = is_share & ~varies(predictions) & (low >= 0.0) & (high <= 1.0)
        return cls(np.where(possible, 0.0, low), np.where(possible, 1.0, high))

    def sizes(self, predictions: Floats) -> Floats:
        """How far those differ from predictions (n_rows, n_outputs); NaN where none is known to differ."""
        size = np.maximum(predictions - self.low, self.high - predictions)
        return np.where(size > _ROUNDING * np.abs(predictions), size, np.nan)


UNKNOWN = OutputRanges(np.inf, -np.inf)
"""Where no prediction has been made."""


def varies(predictions: Floats) -> Bools:
    """Outputs (n_outputs,) of which predictions (n, n_outputs) differ by more than rounding."""
    return np.asarray(np.ptp(predictions, axis=0) > _ROUNDING * np.abs(predictions).max(axis=0))


def some_rows(table: Any) -> Any:
    """At most N_ROWS rows of a table, the same ones whatever their order."""
    if table.shape[0] <= N_ROWS:
        return table
    keys = keys_of(table_codes(table)).sum(axis=1, dtype=np.uint64)
    chosen: Codes = np.sort(np.argsort(keys, kind="stable")[:N_ROWS])
    return take_rows(table, chosen)


def learn_ranges(
    table: Any, predict: Callable[[Any], Floats], predictor: Predictor, known: Floats | None
) -> tuple[OutputRanges, int]:
    """Ranges, and the model rows that they took: rows seen in fit, unless `known` predictions all vary."""
    if known is not None and varies(known).all():
        return OutputRanges.from_predictions(known, predictor), 0
    predictions = predict(some_rows(table))
    n_rows = len(predictions)
    if known is not None:
        predictions = np.concatenate([known, predictions])
    return OutputRanges.from_predictions(predictions, predictor), n_rows
