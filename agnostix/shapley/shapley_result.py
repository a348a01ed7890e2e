"""Shapley values of the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats


@dataclass
class ShapleyResult:
    """Values and errors of all rows, filled in pattern by pattern.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_players, n_outputs)
        In explained units; NaN where a row has no such player.
    coalition_variances, background_variances : ndarray shaped as values
        Of the errors that sampling coalitions and the background make.
    outputs, base_values : ndarray of shape (n_rows, n_outputs)
        Values of the full and of the empty coalition.
    predictions : ndarray of shape (n_rows, n_outputs)
        In model output units.
    evaluations : ndarray of int of shape (n_rows,)
        Coalitions that were evaluated.
    forecast : ndarray of shape (n_rows,)
        Evaluations that the tolerance takes: those made where it is kept, infinite where nothing tells.
    n_model_rows : int
        Rows that the model was called with.
    """

    values: Floats
    coalition_variances: Floats
    background_variances: Floats
    outputs: Floats
    base_values: Floats
    predictions: Floats
    evaluations: Codes
    forecast: Floats
    n_model_rows: int = 0

    @classmethod
    def zeros(cls, present: Bools, n_outputs: int) -> ShapleyResult:
        """Zeros for the players that are present (n_rows, n_players), as if none varied."""
        n_rows = present.shape[0]
        values, sampled, drawn = np.zeros((3, *present.shape, n_outputs))
        values[~present] = np.nan
        outputs, base, predictions = np.zeros((3, n_rows, n_outputs))
        evaluations, forecast = np.zeros(n_rows, dtype=np.intp), np.zeros(n_rows)
        return cls(values, sampled, drawn, outputs, base, predictions, evaluations, forecast)

    def put(
        self, rows: Codes, players: Codes, solved: tuple[Floats, ...], evaluations: int, forecast: Floats
    ) -> None:
        """Take over the results of ShapleyReducer for some rows, in which these players vary."""
        by_player = (self.values, self.coalition_variances, self.background_variances)
        for target, array in zip(by_player, solved[:3], strict=True):
            target[rows[:, None], players] = array
        by_row = (self.outputs, self.base_values, self.predictions)
        for target, array in zip(by_row, solved[3:], strict=True):
            target[rows] = array
        self.evaluations[rows] = evaluations
        self.forecast[rows] = forecast
