"""Mean squares of residuals in the leaves of a tree, with intervals that borrow from all its leaves.

A leaf has few rows, and splits put rows together that happen to be close, so that the smallest of many mean
squares are too small. On a logarithmic scale each is drawn to the mean of all leaves, by how little its rows
tell beside how different leaves are (empirical Bayes, as for variances of many genes):

    Smyth, G. K. (2004). Linear models and empirical Bayes methods for assessing differential expression in
    microarray experiments. Statistical Applications in Genetics and Molecular Biology, 3.
    https://doi.org/10.2202/1544-6115.1027

How much the rows of a leaf tell follows from the kurtosis of all residuals, each relative to its leaf. In a
heavy tail a mean square mostly consists of rows that few leaves have met. The upper end is therefore at least
what rows beyond the largest that a leaf of this size meets would add: as many as the rule of three leaves
open, and as large as a Pareto tail with the index of the largest tenth of all has them.

    Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals of
    Statistics, 3. https://doi.org/10.1214/aos/1176343247
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma, stdtrit

from agnostix.core.typing import Floats
from agnostix.surrogate_tree.measures import LEVEL, n_carrying, n_kish

LEAST_SPREAD = 0.3
"""Variance of the logarithms of leaves' true mean squares that few leaves cannot rule out."""
TAIL, LEAST_INDEX, MOST_INDEX = 0.1, 1.1, 10.0
"""Fraction of the squares that tell the tail, and bounds of its index."""
NORMAL_KURTOSIS, LEAST_DOF = 3.0, 0.5


@dataclass(frozen=True)
class LeafScales:
    """Mean squares of leaves, each array (n_leaves,)."""

    moderated: Floats  # drawn to the mean of all leaves
    center: Floats  # the same, or that of rows of leaves like it
    log_error: Floats  # standard error of the logarithm of the center
    degrees_of_freedom: float
    beyond: Floats  # by which rows that were not met may raise it, as a fraction of itself

    @classmethod
    def from_squares(
        cls, squares: list[Floats], weights: list[Floats], usual: Floats, variance_inflation: float = 1.0
    ) -> LeafScales | None:
        """From squares (n,) and weights (n,) of each leaf's rows; None where all squares are 0.

        The `usual` squares (n_leaves,) are those of rows of leaves like these, which no center falls below.
        """
        own = np.array([np.average(q, weights=w) if q.size else np.nan for q, w in _pairs(squares, weights)])
        n = np.array([n_kish(w.size, w) if w.size else 0.0 for w in weights])
        total = float((np.nan_to_num(own) * n).sum())
        if not total > 0:
            return None
        near = (np.nan_to_num(own) * n + 2.0 * total / n.sum()) / (n + 2.0)
        relative = np.concatenate([q / one for q, one in zip(squares, near, strict=True)])
        # Of the mean square of a leaf's rows, as of a chi-square variable; with fewer its logarithm is wild.
        dof = 2.0 * np.maximum(n, 1.0) / (_kurtosis(squares, near) - 1.0) / variance_inflation
        dof = np.maximum(dof, LEAST_DOF)
        moderated, log_error = _moderate(own, dof)
        carrying = max(n_carrying(relative, None) / 2.0, 2.0)
        return cls(moderated, np.maximum(moderated, usual), log_error, carrying, _beyond(relative, n))

    def at(self, k: int) -> tuple[float, float]:
        """Center and degrees of freedom of the k-th leaf."""
        return float(self.center[k]), self.degrees_of_freedom

    def std_errors(self, values: Floats) -> Floats:
        """Standard errors of the roots of values (n_leaves,), with what these are likely to be short by."""
        roots = np.sqrt(self.moderated)
        return np.hypot(roots * self.log_error / 2.0, np.maximum(roots - np.sqrt(values), 0.0))

    def ends(self, values: Floats) -> tuple[Floats, Floats]:
        """95 % intervals of mean squares of which values (n_leaves,) are estimates, which they hold."""
        reach = stdtrit(self.degrees_of_freedom, 0.5 + 0.5 * LEVEL) * self.log_error
        middle = np.fmax(self.center, values)
        # Of a logarithm's mean, half the variance more.
        with np.errstate(over="ignore"):  # an end may be infinite
            high = middle * np.maximum(np.exp(reach + self.log_error**2), 1.0 + self.beyond)
        return np.fmin(self.moderated * np.exp(-reach), values), high


def _pairs(squares: list[Floats], weights: list[Floats]) -> zip[tuple[Floats, Floats]]:
    return zip(squares, weights, strict=True)


def _kurtosis(squares: list[Floats], near: Floats) -> float:
    """Mean fourth power over squared mean square within leaves, at least that of normal residuals."""
    fourth = product = 0.0
    for own, one in zip(squares, near, strict=True):
        if own.size > 1:
            relative = own / one
            sum_of_squares = float(np.square(relative).sum())
            fourth += sum_of_squares
            product += (float(relative.sum()) ** 2 - sum_of_squares) / (own.size - 1)
    return max(fourth / product, NORMAL_KURTOSIS) if product > 0 else NORMAL_KURTOSIS


def _moderate(own: Floats, dof: Floats) -> tuple[Floats, Floats]:
    """Mean squares (n_leaves,) drawn to each other by the variance of their logarithms, and its errors."""
    known, noise = np.nan_to_num(own) > 0, polygamma(1, dof / 2.0)
    logs = np.log(np.where(known, own, 1.0)) - digamma(dof / 2.0) + np.log(dof / 2.0)
    weight = np.where(known, 1.0 / (1.0 + noise), 0.0)
    weight = weight / weight.sum()
    mean, n = float(weight @ logs), int(known.sum())
    spread = float(weight @ (logs - mean) ** 2) * n / max(n - 1, 1)
    apart = max(spread - float(weight @ np.minimum(noise, 5.0)), LEAST_SPREAD)
    share = np.where(known, apart / (apart + noise), 0.0)  # that the leaf's own rows have
    variance = (1.0 - share) * apart + (1.0 - share) ** 2 * apart / n
    variance = np.where(known, variance, apart * (1.0 + 1.0 / n))
    return np.exp(share * logs + (1.0 - share) * mean), np.sqrt(variance)


def _beyond(relative: Floats, n: Floats) -> Floats:
    """What rows that leaves of n rows (n_leaves,) have not met may add to their mean squares, relative."""
    ordered = np.sort(relative)[::-1]
    k = min(max(int(TAIL * ordered.size), 4), ordered.size - 1)
    index = MOST_INDEX
    if k > 0 and ordered[k] > 0:
        hill = float(np.mean(np.log(ordered[:k] / ordered[k])))
        index = float(np.clip(1.0 / max(hill, 1e-9), LEAST_INDEX, MOST_INDEX))
    met = np.minimum(ordered.size / np.maximum(n, 1.0), ordered.size - 1).astype(int)
    unseen = -np.log((1.0 - LEVEL) / 2.0) / np.maximum(n, 1.0)
    return np.asarray(unseen * ordered[met] * index / (index - 1.0))
