"""Metrics of the positive class, with their influence functions and what few positives leave to rest on.

Ratios of weighted sums of decisions (F1, precision, recall) are shares of the rows that are involved: those
predicted positive, truly positive, or either. Average precision sums the precision at every positive's score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agnostix.core.typing import Bools, Floats

Measured = tuple[Callable[[Floats], tuple[float, Floats]], Callable[[Floats], float]]
"""From weights (n_rows,) to the value and its derivative by each, and to the effective rows that carry it."""


def effective(weights: Floats) -> float:
    """Effective number of weights (n_rows,), 0 if all are."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0


def ratio(above: Floats, below: Floats) -> Measured:
    """Share of weighted sums (n_rows,); 0 where the one below is, as in scikit-learn."""

    def measure(weights: Floats) -> tuple[float, Floats]:
        total = float(weights @ below)
        if total <= 0.0:
            return 0.0, np.zeros(above.size)
        value = float(weights @ above) / total
        return value, (above - value * below) / total

    return measure, lambda weights: effective(weights * below)


def of_decisions(name: str, positive: Bools, selected: Bools) -> Measured:
    """F1, precision or recall of decisions (n_rows,) about positives (n_rows,)."""
    hits = (positive & selected).astype(float)
    below = {"f1": 0.5 * positive + 0.5 * selected, "precision": 1.0 * selected, "recall": 1.0 * positive}
    return ratio(hits, below[name])


def average_precision(positive: Bools, scores: Floats) -> Measured:
    """Mean over positives of the precision among rows with at least their score (n_rows,)."""
    _, rank = np.unique(-scores, return_inverse=True)
    size = int(rank.max()) + 1

    def measure(weights: Floats) -> tuple[float, Floats]:
        up = np.bincount(rank, np.where(positive, weights, 0.0), size)
        down = np.bincount(rank, np.where(positive, 0.0, weights), size)
        hits, others, all_up = up.cumsum(), down.cumsum(), up.sum()
        if all_up <= 0.0:
            return 0.0, np.zeros(rank.size)
        rows = np.maximum(hits + others, np.finfo(float).tiny)
        value = float(up @ (hits / rows)) / all_up
        gained, lost = (np.cumsum((up * part / rows**2)[::-1])[::-1] for part in (others, hits))
        of_positive = (hits / rows + gained - value) / all_up
        return value, np.where(positive, of_positive[rank], -lost[rank] / all_up)

    return measure, lambda weights: rarest(positive, weights)


def rarest(positive: Bools, weights: Floats) -> float:
    """Effective rows of the rarer of two kinds of rows (n_rows,)."""
    return min(effective(weights[positive]), effective(weights[~positive]))
