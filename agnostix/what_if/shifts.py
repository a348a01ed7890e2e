"""What else a reweighting moves: all averages and proportions before and after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference import Influence, MergedInfluence, interval
from agnostix.what_if.merged_rows import MergedRows
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.table import Column

_MAX_CELLS = 500_000


def compute_shifts(
    sample: Sample,
    influence: Influence,
    stated: set[Any],
    ess: float,
    confidence_level: float,
    merged: MergedRows | None = None,
) -> pd.DataFrame:
    """Frame of all averages and proportions before and after the reweighting."""
    block = max(1, _MAX_CELLS // sample.base.size)
    rows = [] if merged is None else list(_by_cell(merged, influence))
    moments = _iter_statistics(sample, {name for name, _, _ in rows})
    while part := list(islice(moments, block)):
        numbers = _shifts_of(part, influence)
        rows += [(one.feature, one.level, row) for (one, _), row in zip(part, numbers, strict=True)]
    place = {name: i for i, name in enumerate(sample.table.columns)}
    rows.sort(key=lambda row: place[row[0]])  # stable: levels stay in order
    features, levels = [feature for feature, _, _ in rows], [level for _, level, _ in rows]
    before, after, shift, error = np.array([row for _, _, row in rows]).reshape(-1, 4).T
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
            "stated": [(one, type(level), level) in stated for one, level, _ in rows],
            "rank": _rank(features, shift),
        }
    )


def _by_cell(merged: MergedRows, influence: Influence) -> Iterator[tuple[str, Any, Floats]]:
    """Shifts of the columns by which rows are merged, from their cells."""
    assert isinstance(influence, MergedInfluence)
    statistics = [one for one, _ in _iter_statistics(merged.sample)]
    if not statistics:
        return
    z = np.column_stack([one.z for one in statistics])
    shift = influence.by_cell.weights @ z
    errors = influence.errors_of_cells(z)[1]
    for one, moved, error in zip(statistics, shift.tolist(), errors.tolist(), strict=True):
        yield one.feature, one.level, np.array([one.mean, one.mean + one.scale * moved, moved, error])


def _rank(features: list[str], shift: Floats) -> Codes:
    """Rank of each row's column by the largest shift of one of its averages or proportions, from 1."""
    place = {name: i for i, name in enumerate(dict.fromkeys(features))}
    code = np.array([place[name] for name in features], dtype=np.intp)
    largest = np.full(len(place), -1.0)  # of a column without a known shift, which comes last
    np.fmax.at(largest, code, np.abs(shift))
    return (1 + (largest[:, None] < largest).sum(1))[code]


def _iter_statistics(
    sample: Sample, without: Collection[str] = ()
) -> Iterator[tuple[Statistic, Bools | None]]:
    """Each average and proportion, and the rows (n_rows,) that have a value, None for all."""
    for name in sample.table.columns:
        column = sample.column(name)
        if name in without or column.immovable_reason():
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


def _shifts_of(part: list[tuple[Statistic, Bools | None]], influence: Influence) -> Floats:
    """Before, after, shift and its standard error, shape (n_statistics, 4)."""
    z = np.zeros((influence.base.size, len(part)), order="F")
    share, base_share = np.ones((2, len(part)))
    for j, (statistic, there) in enumerate(part):
        if there is None:
            z[:, j] = statistic.z
        else:
            z[there, j] = statistic.z
            share[j], base_share[j] = influence.weights[there].sum(), influence.base[there].sum()
    known = np.where(share > 0.0, share, np.nan)  # 0 if no row with a value keeps weight
    shift = influence.weights @ z / known
    psi = z - shift
    for j, (_, there) in enumerate(part):
        if there is not None:
            psi[~there, j] = 0.0
    _, errors = influence.errors(psi / known, z / base_share)
    means, scales = (np.array([getattr(s, name) for s, _ in part]) for name in ("mean", "scale"))
    return np.column_stack([means, means + scales * shift, shift, errors])
