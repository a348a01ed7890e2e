"""What else moved: every average and proportion of the table under a scenario's weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Bools, Floats
from agnostix.population.column import Column
from agnostix.population.realism import interval
from agnostix.population.sample import Sample
from agnostix.population.statistic import Statistic
from agnostix.solvers.delta import Influence

_MAX_CELLS = 500_000


def shifts(
    sample: Sample, influence: Influence, stated: set[tuple[str, str]], ess: float, confidence_level: float
) -> pd.DataFrame:
    """Compare all averages and proportions with those of the data.

    Parameters
    ----------
    sample : Sample
        The rows.
    influence : Influence
        The scenario's weights and what moves them.
    stated : set of (feature, level)
        What was asked for, levels as text.
    ess : float
        Effective rows.
    confidence_level : float
        Nominal coverage.

    Returns
    -------
    DataFrame
        Columns feature, level, before, after, shift, std_error, low, high, stated.
    """
    moments = _moments(sample)
    block = max(1, _MAX_CELLS // sample.base.size)
    features: list[str] = []
    levels: list[Any] = []
    numbers: list[Floats] = []
    while part := list(islice(moments, block)):
        features += [statistic.feature for statistic, _ in part]
        levels += [statistic.level for statistic, _ in part]
        numbers.append(_shifts_of(part, influence))
    before, after, shift, error = np.concatenate(numbers or [np.empty((0, 4))]).T
    low, high = interval(shift, error, np.full(shift.size, ess), confidence_level)
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
            "stated": [(f, str(level)) in stated for f, level in zip(features, levels, strict=True)],
        }
    )


def _moments(sample: Sample) -> Iterator[tuple[Statistic, Bools | None]]:
    """Each average and proportion, and which rows have a value, None for all."""
    for name in sample.table.columns:
        column = sample.column(name)
        if column.obstacle():
            continue
        lacking = column.missing
        there = ~lacking if lacking.any() else None
        base = sample.base if there is None else sample.base[there] / sample.base[there].sum()
        for level in column.levels or (None,):
            yield _statistic(column, level, there, base), there


def _statistic(column: Column, level: Any, there: Bools | None, base: Floats) -> Statistic:
    values = column.values if there is None else column.values[there]
    if level is None:
        return Statistic.of_numbers(column.name, None, values, base)
    return Statistic.of_level(column.name, level, values == column.level_code(level), base)


def _shifts_of(part: list[tuple[Statistic, Bools | None]], influence: Influence) -> Floats:
    """Before, after, shift and its error, one row for each statistic."""
    z = np.zeros((influence.base.size, len(part)), order="F")
    share, base_share = np.ones((2, len(part)))
    for j, (statistic, there) in enumerate(part):
        if there is None:
            z[:, j] = statistic.z
        else:
            z[there, j] = statistic.z
            share[j], base_share[j] = influence.weights[there].sum(), influence.base[there].sum()
    known = np.where(share > 0.0, share, np.nan)  # no row with a value may have kept weight
    shift = influence.weights @ z / known
    psi = z - shift
    for j, (_, there) in enumerate(part):
        if there is not None:
            psi[~there, j] = 0.0
    _, errors = influence.errors(psi / known, z / base_share)
    means, scales = (np.array([getattr(s, name) for s, _ in part]) for name in ("mean", "scale"))
    return np.column_stack([means, means + scales * shift, shift, errors])
