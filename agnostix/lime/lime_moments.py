"""What LIME's samples come to when there are infinitely many, for models that are sums.

A sample draws a bin of each column by its share and a value within; z_j is 1 where the bin is that of the
explained row, and each column outside it lowers the sample's weight by the factor r. So weighted, the z_j are
independent still, and each is 1 with chance ``alpha = q / (q + (1 - q) r)`` in place of q, the share of the
row's bin. E~ is the mean under the weighted law. All that a surrogate needs of a model f are E~f and the
covariances ``kappa_j = E~[f z_j] - alpha_j E~f``.

A column is known by the share p of each of its bins, a row by its bins; -1 is one that no sample has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from agnostix.core.reproducibility import WIDTH, multiply
from agnostix.core.typing import Codes, Floats
from agnostix.lime.boxes import Boxes

_MAX_CELLS = 1_000_000


@dataclass(frozen=True)
class Moments:
    """Moments of a model's answers under the weighted law of the samples, for each explained row.

    Attributes
    ----------
    mean : ndarray of shape (n_rows, n_outputs)
        E~f, in model output units.
    kappa : ndarray of shape (n_rows, n_columns, n_outputs)
        Covariance of f with each z_j: exactly 0 for a column that f does not use, whose row's bin no sample
        has, or that has one bin.
    square : ndarray of shape (n_rows, n_outputs) or None
        E~[f f], where it was asked for.
    """

    mean: Floats
    kappa: Floats
    square: Floats | None = None


def row_shares(p: Sequence[Floats], bins: Codes) -> Floats:
    """Share of each row's bin.

    Parameters
    ----------
    p : sequence of ndarray of shape (n_bins,)
        Shares of each column's bins, which add up to 1.
    bins : ndarray of int of shape (n_rows, n_columns)
        The rows' bins, -1 for one that no sample has.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
    """
    shares = [np.where(b < 0, 0.0, shares[b]) for shares, b in zip(p, bins.T, strict=True)]
    return np.stack(shares, axis=1)


def tilted(q: Floats, r: float) -> tuple[Floats, Floats]:
    """Chance of the row's bins in weighted samples, and the mean weight of a sample.

    Parameters
    ----------
    q : ndarray of shape (n_rows, n_columns)
        Shares of the rows' bins.
    r : float
        Factor of a sample's weight for each column outside the row's bin, between 0 and 1.

    Returns
    -------
    alpha : ndarray of shape (n_rows, n_columns)
    weight : ndarray of shape (n_rows,)
    """
    return _parts(q, r)[0], reduce(np.multiply, (q + (1.0 - q) * r).T)


def additive_moments(
    bin_means: Sequence[Floats],
    p: Sequence[Floats],
    bins: Codes,
    r: float,
    bin_squares: Sequence[Floats] | None = None,
) -> Moments:
    """Moments of a sum of functions of one column each.

    Parameters
    ----------
    bin_means : sequence of ndarray of shape (n_bins, n_outputs)
        For each column the mean of its function within each bin. What is said of bins without a share is not
        looked at, and may be NaN.
    p, bins, r
        As for `row_shares` and `tilted`.
    bin_squares : sequence of ndarray of shape (n_bins, n_outputs), optional
        Means of the functions' squares, for E~[f f].

    Returns
    -------
    Moments
    """
    q = row_shares(p, bins)
    mean = np.zeros((len(bins), bin_means[0].shape[1]))
    variance = np.zeros_like(mean)
    kappa = np.empty((len(bins), len(p), mean.shape[1]))
    for j, values in enumerate(bin_means):
        own, kappa[:, j] = _column_moments(values, p[j], bins[:, j], q[:, j], r)
        mean += own
        if bin_squares is not None:
            variance += _column_moments(bin_squares[j], p[j], bins[:, j], q[:, j], r)[0] - own**2
    return Moments(mean, kappa, None if bin_squares is None else mean**2 + variance)


def boxes_moments(
    boxes: Boxes, p: Sequence[Floats], bins: Codes, r: float, *, disjoint: bool = False
) -> Moments:
    """Moments of a sum of boxes.

    Parameters
    ----------
    boxes : Boxes
        The model.
    p, bins, r
        As for `row_shares` and `tilted`.
    disjoint : bool, default=False
        Whether no two boxes meet, as the leaves of one tree. Only then is E~[f f] known.

    Returns
    -------
    Moments
    """
    n_rows, (n_boxes, n_outputs) = len(bins), boxes.values.shape
    q = row_shares(p, bins)
    mean = np.zeros((n_rows, n_outputs))
    square = np.zeros_like(mean) if disjoint else None
    kappa = np.zeros((n_rows, len(p), n_outputs))
    step = max(1, _MAX_CELLS // (WIDTH * max(1, boxes.factors.shape[1])))
    for rows in _slices(n_rows, WIDTH):
        tables = _side_moments(boxes, p, bins[rows], q[rows], r)
        for part in _slices(n_boxes, step):
            share, turned = _box_moments(boxes.factors[part], *tables)
            values = boxes.values[part]
            mean[rows] += multiply(values.T, share).T
            if square is not None:
                square[rows] += multiply((values**2).T, share).T
            _add_by_column(kappa[rows], boxes, part, turned)
    return Moments(mean, kappa, square)


def _slices(n: int, step: int) -> list[slice]:
    """All of n in pieces."""
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _parts(q: Floats, r: float) -> tuple[Floats, Floats]:
    """Alpha, and what the shares of the other bins are multiplied by: the limit where all weights are 0."""
    whole = q + (1.0 - q) * r
    some = whole > 0.0
    divisor = np.where(some, whole, 1.0)
    return q / divisor, np.where(some, r / divisor, 1.0)


def _column_moments(values: Floats, p: Floats, b: Codes, q: Floats, r: float) -> tuple[Floats, Floats]:
    """Means of k functions of one column, and covariances with its z, by row; from their means by bin.

    All is counted from the commonest bin, so that next to nothing is lost where that has almost all the mass.
    """
    common = values[np.argmax(p)]
    centred = np.where(p[:, None] > 0.0, values - common, 0.0)
    everywhere = (p[:, None] * centred).sum(0)
    inside = np.where(q[:, None] > 0.0, centred[b], 0.0)
    alpha, others = (part[:, None] for part in _parts(q, r))
    mean = common + alpha * inside + others * (everywhere - q[:, None] * inside)
    return mean, alpha * others * (inside - everywhere)


def _side_moments(
    boxes: Boxes, p: Sequence[Floats], bins: Codes, q: Floats, r: float
) -> tuple[Floats, Floats]:
    """Chance of each side and its covariance with its column's z, both (n_sides + 1, n_rows).

    The last side, which is number -1 too, is everywhere.
    """
    chances, covariances = [], []
    for j, sides in enumerate(boxes.sides):
        if len(sides):
            chance, covariance = _column_moments(sides.T, p[j], bins[:, j], q[:, j], r)
            chances.append(chance.T)
            covariances.append(covariance.T)
    one = np.ones((1, len(bins)))
    return np.concatenate([*chances, one]), np.concatenate([*covariances, 0.0 * one])


def _box_moments(factors: Codes, chances: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Chance of each box, and its covariance with the z of each of its sides: (n_factors, n_boxes, n_rows).

    The product of the other sides is one of those before and those after: no side is divided by.
    """
    share = np.ones((len(factors), chances.shape[1]))
    turned = np.empty((factors.shape[1], *share.shape))
    for s, sides in enumerate(factors.T):
        turned[s] = share
        share = share * chances[sides]
    after = np.ones_like(share)
    for s, sides in reversed(list(enumerate(factors.T))):
        turned[s] *= after * covariances[sides]
        after = after * chances[sides]
    return share, turned


def _add_by_column(kappa: Floats, boxes: Boxes, part: slice, turned: Floats) -> None:
    """Add what the boxes give to each column's covariance."""
    factors = boxes.factors[part].T
    columns = np.where(factors < 0, -1, np.append(boxes.column_of_side, -1)[factors])
    for j in np.unique(columns[columns >= 0]):
        slots = columns == j
        values = boxes.values[part][np.nonzero(slots)[1]]
        kappa[:, j] += multiply(values.T, turned[slots]).T
