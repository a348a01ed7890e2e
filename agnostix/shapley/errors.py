"""Both parts of the errors of Shapley values, and what an Explanation keeps of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background import BackgroundError, Elsewhere, ErrorMap, compact, few
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import (
    BASE_VALUE_STD_ERRORS,
    DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    INTERVAL_KIND,
    SHARED_ERRORS,
)
from agnostix.core.intervals import satterthwaite
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Floats
from agnostix.shapley.estimation import ShapleyResult

_BY_VALUE = ("row", "feature", "output")
_ERRORS_FRACTION = 0.0625
"""Fraction of the working memory for the components of the rows whose errors are computed together."""


@dataclass(frozen=True)
class ErrorParts:
    """Errors of the values (n_rows, n_features, n_selected) of selected outputs."""

    coalitions: Floats  # variances, shaped as values
    coalition_dof: Floats  # their degrees of freedom
    background: BackgroundError  # of values (n_features, n_rows, n_selected)
    base_values: BackgroundError  # of base values (1, n_rows, n_selected)
    is_sample: bool  # whether the background stands for more rows than it has

    @classmethod
    def from_result(
        cls,
        result: ShapleyResult,
        errors: ErrorMap,
        elsewhere: Elsewhere | None,
        pick: Callable[[Floats], Floats],
    ) -> ErrorParts:
        """From all outputs, of which `pick` selects some, and the background's errors (`ErrorMap.error`)."""
        components = np.moveaxis(pick(result.components), 0, 2)
        return cls(
            coalitions=pick(result.coalition_variances),
            coalition_dof=pick(result.coalition_dof),
            background=_row_by_row(errors, components, elsewhere),
            base_values=errors.error(
                np.moveaxis(pick(result.base_components), 1, 0)[None],
                None if elsewhere is None else elsewhere.take(slice(-1, None)),
            ),
            is_sample=errors.n_components > 0,
        )

    @property
    def of_background(self) -> Floats:
        """Variances, shaped as values."""
        return np.moveaxis(self.background.variances, 0, 1)

    @property
    def std_errors(self) -> Floats:
        """Of both parts, shaped as values."""
        return np.sqrt(self.coalitions + self.of_background)

    def details(self, n_background: int) -> dict[str, Any]:
        """Both parts, their degrees of freedom, and what rows share."""
        dofs = self.coalition_dof, np.moveaxis(self.background.degrees_of_freedom, 0, 1)
        joint = satterthwaite((self.coalitions, self.of_background), dofs)
        of_coalitions = np.sqrt(self.coalitions)
        details = {
            "coalition_std_errors": Detail(of_coalitions, _BY_VALUE),
            "background_std_errors": Detail(np.sqrt(self.of_background), _BY_VALUE),
            "background_size_to_halve_error": Detail(self._size_to_halve(n_background), ("row",)),
            DEGREES_OF_FREEDOM: Detail(joint, _BY_VALUE),
            DESIGN_ERRORS: Detail(of_coalitions, _BY_VALUE),
        }
        if self.is_sample:
            components = compact(self.background.components.transpose(2, 0, 3, 1))
            base = np.sqrt(self.base_values.variances[0])
            details[SHARED_ERRORS] = Detail(components, (*_BY_VALUE, "component"))
            alone = self.background.kinds
            if alone is not None:
                kinds = np.where(self.coalitions > 0.0, "student", np.moveaxis(alone, 0, 1))
                details[INTERVAL_KIND] = Detail(kinds, _BY_VALUE)
            details[BASE_VALUE_STD_ERRORS] = Detail(base, ("row", "output"))
            base_dof = self.base_values.degrees_of_freedom[0]
            details[f"base_value_{DEGREES_OF_FREEDOM}"] = Detail(base_dof, ("row", "output"))
        return details

    def _size_to_halve(self, n_background: int) -> Floats:
        """Background rows (n_rows,) at which the error of each row is half as large; inf if never.

        Those at hand where there is no error to halve.
        """
        coalitions, background = self.coalitions.sum(axis=(1, 2)), self.of_background.sum(axis=(1, 2))
        remaining = (coalitions + background) / 4.0 - coalitions
        unreachable = np.full(remaining.shape, np.inf)
        factor = np.divide(background, remaining, out=unreachable, where=remaining > 0.0)
        is_exact = (background == 0.0) & np.isinf(self.coalition_dof).all(axis=(1, 2))
        return np.where(is_exact, n_background, np.ceil(n_background * factor))


def _row_by_row(errors: ErrorMap, components: Floats, elsewhere: Elsewhere | None) -> BackgroundError:
    """Errors of values, from components (n_features, n_kept, n_rows, n_selected), some rows at a time."""
    n_rows = components.shape[2]
    n_bytes = 8 * components.size // max(n_rows, 1)
    n_together = max(1, int(_ERRORS_FRACTION * working_memory() / max(n_bytes, 1)))
    parts = []
    for start in range(0, max(n_rows, 1), n_together):
        some = slice(start, start + n_together)
        own = None if elsewhere is None else elsewhere.take(slice(len(components)), some)
        one = errors.error(components[:, :, some], own)
        unseen = np.zeros(one.degrees_of_freedom.shape, dtype=bool) if one.unseen is None else one.unseen
        parts.append((compact(few(one.components)), one.degrees_of_freedom, unseen))
    of_values, dofs, all_unseen = zip(*parts, strict=True)
    joined = np.concatenate(dofs, axis=1), np.concatenate(all_unseen, axis=1)
    return BackgroundError(np.concatenate(of_values, axis=2), *joined)
