"""Frames over all moments, groups and quantities: curves, rankings, and the population as observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Histogram
from agnostix.core.typing import Floats, Numbers
from agnostix.what_if.moments import MomentStatistic, default_targets, iter_moments
from agnostix.what_if.response_curves import ResponseCurve, measure_curve, shift_moment
from agnostix.what_if.sample import (
    ProjectionConfig,
    Sample,
    Skipped,
    find_single_row_groups,
    iter_groups,
    movable,
)
from agnostix.what_if.tilting import solve_kl
from agnostix.what_if.together import level_together

Targets = Mapping[str, Any]
_NAMED = ("feature", "level", "group")
_CURVE_COLUMNS = (
    *_NAMED,
    *("tau", "target", "quantity", "output", "value", "std_error", "low", "high"),
    *("slope", "slope_std_error", "slope_low", "slope_high"),
    *("kl", "ess", "max_weight", "status", "n_rows"),
)
_BAND_COLUMNS = ("band_low", "band_high")
_RANKING_COLUMNS = (
    "rank",
    *_NAMED,
    *("direction", "start", "target", "quantity", "output", "base", "value", "low", "high"),
    *("change", "std_error", "change_low", "change_high", "kl", "ess", "status", "n_rows"),
)
_N_BINS = 40
_DIRECTIONS = np.array(["down", "up"], dtype=object)


def sweep_curves(
    sample: Sample,
    config: ProjectionConfig,
    features: Sequence[str] | None,
    targets: Targets | None,
    by: str | None,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Frame of curves: one row per feature or level, target and quantity; and the features left out."""
    rows = _FrameBlocks()
    skipped = find_single_row_groups(sample, by)
    for group, part in iter_groups(sample, by):
        for feature in _features(part, features, targets, by, group, skipped):
            for moment, taus, z in _grids(part, feature, config, (targets or {}).get(feature)):
                rows.add_curve(shift_moment(moment, z, config), group, taus, config)
    names = (*_CURVE_COLUMNS, *_BAND_COLUMNS) if config.simultaneous else _CURVE_COLUMNS
    return rows.frame(names), skipped


