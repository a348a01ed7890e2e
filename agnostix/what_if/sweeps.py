"""Frames of curves and rankings: every moment shifted, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.what_if.config import ProjectionConfig
from agnostix.what_if.errors import interval
from agnostix.what_if.moments import MomentStatistic, default_targets, iter_moments
from agnostix.what_if.response_curves import ResponseCurve, measure_curve, shift_moment
from agnostix.what_if.sample import Sample, Skipped, find_single_row_groups, iter_groups, movable
from agnostix.what_if.tilting import solve_kl

Targets = Mapping[str, Any]
_NAMED = ("feature", "level", "group")
_CURVE_COLUMNS = (
    *_NAMED,
    *("tau", "target", "quantity", "output", "value", "std_error", "low", "high", "slope"),
    *("kl", "ess", "max_weight", "status", "n_rows"),
)
_RANKING_COLUMNS = (
    *_NAMED,
    *("direction", "start", "target", "quantity", "output", "base", "value", "low", "high"),
    *("change", "std_error", "change_low", "change_high", "kl", "ess", "status", "rank", "n_rows"),
)
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
    return rows.frame(_CURVE_COLUMNS), skipped


def sweep_ranking(
    sample: Sample,
    config: ProjectionConfig,
    kl: float,
    features: Sequence[str] | None,
    by: str | None,
    simultaneous: bool,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Frame of a ranking: every moment shifted by `kl` nats down and up; and the features left out."""
    skipped: list[Skipped] = []
    both_ways = np.array([-1, 1])
    curves = [
        (measure_curve(moment, solve_kl(moment.distinct, np.full(2, kl), both_ways), config), group)
        for group, part in iter_groups(sample, by)
        for feature in _features(part, features, None, by, group, skipped)
        for moment in iter_moments(part, feature, config.missing)
    ]
    if simultaneous:
        n_intervals = sum(curve.targets.size * len(curve.quantity_curves) for curve, _ in curves)
        share = (1.0 - config.confidence_level) / max(n_intervals, 1)
        config = replace(config, confidence_level=1.0 - share)
    rows = _FrameBlocks()
    for curve, group in curves:
        rows.add_changes(curve, group, config)
    rows.add_ranks()
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
    part: Sample, feature: str, config: ProjectionConfig, given: Any
) -> Iterator[tuple[MomentStatistic, Floats, Floats]]:
    """Moments with their positions and standardized targets."""
    if isinstance(given, Mapping):
        for level, shares in given.items():
            for moment in iter_moments(part, feature, config.missing, [level]):
                z = moment.statistic.to_z(_numbers(shares, moment.statistic.label))
                yield moment, np.full(z.size, np.nan), z
        return
    for moment in iter_moments(part, feature, config.missing):
        if given is None:
            taus, z = default_targets(
                moment.statistic, moment.distinct, moment.sample.base, config.n_targets, config.quantiles
            )
            yield moment, taus, z
        elif moment.statistic.level is not None:
            raise ValueError(
                f"The targets of {feature!r}, a column of labels, must say of which level: "
                f"{{{feature!r}: {{{moment.statistic.level!r}: [0.2, 0.4]}}}}, got {given!r}."
            )
        else:
            z = moment.statistic.to_z(_numbers(given, feature))
            yield moment, np.full(z.size, np.nan), z


def _numbers(values: Any, label: str) -> Floats:
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
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
        for part in curve.quantity_curves:
            low, high = curve.interval(part, config.confidence_level)
            block = self._shared(curve, group)
            block |= {"tau": taus, "quantity": part.quantity.name, "output": part.quantity.output}
            block |= {"value": part.values, "std_error": part.std_errors, "low": low, "high": high}
            block |= {"slope": part.slopes, "max_weight": curve.max_weight}
            self._add(block, taus.size)

    def add_changes(self, curve: ResponseCurve, group: Any, config: ProjectionConfig) -> None:
        for part in curve.quantity_curves:
            low, high = curve.interval(part, config.confidence_level)
            change = part.values - part.base
            change_low, change_high = interval(change, part.change_errors, curve.ess, config.confidence_level)
            block = self._shared(curve, group)
            block |= {"direction": _DIRECTIONS, "start": curve.moment.statistic.mean}
            block |= {"quantity": part.quantity.name, "output": part.quantity.output, "base": part.base}
            block |= {"value": part.values, "low": low, "high": high, "change": change}
            block |= {"std_error": part.change_errors, "change_low": change_low, "change_high": change_high}
            self._add(block, change.size)

    def add_ranks(self) -> None:
        """Rank the blocks of each group, quantity and output by their largest change; 1 is the largest."""
        ranked: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for block in self._blocks:
            ranked.setdefault((block["group"], block["quantity"], block["output"]), []).append(block)
        for blocks in ranked.values():
            # Ten digits: the two levels of a column mirror each other, and rounding must not rank them apart.
            sizes = [float(f"{np.nan_to_num(np.abs(block['change'])).max():.10g}") for block in blocks]
            ranks = 1 + np.searchsorted(-np.sort(sizes)[::-1], np.negative(sizes))
            for block, rank in zip(blocks, ranks.tolist(), strict=True):
                block["rank"] = rank

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
        return named | {"target": curve.targets, "kl": curve.kl, "ess": curve.ess, "status": curve.status}

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
            column[start : start + size] = part
            start += size
        return column
