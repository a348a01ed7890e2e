"""Estimates with intervals that know how few rows carry them.

R2 and means of losses are ratios of sums that a few rows can make up: of skewed predictions, or of a rare
class. Their errors are those of the delta method; the intervals are made on a logarithmic scale, which keeps
R2 below 1 and losses above 0, with the degrees of freedom that are left to the rows that carry the sums.
They are one at least. Where a single row carries nearly all of a sum, what was not seen may be larger than
all that was, and nothing can be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from agnostix.core.intervals import UNDETERMINED, check_level, interval_ends
from agnostix.core.typing import Floats

LEVEL = 0.95
"""Coverage of the intervals."""
ROUNDING = 1e-24
"""Squared distances relative to squared sizes below which they are rounding error."""
OK, CONSTANT, FEW_ROWS = "ok", "constant", "few rows"
"""Whether there is an interval; if not, because nothing varies, or one row carries nearly all of a sum."""
CLOPPER_PEARSON = "clopper_pearson"
LEAST_CARRIED = 0.1
"""Rows beyond the first that must carry a sum for an interval."""


@dataclass(frozen=True)
class Measure:
    """An estimate with its interval.

    Attributes
    ----------
    value, std_error : float
        The estimate and its standard error; NaN where no interval holds or the interval uses none.
    degrees_of_freedom : float
        Of the standard error; rows for proportions.
    kind : str
        Of the interval, a key of ``agnostix.core.intervals.INTERVALS`` or "clopper_pearson".
    status : {"ok", "constant", "few rows"}
        Why no interval holds: nothing varies, or one row carries nearly all of a sum.
    low_bound, high_bound : float
        What the quantity cannot fall below or exceed.
    """

    value: float
    std_error: float
    degrees_of_freedom: float
    kind: str
    status: str = OK
    low_bound: float = -np.inf
    high_bound: float = np.inf

    def ends(self, level: float = LEVEL) -> tuple[float, float]:
        """Ends of the interval, within the bounds.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        low, high : float
        """
        check_level(level)
        if self.kind == CLOPPER_PEARSON:
            return clopper_pearson(self.value * self.degrees_of_freedom, self.degrees_of_freedom, level)
        ends = interval_ends(self.value, self.std_error, level, self.degrees_of_freedom, self.kind)
        low, high = map(float, ends)
        return max(low, self.low_bound), min(high, self.high_bound)


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Exact binomial interval (Clopper and Pearson, 1934) for hits of n, which need not be whole."""
    tail, misses = (1.0 - level) / 2.0, n - hits
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, misses + 1.0))
    high = 1.0 if misses <= 1e-9 * n else float(beta.ppf(1.0 - tail, hits + 1.0, misses))
    return low, high


def proportion(share: float, n: float, kind: str = "wilson") -> Measure:
    """A fraction of n rows, which need not be whole, with Wilson's interval or that of Clopper and Pearson.

    The error is the deviation of Jeffreys' posterior, which is 0 for no share (Brown, L. D., Cai, T. T. and
    DasGupta, A. (2001). Interval estimation for a binomial proportion. Statistical Science, 16.
    https://doi.org/10.1214/ss/1009213286).
    """
    near = (share * n + 0.5) / (n + 1.0)
    return Measure(share, float(np.sqrt(near * (1.0 - near) / (n + 2.0))), n, kind, OK, 0.0, 1.0)


def paired_difference(ones: Floats, others: Floats) -> Measure:
    """Difference of two proportions of the same rows (n_rows,), where they differ counted once more each.

    Bonett, D. G. and Price, R. M. (2012). Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data. J. Educational and Behavioral Statistics, 37.
    https://doi.org/10.3102/1076998611411915
    """
    n = ones.size
    more, less = ((ones > others).sum() + 1.0) / (n + 2.0), ((ones < others).sum() + 1.0) / (n + 2.0)
    error = float(np.sqrt((more + less - (more - less) ** 2) / (n + 2.0)))
    return Measure(float((ones - others).mean()), error, np.inf, "normal", OK, -1.0, 1.0)


def r2_measure(
    predictions: Floats, outputs: Floats, variance_inflation: float = 1.0, weights: Floats | None = None
) -> Measure:
    """R2 of outputs against predictions, both (n_rows, n_outputs), over all outputs; 1 if nothing varies."""
    residual, total = squares(predictions, outputs, weights)
    mean_total, mean_residual = weighted_mean(total, weights), weighted_mean(residual, weights)
    if not mean_total > ROUNDING * weighted_mean((predictions**2).sum(axis=1), weights):
        return Measure(1.0, np.nan, 0.0, UNDETERMINED, CONSTANT, high_bound=1.0)
    n_effective = n_kish(residual.size, weights) / variance_inflation
    if mean_residual <= ROUNDING * mean_total:
        largest = float((np.ptp(predictions, axis=0) ** 2).sum()) / mean_total
        return Measure(1.0, largest / n_effective, np.inf, "rule_of_three", OK, high_bound=1.0)
    share = mean_residual / mean_total
    influence = residual / mean_residual - total / mean_total  # of log(1 - R2)
    error = share * _jackknife_error(residual, total, weights, variance_inflation)
    if not np.isfinite(error):  # without one of two rows nothing varies
        error = share * standard_error(influence, weights, variance_inflation)
    dof = min(
        spread_dof(influence, weights, variance_inflation),
        n_carrying(residual, weights) - 1.0,
        n_carrying(total, weights) - 1.0,
    )
    return _determined(1.0 - share, error, dof, "log_complement", high_bound=1.0)


