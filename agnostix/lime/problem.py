"""One row's local regression: what was drawn near it, and what the model answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agnostix.core.typing import Floats


@dataclass(frozen=True)
class Problem:
    """Draws with weights; the row itself is where answers are counted from, and no draw.

    Attributes
    ----------
    design : ndarray of shape (n_features, n_draws)
        What the surrogate sees of each draw.
    weights : ndarray of shape (n_draws,)
        Of the draws.
    answers : ndarray of shape (n_draws, n_outputs)
        The model's.
    own_design : ndarray of shape (n_features,)
        What the surrogate sees of the row.
    own_answers : ndarray of shape (n_outputs,)
        The model's.
    n_blocks : int
        Independent blocks of equal length that the draws are; 0 where they are all that there are.
    origin : ndarray of shape (n_features,) or 0
        What is left out of `design` and `own_design`, where they are counted from the row.
    """

    design: Floats
    weights: Floats
    answers: Floats
    own_design: Floats
    own_answers: Floats
    n_blocks: int
    origin: Floats | float = 0.0

    @property
    def n_draws(self) -> int:
        """How many there are."""
        return self.weights.size

    @cached_property
    def differences(self) -> Floats:
        """Answers counted from the row's own, so that those of a constant model are 0."""
        return self.answers - self.own_answers

    @property
    def effective(self) -> float:
        """As many draws of equal weight would tell as much."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())

    def only(self, output: int) -> Problem:
        """The same with one output.

        Parameters
        ----------
        output : int
            Which.

        Returns
        -------
        Problem
        """
        one = slice(output, output + 1)
        return replace(self, answers=self.answers[:, one], own_answers=self.own_answers[one])

    def by_block(self, errors: Floats, mean: Floats) -> Floats:
        """Sum products of the centred design with errors, block by block.

        Parameters
        ----------
        errors : ndarray of shape (n_draws, n_columns)
            Weighted.
        mean : ndarray of shape (n_features,)
            Of the design.

        Returns
        -------
        ndarray of shape (n_blocks, n_features, n_columns)
        """
        d, size = self.design.shape[0], self.n_draws // self.n_blocks
        apart = errors.reshape(self.n_blocks, size, -1)
        products = self.design.reshape(d, self.n_blocks, size).transpose(1, 0, 2) @ apart
        return products - mean[:, None] * (np.ones(size) @ apart)[:, None, :]