def sweep_ranking(
    sample: Sample,
    config: ProjectionConfig,
    kl: float,
    features: Sequence[str] | None,
    by: str | None,
    simultaneous: bool,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Frame by rank: every moment shifted by `kl` nats down and up; and the features left out."""
    skipped: list[Skipped] = []
    kls, both_ways = np.full(2, kl), np.array([-1, 1])
    curves = [
        (
            measure_curve(moment, solve_kl(moment.distinct, kls, both_ways), config, by_rows=simultaneous),
            group,
        )
        for group, part in iter_groups(sample, by)
        for feature in _features(part, features, None, by, group, skipped)
        for moment in iter_moments(part, feature, config.missing)
    ]
    if simultaneous:
        level = level_together([curve for curve, _ in curves], config.confidence_level)
        config = replace(config, confidence_level=level)
    rows = _FrameBlocks()
    for curve, group in curves:
        rows.add_changes(curve, group, config)
    rows.sort_by_rank()
    return rows.frame(_RANKING_COLUMNS), skipped


def _features(
    part: Sample,
    features: Sequence[str] | None,
    targets: Targets | None,
    by: str | None,
    group: Any,
    skipped: list[Skipped],
) -> Iterator[str]:
    if features is None and targets:
        features = list(targets)
    if features is None:
        free, left_out = movable(part, group)
        skipped.extend(entry for entry in left_out if entry.feature != by)
        yield from (name for name in free if name != by)
        return
    for name in features:
        reason = part.column(name).immovable_reason()
        if reason and not part.table.column(name).immovable_reason():  # in this group only
            skipped.append(Skipped(name, group, reason))
        else:
            yield name


def _grids(
    part: Sample, feature: str, config: ProjectionConfig, requested: Any
) -> Iterator[tuple[MomentStatistic, Floats, Floats]]:
    """Moments with their positions and standardized targets."""
    if isinstance(requested, Mapping):
        for level, proportions in requested.items():
            for moment in iter_moments(part, feature, config.missing, [level]):
                z = moment.statistic.to_z(_numbers(proportions, moment.statistic.label))
                yield moment, np.full(z.size, np.nan), z
        return
    for moment in iter_moments(part, feature, config.missing):
        if requested is None:
            taus, z = default_targets(
                moment.statistic, moment.distinct, moment.sample.base, config.n_targets, config.quantiles
            )
            yield moment, taus, z
        elif moment.statistic.level is not None:
            raise ValueError(
                f"The targets of {feature!r}, a column of labels, must say of which level: "
                f"{{{feature!r}: {{{moment.statistic.level!r}: [0.2, 0.4]}}}}, got {requested!r}."
            )
        else:
            z = moment.statistic.to_z(_numbers(requested, feature))
            yield moment, np.full(z.size, np.nan), z


def _numbers(values: Any, label: str) -> Floats:
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError, OverflowError):
        numbers = np.array([np.nan])
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"The targets of {label!r} must be one or more numbers, got {values!r}.")
    return numbers


class _FrameBlocks:
    """Columns of a frame, collected block by block."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        self._sizes: list[int] = []

    def add_curve(self, curve: ResponseCurve, group: Any, taus: Floats, config: ProjectionConfig) -> None:
        ends = curve.intervals(config.confidence_level)
        slope_ends = curve.slope_intervals(config.confidence_level)
        statuses = curve.statuses()
        bands = curve.bands(config.confidence_level) if config.simultaneous else None
        for q, part in enumerate(curve.quantity_curves):
            low, high = ends[q]
            block = self._shared(curve, group)
            block |= {"tau": taus, "quantity": part.quantity.name, "output": part.quantity.output}
            block |= {"value": part.values, "std_error": part.shown_errors[0], "low": low, "high": high}
            block |= {"slope": part.slopes, "slope_std_error": part.slope_errors}
            block |= dict(zip(("slope_low", "slope_high"), slope_ends[q], strict=True))
            block |= {"max_weight": curve.max_weight, "status": statuses[q]}
            if bands is not None:
                block |= dict(zip(_BAND_COLUMNS, bands[q], strict=True))
            self._add(block, taus.size)

    def add_changes(self, curve: ResponseCurve, group: Any, config: ProjectionConfig) -> None:
        ends = curve.intervals(config.confidence_level)
        change_ends = curve.change_intervals(config.confidence_level)
        statuses = curve.statuses()
        for q, part in enumerate(curve.quantity_curves):
            (low, high), (change_low, change_high) = ends[q], change_ends[q]
            change = part.values - part.base
            block = self._shared(curve, group)
            block |= {"direction": _DIRECTIONS, "start": curve.moment.statistic.mean}
            block |= {"status": statuses[q]}
            block |= {"quantity": part.quantity.name, "output": part.quantity.output, "base": part.base}
            block |= {"value": part.values, "low": low, "high": high, "change": change}
            block |= {"std_error": part.shown_errors[1], "change_low": change_low, "change_high": change_high}
            self._add(block, change.size)

    def sort_by_rank(self) -> None:
        """Rank the blocks of each group, quantity and output by their largest change, and sort them."""
        ranked: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for block in self._blocks:
            ranked.setdefault((block["group"], block["quantity"], block["output"]), []).append(block)
        for blocks in ranked.values():
            # Ten digits: the two levels of a column mirror each other, and rounding must not rank them apart.
            sizes = [float(f"{np.nan_to_num(np.abs(block['change'])).max():.10g}") for block in blocks]
            ranks = 1 + np.searchsorted(-np.sort(sizes)[::-1], np.negative(sizes))
            for block, rank in zip(blocks, ranks.tolist(), strict=True):
                block["rank"] = rank
        order = sorted(range(len(self._blocks)), key=lambda j: self._blocks[j]["rank"])
        self._blocks, self._sizes = [self._blocks[j] for j in order], [self._sizes[j] for j in order]

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        columns = {name: self._column(name) for name in names}
        index = pd.RangeIndex(sum(self._sizes))
        objects = {  # else pandas would make labels and None its own strings
            name: pd.Series(column, index=index, dtype=object, copy=False)
            for name, column in columns.items()
            if column.dtype == object
        }
        return pd.DataFrame(columns | objects, index=index, copy=False)

    def _shared(self, curve: ResponseCurve, group: Any) -> dict[str, Any]:
        statistic = curve.moment.statistic
        named = {"feature": statistic.feature, "level": statistic.level, "group": group}
        named |= {"n_rows": curve.moment.sample.base.size}
        return named | {"target": curve.targets, "kl": curve.kl, "ess": curve.ess}

    def _add(self, block: dict[str, Any], size: int) -> None:
        self._blocks.append(block)
        self._sizes.append(size)

    def _column(self, name: str) -> np.ndarray:
        parts = [block[name] for block in self._blocks]
        if parts and all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate(parts)
        kind: type = object
        if parts and all(isinstance(part, float) for part in parts):
            kind = float
        elif parts and all(type(part) is int for part in parts):  # not bool: those are levels
            kind = int
        column: np.ndarray = np.empty(sum(self._sizes), dtype=kind)
        start = 0
        for part, size in zip(parts, self._sizes, strict=True):
            # a tuple is a label, not the values of a slice
            column[start : start + size] = np.fromiter([part] * size, object) if type(part) is tuple else part
            start += size
        return column


def compute_histograms(sample: Sample, features: list[str], by: str | None) -> tuple[Histogram, ...]:
    """Histograms of numeric features."""
    return tuple(
        Histogram(name, group, *_bin_weights(part, name))
        for group, part in iter_groups(sample, by)
        for name in features
        if part.table.column(name).kind == "numeric"
    )


def _bin_weights(part: Sample, name: str) -> tuple[Numbers, Numbers]:
    """Edges (n_bins + 1,) of bins of equal width, and the share of the weight in each (n_bins,)."""
    column = part.column(name)
    there = ~column.missing
    values, base = (column.values, part.base) if there.all() else (column.values[there], part.base[there])
    edges = _edges(values)
    bins = ((values - edges[0]) / (edges[1] - edges[0])).astype(np.intp)
    return edges, np.bincount(np.minimum(bins, edges.size - 2), base, edges.size - 1)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of at most 40 bins; for whole numbers, bins are centered on them."""
    if values.size == 0:
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    finest = 2.0 * np.spacing(max(abs(low), abs(high)))  # narrower bins would have edges that are equal
    if (values == np.round(values)).all() and finest < 0.5:
        step = max(1.0, np.ceil((high - low + 1.0) / _N_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, int(np.clip((high - low) / finest, 1, _N_BINS)) + 1)
