"""What is computed from an explanation: confidence intervals and the completeness gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.explanation.fields import (
    COMPLETENESS,
    DEGREES_OF_FREEDOM,
    INTERVAL_KIND,
    SKEWNESS,
    Detail,
    expand,
)
from agnostix.core.explanation.pairs import is_of_pairs
from agnostix.core.intervals import check_level, interval_ends, skewed_half_widths
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


def interval_of(explanation: Explanation, level: float) -> tuple[Floats, Floats]:
    """Lower and upper ends, shaped as values."""
    check_level(level)
    values, errors, extras = explanation.values, explanation.std_errors, explanation.extras
    if errors is None and INTERVAL_KIND not in extras:
        return values.copy(), values.copy()
    dof = by_value(explanation, DEGREES_OF_FREEDOM, np.inf)
    kinds = by_value(explanation, INTERVAL_KIND, "student") if INTERVAL_KIND in extras else None
    try:
        ends = interval_ends(values, np.zeros_like(values) if errors is None else errors, level, dof, kinds)
    except ValueError as error:
        raise ValueError(f"extras[{INTERVAL_KIND!r}]: {error}") from None
    if SKEWNESS not in extras or errors is None:
        return ends
    low, high = ends
    below, above = skewed_half_widths(errors, level, dof, by_value(explanation, SKEWNESS, 0.0))
    least = 0.0 if kinds is not None and (kinds == "nonnegative").any() else -np.inf
    return np.minimum(low, np.maximum(values - below, least)), np.maximum(high, values + above)


def by_value(explanation: Explanation, key: str, default: Any) -> np.ndarray:
    """A Detail with dims among those of values, spread over them, or what stands for it."""
    detail = explanation.extras.get(key)
    own = default if detail is None else expand(detail, explanation.dims)
    return np.broadcast_to(own, explanation.values.shape)


def largest_gap(explanation: Explanation, rtol: float) -> float:
    """Largest difference between the sum of the values and its target; ValueError above the tolerance."""
    start, target, name = _ends(explanation)
    if target.size == 0:
        return 0.0
    ends, dims = explanation.end_dims, explanation.dims
    axes = tuple(axis for axis, dim in enumerate(dims) if dim not in ends)
    sums = np.nansum(_once(explanation), axis=axes)
    total = start + (sums.T if ends != tuple(dim for dim in dims if dim in ends) else sums)
    if explanation.completeness_gap is not None:
        total = total + explanation.completeness_gap
    gap = np.abs(total - target)
    scale = np.maximum(1.0, np.maximum(np.abs(target), np.abs(start)))
    relative = np.where(np.isnan(gap), np.inf, gap / scale)
    worst = tuple(int(j) for j in np.unravel_index(int(np.argmax(relative)), gap.shape))
    if not relative[worst] <= rtol:
        labels = (explanation.labels(dim) for dim in ends)
        place = ", ".join(f"{dim} {label[j]!r}" for dim, label, j in zip(ends, labels, worst, strict=True))
        raise ValueError(
            f"Values do not sum to {name}. Worst{' is ' if place else ''}{place}: "
            f"{total[worst]:.10g} instead of {target[worst]:.10g}, a gap of {gap[worst]:.3g}. "
            "(Features left out with sel are missing from the sum.)"
        )
    return float(gap.max())


def _once(explanation: Explanation) -> Floats:
    """The values, with those of interactions, which are there twice, once."""
    if not is_of_pairs(explanation):
        return explanation.values
    places = [axis for axis, dim in enumerate(explanation.dims) if dim == "feature"]
    upper = np.triu(np.moveaxis(explanation.values, places, (-2, -1)))
    return np.moveaxis(upper, (-2, -1), places)


def _ends(explanation: Explanation) -> tuple[Floats, Floats, str]:
    """Where the sum starts, where it must end, and in words what it must be."""
    base, outputs = explanation.base_values, explanation.outputs
    if explanation.completeness is None:
        raise ValueError(
            f"check_additivity: completeness is None, so values of quantity {explanation.quantity!r} "
            f"need not sum to anything. It must be one of {', '.join(map(repr, COMPLETENESS))}."
        )
    if explanation.completeness == "surrogate":
        predictions = explanation.extras.get("surrogate_outputs")
        if not isinstance(predictions, Detail) or predictions.dims != explanation.end_dims:
            got = predictions.dims if isinstance(predictions, Detail) else predictions
            raise ValueError(
                "check_additivity: completeness is 'surrogate', which needs the surrogate's predictions: "
                f"extras['surrogate_outputs'], a Detail with dims {explanation.end_dims}; got {got}."
            )
        assert base is not None
        return base, np.asarray(predictions, dtype=np.float64), "the surrogate's output minus the base value"
    assert outputs is not None
    if explanation.completeness == "outputs":
        return np.zeros_like(outputs), outputs, "the output"
    assert base is not None
    return base, outputs, "the output minus the base value"
