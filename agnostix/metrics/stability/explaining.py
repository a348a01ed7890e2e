"""Explaining rows and others like them by a fitted explainer, for the outputs that belong to each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail, Explanation
from agnostix.core.masking import TextMasker
from agnostix.core.models import as_predictor
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_explainer
from agnostix.metrics.read import ATTRIBUTIONS, check_explanation, check_own_model
from agnostix.metrics.refits import rows_at
from agnostix.metrics.stability.neighbors import Neighborhood, NeighborOptions

MADE_FOR = (*ATTRIBUTIONS, "sensitivity")
"""Quantities whose differences are measured: all that rows have values of."""


@dataclass(frozen=True)
class RowExplainer:
    """A fitted explainer, and the outputs that are explained of each row and of others that it owns."""

    explainer: Any
    by: str
    own: Explanation  # of the rows as they are
    output_names: tuple[str, ...]
    values: Floats  # (n_rows, n_units, n_selected) of the rows as they are
    groups: tuple[tuple[Any, Codes], ...]  # what `explain` gets as outputs, and the rows it is for
    by_pixel: bool  # whether segments are compared pixel by pixel
    n_model_rows: int

    @classmethod
    def from_explainer(
        cls, model: Any, X: Any, explainer: Any, outputs: Any, by: str, *, by_pixel: bool = True
    ) -> RowExplainer:
        """Explain the rows; TypeError or DataError, with the way out, for what cannot be explained anew."""
        check_explainer(explainer, by)
        outputs = _choose_outputs(explainer, outputs, by)
        own = explainer.explain(X, outputs=outputs)
        check_explanation(own, by)
        n_model_rows = own.n_model_rows + check_own_model(model, X, explainer, own, by)
        groups: tuple[tuple[Any, Codes], ...] = ((outputs, np.arange(len(own))),)
        predicted = own.extras.get("predicted")
        if own.output_names == ("predicted",) and isinstance(predicted, Detail):
            labels = np.array([str(label) for label in predicted.array])
            groups = tuple((label, np.flatnonzero(labels == label)) for label in np.unique(labels).tolist())
        values = read_values(own, by, by_pixel)
        return cls(explainer, by, own, own.output_names, values, groups, by_pixel, n_model_rows)

    def __len__(self) -> int:
        return len(self.own)

    def explain(self, rows: Any, owners: Codes) -> tuple[Floats, int]:
        """Values (n, n_units, n_selected) of rows for the outputs of their owners (n,), and model rows."""
        values = np.empty((owners.size, *self.values.shape[1:]))
        n_model_rows = 0
        for outputs, members in self.groups:
            places = np.flatnonzero(np.isin(owners, members))
            if not places.size:
                continue
            explanation = self.explainer.explain(rows_at(rows, places), outputs=outputs)
            own = read_values(explanation, self.by, self.by_pixel)
            if own.shape[1:] != self.values.shape[1:]:
                raise DataError(
                    f"{self.by} compares the same units, and {type(self.explainer).__name__} explains "
                    f"{self.values.shape[1]} of the rows of X and {own.shape[1]} of others. Use an explainer "
                    "whose features are the same for all rows."
                )
            values[places] = own
            n_model_rows += explanation.n_model_rows
        return values, n_model_rows

    def squeeze(self, array: Floats) -> Floats:
        """An array (n_rows, ..., n_selected) as results have it: without the last axis for one output."""
        return array[..., 0] if len(self.output_names) == 1 else array

    def result_fields(self) -> dict[str, Any]:
        """What a `MetricResult` has of the rows and the explainer."""
        return {
            "quantity": self.own.quantity,
            "made_for": MADE_FOR,
            "output_names": self.output_names,
            "row_names": self.own.row_names,
        }

    def notes(self) -> tuple[str, ...]:
        """What is to be known of how explanations were compared."""
        if self.by_pixel and "segments" in self.own.extras:
            return ("Segments are compared pixel by pixel: each pixel has its segment's value.",)
        return ()


def explain_with_neighborhood(
    model: Any, X: Any, explainer: Any, options: NeighborOptions, outputs: Any
) -> tuple[RowExplainer, Neighborhood]:
    """Rows explained as they are, and where their neighbors are; DataError for texts, which have none."""
    check_explainer(explainer, options.by)
    is_text = isinstance(getattr(explainer, "masker", None), TextMasker)
    neighborhood = None if is_text else options.make(X)
    explained = None if is_text else RowExplainer.from_explainer(model, X, explainer, outputs, options.by)
    if explained is None or neighborhood is None or "words" in explained.own.extras:
        raise DataError(
            f"{options.by} needs neighbors of rows, and texts have none that mean the same. Use "
            "agreement(over='seed'), which explains the same texts again, or comprehensiveness."
        )
    return explained, neighborhood


def _choose_outputs(explainer: Any, outputs: Any, by: str) -> Any:
    """What `explain` gets as outputs: by default each row's predicted one, unless the explainer has some."""
    if outputs is not None:
        return outputs
    names = explainer.output_names_
    if explainer.outputs is not None or len(names) == 1:
        return None
    if explainer.model_ is not None and as_predictor(explainer.model_).task == "regression":
        raise DataError(
            f"The model of {by} is a regression with {len(names)} outputs, none of which is the predicted "
            f"one. Choose: outputs={names[0]!r}, or a list of them."
        )
    return "predicted"


def read_values(explanation: Explanation, by: str, by_pixel: bool) -> Floats:
    """Values (n_rows, n_units, n_outputs), NaN where a row has no such unit; DataError where it has none."""
    values: Floats = explanation.values.reshape(len(explanation), -1, explanation.values.shape[-1])
    segments = explanation.extras.get("segments")
    if by_pixel and isinstance(segments, Detail) and "y" not in explanation.dims:
        labels = np.broadcast_to(segments.array, (len(explanation), *segments.array.shape[1:]))
        values = np.take_along_axis(values, labels.reshape(len(explanation), -1, 1), axis=1)
    lacking = np.asarray(np.isnan(values).all(axis=1))
    bad = np.asarray(np.isinf(values).any(axis=(1, 2)) | lacking.any(axis=1))
    if bad.any():
        raise DataError(
            f"{by} cannot compare explanations without numbers: {explanation.method} gives NaN or infinity "
            f"for {int(bad.sum())} of {len(bad)} rows, the first of them row {np.flatnonzero(bad)[0]}. Leave "
            "these rows out."
        )
    return values
