"""What else a reweighting moves: all averages and proportions before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.inference import AnyInfluence, CellInfluence, Design, Evidence, Influence, interval
from agnostix.what_if.inference.carried import trusted_degrees
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.scenario_draws import Part, PartShifts
from agnostix.what_if.table import Column

_MAX_CELLS = 500_000


def compute_shifts(
    sample: Sample,
    influence: AnyInfluence,
    stated: set[Any],
    ess: float,
    confidence_level: float,
) -> pd.DataFrame:
    """Frame of all averages and proportions before and after the reweighting."""
    features: list[str] = []
    levels: list[Any] = []
    are_stated: list[bool] = []
    numbers: list[Floats] = []
    for feature, level, own in _iter_shifts(sample, influence):
        features.append(feature)
        levels.append(level)
        are_stated.append((feature, type(level), level) in stated)
        numbers.append(own)
    before, after, shift, error, degrees = np.array(numbers).reshape(-1, 5).T
    evidence = replace(Evidence.unknown(shift.size), degrees=degrees)
    parts = (shift, error, np.full(shift.size, ess), confidence_level)
    low, high = interval(*parts, evidence=evidence, most_degrees=sample.most_degrees)
    return pd.DataFrame(
        {
            "feature": pd.Series(features, dtype=object),
            "level": pd.Series(levels, dtype=object),
            "before": before,
            "after": after,
            "shift": shift,
            "std_error": error,
            "low": low,
            "high": high,
            "stated": are_stated,
            "rank": _rank(features, shift),
        }
    )


def _iter_shifts(sample: Sample, influence: AnyInfluence) -> Iterator[tuple[str, Any, Floats]]:
    """Column, level, and `_shifts_of` (5,), of each average and proportion."""
    if isinstance(influence, Influence):
        for part in iter_parts(sample):
            for (statistic, _), own in zip(part, _shifts_of(part, influence), strict=True):
                yield statistic.feature, statistic.level, own
        return
    for name in sample.table.columns:
        column = sample.column(name)
        if column.immovable_reason():
            continue
        if column.levels and not column.missing.any() and _is_small(column, influence):
            codes = np.asarray(column.values, dtype=np.intp)
            before, after, errors, degrees = influence.shifts_of_levels(codes, len(column.levels))
            scale = np.sqrt(before * (1.0 - before))
            scale = np.where(scale > 0.0, scale, 1.0)
            own = np.column_stack([before, after, (after - before) / scale, errors / scale, degrees])
            yield from ((name, level, row) for level, row in zip(column.levels, own, strict=True))
            continue
        for one in _iter_column(sample, column):
            yield name, one[0].level, _shifts_of([one], influence)[0]


def _is_small(column: Column, influence: CellInfluence) -> bool:
    """Whether cells times levels are no more than rows."""
    return len(column.levels) * len(influence.centered) <= max(influence.base.size, 1)


def _rank(features: list[str], shift: Floats) -> list[int]:
    """Rank of each row's column by the largest shift of one of its averages or proportions, from 1."""
    largest: dict[str, float] = {}
    for feature, size in zip(features, np.abs(shift).tolist(), strict=True):
        largest[feature] = max(largest.get(feature, -1.0), -1.0 if np.isnan(size) else size)
    ordered = sorted(largest.values(), reverse=True)
    return [1 + ordered.index(largest[feature]) for feature in features]


def iter_parts(sample: Sample) -> Iterator[Part]:
    """Averages and proportions, some at a time."""
    moments = _iter_statistics(sample)
    while part := list(islice(moments, max(1, _MAX_CELLS // sample.base.size))):
        yield part


def _iter_statistics(sample: Sample) -> Iterator[tuple[Statistic, Bools | None]]:
    """Each average and proportion, and the rows (n_rows,) that have a value, None for all."""
    for name in sample.table.columns:
        column = sample.column(name)
        if not column.immovable_reason():
            yield from _iter_column(sample, column)


def _iter_column(sample: Sample, column: Column) -> Iterator[tuple[Statistic, Bools | None]]:
    """The average of a column, or the proportion of each level, and the rows that have a value."""
    lacking = column.missing
    if not lacking.any():
        yield from ((sample.statistic(column, level), None) for level in column.levels or (None,))
        return
    there = ~lacking
    base = sample.base[there] / sample.base[there].sum()
    for level in column.levels or (None,):
        yield _statistic(column, level, there, base), there


def _statistic(column: Column, level: Any, there: Bools, base: Floats) -> Statistic:
    values = column.values[there]
    if level is None:
        return Statistic.from_numbers(column.name, None, values, base)
    return Statistic.from_level(column, level, values == column.level_code(level), base)


def _shifts_of(part: Part, influence: AnyInfluence) -> Floats:
    """Before, after, shift, its standard error and degrees of freedom, shape (n_statistics, 5)."""
    shifts = PartShifts.from_part(part, influence.base.size)
    shift = shifts.means(influence.weights)
    psi = shifts.influences(influence)
    _, errors = influence.errors(*psi)
    design = None if isinstance(influence, CellInfluence) else influence.design
    are_levels = np.array([statistic.level is not None for statistic, _ in part])
    degrees = shift_degrees(influence.parts(*psi)[1], are_levels, design)
    means, scales = (np.array([getattr(s, name) for s, _ in part]) for name in ("mean", "scale"))
    return np.column_stack([means, means + scales * shift, shift, errors, degrees])


def shift_degrees(influences: Floats, are_levels: Bools, design: Design | None) -> Floats:
    """Degrees of freedom (n_statistics,) by influences of the rows, NaN where these are not known."""
    own = influences if design is None else design.centered(influences)
    known = np.isfinite(own).all(0)
    degrees = np.full(known.size, np.nan)
    degrees[known] = trusted_degrees(own[:, known], are_levels[known], design)[0]
    return degrees
