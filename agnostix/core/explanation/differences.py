"""Differences of two rows, features, outputs or groups, with the errors that both share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.error_parts import OF_ERRORS, RULE_OF_THREE, dof_of_parts, summary
from agnostix.core.explanation.fields import (
    DEGREES_OF_FREEDOM,
    DESIGN_DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    INTERVAL_KIND,
    IS_SIGNED,
    SHARED_DEGREES_OF_FREEDOM,
    SHARED_ERRORS,
    Detail,
)
from agnostix.core.explanation.row_means import check_how, mean_difference
from agnostix.core.explanation.selection import find_place
from agnostix.core.explanation.statistics import by_value
from agnostix.core.explanation.words import by_words
from agnostix.core.intervals import UNDETERMINED, satterthwaite
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

_PAIRED = ("row", "feature", "output")
"""Dims along which the values of one explanation belong to the same rows or draws."""


def difference_fields(
    explanation: Explanation, one: Any, other: Any, dim: str, how: str | None
) -> dict[str, Any]:
    """Fields of the explanation of one entry less another along `dim`, for `dataclasses.replace`."""
    if how is not None:
        explanation = by_words(explanation)
    places = tuple(_place(explanation, dim, wanted) for wanted in (one, other))
    names = [str(explanation.labels(dim)[place]) for place in places]
    extras = {
        key: value
        for key, value in explanation.extras.items()
        if not isinstance(value, Detail) and key not in OF_ERRORS
    }
    extras |= {"difference": names, IS_SIGNED: True}
    name = " - ".join(names)
    fields = (
        _of_means(explanation, places, dim, how, extras)
        if how
        else _of_values(explanation, places, dim, extras)
    )
    kept = [own for own in ("feature", "output") if own in fields["dims"]]
    fields |= {f"{own}_names": (name,) if own == dim else explanation.labels(own) for own in kept}
    if "row" in fields["dims"]:
        fields["row_names"] = (name,) if dim == "row" else explanation.row_names
    own_coords = np.array([name], dtype=object)
    coords = {key: labels for key, labels in explanation.coords.items() if key in fields["dims"]}
    return fields | {"coords": coords | ({dim: own_coords} if dim not in _PAIRED else {})}


def _place(explanation: Explanation, dim: str, wanted: Any) -> int:
    """Place of an entry along a dim: its name or coordinate, or its number."""
    if explanation.dims.count(dim) != 1:
        raise ValueError(f"dim must be one of {explanation.dims}, and not repeated there; got {dim!r}.")
    labels = list(explanation.labels(dim))
    if dim not in ("feature", "output"):
        equal = [
            j for j, label in enumerate(labels) if (pd.isna(label) and pd.isna(wanted)) or label == wanted
        ]
        if len(equal) == 1 and (explanation.row_names is not None or dim != "row"):
            return equal[0]
    return find_place(dim, wanted, [str(label) for label in labels] if dim not in _PAIRED else labels)


def _of_means(
    explanation: Explanation, places: tuple[int, ...], dim: str, how: str, extras: dict[str, Any]
) -> dict[str, Any]:
    """Means over rows of one entry less those of another, paired row by row."""
    check_how(how)
    if how == "max_abs" or dim == "row" or "row" not in explanation.dims:
        raise ValueError(
            "how must be None, or 'mean' or 'mean_abs' over the rows of an explanation that has them, with "
            f"another dim than 'row'; got how={how!r}, dim={dim!r} and dims {explanation.dims}."
        )
    rest = tuple(own for own in explanation.dims if own != "row")
    arrays = mean_difference(explanation, places, rest.index(dim), how)
    return summary(arrays, rest, extras | {"aggregate": how})


def _of_values(
    explanation: Explanation, places: tuple[int, ...], dim: str, extras: dict[str, Any]
) -> dict[str, Any]:
    """Values of one entry less those of another, each by itself."""
    if "aggregate" in explanation.extras and dim in _PAIRED:
        raise ValueError(
            f"Means of two {dim}s are over the same rows, which are gone here. Take the difference before: "
            f"explanation.difference(..., dim={dim!r}, how={explanation.extras['aggregate']!r})."
        )
    axis = explanation.dims.index(dim)

    def pair(array: Any) -> tuple[Floats, Floats]:
        one, other = (np.take(np.asarray(array, dtype=float), [place], axis=axis) for place in places)
        return one, other

    values = np.subtract(*pair(explanation.values))
    if explanation.std_errors is None and INTERVAL_KIND not in explanation.extras:
        return summary({"values": values}, explanation.dims, extras)
    return summary({"values": values} | _errors(explanation, pair), explanation.dims, extras)


def _errors(explanation: Explanation, pair: Any) -> dict[str, Any]:
    """Errors of a difference, and details of them: what is shared cancels as far as it is the same."""
    kinds = by_value(explanation, INTERVAL_KIND, "student")
    known = np.zeros_like(explanation.values) if explanation.std_errors is None else explanation.std_errors
    errors = np.where(kinds == "rule_of_three", RULE_OF_THREE, 1.0) * known
    shared = explanation.extras.get(SHARED_ERRORS)
    components = np.zeros((*errors.shape, 0)) if shared is None else shared.array
    detail = explanation.extras.get(DESIGN_ERRORS)
    design = np.zeros_like(errors) if detail is None else detail.array
    own = np.maximum(errors**2 - np.square(components).sum(axis=-1) - design**2, 0.0)
    dof = by_value(explanation, DEGREES_OF_FREEDOM, np.inf)
    of_shared, of_design = dof_of_parts(explanation, components.shape[-1])
    apart, together = np.subtract(*pair(components)), np.add(*pair(design))
    least = [np.minimum(*pair(one)) for one in (of_shared, of_design)]
    variances = (*pair(own), np.square(apart).sum(axis=-1), together**2)
    arrays = {
        "std_errors": np.sqrt(sum(variances)),
        DEGREES_OF_FREEDOM: satterthwaite(variances, (*pair(dof), *least)),
    }
    if components.shape[-1]:
        arrays |= {SHARED_ERRORS: apart, SHARED_DEGREES_OF_FREEDOM: least[0]}
    if np.any(together):
        arrays |= {DESIGN_ERRORS: together, DESIGN_DEGREES_OF_FREEDOM: least[1]}
    unclear = np.add(*pair(kinds == UNDETERMINED)) > 0
    if unclear.any():
        arrays[INTERVAL_KIND] = np.where(unclear, UNDETERMINED, "student")
    return arrays
