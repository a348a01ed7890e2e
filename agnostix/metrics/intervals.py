"""Intervals of a metric's mean over rows, with the spread of the metric's own draws inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr

from agnostix.core.intervals import (
    check_level,
    satterthwaite,
    skewed_half_widths,
    skewness_of_mean,
    wilson_ends,
    with_skewness,
)
from agnostix.core.typing import Floats

KINDS = ("student", "wilson")
"""Of a mean of numbers, and of a proportion of rows, whose scores are 0 or 1."""


@dataclass(frozen=True)
class MeanInterval:
    """Mean (n_outputs,) of scores over rows, its standard error and degrees of freedom.

    Draws are independent between rows, so that the spread over rows has that of the draws inside; the error
    of those that all rows share is added. Of a single row only the error of its draws is known, and the
    interval speaks of that row alone.

    The ends are those of `core.intervals.skewed_half_widths`.
    """

    mean: Floats
    std_error: Floats  # 0 where a single row's score is exact
    degrees_of_freedom: Floats
    n_used: Floats  # rows whose score is defined, (n_outputs,)
    source: str  # "rows", "draws" or "none"
    kind: str = "student"
    skewness: Any = 0.0  # of the mean, (n_outputs,)

    @classmethod
    def from_scores(
        cls,
        scores: Floats,
        draw_errors: Floats | None = None,
        n_draws: int = 0,
        kind: str = "student",
        shared_error: Floats | None = None,
    ) -> MeanInterval:
        """From scores (n_rows, n_outputs), NaN where undefined, and their errors over n_draws draws each.

        `shared_error` (n_outputs,) is what draws that all rows share add to the error of the mean.
        """
        known = ~np.isnan(scores)
        n_used = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, scores, 0.0).sum(axis=0) / n_used
            squares = np.where(known, scores - mean, 0.0) ** 2
            error = np.sqrt(squares.sum(axis=0) / (n_used - 1.0) / n_used)
        dof = np.maximum(n_used - 1.0, 0.0)
        if scores.shape[0] > 1:
            skewness = skewness_of_mean(np.where(known, scores - mean, 0.0), n_used)
            if shared_error is not None and n_draws > 1:
                own = error
                error, dof = add_errors(error, dof, shared_error, n_draws - 1.0)
                skewness = skewness * (own / np.where(error > 0, error, 1.0)) ** 3  # what is shared has none
            return cls(mean, error, dof, n_used, "rows", kind, skewness)
        if draw_errors is None:
            return cls(mean, np.zeros_like(mean), dof, n_used, "none")
        return cls(mean, draw_errors[0], np.full(mean.shape, max(n_draws - 1.0, 0.0)), n_used, "draws")

    def ends(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper ends (n_outputs,); NaN where fewer than two rows have a score."""
        check_level(level)
        if self.kind == "wilson" and self.source == "rows":
            return wilson_ends(self.mean, self.n_used, level)
        below, above = skewed_half_widths(self.std_error, level, self.degrees_of_freedom, self.skewness)
        return self.mean - below, self.mean + above

    def p_value(self) -> Floats:
        """Two-sided p-values (n_outputs,) of a mean of 0: `ends` at level 1 - p reach it; NaN if unknown."""
        is_known = (self.source != "none") & (self.degrees_of_freedom >= 1) & np.isfinite(self.std_error)
        t = self.mean / np.where(self.std_error > 0, self.std_error, 1.0)
        least = np.minimum(np.abs(t), np.abs(with_skewness(t, self.skewness)))
        p = 2.0 * stdtr(np.where(is_known, self.degrees_of_freedom, 1.0), -least)
        return np.where(is_known, np.where(self.std_error > 0, p, self.mean == 0), np.nan)


def mean_known(values: Floats, axis: int = 0) -> Floats:
    """Means over what is not NaN, NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis))


def add_errors(error: Floats, dof: Any, other: Floats, other_dof: Any) -> tuple[Floats, Floats]:
    """Standard error of a sum of two independent ones, and its degrees of freedom by `satterthwaite`."""
    variances = np.square(error), np.square(other)
    joint = satterthwaite(variances, (dof, other_dof))
    is_known = (variances[0] + variances[1]) > 0
    return np.sqrt(variances[0] + variances[1]), np.where(is_known, joint, dof)


def crossed(values: Floats) -> tuple[Floats, Floats, float]:
    """From values (n_rows, n_draws) of draws that all rows share to what a result has of them.

    These are the rows' means (n_rows,) and their errors over draws, and what the draws add to the error of
    the mean over rows. Rows and draws are crossed random effects; their interaction is in the rows' spread.
    """
    n_rows, n_draws = values.shape
    known = ~np.isnan(values)
    n_known = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(known, values, 0.0).sum(axis=1) / n_known
        apart = np.where(known, values - means[:, None], 0.0)
        errors = np.sqrt(np.square(apart).sum(axis=1) / (n_known - 1.0) / n_known)
        if n_draws < 2:
            return means, np.full(n_rows, np.nan), 0.0
        by_draw = apart.sum(axis=0) / known.sum(axis=0)
        left = np.where(known, apart - by_draw, 0.0)
        interaction = np.square(left).sum() / max((n_rows - 1.0) * (n_draws - 1.0), 1.0)
        spread = by_draw.var(ddof=1) - (interaction / n_rows if n_rows > 1 else 0.0)
    return means, errors, float(np.sqrt(max(spread, 0.0) / n_draws)) if np.isfinite(spread) else 0.0