def _jackknife_error(
    residual: Floats, total: Floats, weights: Floats | None, variance_inflation: float
) -> float:
    """Error of log(1 - R2) by leaving out each row, of squares (n_rows,); infinite if one row carries a sum.

    Where one row makes up most of both sums, their ratio is next to its own whatever the others are, and the
    delta method finds no error.
    """
    n, own = residual.size, np.ones(residual.size) if weights is None else weights
    rest = own.sum() - own  # and the mean of the others moves away from the row
    residuals = (own * residual).sum() - own * residual
    totals = (own * total).sum() - own * total * own.sum() / np.where(rest > 0, rest, np.nan)
    if not (residuals > 0).all() or not (totals > 0).all():
        return float("inf")
    logs = np.log(residuals / totals)
    return float(np.sqrt(variance_inflation * (n - 1) / n * np.square(logs - logs.mean()).sum()))


def r2_difference(predictions: Floats, outputs: Floats, truth: Floats) -> Measure:
    """R2 of predictions against a truth less that of outputs, all (n_rows, n_outputs), on the same rows."""
    (one, total), (other, _) = squares(truth, predictions, None), squares(truth, outputs, None)
    if not total.mean() > ROUNDING * (truth**2).sum(axis=1).mean():
        return Measure(0.0, np.nan, 0.0, UNDETERMINED, CONSTANT)
    value = (other - one).mean() / total.mean()
    influence = (other - one - value * total) / total.mean()
    if not influence.any():  # the same outputs in every row; others may differ by no more than the truth
        return Measure(float(value), total.max() / total.mean() / total.size, np.inf, "rule_of_three")
    dof = min(spread_dof(influence, None), n_carrying(total, None) - 1.0)
    return _determined(float(value), standard_error(influence, None), dof, "student")


def loss_measure(
    losses: Floats, largest: float, variance_inflation: float = 1.0, weights: Floats | None = None
) -> Measure:
    """Mean of losses (n_rows,) of at least 0, none above `largest`, on a logarithmic scale."""
    losses = np.maximum(losses, 0.0)
    mean, n_effective = weighted_mean(losses, weights), n_kish(losses.size, weights) / variance_inflation
    if mean <= ROUNDING * largest:
        return Measure(mean, largest / n_effective, np.inf, "rule_of_three", OK, 0.0)
    error = standard_error(losses, weights, variance_inflation)
    dof = min(
        spread_dof(losses - mean, weights, variance_inflation),
        n_carrying(losses, weights) - 1.0,
    )
    return _determined(mean, error, dof, "log", low_bound=0.0)


def _determined(
    value: float,
    error: float,
    dof: float,
    kind: str,
    low_bound: float = -np.inf,
    high_bound: float = np.inf,
) -> Measure:
    """A measure with an interval of one degree of freedom at least, unless a single row carries the sums."""
    if not dof >= LEAST_CARRIED:
        return Measure(value, np.nan, max(dof, 0.0), UNDETERMINED, FEW_ROWS, low_bound, high_bound)
    return Measure(value, error, max(dof, 1.0), kind, OK, low_bound, high_bound)


def squares(predictions: Floats, outputs: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Squared distances (n_rows,) of predictions from outputs and from their mean, (n_rows, n_outputs)."""
    residual = ((outputs - predictions) ** 2).sum(axis=1)
    total = ((predictions - np.average(predictions, axis=0, weights=weights)) ** 2).sum(axis=1)
    return residual, total


def n_carrying(sizes: Floats, weights: Floats | None) -> float:
    """Rows of equal size that rows of sizes (n_rows,) of at least 0 are worth in their sum (Kish)."""
    parts = sizes if weights is None else weights * sizes
    largest = parts.max(initial=0.0)
    if not largest > 0:
        return 0.0
    parts = parts / largest
    return float(parts.sum() ** 2 / np.square(parts).sum())


def spread_dof(influence: Floats, weights: Floats | None = None, variance_inflation: float = 1.0) -> float:
    """Degrees of freedom of the variance of a mean, from its kurtosis, influences (n_rows,) about their mean.

    The variance of a sample variance s^2 is s^4 (kurtosis - 1) / n; with it a chi-square has 2 n /
    (kurtosis - 1) degrees of freedom.
    """
    n = influence.size
    few = 1.0 / max(n_carrying(np.square(influence), _squared(weights)), 1.0) - 1.0 / n
    return max(min(2.0 / max(few, 1e-12), n - 1.0) / variance_inflation, 0.0)


def _squared(weights: Floats | None) -> Floats | None:
    return None if weights is None else np.square(weights)


def weighted_mean(values: Floats, weights: Floats | None) -> float:
    """Mean of values (n_rows,), weights None for equal ones."""
    return float(values.mean()) if weights is None else float(np.average(values, weights=weights))


def n_kish(n_rows: int, weights: Floats | None) -> float:
    """Rows of equal weight that weighted rows are worth (Kish)."""
    return float(n_rows) if weights is None else n_carrying(np.ones(n_rows), weights)


def standard_error(values: Floats, weights: Floats | None, variance_inflation: float = 1.0) -> float:
    """Standard error of the weighted mean of values (n_rows,); 0 for a single row."""
    n = values.size
    if n < 2:
        return 0.0
    if weights is None:
        return float(np.sqrt(variance_inflation * values.var(ddof=1) / n))
    influence = weights * (values - np.average(values, weights=weights)) / weights.sum()
    return float(np.sqrt(variance_inflation * np.square(influence).sum() * n / (n - 1)))
