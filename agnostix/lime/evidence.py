"""Whether samples tell what the row is like, and what a rare difference that they missed would change.

Where next to all predictions are equal, a spread of 0 says only that what differs has a small share: at most
3 of n samples' (the rule of three: Hanley and Lippman-Hand, 1983, https://doi.org/10.1001/jama.1983.03330370053031).
The error is then what one such sample would change, by the size that differences have elsewhere.
"""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_influences import influences_of

LEAST_CARRIERS = 2.5
"""Samples, the row among them, that must carry the squared residuals: it is not one alone, or two."""
ROW_SHARE = 0.25
"""Share of the squared residuals that is the row's where it stands out."""
FEW_DEGREES = 3.0
"""Degrees of freedom with which an error is nearly that of the rule of three, 3.2 instead of 3.0 times."""
_ROUNDING = 1e-11
"""Residuals below it, relative to the predictions' range, are rounding."""


def read_evidence(
    regression: WeightedRegression, residuals: Floats, row_residuals: Floats
) -> tuple[Bools, Bools]:
    """Whether the row does not stand out among the samples, and whether next to none of them does.

    Both (n_outputs,), from residuals (n_samples, n_outputs) and those of the row (n_outputs,). With few
    carriers of squared residuals it is the row alone that stands out, or the row and one sample, which
    leaves open what the row is like; or it is a sample or two.
    """
    n_carriers, row_share = carriers(regression, residuals, row_residuals)
    is_few = n_carriers < LEAST_CARRIERS
    determined = ~is_few | (row_share < ROW_SHARE)
    return determined, determined & (is_few | np.isinf(n_carriers))


def carriers(
    regression: WeightedRegression, residuals: Floats, row_residuals: Floats
) -> tuple[Floats, Floats]:
    """Samples (n_outputs,) that carry the squared residuals, the row counted as one; and the row's share.

    Kish's effective number of w e^2: 1 where only the row has a residual, infinite if all are 0.
    """
    size = np.abs(regression.targets).max(axis=0, initial=0.0) + 1e-3 * np.abs(regression.row_predictions)
    unit = np.where(size > 0, size, 1.0)  # squares neither overflow nor vanish
    there = np.where(np.abs(residuals) > _ROUNDING * size, residuals, 0.0) / unit
    at_row = np.where(np.abs(row_residuals) > _ROUNDING * size, row_residuals, 0.0) / unit
    parts = np.vstack([regression.weights[:, None] * there**2, regression.row_weight * at_row[None] ** 2])
    largest = parts.max(axis=0)
    parts = np.divide(parts, largest, out=np.zeros_like(parts), where=largest > 0)
    total = parts.sum(axis=0)
    row_share = np.divide(parts[-1], total, out=np.zeros_like(total), where=total > 0)
    return effective_number(parts), row_share


def effective_number(parts: Floats) -> Floats:
    """Kish's number (n_columns,) of parts (n, n_columns) that make up their sum; infinite if all are 0."""
    squares = np.square(parts).sum(axis=0)
    n_all = np.full(squares.shape, np.inf)
    return np.divide(parts.sum(axis=0) ** 2, squares, out=n_all, where=squares > 0)


def is_nearly_constant(regression: WeightedRegression) -> Bools:
    """Outputs (n_outputs,) whose variance near the row rests on a sample or two, or is 0."""
    deviations = np.abs(regression.targets - regression.target_mean)
    largest = deviations.max(axis=0, initial=0.0)
    shares = np.divide(deviations, largest, out=np.zeros_like(deviations), where=largest > 0)
    n_varying = effective_number(regression.weights[:, None] * shares**2)
    return (regression.total_squares == 0) | (n_varying < LEAST_CARRIERS)


def rare_changes(regression: WeightedRegression, features: Codes, outputs: Codes) -> Floats:
    """What one sample that differs would change, (n + 2, n_columns): coefficients, at the row, at the base.

    NaN where no difference has been seen anywhere.
    """
    change = influences_of(regression, features, 1.0).usual_changes()  # 1 / n of a bin of n samples
    varies = np.append(regression.gram_diagonal[features] > _ROUNDING * regression.total_weight, [True, True])
    seen = np.ptp(regression.targets[:, outputs], axis=0)
    size = np.where(regression.total_squares[outputs] > 0, seen, regression.sizes[outputs])
    return np.where(varies[:, None], np.outer(change, np.where(size > 0, size, np.nan)), 0.0)


def rare_loss(regression: WeightedRegression, left_out: Floats) -> Floats:
    """What one more sample of the largest loss would change of R2, (n_outputs,), from left-out residuals."""
    total, size = regression.total_squares, np.ptp(regression.targets, axis=0)
    losses = (regression.weights[:, None] * left_out**2).max(axis=0)
    losses = np.where(losses > _ROUNDING * total, losses, regression.weights.mean() * size**2)
    return np.divide(losses, total, out=np.zeros_like(losses), where=total > 0)
