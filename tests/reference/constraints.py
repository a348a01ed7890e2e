"""What constraints are about, written a second time: row by row, pair by pair, or with a peer's function.

Nothing here imports the package.
"""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score


def average(values, weights, member=None):
    """Sum of weighted values over the sum of the weights, row by row."""
    rows = [
        (w, v) for i, (w, v) in enumerate(zip(weights, values, strict=True)) if member is None or member[i]
    ]
    return math.fsum(w * v for w, v in rows) / math.fsum(w for w, _ in rows)


def variance(values, weights, member=None):
    """Half the weighted mean square of the differences of all pairs of rows."""
    return covariance(values, values, weights, member)


def covariance(one, two, weights, member=None):
    """Half the weighted mean over all pairs of rows of the products of their differences."""
    one, two, weights = (np.asarray(part, dtype=float) for part in (one, two, weights))
    if member is not None:
        one, two, weights = one[member], two[member], weights[member]
    pairs = np.outer(weights, weights) / weights.sum() ** 2
    return 0.5 * float((pairs * (one[:, None] - one) * (two[:, None] - two)).sum())


def correlation(one, two, weights, member=None):
    """From numpy's covariance matrix with the weights as analytic weights."""
    keep = slice(None) if member is None else member
    matrix = np.cov(np.asarray(one)[keep], np.asarray(two)[keep], aweights=np.asarray(weights)[keep], ddof=0)
    return matrix[0, 1] / math.sqrt(matrix[0, 0] * matrix[1, 1])


def is_quantile(value, q, values, weights, member=None, slack=1e-9):
    """Whether the sorted weights sum to at most q before the value's rows and to at least q with them."""
    keep = np.ones(len(values), dtype=bool) if member is None else member
    values, weights = np.asarray(values)[keep], np.asarray(weights)[keep]
    before, total = 0.0, math.fsum(weights)
    with_them = 0.0
    for v, w in sorted(zip(values.tolist(), weights.tolist(), strict=True)):
        before += w if v < value else 0.0
        with_them += w if v <= value else 0.0
    return before / total <= q + slack and with_them / total >= q - slack


def quantiles(q, values, weights, slack=1e-9):
    """The values of rows that are q-quantiles, by trying each."""
    return [
        v for v in sorted(set(np.asarray(values).tolist())) if is_quantile(v, q, values, weights, None, slack)
    ]


def expected_shortfall(q, values, weights, member=None):
    """Mean of the largest values that carry the weight 1 - q, the last one with the part that is beyond."""
    keep = np.ones(len(values), dtype=bool) if member is None else member
    rows = sorted(
        zip(np.asarray(values)[keep].tolist(), np.asarray(weights)[keep].tolist(), strict=True), reverse=True
    )
    total = math.fsum(w for _, w in rows)
    left, parts = (1.0 - q) * total, []
    for value, weight in rows:
        taken = min(weight, left)
        parts.append(taken * value)
        left -= taken
        if left <= 0.0:
            break
    return math.fsum(parts) / ((1.0 - q) * total)


def error_rate(truth, predicted, weights, member=None):
    """One less scikit-learn's accuracy."""
    keep = np.ones(len(truth), dtype=bool) if member is None else member
    return 1.0 - accuracy_score(truth[keep], predicted[keep], sample_weight=np.asarray(weights)[keep])


def true_positive_rate(truth, predicted, weights, positive, member=None):
    """Scikit-learn's recall."""
    keep = np.ones(len(truth), dtype=bool) if member is None else member
    return recall_score(
        truth[keep] == positive, predicted[keep] == positive, sample_weight=np.asarray(weights)[keep]
    )


def false_positive_rate(truth, predicted, weights, positive, member=None):
    """From scikit-learn's confusion matrix: false positives over negatives."""
    keep = np.ones(len(truth), dtype=bool) if member is None else member
    (true_negatives, false_positives), _ = confusion_matrix(
        truth[keep] == positive, predicted[keep] == positive, sample_weight=np.asarray(weights)[keep]
    )
    return false_positives / (true_negatives + false_positives)


def rake(margins, weights, rounds=10_000, tolerance=1e-14):
    """Iterative proportional fitting: (codes of the rows, share of each code) of each margin, in turn."""
    weights = np.asarray(weights, dtype=float) / np.sum(weights)
    for _ in range(rounds):
        before = weights
        for codes, shares in margins:
            sums = np.zeros(len(shares))
            for code, weight in zip(codes, weights, strict=True):
                sums[code] += weight
            factor = np.divide(shares, sums, out=np.zeros(len(shares)), where=sums > 0.0)
            weights = weights * factor[codes]
        if np.abs(weights - before).max() <= tolerance * weights.max():
            return weights
    raise RuntimeError("no convergence")
