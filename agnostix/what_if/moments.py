"""The moments of a column that can be shifted, and the targets they are shifted to by default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.distinct_values import DistinctValues, collapse, collapse_levels, is_spread
from agnostix.what_if.sample import Missing, Sample, Statistic, keep_complete_rows
from agnostix.what_if.tilting import each_target, largest_kl, solve_kl

MAX_KL = 0.5
"""Largest divergence, in nats, of default targets for proportions and zero-inflated columns."""
_SHORT_OF_EXTREME = 0.95
_SHORT_OF_EDGE = 0.9


@dataclass(frozen=True)
class MomentStatistic:
    """A statistic whose average can be shifted, on the rows that have a value."""

    sample: Sample
    statistic: Statistic
    distinct: DistinctValues  # rows of the sample merged by the statistic's value

    def exact(self) -> MomentStatistic:
        """The same with the values of the rows instead of Chebyshev nodes."""
        distinct = collapse(self.statistic.z, self.sample.base, self.sample.outcomes, exact=True)
        return MomentStatistic(self.sample, self.statistic, distinct)


def iter_moments(
    sample: Sample, feature: str, missing: Missing, levels: Sequence[Any] | None = None
) -> Iterator[MomentStatistic]:
    """The moments of a column: the mean of numbers, or the proportion of each level (or of `levels`)."""
    sample = keep_complete_rows(sample, [feature], missing)
    column = sample.column(feature)
    if column.kind == "numeric" and levels is None:
        statistic = sample.statistic(column)
        unique_index = None if is_spread(statistic.z) else column.unique_index
        distinct = collapse(statistic.z, sample.base, sample.outcomes, unique_index=unique_index)
        yield MomentStatistic(sample, statistic, distinct)
        return
    if column.kind == "numeric":
        for level in levels or ():
            value = sample.table.column(feature).number(level)
            if (column.values == value).any():  # else it is in other groups only
                statistic = sample.statistic(column, value)
                yield MomentStatistic(sample, statistic, collapse(statistic.z, sample.base, sample.outcomes))
        return
    codes = np.asarray(column.values, dtype=np.intp)
    counts = np.bincount(codes, minlength=len(column.levels))
    chosen = range(len(column.levels)) if levels is None else [column.level_code(level) for level in levels]
    statistics = {
        code: sample.statistic(column, column.levels[code])
        for code in chosen
        if 0 < counts[code] < codes.size
    }
    points = {code: np.array([s.to_z(0.0), s.to_z(1.0)]) for code, s in statistics.items()}
    merged = collapse_levels(codes, points, sample.base, sample.outcomes)
    for statistic, own in zip(statistics.values(), merged, strict=True):
        yield MomentStatistic(sample, statistic, own)


def default_targets(
    statistic: Statistic,
    distinct: DistinctValues,
    base: Floats,
    n_targets: int,
    quantiles: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Positions from -1 to 1 and targets in standard deviations, each (n_targets,), around the mean."""
    # Means run in equal steps to the quantiles, but at most 95 % of the way to the extreme. Where a quantile
    # is on the wrong side of the mean, as in zero-inflated columns, they run to the mean at 0.5 nats.
    # Proportions run in equal steps of the root of the divergence to 0.5 nats, or to 90 % of the divergence
    # of removing (or keeping only) the level, so never to 0 or 1.
    n_below = (n_targets - 1) // 2
    below = np.linspace(-1.0, 0.0, n_below + 1)[:-1]
    above = np.linspace(0.0, 1.0, n_targets - n_below)[1:]
    taus = np.concatenate([below, [0.0], above])
    if statistic.level is not None:
        return taus, _by_divergence(distinct, taus)
    ends = quantile_ends(distinct, *_quantiles(statistic.z, distinct, base, quantiles))
    return taus, np.where(taus < 0.0, -taus * ends[0], taus * ends[1])


def quantile_ends(distinct: DistinctValues, low: Any, high: Any) -> Floats:
    """Lowest and highest default target of a mean ([n_columns,] 2), by quantiles, floats or (n_columns,)."""
    ends = np.stack([low, high], axis=-1)
    least, most = (_SHORT_OF_EXTREME * extreme for extreme in distinct.extremes)
    clipped = np.stack([np.maximum(low, least), np.minimum(high, most)], axis=-1)
    is_beyond = np.stack([ends[..., 0] >= 0.0, ends[..., 1] <= 0.0], axis=-1)
    if not is_beyond.any():
        return clipped
    return np.where(is_beyond, _by_divergence(distinct, np.where(is_beyond, [-1.0, 1.0], 0.0)), clipped)


def _by_divergence(distinct: DistinctValues, taus: Floats) -> Floats:
    low, high = (
        each_target(np.minimum(MAX_KL, _SHORT_OF_EDGE * largest_kl(distinct, sign))) for sign in (-1, 1)
    )
    up = taus > 0.0
    return solve_kl(distinct, taus * taus * np.where(up, high, low), np.where(up, 1, -1)).targets


def _quantiles(z: Floats, distinct: DistinctValues, base: Floats, quantiles: tuple[float, float]) -> Floats:
    """Weighted quantiles: the smallest values with at least this share of the weight at or below."""
    if distinct.bin_widths is not None:
        uniform = base.min() == base.max()
        weights = None if uniform else base
        return np.quantile(z, quantiles, weights=weights, method="inverted_cdf")
    below = np.cumsum(distinct.mass)
    place = np.searchsorted(below, np.array(quantiles) * below[-1] * (1.0 - 1e-12))
    return distinct.points[np.minimum(place, below.size - 1)]
