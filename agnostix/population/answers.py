"""What the model said about the rows, and what turned out to be true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from agnostix.core.typing import Codes, Floats

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Answers:
    """Predictions and truth, row by row.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows, n_outputs)
        In model output units; the truth itself where there is no model.
    output_names : tuple of str
        Names of the outputs.
    task : {"classification", "regression"} or None
        None where it is not known.
    probabilities : bool
        Whether the predictions are probabilities of `classes`.
    classes : tuple or None
        Labels in the order of the outputs.
    truth : ndarray of shape (n_rows,) or None
        Class indices for a classifier, else numbers.
    predicted : bool
        False where the "predictions" are the truth.
    """

    predictions: Floats
    output_names: tuple[str, ...]
    task: Task | None = None
    probabilities: bool = False
    classes: tuple[Any, ...] | None = None
    truth: Floats | Codes | None = None
    predicted: bool = True

    def take(self, rows: Codes) -> Answers:
        """The answers for some rows, in a given order.

        Parameters
        ----------
        rows : ndarray of int
            Which rows.

        Returns
        -------
        Answers
        """
        truth = None if self.truth is None else self.truth[rows]
        return Answers(
            self.predictions[rows],
            self.output_names,
            self.task,
            self.probabilities,
            self.classes,
            truth,
            self.predicted,
        )

    @cached_property
    def decided(self) -> Codes:
        """The class that each row is given: the likeliest one."""
        return self.class_scores.argmax(1)

    @cached_property
    def class_scores(self) -> Floats:
        """One score a class; for a single score of two classes, its opposite comes first."""
        if self.predictions.shape[1] > 1:
            return self.predictions
        score = self.predictions[:, 0]
        return np.column_stack([1.0 - score if self.probabilities else -score, score])

    def label_of(self, codes: Codes) -> np.ndarray:
        """Class labels of class indices.

        Parameters
        ----------
        codes : ndarray of int
            Class indices.

        Returns
        -------
        ndarray
        """
        return np.asarray(self.classes)[codes]
