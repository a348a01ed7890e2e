"""Weighted moments of a local regression, centred."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Floats
from agnostix.lime.problem import Problem

_ROUNDING = 1e-13
"""Spread, as a share of the mean answer, below which answers do not vary."""


@dataclass(frozen=True)
class Moments:
    """What least squares need to know.

    Answers are counted from the row's own.

    Attributes
    ----------
    total : float
        Sum of the weights.
    mean : ndarray of shape (n_features,)
        Of the design.
    level : ndarray of shape (n_outputs,)
        Mean answer.
    gram : ndarray of shape (n_features, n_features)
        Products of the centred design.
    cross : ndarray of shape (n_features, n_outputs)
        Products of the centred design with the answers.
    power : ndarray of shape (n_outputs,)
        Squares of the centred answers.
    """

    total: float
    mean: Floats
    level: Floats
    gram: Floats
    cross: Floats
    power: Floats

    @classmethod
    def of(cls, problem: Problem) -> Moments:
        """Add up a problem.

        Parameters
        ----------
        problem : Problem
            What was drawn.

        Returns
        -------
        Moments
        """
        root = np.sqrt(problem.weights)
        scaled = problem.design * root
        total = float(problem.weights.sum())
        mean = scaled @ root / total
        level = problem.weights @ problem.differences / total
        answers = (problem.differences - level) * root[:, None]
        power = np.einsum("nc,nc->c", answers, answers)
        varies = power > (_ROUNDING * level) ** 2 * total
        gram = scaled @ scaled.T - total * np.outer(mean, mean)
        cross = scaled @ answers - np.outer(mean, root @ answers)
        return cls(total, mean, level, gram, np.where(varies, cross, 0.0), np.where(varies, power, 0.0))

    def only(self, output: int) -> Moments:
        """The same with one output.

        Parameters
        ----------
        output : int
            Which.

        Returns
        -------
        Moments
        """
        one = slice(output, output + 1)
        return replace(self, level=self.level[one], cross=self.cross[:, one], power=self.power[one])
