"""Parts of the errors of an explanation's values: each value's own, what rows share, and a design's.

What means over rows and differences have in common: `Parts` of the errors, and `summary`, the fields of an
explanation that tells fewer values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from agnostix.core.explanation.fields import (
    COMPONENT,
    DEGREES_OF_FREEDOM,
    DESIGN_DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    INTERVAL_KIND,
    SHARED_DEGREES_OF_FREEDOM,
    SHARED_ERRORS,
    SKEWNESS,
    Detail,
)
from agnostix.core.explanation.statistics import by_value
from agnostix.core.intervals import UNDETERMINED
from agnostix.core.typing import Codes, Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

RULE_OF_THREE = float(-np.log(0.05) / ndtri(0.975))
"""Turns the error of nothing seen into one of which 1.96 are its half width at 95 %."""
OF_ERRORS = {
    DEGREES_OF_FREEDOM,
    INTERVAL_KIND,
    SHARED_ERRORS,
    SHARED_DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    DESIGN_DEGREES_OF_FREEDOM,
    SKEWNESS,
}


@dataclass(frozen=True)
class Parts:
    """Values (n_rows, ...), NaN where there is none or it is not determined, and parts of their errors."""

    values: Floats
    errors: Floats  # of each value by itself, 0 where nothing is known
    shared: Floats  # (n_rows, ..., n_components)
    design: Floats
    shared_dof: Floats
    design_dof: Floats

    @classmethod
    def from_explanation(cls, explanation: Explanation) -> Parts:
        """Of an explanation with a dim "row", which becomes the first axis."""
        values = explanation.values
        errors = (
            np.zeros_like(values) if explanation.std_errors is None else np.nan_to_num(explanation.std_errors)
        )
        shared = _array(explanation, SHARED_ERRORS, np.zeros((*values.shape, 0), dtype=np.float32))
        design = _array(explanation, DESIGN_ERRORS, np.zeros_like(values))
        shared_dof, design_dof = dof_of_parts(explanation, shared.shape[-1])
        kinds = by_value(explanation, INTERVAL_KIND, "student")
        values = np.where(kinds == UNDETERMINED, np.nan, values)
        # What no draw has met may be wrong by the same amount in each row.
        design = np.where(kinds == "rule_of_three", errors * RULE_OF_THREE, design)
        axis = explanation.dims.index("row")
        lacks = np.isnan(values)  # features that a row does not have
        if lacks.any():
            shared, design = np.where(lacks[..., None], np.float32(0.0), shared), np.where(lacks, 0.0, design)
        parts = (values, errors, shared, design, shared_dof, design_dof)
        return cls(*(np.moveaxis(part, axis, 0) for part in parts))

    def take(self, rows: Codes) -> Parts:
        """Parts of some rows."""
        return Parts(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def entry(self, place: int, axis: int) -> Parts:
        """Parts of one entry along an axis of the values, which is kept."""
        arrays = (getattr(self, name) for name in self.__dataclass_fields__)
        return Parts(*(np.take(array, [place], axis=axis) for array in arrays))


def dof_of_parts(explanation: Explanation, n_components: int) -> tuple[Floats, Floats]:
    """Degrees of freedom, shaped as values, of shared errors and of a design's; else those of the values."""
    own = by_value(explanation, DEGREES_OF_FREEDOM, np.inf)
    else_shared = np.where(np.isposinf(own), max(n_components - 1.0, 1.0), own)
    return (
        by_value(explanation, SHARED_DEGREES_OF_FREEDOM, else_shared),
        by_value(explanation, DESIGN_DEGREES_OF_FREEDOM, own),
    )


def _array(explanation: Explanation, key: str, default: Floats) -> Floats:
    detail = explanation.extras.get(key)
    return default if detail is None else np.asarray(detail.array)


def summary(arrays: dict[str, Floats], dims: tuple[str, ...], extras: dict[str, Any]) -> dict[str, Any]:
    """Fields of what is told of an explanation in fewer values, without what belongs to single ones."""
    details = {
        key: Detail(array, (*dims, COMPONENT) if key == SHARED_ERRORS else dims)
        for key, array in arrays.items()
        if key not in ("values", "std_errors")
    }
    return {
        **dict.fromkeys(("base_values", "outputs", "data", "row_names", "fidelity")),
        **dict.fromkeys(("completeness", "completeness_gap")),
        "values": arrays["values"],
        "std_errors": arrays.get("std_errors"),
        "dims": dims,
        "extras": extras | details,
    }
