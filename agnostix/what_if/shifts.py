"""What else a reweighting moves: all averages and proportions before and after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference import Influence, interval
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.scenario_draws import Part, PartShifts
from agnostix.what_if.table import Column

_MAX_CELLS = 500_000


def compute_shifts(
    sample: Sample, influence: Influence, stated: set[Any], ess: float, confidence_level: float
) -> pd.DataFrame:
    """Frame of all averages and proportions before and after the reweighting."""
    features: list[str] = []
    levels: list[Any] = []
    are_stated: list[bool] = []
    numbers: list[Floats] = []
    for part in iter_parts(sample):
        features += [statistic.feature for statistic, _ in part]
        levels += [statistic.level for statistic, _ in part]
        are_stated += [statistic.key in stated for statistic, _ in part]
        numbers.append(_shifts_of(part, influence))
    before, after, shift, error = np.concatenate(numbers or [np.empty((0, 4))]).T
    low, high = interval(
        shift, error, np.full(shift.size, ess), confidence_level, most_degrees=sample.most_degrees
    )
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


def _rank(features: list[str], shift: Floats) -> Codes:
    """Rank of each row's column by the largest shift of one of its averages or proportions, from 1."""
    largest = pd.Series(np.abs(shift)).groupby(np.array(features, dtype=object), sort=False).max()
    ranks = largest.rank(method="min", ascending=False, na_option="bottom").astype(int)
    return np.asarray(ranks.loc[features], dtype=np.intp)


def iter_parts(sample: Sample) -> Iterator[Part]:
    """Averages and proportions, some at a time."""
    moments = _iter_statistics(sample)
    while part := list(islice(moments, max(1, _MAX_CELLS // sample.base.size))):
        yield part


def _iter_statistics(sample: Sample) -> Iterator[tuple[Statistic, Bools | None]]:
    """Each average and proportion, and the rows (n_rows,) that have a value, None for all."""
    for name in sample.table.columns:
        column = sample.column(name)
        if column.immovable_reason():
            continue
        lacking = column.missing
        there = ~lacking if lacking.any() else None
        base = sample.base if there is None else sample.base[there] / sample.base[there].sum()
        for level in column.levels or (None,):
            yield _statistic(column, level, there, base), there


def _statistic(column: Column, level: Any, there: Bools | None, base: Floats) -> Statistic:
    values = column.values if there is None else column.values[there]
    if level is None:
        return Statistic.from_numbers(column.name, None, values, base)
    return Statistic.from_level(column, level, values == column.level_code(level), base)


def _shifts_of(part: Part, influence: Influence) -> Floats:
    """Before, after, shift and its standard error, shape (n_statistics, 4)."""
    shifts = PartShifts.from_part(part, influence.base.size)
    shift = shifts.means(influence.weights)
    _, errors = influence.errors(*shifts.influences(influence))
    means, scales = (np.array([getattr(s, name) for s, _ in part]) for name in ("mean", "scale"))
    return np.column_stack([means, means + scales * shift, shift, errors])
