"""Rows with the model's answers: what trees are grown on and measured by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.rule_feature import RuleFeature

QUERY_SHARE = 4.0
"""What all drawn rows weigh together, over what all given rows do."""


@dataclass(frozen=True)
class Material:
    """Given rows first, then drawn ones.

    Attributes
    ----------
    features : tuple of RuleFeature
        The columns.
    numbers : ndarray of shape (n_rows, n_columns)
        As the features read them.
    answers : ndarray of shape (n_rows, n_outputs)
        The model's, in its units.
    fold : ndarray of int of shape (n_rows,)
        To which part each row belongs; a drawn one to that of the row it was made from, and -1 if it was
        made from none.
    parent : ndarray of int of shape (n_rows,)
        The given row from which each was made; a given one itself. -1 for none.
    n_real : int
        Given rows.
    classification : bool
        Whether the answers are scores of classes, of which the largest is the label.
    """

    features: tuple[RuleFeature, ...]
    numbers: Floats
    answers: Floats
    fold: Codes
    parent: Codes
    n_real: int
    classification: bool

    @classmethod
    def given(
        cls, features: tuple[RuleFeature, ...], numbers: Floats, answers: Floats, classification: bool
    ) -> Material:
        """Given rows alone, all of one part.

        Parameters
        ----------
        features, numbers, answers, classification
            As the attributes.

        Returns
        -------
        Material
        """
        n = numbers.shape[0]
        return cls(features, numbers, answers, np.zeros(n, dtype=np.intp), np.arange(n), n, classification)

    def divided(self, part: Codes) -> Material:
        """The same with its rows in parts.

        Parameters
        ----------
        part : ndarray of int of shape (n_rows,)
            Of each row.

        Returns
        -------
        Material
        """
        return replace(self, fold=part)

    @property
    def is_real(self) -> Bools:
        """Which rows were given."""
        return np.arange(self.fold.size) < self.n_real

    @property
    def binary(self) -> bool:
        """Whether one of two outputs tells all."""
        return self.classification and self.answers.shape[1] == 2

    def without(self, folds: set[int], drawn: bool) -> Codes:
        """Rows of other parts.

        Parameters
        ----------
        folds : set of int
            Parts to be left out.
        drawn : bool
            Whether drawn rows are among them.

        Returns
        -------
        ndarray of int
        """
        kept = ~np.isin(self.fold, list(folds))
        return np.flatnonzero(kept if drawn else kept & self.is_real)

    def weights(self, rows: Codes) -> Floats:
        """What rows weigh when they are taken together: given rows 1 each.

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            Which.

        Returns
        -------
        ndarray of shape (n,)
        """
        real = rows < self.n_real
        n_real, n_drawn = int(real.sum()), int((~real).sum())
        return np.where(real, 1.0, QUERY_SHARE * n_real / max(n_drawn, 1))

    def joined(self, numbers: Floats, answers: Floats, parent: Codes) -> Material:
        """The same with more drawn rows.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_columns)
            What was drawn.
        answers : ndarray of shape (n, n_outputs)
            The model's.
        parent : ndarray of int of shape (n,)
            The given rows from which they were made, -1 for none.

        Returns
        -------
        Material
        """
        fold = np.where(parent < 0, -1, self.fold[parent])
        return Material(
            self.features,
            np.vstack([self.numbers, numbers]),
            np.vstack([self.answers, answers]),
            np.concatenate([self.fold, fold]),
            np.concatenate([self.parent, parent]),
            self.n_real,
            self.classification,
        )
