"""Intervals of a metric's mean over rows, with the spread of the metric's own draws inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from agnostix.core.explanation.statistics import check_level, half_widths
from agnostix.core.typing import Floats

KINDS = ("student", "wilson")
"""Of a mean of numbers, and of a proportion of rows, whose scores are 0 or 1."""


@dataclass(frozen=True)
class MeanInterval:
    """Mean (n_outputs,) of scores over rows, its standard error and degrees of freedom.

    Draws are independent between rows, so that the spread over rows has that of the draws inside. Of a single
    row only the error of its draws is known, and the interval speaks of that row alone.
    """

    mean: Floats
    std_error: Floats  # 0 where a single row's score is exact
    degrees_of_freedom: Floats
    n_used: Floats  # rows whose score is defined, (n_outputs,)
    source: str  # "rows", "draws" or "none"
    kind: str = "student"

    @classmethod
    def from_scores(
        cls, scores: Floats, draw_errors: Floats | None = None, n_draws: int = 0, kind: str = "student"
    ) -> MeanInterval:
        """From scores (n_rows, n_outputs), NaN where undefined, and their errors over n_draws draws each."""
        known = ~np.isnan(scores)
        n_used = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, scores, 0.0).sum(axis=0) / n_used
            squares = np.where(known, scores - mean, 0.0) ** 2
            error = np.sqrt(squares.sum(axis=0) / (n_used - 1.0) / n_used)
        dof = np.maximum(n_used - 1.0, 0.0)
        if scores.shape[0] > 1:
            return cls(mean, error, dof, n_used, "rows", kind)
        if draw_errors is None:
            return cls(mean, np.zeros_like(mean), dof, n_used, "none")
        return cls(mean, draw_errors[0], np.full(mean.shape, max(n_draws - 1.0, 0.0)), n_used, "draws")

    def ends(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper ends (n_outputs,); NaN where fewer than two rows have a score."""
        check_level(level)
        if self.kind == "wilson" and self.source == "rows":
            return wilson_ends(self.mean, self.n_used, level)
        half = half_widths(self.std_error, level, self.degrees_of_freedom)
        return self.mean - half, self.mean + half


def wilson_ends(proportion: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of Wilson's interval of proportions (n_outputs,) of n rows.

    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA, 22.
    https://doi.org/10.1080/01621459.1927.10502953
    """
    z = ndtri(0.5 + 0.5 * level)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (proportion + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
        half = z / (1.0 + z**2 / n) * np.sqrt(proportion * (1.0 - proportion) / n + z**2 / (4.0 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)  # beyond by rounding
