"""Moments of a model under LIME's weighted samples, in closed form for additive models and sums of boxes.

A sample takes a bin of each column by its frequency p and a value within the bin; z_j = 1 if column j is in
the row's bin, and each column outside multiplies the kernel weight by r = exp(-1 / (2 width**2)). The weight
is a product over columns, so under the weighted distribution the z_j stay independent, with

    alpha_j = P(z_j = 1) = q_j / (q_j + (1 - q_j) r),    q_j the frequency of the row's bin.

The surrogate needs of a model f only its mean E[f] and the covariances kappa_j = Cov(f, z_j) under that
distribution (Garreau and von Luxburg, 2020).

Columns are given by frequencies `p`, an array (n_bins,) each; rows by `bins` (n_rows, n_columns), -1 for a
bin that no sample has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from agnostix.core.reproducibility import WIDTH, multiply
from agnostix.core.typing import Codes, Floats

_MAX_CELLS = 1_000_000
"""Cells of a table of box probabilities that are held at once."""


class ModelMoments(NamedTuple):
    """Moments of a model's predictions f for each explained row, in model output units.

    Attributes
    ----------
    mean : (n_rows, n_outputs)
    kappa : (n_rows, n_columns, n_outputs)
        Cov(f, z_j); exactly 0 for a column that f ignores, that has one bin, or of which no sample has the
        row's bin.
    square : (n_rows, n_outputs) or None
        E[f**2], if it is known.
    """

    mean: Floats
    kappa: Floats
    square: Floats | None = None


def row_frequencies(p: Sequence[Floats], bins: Codes) -> Floats:
    """Frequencies q (n_rows, n_columns) of the rows' own bins."""
    q = [np.where(codes < 0, 0.0, frequencies[codes]) for frequencies, codes in zip(p, bins.T, strict=True)]
    return np.stack(q, axis=1)


def tilt(q: Floats, r: float) -> tuple[Floats, Floats]:
    """Probabilities alpha (n_rows, n_columns), and the mean kernel weight (n_rows,) of a sample."""
    return _tilt_columns(q, r)[0], reduce(np.multiply, (q + (1.0 - q) * r).T)


def additive_moments(
    bin_means: Sequence[Floats],
    p: Sequence[Floats],
    bins: Codes,
    r: float,
    bin_squares: Sequence[Floats] | None = None,
) -> ModelMoments:
    """Moments of a sum of functions of one column, from their means and mean squares (n_bins, n_outputs).

    Means of bins with frequency 0 are ignored and may be NaN.
    """
    q = row_frequencies(p, bins)
    mean = np.zeros((len(bins), bin_means[0].shape[1]))
    variance = np.zeros_like(mean)
    kappa = np.empty((len(bins), len(p), mean.shape[1]))
    for j, values in enumerate(bin_means):
        column_mean, kappa[:, j] = _column_moments(values, p[j], bins[:, j], q[:, j], r)
        mean += column_mean
        if bin_squares is not None:  # columns are independent: variances add up
            square = _column_moments(bin_squares[j], p[j], bins[:, j], q[:, j], r)[0]
            variance += square - column_mean**2
    return ModelMoments(mean, kappa, None if bin_squares is None else mean**2 + variance)


@dataclass(frozen=True)
class Boxes:
    """A sum of boxes such as the leaves of trees; a box is a product of sides, which boxes share.

    Attributes
    ----------
    sides : list of (n_sides, n_bins)
        For each column, the probability of being on each of its sides within each bin. Sides are numbered
        through, column after column; a column may have none.
    factors : int (n_boxes, n_factors)
        Sides of each box, at most one a column, filled up with -1.
    values : (n_boxes, n_outputs)
    """

    sides: list[Floats]
    factors: Codes
    values: Floats

    @property
    def column_of_side(self) -> Codes:
        """Column of each side, (n_sides,)."""
        return np.repeat(np.arange(len(self.sides)), [len(sides) for sides in self.sides])


