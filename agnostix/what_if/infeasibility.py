"""Why no weights meet the targets of a scenario, and the nearest targets that some do.

Targets beyond the rows are moved back on the straight way to the observed averages. Where the targets
contradict each other, as margins do that were rounded one by one, no part of that way is feasible; there as
few targets as possible are moved, by as little as possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError, DataError, InfeasibleTargetError
from agnostix.what_if.calibration import project
from agnostix.what_if.calibration.hull import nearest_reachable, reachable_share, sparsest_relation
from agnostix.what_if.constraints.base import Condition, Context
from agnostix.what_if.sample import Statistic

_SHORT_OF_HULL = 1.0 - 1e-3
_SOME = 1e-6
"""Share of the way to the targets below which no part of it counts as feasible."""
_MOVED = 1e-9
_ROUNDING = 1e-13
_LIGHT = 1e-12
"""Weight of the lightest row, of the heaviest, down to which targets are reached whatever the rows."""


@contextmanager
def light_weights_named(base: Floats) -> Iterator[None]:
    """Raise DataError where targets are not reached and base weights (n_rows,) span too much for that."""
    n_light = int((base < _LIGHT * base.max()).sum())
    if n_light == 0:
        yield
        return
    try:
        with np.errstate(over="raise"):  # of squares of values that are 1e100 standard deviations away
            yield
    except (ConvergenceError, FloatingPointError) as error:
        raise DataError(
            f"sample_weight spans too much to reach targets: {n_light} of {base.size} rows have less than "
            f"{_LIGHT:g} of the largest weight, so that the data hardly vary. Raise the least weights, "
            "np.maximum(sample_weight, 1e-10 * np.max(sample_weight)), or leave those rows out."
        ) from error


def explain_infeasibility(
    conditions: list[Condition], context: Context, phi: Floats, target: Floats, direction: Floats
) -> InfeasibleTargetError:
    """The error for targets outside the hull: its reason in words, and the nearest feasible targets."""
    statistics, base = [condition.statistic for condition in conditions], context.base
    heights = phi @ direction
    if np.ptp(heights) >= 1e-9 and heights.max() > target @ direction + 1e-6 * np.ptp(heights):
        raise ConvergenceError("The targets are not beyond the rows, and were not reached.")
    share = reachable_share(phi, np.zeros(target.size), target) * _SHORT_OF_HULL
    is_part = share > _SOME
    z = share * target if is_part else _closest(statistics, phi, target, base)
    moved = np.abs(z - target) > _MOVED
    given = [c.end_at(one) for c, one in zip(conditions, target, strict=True)]
    near = [
        float(s.from_z(one)) if abs(one - to) > _ROUNDING else value
        for s, one, to, value in zip(statistics, z, target, given, strict=True)
    ]
    if is_part:
        reached = ", ".join(f"{s.label} {s.text(value)}" for s, value in zip(statistics, near, strict=True))
        remedy = f"The nearest within reach, {100 * share:.3g} % of the way there: {reached}."
    else:
        changes = ", ".join(
            "{} {} for {}".format(s.label, *_apart(to, value))
            for s, to, value, is_moved in zip(statistics, near, given, moved, strict=True)
            if is_moved
        )
        remedy = f"The nearest that can be met: {changes}."
    message = (
        f"{_reason(statistics, phi, target, direction)} {remedy} Solve what_if(**error.nearest), or leave "
        "room with what_if(**error.ranges)."
    )
    ranges = [
        _room(c, value, to) if is_moved or c.is_range else to
        for c, value, to, is_moved in zip(conditions, given, near, moved, strict=True)
    ]
    return InfeasibleTargetError(message, _as_arguments(context, near), share, _as_arguments(context, ranges))


def _closest(statistics: list[Statistic], phi: Floats, target: Floats, base: Floats) -> Floats:
    """The feasible averages (n_constraints,) closest to the targets, in the sum of standard deviations."""
    # Columns so far from 0 that their own units cannot hold an average exactly are moved last.
    steps = np.array([np.spacing(abs(s.origin)) / s.scale for s in statistics])
    closest = nearest_reachable(phi, target, np.where(steps > 1e-12, 100.0, 1.0))
    for share in (1.0, 1.0 - 1e-6, _SHORT_OF_HULL):  # short of the hull, if it is on its edge
        try:
            if project(phi, share * closest, share * closest, base).status != "infeasible":
                return share * closest
        except ConvergenceError:
            continue
    return 0.9 * closest


def _room(condition: Condition, target: float, near: float) -> tuple[float, float]:
    """The range that was stated, with as far again beyond the nearest that can be met."""
    beyond = near + (near - target)
    low, high = min(condition.low, beyond), max(condition.high, beyond)
    return (max(low, 0.0), min(high, 1.0)) if condition.statistic.values.dtype == bool else (low, high)


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with the digits that tell them apart and one more, at least six."""
    known = next((digits for digits in range(5, 16) if f"{one:.{digits}g}" != f"{other:.{digits}g}"), 16)
    return f"{one:.{known + 1}g}", f"{other:.{known + 1}g}"


