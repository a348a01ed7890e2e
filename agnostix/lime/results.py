"""Fits near rows as the result of LimeExplainer."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.base import Attribution
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, INTERVAL_KIND
from agnostix.core.intervals import UNDETERMINED
from agnostix.core.typing import Numbers
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.neighborhood import NeighborhoodFits

if TYPE_CHECKING:
    from agnostix.lime.explainer import LimeExplainer


def to_attribution(explainer: LimeExplainer, rows: Any, found: NeighborhoodFits) -> Attribution:
    """Fits near rows as an attribution of the selected outputs."""
    fits = found.fits
    contributions = fits.coefficients * fits.row_design[:, :, None]
    # Added one by one: features that only other rows have must not change the order of the sum.
    total = reduce(np.add, np.moveaxis(contributions, 1, 0))
    values, errors = fits.coefficients, fits.std_errors
    if explainer.values == "coef_x":
        values, errors = contributions, errors * np.abs(fits.row_design)[:, :, None]
    is_there = explainer._neighborhood.present(rows)[:, :, None]
    return Attribution(
        values=np.where(is_there, values, np.nan),
        std_errors=errors,
        base_values=fits.surrogate_outputs - total,
        predictions=found.predictions,
        fidelity={"r2": fits.r2},
        n_model_rows=found.n_model_rows,
        details=found.details | _describe_fits(explainer, fits, found.details),
    )


def _describe_fits(explainer: LimeExplainer, fits: LocalFits, details: dict[str, Any]) -> dict[str, Any]:
    by_output: dict[str, Numbers] = {
        "surrogate_outputs": fits.surrogate_outputs,
        "surrogate_std_errors": fits.surrogate_std_errors,
        "surrogate_degrees_of_freedom": fits.output_dof,
        "base_value_std_errors": fits.base_std_errors,
        "base_value_degrees_of_freedom": fits.output_dof,
        "r2_std_errors": fits.r2_std_errors,
        "r2_degrees_of_freedom": fits.r2_dof,
    }
    kinds = np.where(fits.is_unused, "rule_of_three", "student")
    kinds = np.where(np.isnan(fits.std_errors), UNDETERMINED, kinds)
    by_value: dict[str, Numbers] = {
        DEGREES_OF_FREEDOM: fits.dof,
        INTERVAL_KIND: kinds,
        "shared_degrees_of_freedom": fits.dof,
    }
    scale = fits.row_design[:, :, None, None] if explainer.values == "coef_x" else 1.0
    shared = fits.shared * scale
    if not fits.is_determined.all():
        by_output["determined"] = fits.is_determined
    if explainer.max_features is not None:
        by_value["selected"] = fits.selected
    if explainer.stability is not None:
        by_output["margin"] = fits.margin
    conditions = details.get("conditions")
    if explainer.masker is None and (conditions is None or (conditions.array == "").any()):
        by_value |= {"coefficients": fits.coefficients, "coefficient_std_errors": fits.std_errors}
    return {
        "n_samples": Detail(fits.n_samples, ("row",)),
        "effective_samples": Detail(fits.effective_samples, ("row",)),
        "kernel_width": explainer.kernel_width_,
        **{name: Detail(array, ("row", "output")) for name, array in by_output.items()},
        **{name: Detail(array, ("row", "feature", "output")) for name, array in by_value.items()},
        "shared_errors": Detail(shared, ("row", "feature", "output", "component")),
    }
