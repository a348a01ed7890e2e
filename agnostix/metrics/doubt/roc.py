"""ROC curves of signals, the areas under them, and the covariance of these areas over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import rankdata

from agnostix.core.intervals import half_widths, interval_ends
from agnostix.core.typing import Bools, Floats


@dataclass(frozen=True)
class Areas:
    """Areas under the ROC curves (n_signals,) of the same rows, and their covariance."""

    areas: Floats
    covariance: Floats  # (n_signals, n_signals)
    n_positive: int
    n_negative: int

    @classmethod
    def from_signals(cls, signals: Floats, is_positive: Bools) -> Areas:
        """From signals (n_signals, n_rows), greater for positive rows (n_rows,), at least two of each kind.

        DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Comparing the areas under two or more
        correlated receiver operating characteristic curves. Biometrics, 44. https://doi.org/10.2307/2531595
        """
        positive, negative = signals[:, is_positive], signals[:, ~is_positive]
        m, n = positive.shape[1], negative.shape[1]
        ranks = rankdata(signals, axis=1)
        # Of each row the proportion of rows of the other kind on whose right side it is, ties counted half.
        of_positive = (ranks[:, is_positive] - rankdata(positive, axis=1)) / n
        of_negative = 1.0 - (ranks[:, ~is_positive] - rankdata(negative, axis=1)) / m
        covariance = np.cov(of_positive) / m + np.cov(of_negative) / n
        return cls(of_positive.mean(axis=1), covariance.reshape(len(signals), len(signals)), m, n)

    def interval(self, place: int, level: float) -> tuple[float, float]:
        """Interval of an area: DeLong's on the scale of its logit; Newcombe's where rows are separated.

        Newcombe, R. G. (2006). Confidence intervals for an effect size measure based on the Mann-Whitney
        statistic. Part 2. Statistics in Medicine, 25. https://doi.org/10.1002/sim.2324: method 5.
        """
        area, variance = float(self.areas[place]), float(self.covariance[place, place])
        if 0 < area < 1:  # without variance where the signal is the same in all rows
            low, high = interval_ends(area, np.sqrt(max(variance, 0.0)), level, np.inf, "logit")
            return float(low), float(high)
        z = float(half_widths(1.0, level))
        limit = brentq(lambda at: 1.0 - at - z * np.sqrt(self._variance_of_separated(at)), 0.0, 1.0 - 1e-12)
        return (limit, 1.0) if area == 1 else (0.0, 1.0 - limit)

    def _variance_of_separated(self, area: float) -> float:
        """Variance of an area of exponential signals, with n pairs of the mean of both numbers of rows."""
        other = 0.5 * (self.n_positive + self.n_negative) - 1.0
        parts = 1.0 + other * (1.0 - area) / (2.0 - area) + other * area / (1.0 + area)
        return area * (1.0 - area) * parts / (self.n_positive * self.n_negative)

    def p_value(self, place: int) -> float:
        """Two-sided p-value of an area of 0.5."""
        return self._normal_p_value(self.areas[place] - 0.5, self.covariance[place, place])

    def difference(self, one: int, other: int, level: float) -> tuple[float, float, float, float]:
        """Difference of two areas, its paired interval, and the two-sided p-value of none."""
        weights = np.zeros(self.areas.size)
        weights[one] += 1.0
        weights[other] -= 1.0
        difference = float(weights @ self.areas)
        variance = float(weights @ self.covariance @ weights)
        half = float(half_widths(np.sqrt(max(variance, 0.0)), level))
        return difference, difference - half, difference + half, self._normal_p_value(difference, variance)

    def _normal_p_value(self, difference: float, variance: float) -> float:
        error = np.sqrt(max(variance, 0.0))
        if error <= 1e-12:
            return float(abs(difference) <= 1e-12)
        return float(2.0 * ndtr(-abs(difference) / error))


def roc_curve(signal: Floats, is_positive: Bools) -> tuple[Floats, Floats]:
    """Proportions of negative and positive rows (n_points,) whose signal is at least each of its values."""
    order = np.argsort(-signal, kind="stable")
    last = np.append(np.flatnonzero(np.diff(signal[order])), signal.size - 1)
    hits = np.cumsum(is_positive[order])[last]
    false = last + 1 - hits
    start = np.zeros(1)
    n_positive = max(int(is_positive.sum()), 1)
    n_negative = max(int((~is_positive).sum()), 1)
    return np.concatenate([start, false / n_negative]), np.concatenate([start, hits / n_positive])
