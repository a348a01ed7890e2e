"""Why a scenario is infeasible, in words, and the nearest feasible one."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import InfeasibleTargetError
from agnostix.what_if.constraints import MomentConstraint
from agnostix.what_if.projection import reachable_share
from agnostix.what_if.sample import Statistic

_SHORT_OF_HULL = 1.0 - 1e-3


def explain_infeasibility(
    constraints: list[MomentConstraint],
    statistics: list[Statistic],
    phi: Floats,
    target: Floats,
    direction: Floats,
) -> InfeasibleTargetError:
    """The error for targets outside the hull: its reason in words, and the nearest feasible targets."""
    share = reachable_share(phi, np.zeros(target.size), target) * _SHORT_OF_HULL
    near = [s.from_z(share * t) for s, t in zip(statistics, target, strict=True)]
    nearest = _as_arguments(constraints, near)
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


def _as_arguments(constraints: list[MomentConstraint], values: list[float]) -> dict[str, Any]:
    """Arguments of `what_if` with these values as targets."""
    arguments: dict[str, Any] = {}
    for constraint, value in zip(constraints, values, strict=True):
        if constraint.about == "outcome":
            continue
        if constraint.level is None:
            arguments[constraint.feature] = float(value)
        else:
            arguments.setdefault(constraint.feature, {})[constraint.level] = float(value)
    outcome: dict[str, Any] = {}
    for constraint, value in zip(constraints, values, strict=True):
        if constraint.about == "outcome" and constraint.level is None:
            outcome["error_rate"] = float(value)
        elif constraint.about == "outcome":
            outcome.setdefault("prediction", {})[constraint.level] = float(value)
    return ({"constraints": arguments} if arguments else {}) | outcome
