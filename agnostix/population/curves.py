"""Curves and rankings: all levers, swept, as plain columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.population.grid import default_targets
from agnostix.population.measure import Course, course, move
from agnostix.population.realism import interval
from agnostix.population.sample import Sample
from agnostix.population.settings import Settings
from agnostix.population.sweep import Lever, Skipped, groups, levers, lone, movable
from agnostix.solvers.tilt import solve_kl

Targets = Mapping[str, Any]


def sweep_curves(
    sample: Sample,
    settings: Settings,
    features: Sequence[str] | None,
    targets: Targets | None,
    by: str | None,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Move one feature after the other through its targets.

    Parameters
    ----------
    sample : Sample
        The rows and what is measured.
    settings : Settings
        The user's choices.
    features : sequence of str or None
        Which columns; None for all that can be moved.
    targets : mapping or None
        For a column its averages, or for its levels their proportions.
    by : str or None
        A column whose groups get a curve each.

    Returns
    -------
    frame : DataFrame
        One row for each target and quantity.
    skipped : list of Skipped
    """
    rows = _Rows()
    skipped = lone(sample, by)
    for group, part in groups(sample, by):
        for feature in _features(part, features, targets, by, group, skipped):
            for lever, taus, z in _grids(part, feature, settings, (targets or {}).get(feature)):
                rows.add_course(move(lever, z, settings), group, taus, settings)
    return rows.frame(_CURVE_COLUMNS), skipped


def sweep_ranking(
    sample: Sample,
    settings: Settings,
    kl: float,
    features: Sequence[str] | None,
    by: str | None,
    simultaneous: bool,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Move each lever equally far, both ways, and compare what the quantities do.

    Parameters
    ----------
    sample : Sample
        The rows and what is measured.
    settings : Settings
        The user's choices.
    kl : float
        How far, in nats.
    features : sequence of str or None
        Which columns; None for all that can be moved.
    by : str or None
        A column whose groups are ranked apart.
    simultaneous : bool
        Whether the intervals are widened to hold together, by Bonferroni's rule.

    Returns
    -------
    frame : DataFrame
        One row for each lever, direction and quantity.
    skipped : list of Skipped
    """
    skipped: list[Skipped] = []
    both_ways = np.array([-1, 1])
    gone = [
        (course(lever, solve_kl(lever.atoms, np.full(2, kl), both_ways), settings), group)
        for group, part in groups(sample, by)
        for feature in _features(part, features, None, by, group, skipped)
        for lever in levers(part, feature, settings.missing)
    ]
    if simultaneous:
        n_intervals = sum(course_.targets.size * len(course_.measured) for course_, _ in gone)
        share = (1.0 - settings.confidence_level) / max(n_intervals, 1)
        settings = replace(settings, confidence_level=1.0 - share)
    rows = _Rows()
    for course_, group in gone:
        rows.add_changes(course_, group, settings)
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
        obstacle = part.column(name).obstacle()
        if obstacle and not part.table.column(name).obstacle():  # in this group only
            skipped.append(Skipped(name, group, obstacle))
        else:
            yield name


def _grids(
    part: Sample, feature: str, settings: Settings, wanted: Any
) -> Iterator[tuple[Lever, Floats, Floats]]:
    """Levers with their taus and standardised targets."""
    if isinstance(wanted, Mapping):
        for level, shares in wanted.items():
            for lever in levers(part, feature, settings.missing, [level]):
                z = lever.statistic.to_z(_numbers(shares, lever.statistic.label))
                yield lever, np.full(z.size, np.nan), z
        return
    for lever in levers(part, feature, settings.missing):
        if wanted is None:
            taus, z = default_targets(
                lever.statistic, lever.atoms, lever.sample.base, settings.n_targets, settings.quantiles
            )
            yield lever, taus, z
        elif lever.statistic.level is not None:
            raise ValueError(
                f"The targets of {feature!r}, a column of labels, must say of which level: "
                f"{{{feature!r}: {{{lever.statistic.level!r}: [0.2, 0.4]}}}}, got {wanted!r}."
            )
        else:
            z = lever.statistic.to_z(_numbers(wanted, feature))
            yield lever, np.full(z.size, np.nan), z


def _numbers(values: Any, label: str) -> Floats:
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"The targets of {label!r} must be one or more numbers, got {values!r}.")
    return numbers


_NAMED = ("feature", "level", "group")
_CURVE_COLUMNS = (
    *_NAMED,
    *("tau", "target", "quantity", "output", "value", "std_error", "low", "high", "slope"),
    *("kl", "ess", "max_weight", "status"),
)
_RANKING_COLUMNS = (
    *_NAMED,
    *("direction", "start", "target", "quantity", "output", "base", "value", "low", "high"),
    *("change", "std_error", "change_low", "change_high", "kl", "ess", "status"),
)


_DIRECTIONS = np.array(["down", "up"], dtype=object)


class _Rows:
    """Columns that grow block by block."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        self._sizes: list[int] = []

    def add_course(self, gone: Course, group: Any, taus: Floats, settings: Settings) -> None:
        for part in gone.measured:
            low, high = gone.interval(part, settings.confidence_level)
            block = self._shared(gone, group)
            block |= {"tau": taus, "quantity": part.quantity.name, "output": part.quantity.output}
            block |= {"value": part.values, "std_error": part.std_errors, "low": low, "high": high}
            block |= {"slope": part.slopes, "max_weight": gone.max_weight}
            self._add(block, taus.size)

    def add_changes(self, gone: Course, group: Any, settings: Settings) -> None:
        for part in gone.measured:
            low, high = gone.interval(part, settings.confidence_level)
            change = part.values - part.base
            change_low, change_high = interval(
                change, part.change_errors, gone.ess, settings.confidence_level
            )
            block = self._shared(gone, group)
            block |= {"direction": _DIRECTIONS, "start": gone.lever.statistic.mean}
            block |= {"quantity": part.quantity.name, "output": part.quantity.output, "base": part.base}
            block |= {"value": part.values, "low": low, "high": high, "change": change}
            block |= {"std_error": part.change_errors, "change_low": change_low, "change_high": change_high}
            self._add(block, change.size)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        columns = {name: self._column(name) for name in names}
        index = pd.RangeIndex(sum(self._sizes))
        objects = {  # else pandas would make labels and None its own strings
            name: pd.Series(column, index=index, dtype=object, copy=False)
            for name, column in columns.items()
            if column.dtype == object
        }
        return pd.DataFrame(columns | objects, index=index, copy=False)

    def _shared(self, gone: Course, group: Any) -> dict[str, Any]:
        statistic = gone.lever.statistic
        named = {"feature": statistic.feature, "level": statistic.level, "group": group}
        return named | {"target": gone.targets, "kl": gone.kl, "ess": gone.ess, "status": gone.status}

    def _add(self, block: dict[str, Any], size: int) -> None:
        self._blocks.append(block)
        self._sizes.append(size)

    def _column(self, name: str) -> np.ndarray:
        parts = [block[name] for block in self._blocks]
        if parts and all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate(parts)
        kind = float if parts and all(isinstance(part, float) for part in parts) else object
        column = np.empty(sum(self._sizes), dtype=kind)
        start = 0
        for part, size in zip(parts, self._sizes, strict=True):
            column[start : start + size] = part
            start += size
        return column
