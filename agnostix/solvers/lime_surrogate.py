"""LIME's surrogate on infinitely many samples that count as n, and the explained row, one more of weight 1.

A ridge regression with a free intercept, on samples of which the covariance S of the z_j, the mean of the
answers and their covariance kappa with the z_j are known. With N as n times the mean weight, the samples
alone give ``(S + ridge / N)^-1 kappa``; the row, whose z_j are all 1, moves that along
``(S + ridge / N)^-1 (1 - alpha)``, as far as what is left over at the row asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias

import numpy as np

from agnostix.solvers.lime_masks import MaskLaw
from agnostix.solvers.lime_moments import Moments
from agnostix.typing import Floats

_TINY = 1e-200
"""Stands for a variance of 0 where one is divided by: what only the row tells has a finite limit."""

_NO_SPREAD = 1e-14
"""Answers whose variance is less than this share of their mean square are all alike, up to rounding."""

_Linear: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Surrogate:
    """A linear surrogate for each explained row and output.

    Attributes
    ----------
    coefficients : ndarray of shape (n_rows, n_features, n_outputs)
        In model output units.
    intercept, outputs : ndarray of shape (n_rows, n_outputs)
        The surrogate where all z are 0, and at the row, where all are 1.
    r2 : ndarray of shape (n_rows, n_outputs) or None
        Weighted R2 over samples and row, where the answers' mean square is known; 1 where all are alike.
    """

    coefficients: Floats
    intercept: Floats
    outputs: Floats
    r2: Floats | None


def surrogate_of(
    alpha: Floats, weight: Floats, n: float, moments: Moments, row_answer: Floats, ridge: float = 1.0
) -> Surrogate:
    """The surrogate on independent z, those of tables with bins.

    Parameters
    ----------
    alpha : ndarray of shape (n_rows, n_columns)
        Chance of z = 1 in weighted samples. Where it is 1, the feature is left out: its coefficient is 0.
    weight : ndarray of shape (n_rows,)
        Mean weight of a sample.
    n : float
        Samples, the row not counted.
    moments : Moments
        Of the model's answers; with their mean square for `Surrogate.r2`.
    row_answer : ndarray of shape (n_rows, n_outputs)
        The model's answers at the rows.
    ridge : float, default=1.0
        The penalty. At 0, the features that z = 1 is known of from the row alone share what it tells.

    Returns
    -------
    Surrogate
    """
    total = n * weight
    variance = (alpha * (1.0 - alpha))[..., None]
    inverse = 1.0 / np.maximum(variance + _penalty(ridge, total)[:, None, None], _TINY)
    known = replace(moments, kappa=np.where(variance > 0.0, moments.kappa, 0.0))
    return _with_row(lambda x: x * inverse, lambda x: x * variance, 1.0 - alpha, total, known, row_answer)


def mask_surrogate(
    law: MaskLaw, n: float, moments: Moments, row_answer: Floats, ridge: float = 1.0
) -> Surrogate:
    """The surrogate on exchangeable z, those of masks.

    Parameters
    ----------
    law : MaskLaw
        Of the masks, for rows that have the same number of players.
    n, moments, row_answer, ridge
        As for `surrogate_of`, kappa having a column for each player.

    Returns
    -------
    Surrogate
    """
    shape = moments.kappa.shape[:2]
    total = np.full(shape[0], n * law.weight)
    penalty = _penalty(ridge, total)[:, None, None]
    across, along = (1.0 / np.maximum(value + penalty, _TINY) for value in (law.apart, law.together))
    return _with_row(
        lambda x: _exchangeable(x, across, along),
        lambda x: _exchangeable(x, law.apart, law.together),
        np.full(shape, 1.0 - law.alpha),
        total,
        moments,
        row_answer,
    )


def _penalty(ridge: float, total: Floats) -> Floats:
    """The penalty beside covariances: infinite for samples without weight."""
    if ridge == 0.0:
        return np.zeros_like(total)
    return np.divide(ridge, total, out=np.full_like(total, np.inf), where=total > 0.0)


def _exchangeable(x: Floats, across: Floats | float, along: Floats | float) -> Floats:
    """Multiply by a matrix that treats all features alike: one factor for their mean, one for the rest."""
    middle = _over_features(x)[:, None] / x.shape[1]
    return across * (x - middle) + along * middle


def _over_features(x: Floats) -> Floats:
    """Sum over features in their order, for each row and output by itself."""
    return reduce(np.add, np.moveaxis(x, 1, 0))


def _with_row(
    solve: _Linear, form: _Linear, away: Floats, total: Floats, moments: Moments, row_answer: Floats
) -> Surrogate:
    """Let the row move the solution of the samples; `away` is how far its z are from their means."""
    away, total = away[..., None], total[:, None]
    alone, step = solve(moments.kappa), solve(away)
    left_over = row_answer - moments.mean - _over_features(away * alone)
    share = left_over / (total + 1.0 + _over_features(away * step))
    coefficients = alone + step * share[:, None]
    outputs = row_answer - total * share
    r2 = (
        None if moments.square is None else _r2(form, away, total, moments, row_answer, coefficients, outputs)
    )
    return Surrogate(coefficients, outputs - _over_features(coefficients), outputs, r2)


def _r2(
    form: _Linear,
    away: Floats,
    total: Floats,
    moments: Moments,
    row_answer: Floats,
    coefficients: Floats,
    outputs: Floats,
) -> Floats:
    """Share of the weighted squares about the mean, of samples and row, that the surrogate explains."""
    variance = moments.square - moments.mean**2
    between = (row_answer - moments.mean) ** 2 * total / (total + 1.0)
    spread = total * variance + between
    astray = moments.mean - outputs + _over_features(away * coefficients)
    explained = _over_features(coefficients * (2.0 * moments.kappa - form(coefficients)))
    left = total * (variance - explained + astray**2) + (row_answer - outputs) ** 2
    alike = spread <= _NO_SPREAD * (total * moments.square + row_answer**2)
    return np.where(alike, 1.0, 1.0 - np.maximum(left, 0.0) / np.where(alike, 1.0, spread))
