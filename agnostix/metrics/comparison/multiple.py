"""Tests of many differences at once: paired differences of scores, Holm's correction, who may be the best."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
from scipy.stats import binomtest

from agnostix.core.typing import Floats
from agnostix.metrics.result import MetricResult


def paired_p_value(one: MetricResult, other: MetricResult) -> float:
    """Two-sided p-value of no difference between two results of one output; NaN where nothing is known.

    That of the interval of the mean difference; of scores that are 0 or 1, McNemar's exact test.

    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or
    percentages. Psychometrika, 12. https://doi.org/10.1007/BF02295996
    """
    difference = one.difference(other)
    if one.interval_kind == "wilson" and difference.interval_source == "rows":
        n_more, n_less = int((difference.scores > 0).sum()), int((difference.scores < 0).sum())
        return float(binomtest(n_more, n_more + n_less).pvalue) if n_more + n_less else 1.0
    return p_value_of_mean(difference)


def p_value_of_mean(result: MetricResult) -> float:
    """Two-sided p-value of a mean of 0 of a result with one output; NaN where its error is unknown."""
    return float(result._interval.p_value()[0])


def holm(p_values: Floats) -> Floats:
    """P-values (n_tests,) after Holm's correction; NaN, of what was not tested, stay and do not count.

    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics, 6(2). https://doi.org/10.2307/4615733
    """
    adjusted = np.full(np.shape(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    scaled = p_values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def best_intervals(results: Mapping[str, MetricResult], level: float) -> dict[str, tuple[float, float]]:
    """Intervals of each one's advantage over the best of the others, that hold for all together.

    Whose upper end is 0 is not the best, and whose lower end is 0 is. Each in turn is the control of the
    others, in one-sided paired intervals with Bonferroni's correction: that of the true best suffices.

    Hsu, J. C. (1984). Constrained simultaneous confidence intervals for multiple comparisons with the best.
    Annals of Statistics, 12(3). https://doi.org/10.1214/aos/1176346732
    Edwards, D. G., Hsu, J. C. (1983). Multiple comparisons with the best treatment. JASA, 78.
    https://doi.org/10.1080/01621459.1983.10477976
    """
    names = list(results)
    lower, upper = {}, {}
    for one, other in permutations(names, 2):
        lower[one, other], upper[one, other] = _one_sided(results[one], results[other], level, len(names))
    high = {one: min(upper[one, other] for other in names if other != one) for one in names}
    may_be = [one for one in names if not high[one] < 0]  # NaN: unknown
    ends = {}
    for one in names:
        others = [lower[one, other] for other in may_be if other != one]
        ends[one] = (min(0.0, *others) if others else 0.0, max(0.0, high[one]))
    return ends


def _one_sided(one: MetricResult, other: MetricResult, level: float, n: int) -> tuple[float, float]:
    """Ends of the advantage of one of n over another, each with its share of 1 - level."""
    difference = one.difference(other)
    sign = -1.0 if one.greater_is_better is False else 1.0
    if difference.interval_source == "none" or not difference.degrees_of_freedom >= 1:
        return -np.inf, np.inf
    low, high = sorted(sign * end for end in difference.interval(1.0 - 2.0 * (1.0 - level) / (n - 1)))
    return low, high
