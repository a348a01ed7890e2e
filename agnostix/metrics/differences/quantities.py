"""From sensitivities to contributions and back: contribution = sensitivity x (value - baseline)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agnostix.core.explanation.fields import IS_SIGNED
from agnostix.core.frames import column_at, column_names, is_frame, kind_of, to_floats
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.read import ExplainedRows

CONVERTED = ("contribution", "effect")
"""Quantities that are made into sensitivities."""


def as_contributions(explained: ExplainedRows, by: str) -> ExplainedRows:
    """Sensitivities times the distance to what hides a unit; all else as it is."""
    if explained.explanation.quantity != "sensitivity":
        return explained
    check_signed(explained, by)
    distance = distances(explained, by, "Use SaliencyExplainer(method='gradient_x_input').")
    notes: tuple[str, ...] = (
        f"Of quantity 'sensitivity': multiplied by the {explained.units.kind}'s distance to what hides it.",
    )
    if (distance == 0).any():
        n = int((distance == 0).any(axis=1).sum())
        notes += (
            f"In {n} of {len(explained)} rows some {explained.units.kind}s are equal to what hides them: "
            "the score does not depend on their sensitivity.",
        )
    return replace(explained, values=explained.values * distance[..., None], notes=(*explained.notes, *notes))


def as_sensitivities(explained: ExplainedRows, by: str) -> ExplainedRows:
    """Contributions over the distance to the baseline; sensitivities as they are."""
    quantity = explained.explanation.quantity
    if quantity == "sensitivity":
        check_signed(explained, by)
        return explained
    remedy = "Use perturbation='subsets', or the gradients of SaliencyExplainer."
    if quantity not in CONVERTED:
        raise DataError(
            f"{by} under noise is made for explanations of quantity 'sensitivity', and a {quantity} is on a "
            f"scale of its own. {remedy}"
        )
    distance = distances(explained, by, remedy)
    if (distance == 0).any():
        row, place = np.argwhere(distance == 0)[0]
        raise DataError(
            f"{by} under noise divides contributions by the distance to the baseline, which is 0 in row "
            f"{row} for {explained.units.kind} {place}. {remedy}"
        )
    note = f"Of quantity {quantity!r}: divided by the {explained.units.kind}'s distance to the baseline."
    return replace(explained, values=explained.values / distance[..., None], notes=(*explained.notes, note))


def check_signed(explained: ExplainedRows, by: str) -> None:
    """DataError for sizes of gradients, which do not say in what direction the output moves."""
    if explained.explanation.extras.get(IS_SIGNED) is False:
        raise DataError(
            f"{by} needs gradients with their signs, and these are absolute or squared. Use "
            "SaliencyExplainer(form='signed')."
        )


def distances(explained: ExplainedRows, by: str, remedy: str) -> Floats:
    """Distance (n_rows, n_units) of each unit's value to the mean of what hides it."""
    units = explained.units
    rows: Any = units.rows
    weights = np.asarray(units.masker.weights)
    if units.kind == "pixel":
        pixels, fill = rows.pixels, rows.fill
        if pixels.ndim == 4 and pixels.shape[3] > 1:
            raise DataError(
                f"{by} cannot convert sensitivities of pixels of {pixels.shape[3]} channels, over which they "
                f"are summed. {remedy}"
            )
        mean = np.tensordot(weights, fill.astype(float), axes=(0, 1))
        return np.broadcast_to(pixels - mean, pixels.shape).reshape(len(pixels), -1)
    if units.kind != "column" or getattr(units.masker, "background", None) is None:
        raise DataError(
            f"{by} converts between sensitivities and contributions for columns and pixels, and these are "
            f"{units.kind}s. {remedy}"
        )
    check_single_columns(explained, by)
    own = numbers_of(rows.unmasked, by)
    return own - weights @ numbers_of(units.masker.background, by)


def check_single_columns(explained: ExplainedRows, by: str) -> None:
    """DataError where columns are grouped, of which no sensitivity is known."""
    columns = explained.units.rows.features.columns
    if any(len(one) != 1 for one in columns):
        raise DataError(f"{by} needs a sensitivity for each column, and the explanation's are grouped.")


def numbers_of(table: Any, by: str) -> Floats:
    """A table as floats (n_rows, n_columns), missing values NaN; DataError where columns are no numbers."""
    if not is_frame(table):
        if table.dtype.kind not in "iuf":
            raise DataError(f"{by} needs numbers for sensitivities, and the table is of {table.dtype}.")
        return np.asarray(table, dtype=float)
    series = [column_at(table, place) for place in range(table.shape[1])]
    other = [name for name, one in zip(column_names(table), series, strict=True) if kind_of(one) != "numeric"]
    if other:
        raise DataError(
            f"{by} needs numeric columns for sensitivities, and {', '.join(other[:6])} are not. Use "
            "perturbation='subsets', or explain by contributions."
        )
    return np.column_stack([to_floats(one) for one in series])
