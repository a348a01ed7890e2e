"""What is certain of the trends of several curves together: where each rises, falls, or turns.

Differences between points of a curve have errors of their own, since all points rest on the same rows. One
sup-t critical value (Montiel Olea and Plagborg-Moller, 2019) holds for the differences of all curves, and for
the changes by labels, at once. Those that exceed it are certain, and leave the others a smaller one, until
none exceeds it (Romano and Wolf, 2005). Points are chosen by their place on the curve, never by its values.

What is compared is Student's t of the rows that carry a difference, without its skewness (Hall, 1992). Of
few rows with influences of both signs, t has shorter tails than Student's, so that degrees of freedom are a
multiple of those that the squares of influences have; influences of one sign are skewed, and lose by that.

Romano, J. P. and Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing.
Journal of the American Statistical Association, 100. https://doi.org/10.1198/016214504000000539
Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal Statistical Society B, 54.
https://doi.org/10.1111/j.2517-6161.1992.tb01876.x
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from agnostix.core.intervals import normal_scores, with_skewness
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.curve_influences import row_influences
from agnostix.what_if.inference.bands import correlated_sizes, largest_quantile
from agnostix.what_if.inference.carried import carried_degrees
from agnostix.what_if.metrics import MeanQuantity
from agnostix.what_if.moments import MomentStatistic, iter_moments
from agnostix.what_if.responses import compute_responses
from agnostix.what_if.sample import ProjectionConfig, Sample
from agnostix.what_if.tilting import ExponentialTilts, solve_kl, solve_targets

LevelKey: TypeAlias = tuple[str, type, Any]
"""Column, type and label of a level, which tell 1 from "1" and from True."""

_MOST_UNITS = 512
"""Sums of rows that correlations are taken from."""
_OF_CARRIED = 4.0
"""Degrees of freedom for each that squares of influences have, see above."""
_OF_ERROR = 0.7
"""Share of the chance of an error that is spent: skewness and errors of few rows are known roughly."""
_OF_ENDS, _OF_TURNS = 0.85, 0.7
"""Weights of differences to the ends of a curve, which few rows carry, so that errors tell less of chance,
and of those that only tell a turn, looked for in several places: both have to be clearer."""
_ENDS, _INNER = (0, 4), (1, 3)
_TURN_PAIRS = ((0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4))


@dataclass(frozen=True)
class Trend:
    """What is certain of one curve; places are among the targets that were asked about."""

    direction: int  # +1 if it rises from `first` to `last`, or to `turn` if there is one; -1 falls; 0 unknown
    first: int = 0
    last: int = 0
    turn: int | None = None  # where it turns


@dataclass(frozen=True)
class Trends:
    """What is certain of several curves, and of changes by labels that become more frequent, together."""

    curves: Mapping[str, Trend] = field(default_factory=dict)
    levels: Mapping[LevelKey, int] = field(default_factory=dict)  # sign of the change; 0 unknown

    def level(self, feature: str, level: Any) -> int:
        """Sign of the change by a label, 0 if none is certain."""
        return self.levels.get((feature, type(level), level), 0)


@dataclass(frozen=True)
class _Differences:
    """Differences of values along one curve, or the change by one label."""

    values: Floats  # (n_differences,)
    scores: Floats  # (n_differences,), how far they are from 0, in standard normal errors
    units: Floats  # (n_units, n_differences), what rows (or sums of some) add to them
    weights: Floats  # (n_differences,), how much each counts among all

    @classmethod
    def from_rows(cls, sample: Sample, values: Floats, influences: Floats, weights: Floats) -> _Differences:
        """From influences (n_here, n_differences) of the rows of a sample."""
        influences = np.where(np.isfinite(influences).all(0), influences, 0.0)
        design = sample.design
        own = influences if design is None else design.centered(influences)
        degrees = np.minimum(_OF_CARRIED * carried_degrees(own), min(len(own) - 1.0, sample.most_degrees))
        scores = _scores(values, own, np.maximum(degrees, 1.0))
        if design is None:
            own = np.column_stack([sample.expand(column) for column in own.T])
        return cls(values, scores, _sums(own), weights)


def _scores(values: Floats, influences: Floats, degrees: Floats) -> Floats:
    """Distance of values (n_differences,) from 0 in standard normal errors, 0 where it is not known."""
    errors = np.sqrt((influences**2).sum(0))
    known = (errors > 0.0) & np.isfinite(values)
    unit = influences / np.where(known, errors, 1.0)
    t = np.where(known, values, 0.0) / np.where(known, errors, 1.0)
    unskewed = np.sign(t) * with_skewness(t, (unit**3).sum(0))
    return normal_scores(np.clip(unskewed, 0.0, np.abs(t)), degrees)


def read_trends(
    sample: Sample,
    config: ProjectionConfig,
    supported: Mapping[str, Floats],
    kl: float,
    with_labels: Iterable[str] = (),
) -> Trends:
    """Trends of the curves of numeric columns at their supported targets, of changes by labels at `kl` nats.

    The sample has one quantity, a mean.
    """
    places = {name: _places(targets.size) for name, targets in supported.items() if targets.size > 2}
    parts: dict[Any, _Differences] = {
        name: _along(sample, config, name, supported[name][places[name]]) for name in places
    }
    for name in with_labels:
        for moment in iter_moments(sample, name, config.missing):
            parts[moment.statistic.key] = _upwards(moment, kl)
    signs = _certain(parts, 1.0 - _OF_ERROR * (1.0 - config.confidence_level))
    curves = {name: _trend(signs[name], places[name]) for name in places}
    return Trends(curves, {key: int(own[0]) for key, own in signs.items() if key not in places})


def _places(n: int) -> Codes:
    """First, inner, middle, inner and last of n places."""
    return np.round(np.linspace(0, n - 1, 5)).astype(np.intp)


def _along(sample: Sample, config: ProjectionConfig, name: str, targets: Floats) -> _Differences:
    """Differences between points of a column's curve at five targets (5,) in its units."""
    (moment,) = iter_moments(sample, name, config.missing)
    tilts = solve_targets(moment.distinct, moment.statistic.to_z(targets))
    pairs = np.array([_ENDS, _INNER, *_TURN_PAIRS])
    influences = row_influences(moment, tilts, leverage=True)[:, 0, 0]
    weights = np.array([_OF_ENDS, 1.0, *[_OF_TURNS] * len(_TURN_PAIRS)])
    differences = influences[:, pairs[:, 1]] - influences[:, pairs[:, 0]]
    values = _values(moment, tilts)
    return _Differences.from_rows(
        moment.sample, values[pairs[:, 1]] - values[pairs[:, 0]], differences, weights
    )