def box_moments(
    boxes: Boxes, p: Sequence[Floats], bins: Codes, r: float, *, disjoint: bool = False
) -> ModelMoments:
    """Moments of a sum of boxes; E[f**2] only for disjoint boxes, as the leaves of one tree are."""
    n_rows, (n_boxes, n_outputs) = len(bins), boxes.values.shape
    q = row_frequencies(p, bins)
    mean = np.zeros((n_rows, n_outputs))
    square = np.zeros_like(mean) if disjoint else None
    kappa = np.zeros((n_rows, len(p), n_outputs))
    step = max(1, _MAX_CELLS // (WIDTH * max(1, boxes.factors.shape[1])))
    for rows in _slices(n_rows, WIDTH):
        probabilities, covariances = _side_moments(boxes, p, bins[rows], q[rows], r)
        for part in _slices(n_boxes, step):
            inside, side_terms = _product_moments(boxes.factors[part], probabilities, covariances)
            values = boxes.values[part]
            mean[rows] += multiply(values.T, inside).T
            if square is not None:
                square[rows] += multiply((values**2).T, inside).T
            _add_by_column(kappa[rows], boxes, part, side_terms)
    return ModelMoments(mean, kappa, square)


def _slices(n: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _tilt_columns(q: Floats, r: float) -> tuple[Floats, Floats]:
    """alpha, and the factor of the other bins' frequencies; the limit r -> 0 where both are 0."""
    total = q + (1.0 - q) * r
    positive = total > 0.0
    divisor = np.where(positive, total, 1.0)
    return q / divisor, np.where(positive, r / divisor, 1.0)


def _column_moments(values: Floats, p: Floats, row_bins: Codes, q: Floats, r: float) -> tuple[Floats, Floats]:
    """Means of k functions of a column, covariances with its z, (n_rows, k), from bin means (n_bins, k)."""
    # Relative to the most frequent bin, which may have nearly all of the mass: so no digits cancel.
    reference = values[np.argmax(p)]
    centered = np.where(p[:, None] > 0.0, values - reference, 0.0)
    everywhere = (p[:, None] * centered).sum(0)
    inside = np.where(q[:, None] > 0.0, centered[row_bins], 0.0)
    alpha, others = (part[:, None] for part in _tilt_columns(q, r))
    mean = reference + alpha * inside + others * (everywhere - q[:, None] * inside)
    return mean, alpha * others * (inside - everywhere)


def _side_moments(
    boxes: Boxes, p: Sequence[Floats], bins: Codes, q: Floats, r: float
) -> tuple[Floats, Floats]:
    """Probability of each side, covariance with z, (n_sides + 1, n_rows); the last, -1, is everywhere."""
    probabilities, covariances = [], []
    for j, sides in enumerate(boxes.sides):
        if len(sides):
            probability, covariance = _column_moments(sides.T, p[j], bins[:, j], q[:, j], r)
            probabilities.append(probability.T)
            covariances.append(covariance.T)
    one = np.ones((1, len(bins)))
    return np.concatenate([*probabilities, one]), np.concatenate([*covariances, 0.0 * one])


def _product_moments(factors: Codes, probabilities: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Probability of boxes (n_boxes, n_rows), covariances with sides' z (n_factors, n_boxes, n_rows)."""
    # The product of the other sides is one of those before and one of those after: no division by a side,
    # whose probability may be 0.
    inside = np.ones((len(factors), probabilities.shape[1]))
    side_terms = np.empty((factors.shape[1], *inside.shape))
    for s, sides in enumerate(factors.T):
        side_terms[s] = inside
        inside = inside * probabilities[sides]
    after = np.ones_like(inside)
    for s, sides in reversed(list(enumerate(factors.T))):
        side_terms[s] *= after * covariances[sides]
        after = after * probabilities[sides]
    return inside, side_terms


def _add_by_column(kappa: Floats, boxes: Boxes, part: slice, side_terms: Floats) -> None:
    """Add the boxes' covariances, values included, to those of their columns."""
    factors = boxes.factors[part].T
    columns = np.where(factors < 0, -1, np.append(boxes.column_of_side, -1)[factors])
    for j in np.unique(columns[columns >= 0]):
        slots = columns == j
        values = boxes.values[part][np.nonzero(slots)[1]]
        kappa[:, j] += multiply(values.T, side_terms[slots]).T
