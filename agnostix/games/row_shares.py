"""What has been found about the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats


@dataclass
class RowShares:
    """Values and errors of all rows, filled in pattern by pattern.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_players, n_outputs)
        In explained units; NaN where a row has no such player.
    coalition_variances, background_variances : ndarray shaped as values
        Of the errors that sampling coalitions and the background make.
    outputs, base_values, answers : ndarray of shape (n_rows, n_outputs)
        Worths of all players and of none, and what the model answers.
    evaluations : ndarray of int of shape (n_rows,)
        Coalitions that were evaluated.
    forecast : ndarray of shape (n_rows,)
        Evaluations that the tolerance takes: those made where it is kept, infinite where nothing tells.
    n_model_rows : int
        Rows that the model was asked about.
    """

    values: Floats
    coalition_variances: Floats
    background_variances: Floats
    outputs: Floats
    base_values: Floats
    answers: Floats
    evaluations: Codes
    forecast: Floats
    n_model_rows: int = 0

    @classmethod
    def empty(cls, present: Bools, n_outputs: int) -> RowShares:
        """Zeros for all players that are there: one that does not vary has no share.

        Parameters
        ----------
        present : ndarray of bool of shape (n_rows, n_players)
            The players that each row has.
        n_outputs : int
            The model's.

        Returns
        -------
        RowShares
        """
        n_rows = present.shape[0]
        values, sampled, drawn = np.zeros((3, *present.shape, n_outputs))
        values[~present] = np.nan
        outputs, base, answers = np.zeros((3, n_rows, n_outputs))
        n_asked, forecast = np.zeros(n_rows, dtype=np.intp), np.zeros(n_rows)
        return cls(values, sampled, drawn, outputs, base, answers, n_asked, forecast)

    def put(
        self, rows: Codes, players: Codes, solved: tuple[Floats, ...], evaluations: int, forecast: Floats
    ) -> None:
        """Take over the solution of some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            Which rows.
        players : ndarray of int of shape (n_varying,)
            Which players vary in them.
        solved : tuple of six ndarray of n rows
            As `ShareSummary` gives them.
        evaluations : int
            Coalitions a row.
        forecast : ndarray of shape (n,)
            Evaluations that the tolerance takes.
        """
        by_player = (self.values, self.coalition_variances, self.background_variances)
        for target, array in zip(by_player, solved[:3], strict=True):
            target[rows[:, None], players] = array
        for target, array in zip((self.outputs, self.base_values, self.answers), solved[3:], strict=True):
            target[rows] = array
        self.evaluations[rows] = evaluations
        self.forecast[rows] = forecast
