"""The error for a scenario that no weights meet: what is in conflict, and the nearest that can be met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError, InfeasibleTargetError
from agnostix.what_if.conflicts.gap_weights import read_gap_weights
from agnostix.what_if.conflicts.irreducible import Conflict, ConflictFinder
from agnostix.what_if.conflicts.least_gaps import reachable_fraction
from agnostix.what_if.conflicts.linear import linear_conditions
from agnostix.what_if.conflicts.nearby import Meets, NearbyConstraints
from agnostix.what_if.conflicts.nearest import LEAST_SHARES, Calibrate, ElasticConditions, nearest_weights
from agnostix.what_if.conflicts.reachable_means import ReachableMeans
from agnostix.what_if.conflicts.searched import SearchedConditions, depends_on_others, find_searched_conflict
from agnostix.what_if.conflicts.weight_caps import bounds_that_do
from agnostix.what_if.conflicts.words import ConflictWords, describe_searched
from agnostix.what_if.constraints.base import Compiled, Condition, Context

_BARELY = 2e-10
"""Standard deviations by which conditions are missed that a solver just does not meet."""


def explain_conflict(
    compiled: Compiled,
    values: Floats,
    context: Context,
    meets: Meets,
    calibrate: Calibrate,
    *,
    weight_bounds: tuple[float, float] | None = None,
    gap_weights: Mapping[str, float] | None = None,
) -> InfeasibleTargetError:
    """The error for constraints that no weights meet, with the nearest that some do.

    `values` (n_scalars,) are those of the compiled constraints' scalars at which a search for weights ended.
    """
    costs = read_gap_weights(gap_weights, context.constraints)
    constraints = [one for one in context.constraints if not one.is_soft]
    if len(constraints) > 1 and any(depends_on_others(one, context) for one in constraints):
        searched = SearchedConditions.from_context(context, costs, weight_bounds)
        hard, linear = searched.given(searched.closest_to(searched.shared(compiled, values), calibrate))
        hard = [replace(one, source=searched.places[one.source]) for one in hard]
        why = _why_searched(searched, calibrate)
    else:
        hard = [one for one in compiled.conditions(values) if np.isinf(one.penalty)]
        linear = linear_conditions(hard, context, costs, weight_bounds)
        why = _why(hard, linear, context)
    weights = nearest_weights(linear, calibrate)
    near, ranges, changes = NearbyConstraints(hard, linear, context, meets).scenarios(weights)
    message = (
        f"{why.reason} The nearest that can be met: {changes}. Solve what_if(**error.nearest), or leave room "
        "with what_if(**error.ranges)."
    )
    assert context.statement is not None
    near_arguments, range_arguments = (context.statement.arguments(parts) for parts in (near, ranges))
    fraction = _fraction(linear, weights)
    return InfeasibleTargetError(message, near_arguments, fraction, range_arguments, why.labels, why.reason)


@dataclass(frozen=True)
class _Why:
    """What is in conflict, by name and in words."""

    labels: tuple[str, ...]
    reason: str


def _why(hard: Sequence[Condition], linear: ElasticConditions, context: Context) -> _Why:
    """Of conditions that are linear."""
    conflict = _find(hard, linear)
    if conflict is None:
        raise ConvergenceError("The targets are not beyond the rows, and were not reached.")
    words = ConflictWords(conflict, linear, hard, context)
    others = " There are other conflicts besides." if conflict.has_others else ""
    return _Why(words.labels, f"{words.sentence()}{others}{_cap(conflict, linear)}")


def _why_searched(searched: SearchedConditions, calibrate: Calibrate) -> _Why:
    """Of constraints some of which are linear given scalars alone."""
    own = searched.without_scalars()
    if own is not None:
        hard, linear = own.given(np.empty(0))
        if _find(hard, linear) is not None:
            return _why(hard, linear, own.context)
    part, farthest, is_irreducible = find_searched_conflict(searched, calibrate)
    labels = [one.label for one in part.context.constraints]
    if part.weight_bounds is not None:
        labels.append("bounds on the weights")
    return _Why(tuple(labels), describe_searched(part.context, farthest, is_irreducible))


def _fraction(linear: ElasticConditions, weights: Floats) -> float:
    """How much of the way to the targets, and to the groups' shares under weights (n_rows,), can be gone."""
    linear = linear.with_shares_of(weights)
    reach = ReachableMeans(linear.phi, linear.base, linear.weight_bounds)
    return reachable_fraction(reach, linear.low, linear.high)


def _find(hard: Sequence[Condition], linear: ElasticConditions) -> Conflict | None:
    present = linear.with_groups_present()
    n_always = present.low.size - linear.low.size
    implied = np.array([one.role == "held" for one in hard] + [False] * n_always)
    always = np.r_[np.zeros(linear.low.size, dtype=bool), np.ones(n_always, dtype=bool)]
    bounded = linear.weight_bounds and ReachableMeans(present.phi, present.base, linear.weight_bounds)
    free = ReachableMeans(present.phi, present.base)
    ends = tuple(share - 1.0 for share in LEAST_SHARES)
    finder = ConflictFinder(free, bounded or None, present.low, present.high, implied, always, ends)
    return finder.find() or replace(finder, least=_BARELY).find()


def _cap(conflict: Conflict, linear: ElasticConditions) -> str:
    """In words, the bounds on weights that would do."""
    if not conflict.with_bounds or linear.weight_bounds is None:
        return ""
    bounds = bounds_that_do(linear.with_groups_present())
    if bounds is None:
        return ""
    what = "least cap" if bounds[1] != linear.weight_bounds[1] else "largest floor"
    return f" The {what} that would do: weight_bounds=({bounds[0]:g}, {bounds[1]:g})."
