"""What is measured in a population: means, losses, and metrics of any kind.

Three kinds, by what their errors need. A mean over rows is linear in the
weights. A smooth function of the weights comes with its derivative by each
row's weight (its influence function). Any other metric is only a function of
the weights; its errors come from leaving out blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from agnostix.core.typing import Floats
from agnostix.population.answers import Answers

UNIT = (0.0, 1.0)
POSITIVE = (0.0, np.inf)
ANY = (-np.inf, np.inf)


@dataclass(frozen=True)
class MeanQuantity:
    """A weighted mean over rows.

    Attributes
    ----------
    name : str
        "prediction", "outcome", or the metric.
    output : str or None
        The output that is averaged; None for a metric.
    rows : ndarray of shape (n_rows,)
        What is averaged.
    bounds : tuple of float
        Between which it lies by definition.
    counts : bool
        Whether it is a share of rows, each of which is either 0 or 1.
    """

    name: str
    output: str | None
    rows: Floats
    bounds: tuple[float, float] = ANY
    counts: bool = False


@dataclass(frozen=True)
class SmoothQuantity:
    """A smooth function of the weights.

    Attributes
    ----------
    name : str
        The metric.
    measure : callable
        From weights of shape (n_rows,) to the value and its derivative by each weight.
    bounds : tuple of float
        Between which it lies by definition.
    """

    name: str
    measure: Callable[[Floats], tuple[float, Floats]]
    bounds: tuple[float, float] = ANY
    output: None = None
    counts: bool = False


@dataclass(frozen=True)
class BlockQuantity:
    """A metric known only by its values.

    Attributes
    ----------
    name : str
        The metric.
    measure : callable
        From weights of shape (n_rows,) to the value.
    """

    name: str
    measure: Callable[[Floats], float]
    bounds: tuple[float, float] = ANY
    output: None = None
    counts: bool = False


Quantity: TypeAlias = MeanQuantity | SmoothQuantity | BlockQuantity


def prediction_means(answers: Answers) -> list[Quantity]:
    """The mean of each output.

    Parameters
    ----------
    answers : Answers
        Predictions.

    Returns
    -------
    list of MeanQuantity
    """
    name = "prediction" if answers.predicted else "outcome"
    bounds = UNIT if answers.probabilities else ANY
    return [
        MeanQuantity(name, output, answers.predictions[:, j], bounds)
        for j, output in enumerate(answers.output_names)
    ]


def r2(answers: Answers) -> SmoothQuantity:
    """Share of the outcome's variance explained, with its influence function.

    Parameters
    ----------
    answers : Answers
        Predictions and truth of a regression.

    Returns
    -------
    SmoothQuantity
    """
    assert answers.truth is not None
    y = np.asarray(answers.truth, dtype=float)
    squared = (y - answers.predictions[:, 0]) ** 2

    def measure(weights: Floats) -> tuple[float, Floats]:
        total = weights.sum()
        mean = weights @ y / total
        left = weights @ squared
        around = (y - mean) ** 2
        all_ = weights @ around
        if all_ <= 0.0:
            return np.nan, np.full(y.size, np.nan)
        return float(1.0 - left / all_), -squared / all_ + left * around / all_**2

    return SmoothQuantity("r2", measure, (-np.inf, 1.0))


def root_mean_squared_error(answers: Answers) -> SmoothQuantity:
    """Root of the mean squared error, with its influence function.

    Parameters
    ----------
    answers : Answers
        Predictions and truth of a regression.

    Returns
    -------
    SmoothQuantity
    """
    assert answers.truth is not None
    squared = (answers.truth - answers.predictions[:, 0]) ** 2

    def measure(weights: Floats) -> tuple[float, Floats]:
        total = weights.sum()
        mean = weights @ squared / total
        root = float(np.sqrt(mean))
        return root, (squared - mean) / (2.0 * total * root) if root > 0 else np.zeros(squared.size)

    return SmoothQuantity("root_mean_squared_error", measure, POSITIVE)


def roc_auc(answers: Answers) -> SmoothQuantity:
    """Area under the ROC curve of a binary classifier, with its influence function.

    The derivative by the weight of a positive row is the weighted share of
    negatives that it outranks less the area, over the positives' weight; and
    the mirror image for a negative row.

    Parameters
    ----------
    answers : Answers
        Scores and truth of two classes.

    Returns
    -------
    SmoothQuantity
    """
    assert answers.truth is not None
    positive = np.asarray(answers.truth) == 1
    _, rank = np.unique(answers.class_scores[:, 1], return_inverse=True)
    size = int(rank.max()) + 1

    def measure(weights: Floats) -> tuple[float, Floats]:
        up = np.bincount(rank, np.where(positive, weights, 0.0), size)
        down = np.bincount(rank, np.where(positive, 0.0, weights), size)
        all_up, all_down = up.sum(), down.sum()
        if all_up <= 0.0 or all_down <= 0.0:
            return np.nan, np.full(rank.size, np.nan)
        below = (np.cumsum(down) - 0.5 * down) / all_down
        above = (all_up - np.cumsum(up) + 0.5 * up) / all_up
        area = float(up @ below / all_up)
        psi = np.where(positive, (below[rank] - area) / all_up, (above[rank] - area) / all_down)
        return area, psi

    return SmoothQuantity("roc_auc", measure, UNIT)
