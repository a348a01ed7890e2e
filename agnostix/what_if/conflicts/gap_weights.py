"""What gaps of constraints cost where they cannot be met, as a user states it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agnostix.core.names import did_you_mean
from agnostix.what_if.constraints.base import Constraint

_MAX_NAMED = 8


def read_gap_weights(gap_weights: Any, constraints: Sequence[Constraint]) -> list[float]:
    """Cost of a gap of one standard deviation of each constraint, by column or label, 1 by default."""
    if gap_weights is None:
        return [1.0] * len(constraints)
    if not isinstance(gap_weights, Mapping):
        raise ValueError(
            "gap_weights must map columns or labels of constraints to what a gap of one standard deviation "
            f"costs, such as {{'age': 5}}, got {gap_weights!r}."
        )
    names = [{str(one.named[0]), one.label} for one in constraints]
    for name, weight in gap_weights.items():
        _check(name, weight, names)
    weights = {str(name): float(weight) for name, weight in gap_weights.items()}
    return [weights.get(one.label, weights.get(str(one.named[0]), 1.0)) for one in constraints]


def _check(name: Any, weight: Any, names: Sequence[set[str]]) -> None:
    known = list(dict.fromkeys(one for pair in names for one in sorted(pair)))
    if str(name) not in known:
        shown = ", ".join(map(repr, known[:_MAX_NAMED])) + (", ..." if len(known) > _MAX_NAMED else "")
        raise ValueError(
            f"gap_weights names {name!r}, and no constraint is about that. They go by {shown}."
            f"{did_you_mean(str(name), known)}"
        )
    try:
        number = float(weight)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not 0.0 < number < np.inf:
        raise ValueError(
            f"The weight of {name!r} in gap_weights must be a number above 0, got {weight!r}. To leave a "
            "constraint out, do not state it."
        )
