"""Why a scenario cannot be, in words, and the nearest one that can."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import InfeasibleTargetError
from agnostix.population.conditions import Condition
from agnostix.population.statistic import Statistic
from agnostix.solvers.hull import reachable_share

_SHORT_OF_HULL = 1.0 - 1e-3


def infeasible(
    conditions: list[Condition], statistics: list[Statistic], phi: Floats, target: Floats, direction: Floats
) -> InfeasibleTargetError:
    """Put the separating direction into words and find how far one can go.

    Parameters
    ----------
    conditions, statistics : list
        What was asked, and of what.
    phi : ndarray of shape (n_rows, n_conditions)
        Standardised statistics.
    target : ndarray of shape (n_conditions,)
        Where they should be.
    direction : ndarray of shape (n_conditions,)
        In which no row lies as far as the target.

    Returns
    -------
    InfeasibleTargetError
    """
    share = reachable_share(phi, np.zeros(target.size), target) * _SHORT_OF_HULL
    near = [s.from_z(share * t) for s, t in zip(statistics, target, strict=True)]
    nearest = _as_arguments(conditions, near)
    message = _reason(statistics, phi, target, direction)
    reached = ", ".join(f"{s.label} {value:.4g}" for s, value in zip(statistics, near, strict=True))
    message += (
        f" The nearest within reach, {100 * share:.3g} % of the way there: {reached}."
        if share > 1e-6
        else " No part of the way there can be gone."
    )
    return InfeasibleTargetError(message, nearest if share > 1e-6 else {}, share)


def _reason(statistics: list[Statistic], phi: Floats, target: Floats, direction: Floats) -> str:
    heavy = np.abs(direction) > 1e-6
    if heavy.sum() == 1:
        j = int(np.flatnonzero(heavy)[0])
        s = statistics[j]
        low, high = s.from_z(phi[:, j].min()), s.from_z(phi[:, j].max())
        if s.level is not None and s.feature not in ("prediction", "error_rate"):
            return f"The proportion of {s.label} must lie between 0 and 1, got {s.from_z(target[j]):.6g}."
        side, edge = ("above", high) if direction[j] > 0 else ("below", low)
        return (
            f"No row has {s.label} {side} {edge:.6g}, so no reweighting reaches an average of "
            f"{s.from_z(target[j]):.6g}."
        )
    heights = phi @ direction
    words = " ".join(
        f"{'-' if d < 0 else '+'} {abs(d):.2f}*({s.label})"
        for d, s in zip(direction, statistics, strict=True)
        if abs(d) > 1e-6
    ).lstrip("+ ")
    if np.ptp(heights) < 1e-9:
        return (
            f"The targets contradict each other: {words} (in standard deviations) is {heights[0]:.4g} in "
            f"every row, and the targets make it {target @ direction:.4g}."
        )
    return (
        f"No row lies as far as the targets in the direction {words} (in standard deviations): they need "
        f"{target @ direction:.4g}, and the farthest row has {heights.max():.4g}."
    )


def _as_arguments(conditions: list[Condition], values: list[float]) -> dict[str, Any]:
    """Arguments of what_if that ask for these values."""
    constraints: dict[str, Any] = {}
    for condition, value in zip(conditions, values, strict=True):
        if condition.about == "outcome":
            continue
        if condition.level is None:
            constraints[condition.feature] = float(value)
        else:
            constraints.setdefault(condition.feature, {})[condition.level] = float(value)
    outcome: dict[str, Any] = {}
    for condition, value in zip(conditions, values, strict=True):
        if condition.about == "outcome" and condition.level is None:
            outcome["error_rate"] = float(value)
        elif condition.about == "outcome":
            outcome.setdefault("prediction", {})[condition.level] = float(value)
    return ({"constraints": constraints} if constraints else {}) | outcome