def _reason(statistics: list[Statistic], phi: Floats, target: Floats, direction: Floats) -> str:
    heavy = np.abs(direction) > 1e-6
    if heavy.sum() == 1:
        j = int(np.flatnonzero(heavy)[0])
        s = statistics[j]
        low, high = s.from_z(phi[:, j].min()), s.from_z(phi[:, j].max())
        if s.level is not None and s.feature not in ("prediction", "error_rate"):
            return f"The proportion of {s.label} must lie between 0 and 1, got {s.from_z(target[j]):.6g}."
        side, edge = ("above", high) if direction[j] > 0 else ("below", low)
        edge_text, target_text = _apart(edge, s.from_z(target[j]))
        return (
            f"No row has {s.label} {side} {edge_text}, so no reweighting reaches an average of {target_text}."
        )
    heights = phi @ direction
    if np.ptp(heights) < 1e-9:
        return _contradiction(statistics, phi, target, direction)
    words = " ".join(
        f"{'-' if d < 0 else '+'} {abs(d):.2f}*({s.label})"
        for d, s in zip(direction, statistics, strict=True)
        if abs(d) > 1e-6
    ).lstrip("+ ")
    return (
        f"No row lies as far as the targets in the direction {words} (in standard deviations): they need "
        f"{target @ direction:.4g}, and the farthest row has {heights.max():.4g}."
    )


def _contradiction(statistics: list[Statistic], phi: Floats, target: Floats, direction: Floats) -> str:
    """The relation of few statistics that holds in every row, and what the targets make of it."""
    relation = sparsest_relation(phi, target, direction)
    places = np.flatnonzero(np.abs(relation) > 1e-6 * np.abs(relation).max())
    factors = relation[places] / [statistics[j].scale for j in places]
    factors /= -factors[0]  # the first statistic as a sum of the others and a constant
    factors = np.where(np.abs(factors - np.round(factors)) < 1e-9, np.round(factors), factors)
    first, others = statistics[places[0]], [statistics[j] for j in places[1:]]
    means = np.array([s.mean for s in others])
    given = np.array([s.from_z(z) for s, z in zip(others, target[places[1:]], strict=True)])
    constant = first.mean - float(factors[1:] @ means)
    stated, implied = float(first.from_z(target[places[0]])), constant + float(factors[1:] @ given)
    terms = [_term(factor, s.label) for factor, s in zip(factors[1:], others, strict=True)]
    if abs(constant) > 1e-9 * max(first.scale, abs(first.mean)) or not terms:
        terms.append(f"{'-' if constant < 0 else '+'} {abs(constant):.6g}")
    stated_text, implied_text = _apart(stated, implied)
    return (
        f"The targets contradict each other: in every row, ({first.label}) is "
        f"{' '.join(terms).removeprefix('+ ')}, and the targets make it {stated_text} and {implied_text}, "
        f"{abs(stated - implied):.3g} apart."
    )


def _term(factor: float, label: str) -> str:
    size = "" if abs(factor) == 1.0 else f"{abs(factor):.6g}*"
    return f"{'-' if factor < 0 else '+'} {size}({label})"


def _as_arguments(context: Context, values: list[Any]) -> dict[str, Any]:
    """Arguments of `what_if` with these values as targets."""
    assert context.statement is not None
    parts = [one.with_target(value) for one, value in zip(context.constraints, values, strict=True)]
    return context.statement.arguments(parts)
