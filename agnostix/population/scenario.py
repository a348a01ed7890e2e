"""One scenario: several conditions met at once, and all that follows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.core.typing import Bools, Floats
from agnostix.population.answers import Answers
from agnostix.population.conditions import Condition, statistics_of
from agnostix.population.infeasible import infeasible
from agnostix.population.measure import blocks_of, jackknife
from agnostix.population.quantities import BlockQuantity, MeanQuantity, Quantity
from agnostix.population.realism import Strain, interval
from agnostix.population.sample import Sample
from agnostix.population.settings import Settings
from agnostix.population.shifts import shifts
from agnostix.population.statistic import Statistic
from agnostix.population.sweep import present
from agnostix.solvers.delta import Influence
from agnostix.solvers.dual import Projection, project
from agnostix.solvers.ranges import project_ranges
from agnostix.solvers.tilt import EDGE

_SHIFT_COLUMNS = ["feature", "level", "before", "after", "shift", "std_error", "low", "high", "stated"]


def solve_scenario(
    sample: Sample, conditions: list[Condition], answers: Answers, settings: Settings
) -> Scenario:
    """Reweight the rows so that all conditions hold, as little as possible.

    Parameters
    ----------
    sample : Sample
        The rows and what is measured.
    conditions : list of Condition
        What is wanted.
    answers : Answers
        Predictions and truth of all the table's rows.
    settings : Settings
        The user's choices.

    Returns
    -------
    Scenario

    Raises
    ------
    InfeasibleTargetError
        If no reweighting of the rows meets the conditions.
    """
    columns = list(dict.fromkeys(c.feature for c in conditions if c.about == "column"))
    sample = present(sample, columns, settings.missing)
    statistics = statistics_of(conditions, sample, answers)
    phi = np.column_stack([s.z for s in statistics])
    low, high = (
        np.array([s.to_z(getattr(c, end)) for s, c in zip(statistics, conditions, strict=True)])
        for end in ("low", "high")
    )
    projection, held = project_ranges(phi, low, high, sample.base)
    if projection.status == "infeasible":
        target = np.where(np.isfinite(held), held, np.clip(0.0, low, high))
        direction = np.zeros(target.size)
        direction[np.isfinite(held)] = projection.xi[np.isfinite(held)]
        raise infeasible(conditions, statistics, phi, target, direction)
    return _tell(sample, conditions, statistics, phi, held, projection, settings)


def _tell(
    sample: Sample,
    conditions: list[Condition],
    statistics: list[Statistic],
    phi: Floats,
    held: Floats,
    projection: Projection,
    settings: Settings,
) -> Scenario:
    weights, base = projection.weights, sample.base
    live = weights > 0
    on_edge = projection.status == "boundary"
    strain = Strain.of(weights, base, on_edge, settings.min_ess_fraction * sample.base_ess)
    binding = np.isfinite(held)
    influence = Influence.of(off_target(phi[:, binding] - held[binding], live), weights, base)
    return Scenario(
        weights=sample.table.to_user_order(sample.full(weights)) * sample.table.n_given,
        conditions=_conditions(conditions, statistics, phi, projection),
        outcomes=_outcomes(sample, phi[:, binding], held[binding], influence, strain.ess, settings),
        shifts=shifts(sample, influence, _stated(conditions), strain.ess, settings.confidence_level),
        kl=strain.kl,
        ess=strain.ess,
        ess_fraction=strain.ess / sample.base_ess,
        max_weight=strain.max_weight,
        status=strain.status,
        gap=projection.gap,
        n_rows=base.size,
        confidence_level=settings.confidence_level,
    )


def off_target(centred: Floats, live: Bools) -> Floats:
    """Statistics minus their targets, without what does not count.

    Parameters
    ----------
    centred : ndarray of shape (n_rows, n_conditions)
        Standardised statistics minus their targets.
    live : ndarray of bool of shape (n_rows,)
        Rows that carry weight.

    Returns
    -------
    ndarray of shape (n_rows, n_conditions)
        0 for other rows, and where a row is on its target but for rounding, as on a face: nothing
        can be regressed on rounding errors.
    """
    return np.where(live[:, None] & (np.abs(centred) > EDGE), centred, 0.0)


def _stated(conditions: list[Condition]) -> set[tuple[str, str]]:
    return {(c.feature, str(c.level)) for c in conditions if c.about == "column"}


def _conditions(
    conditions: list[Condition], statistics: list[Statistic], phi: Floats, projection: Projection
) -> pd.DataFrame:
    reached = projection.weights @ phi
    return pd.DataFrame(
        {
            "feature": [c.feature for c in conditions],
            "level": pd.Series([s.level for s in statistics], dtype=object),
            "low": [c.low for c in conditions],
            "high": [c.high for c in conditions],
            "before": [s.mean for s in statistics],
            "reached": [s.from_z(z) for s, z in zip(statistics, reached, strict=True)],
            "multiplier": projection.xi,
        }
    )


def _outcomes(
    sample: Sample, phi: Floats, target: Floats, influence: Influence, ess: float, settings: Settings
) -> pd.DataFrame:
    rows = []
    means = influence.errors(sample.outcomes)
    j = 0
    for quantity in sample.quantities:
        if isinstance(quantity, MeanQuantity):
            centre, unit = sample.centres[j], sample.scales[j]
            value = centre + unit * float(influence.weights @ sample.outcomes[:, j])
            parts = (centre, value, unit * means[0][j], unit * means[1][j])
            j += 1
        else:
            parts = _other(sample, quantity, phi, target, influence)
        rows.append(_outcome(quantity, parts, ess, settings))
    names = pd.Series([row.pop("output") for row in rows], dtype=object)
    frame = pd.DataFrame(rows)
    frame.insert(1, "output", names)
    return frame


def _outcome(
    quantity: Quantity, parts: tuple[float, float, float, float], ess: float, settings: Settings
) -> dict[str, object]:
    base, value, error, change_error = parts
    level = settings.confidence_level
    values, errors, rows = (np.array([part]) for part in (value, error, ess))
    low, high = interval(values, errors, rows, level, quantity.bounds, counts=quantity.counts)
    change_low, change_high = interval(
        np.array([value - base]), np.array([change_error]), np.array([ess]), level
    )
    return {
        "quantity": quantity.name,
        "output": quantity.output,
        "base": base,
        "value": value,
        "std_error": error,
        "low": low[0],
        "high": high[0],
        "change": value - base,
        "change_std_error": change_error,
        "change_low": change_low[0],
        "change_high": change_high[0],
    }


def _other(
    sample: Sample, quantity: Quantity, phi: Floats, target: Floats, influence: Influence
) -> tuple[float, float, float, float]:
    full = sample.full(influence.weights)
    if isinstance(quantity, BlockQuantity):
        base = quantity.measure(sample.full(sample.base))
        return base, quantity.measure(full), *_block_errors(sample, quantity, phi, target)
    assert not isinstance(quantity, MeanQuantity)
    base, psi_base = quantity.measure(sample.full(sample.base))
    value, psi = quantity.measure(full)
    error, change_error = influence.errors(sample.here(psi)[:, None], sample.here(psi_base)[:, None])
    return base, value, float(error[0]), float(change_error[0])


def _block_errors(
    sample: Sample, quantity: BlockQuantity, phi: Floats, target: Floats
) -> tuple[float, float]:
    block, n_blocks = blocks_of(sample.base.size)
    without = np.full((n_blocks, 2), np.nan)
    for b in range(n_blocks):
        kept = block != b
        base = sample.base[kept] / sample.base[kept].sum()
        projection = project(phi[kept], target, base)
        if projection.status == "infeasible":
            continue
        weights = np.zeros((2, sample.base.size))
        weights[0, kept], weights[1, kept] = projection.weights, base
        moved, still = (quantity.measure(sample.full(w)) for w in weights)
        without[b] = moved, moved - still
    error, change_error = jackknife(without)
    return float(error), float(change_error)
