"""One map of each row from an explanation alone, for metrics that need no prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.frames import is_frame
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.read import check_explanation, check_same_rows


@dataclass(frozen=True)
class RowMaps:
    """Values of the selected outputs of each row, and what results say of them."""

    explanation: Explanation
    values: Floats  # (n_rows, n_units, n_selected), NaN where a row has fewer units
    output_names: tuple[str, ...]
    row_keys: Codes | None

    def squeeze(self, scores: Floats) -> Floats:
        """Scores (n_rows, n_selected) as results have them: (n_rows,) for one output."""
        return scores[..., 0] if len(self.output_names) == 1 else scores

    def result_fields(self) -> dict[str, Any]:
        """What a `MetricResult` has of the rows and the explanation."""
        return {
            "quantity": self.explanation.quantity,
            "output_names": self.output_names,
            "row_names": self.explanation.row_names,
            "row_keys": self.row_keys,
        }


def read_maps(explanation: Any, X: Any, outputs: Any, by: str) -> RowMaps:
    """Maps of the chosen outputs; by default of the only one, or the largest of each row."""
    check_explanation(explanation, by)
    rows = explanation.data
    if X is not None:
        rows = X if is_frame(X) else np.asarray(X)
        check_same_rows(explanation, rows, by)
    n_rows = len(explanation)
    values = explanation.values.reshape(n_rows, -1, explanation.values.shape[-1])
    places, names = _select_maps(explanation, outputs, by)
    values = np.take_along_axis(values, places[:, None, :], axis=2)
    check_finite(values, explanation, by)
    keys = None if rows is None else row_seeds(rows)
    return RowMaps(explanation, values, names, keys)


def paint_maps(maps: RowMaps) -> Floats:
    """Values of pixels (n_rows, height, width, n_selected); those of segments at all of their pixels."""
    explanation, n_rows = maps.explanation, len(maps.values)
    if "y" in explanation.dims:
        return maps.values.reshape(*explanation.values.shape[:3], -1)
    segments = explanation.extras["segments"]
    assert isinstance(segments, Detail)
    labels = np.broadcast_to(segments.array, (n_rows, *segments.array.shape[1:]))
    painted = np.take_along_axis(maps.values, labels.reshape(n_rows, -1)[..., None], axis=1)
    return painted.reshape(*labels.shape, -1)


def _select_maps(explanation: Explanation, outputs: Any, by: str) -> tuple[Codes, tuple[str, ...]]:
    """Places (n_rows, n_selected) of outputs among the explained ones, and their names."""
    names, n_rows = explanation.output_names, len(explanation)
    if outputs is not None and not (isinstance(outputs, str) and outputs == "predicted"):
        selection = OutputSelection.from_parameter(outputs, names)
        assert selection.places is not None
        return np.tile(selection.places, (n_rows, 1)), selection.names
    if len(names) == 1:
        return np.zeros((n_rows, 1), dtype=np.intp), names
    if explanation.outputs is None:
        raise DataError(
            f"The explanation of {by} has several outputs and does not say which is predicted. Choose: "
            f"outputs={names[0]!r}, or a list of these: {', '.join(names[:8])}."
        )
    return explanation.outputs.argmax(axis=1)[:, None], ("predicted",)


def check_finite(values: Floats, explanation: Explanation, by: str) -> None:
    """DataError for NaN and infinity; rows with segments or words of their own may have fewer than others."""
    has_fewer = bool({"words", "segments"} & explanation.extras.keys())
    bad = ~np.isfinite(values) & ~(np.isnan(values) & has_fewer)
    if bad.any():
        rows = np.flatnonzero(bad.any(axis=(1, 2)))
        raise DataError(
            f"The explanation of {by} has NaN or infinity in {rows.size} of {len(values)} rows, the first of "
            f"them row {rows[0]}. Leave these out, or explain them again."
        )
