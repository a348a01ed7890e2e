"""Asks a model about tables that it may not change, and learns if it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agnostix.core.models import Predictor, wants_to_write
from agnostix.core.typing import Floats
from agnostix.exceptions import ModelOutputError


class Asker:
    """A model, asked table after table.

    Parameters
    ----------
    predictor : Predictor
        The model.
    n_outputs : int
        How many it has; another number in its answers is an error.
    """

    def __init__(self, predictor: Predictor, n_outputs: int) -> None:
        self.predictor = predictor
        self._n_outputs = n_outputs

    def predict_batch(self, table: Any, is_whole: Callable[[Any], bool]) -> Floats:
        """Predict a table; from the first that the model has changed on, it gets copies.

        Parameters
        ----------
        table : DataFrame or ndarray
            The table.
        is_whole : callable
            From the table to whether the model has left it as it was.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)

        Raises
        ------
        ModelOutputError
            If it answers with another number of outputs.
        """
        try:
            answers = self.predictor.predict_batch(table)
        except ValueError as error:
            if self.predictor.copies or not wants_to_write(error):
                raise
            self.predictor = replace(self.predictor, copies=True)
            answers = self.predictor.predict_batch(table)
        if not is_whole(table):
            self.predictor = replace(self.predictor, copies=True)
        return self.checked(answers)

    def checked(self, answers: Floats) -> Floats:
        """Check the number of outputs.

        Parameters
        ----------
        answers : ndarray of shape (n_rows, n_outputs)
            The model's.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            The same.

        Raises
        ------
        ModelOutputError
            If it is another.
        """
        if answers.shape[1] != self._n_outputs:
            raise ModelOutputError(f"{answers.shape[1]} outputs where {self._n_outputs} are expected.")
        return answers