def _upwards(moment: MomentStatistic, kl: float) -> _Differences:
    """The change by one label that becomes more frequent."""
    tilts = solve_kl(moment.distinct, np.array([kl]), np.array([1]))
    influences = row_influences(moment, tilts, leverage=True)[:, 1, 0]
    base = float(moment.sample.centers[0])
    return _Differences.from_rows(moment.sample, _values(moment, tilts) - base, influences, np.ones(1))


def _values(moment: MomentStatistic, tilts: ExponentialTilts) -> Floats:
    """Means (n_targets,) of the one quantity at solved tilts."""
    sample = moment.sample
    assert isinstance(sample.quantities[0], MeanQuantity)
    return sample.centers[0] + sample.scales[0] * compute_responses(moment.distinct, tilts).values[:, 0]


def _sums(influences: Floats) -> Floats:
    """Sums of the influences (n_units, n_differences) over at most 512 blocks of units."""
    # Units are in the order of a hash, so that every n-th is as good as a random block.
    n = len(influences)
    if n <= _MOST_UNITS:
        return influences
    block = np.arange(n) % _MOST_UNITS
    return np.column_stack([np.bincount(block, column, _MOST_UNITS) for column in influences.T])


def _certain(parts: dict[Any, _Differences], confidence_level: float) -> dict[Any, Codes]:
    """Signs (n_differences,) of those that are certain together, 0 for the others, by part."""
    if not parts:
        return {}
    units, scores, weights = (
        np.concatenate([getattr(part, name) for part in parts.values()], axis=-1)
        for name in ("units", "scores", "weights")
    )
    certain = iter(np.split(_step_down(units, scores * weights, weights, confidence_level), _ends(parts)))
    return {
        key: np.where(next(certain), np.sign(part.values), 0.0).astype(np.intp) for key, part in parts.items()
    }


def _ends(parts: dict[Any, _Differences]) -> Codes:
    """Where each part but the last ends among all differences."""
    return np.cumsum([part.values.size for part in parts.values()])[:-1]


def _step_down(units: Floats, scores: Floats, weights: Floats, confidence_level: float) -> Bools:
    """Which scores (n_differences,) exceed the largest of those that are left, again and again."""
    lengths = np.sqrt((units**2).sum(0))
    left = np.flatnonzero(lengths > 0.0)
    certain = np.zeros(scores.size, dtype=bool)
    if not left.size:
        return certain
    unit = units[:, left] / lengths[left]
    sizes = correlated_sizes(unit.T @ unit) * weights[left]
    while left.size:
        exceed = scores[left] > largest_quantile(sizes, confidence_level)
        if not exceed.any():
            break
        certain[left[exceed]] = True
        left, sizes = left[~exceed], sizes[:, ~exceed]
    return certain


def _trend(signs: Codes, places: Codes) -> Trend:
    """What certain differences, in the order of `_along`, say of a curve."""
    by_pair = dict(zip((_ENDS, _INNER, *_TURN_PAIRS), signs.tolist(), strict=True))
    for middle in (2, 1, 3):
        to, away = by_pair[0, middle], by_pair[middle, 4]
        if to * away < 0:
            return Trend(to, int(places[0]), int(places[4]), int(places[middle]))
    for first, last in (_ENDS, _INNER):
        if by_pair[first, last]:
            return Trend(by_pair[first, last], int(places[first]), int(places[last]))
    return Trend(0, int(places[0]), int(places[4]))
