"""Explaining the same rows again by an explainer of another model, one output of each row."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from agnostix.core.base import OutputSelection
from agnostix.core.explanation import Explanation
from agnostix.core.frames import is_frame
from agnostix.core.models import Predictor
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.maps import check_finite
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.read import UNSIGNED, check_explanation, check_own_model
from agnostix.metrics.refits import rows_at
from agnostix.metrics.similarity import spearman, ssim

SIMILARITIES = ("absolute-spearman", "spearman", "ssim")


@dataclass(frozen=True)
class ChosenMaps:
    """Values (n_rows, n_units) of one output of each row, NaN where a row has fewer units."""

    values: Floats
    shape: tuple[int, ...]  # (height, width) of maps, else ()
    outputs: tuple[str, ...]  # of each row
    output_names: tuple[str, ...]  # as results have them
    quantity: str
    row_names: Any
    row_keys: Codes
    n_model_rows: int

    def __len__(self) -> int:
        return len(self.values)

    def result_fields(self) -> dict[str, Any]:
        """What a `MetricResult` has of the rows and the explanation."""
        return {
            "quantity": self.quantity,
            "output_names": self.output_names,
            "row_names": self.row_names,
            "row_keys": self.row_keys,
        }


def copy_for(
    explainer: Any, model: Any, rows: Any, sample_weight: Any = None, memo: dict[int, Any] | None = None
) -> Any:
    """A copy of an explainer with the same seed, fitted on rows for another model.

    `memo` maps what the model was copied from to its copies: layers among the parameters follow.
    """
    if memo is None:
        twin = clone(explainer).set_params(model=model)
    else:
        params = explainer.get_params(deep=False)
        own = {name: deepcopy(value, memo) for name, value in params.items() if name != "model"}
        twin = type(explainer)(model=model, **own)
    if "random_state" in twin.get_params(deep=False):
        twin.random_state = getattr(explainer, "_seed", twin.random_state)
    if sample_weight is None:
        return twin.fit(rows)
    return twin.fit(rows, sample_weight=sample_weight)


def background_of(explainer: Any, background: Any, X: Any) -> tuple[Any, Any]:
    """Rows to fit copies on, and their weights: those given, the explainer's own background, or X."""
    if background is not None:
        return background, None
    own = getattr(explainer, "background_", None)
    if own is None:
        return X, None
    weights = np.atleast_1d(explainer._masker.weights)
    return own, None if np.ptp(weights) == 0 else weights * weights.size


def explain_first(explainer: Any, X: Any, outputs: Any, predictor: Predictor, by: str) -> ChosenMaps:
    """Maps of the chosen output, or of the one that each row is predicted to be."""
    names = explainer.output_names_
    if outputs is None and len(names) > 1 and predictor.task == "regression":
        raise DataError(
            f"The model of {by} is a regression with {len(names)} outputs, none of which is the predicted "
            f"one. Choose: outputs={names[0]!r}."
        )
    selection = OutputSelection.from_parameter("predicted" if outputs is None else outputs, names)
    if selection.n_selected > 1:
        raise DataError(f"{by} compares maps of one output; choose: outputs={selection.names[0]!r}.")
    explanation = explainer.explain(X, outputs="predicted" if selection.places is None else selection.names)
    check_explanation(explanation, by)
    n_model_rows = explanation.n_model_rows + check_own_model(predictor, X, explainer, explanation, by)
    values = _flat(explanation)
    _check_maps(values, explanation, by)
    n_rows = len(explanation)
    if selection.places is None:
        of_rows = tuple(str(name) for name in explanation.extras["predicted"].array)
    else:
        of_rows = selection.names * n_rows
    if len(names) == 1:
        selection = OutputSelection(names, (0,))
    rows = X if is_frame(X) else np.asarray(X)
    return ChosenMaps(
        values,
        explanation.values.shape[1:3] if "y" in explanation.dims else (),
        of_rows,
        selection.names,
        explanation.quantity,
        explanation.row_names,
        row_seeds(rows),
        n_model_rows,
    )


def _check_maps(values: Floats, explanation: Explanation, by: str) -> None:
    """DataError where values (n_rows, n_units) are not finite, or rank nothing in any row."""
    check_finite(values[..., None], explanation, by)
    shown = np.where(np.isnan(values), values[:, :1], values)
    if (shown == shown[:, :1]).all():
        raise DataError(
            f"The explanations of {by} have one value for every unit of a row, in all {len(values)} rows, "
            "and are like any others. Is the prediction constant? Use another method, or more samples."
        )


def explain_outputs(explainer: Any, X: Any, outputs: tuple[str, ...]) -> tuple[Floats, int]:
    """Values (n_rows, n_units) of an output by row, and model rows; rows of one output go together."""
    names = np.array(outputs)
    parts, places, n_model_rows = [], [], 0
    for name in dict.fromkeys(outputs):
        own = np.flatnonzero(names == name)
        explanation = explainer.explain(rows_at(X, own), outputs=[name])
        parts.append(_flat(explanation))
        places.append(own)
        n_model_rows += explanation.n_model_rows
    values = np.full((len(outputs), max(part.shape[1] for part in parts)), np.nan)
    for own, part in zip(places, parts, strict=True):
        values[own, : part.shape[1]] = part
    return values, n_model_rows


def compare_maps(similarity: str, one: Floats, other: Floats, shape: tuple[int, ...]) -> Floats:
    """Similarity (n_rows,) of values (n_rows, n_units), NaN where it is not defined."""
    width = max(one.shape[1], other.shape[1])
    one, other = (
        np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)
        for values in (one, other)
    )
    if similarity == "ssim":
        return ssim(_sizes(one, shape), _sizes(other, shape))
    return spearman(one, other, absolute=similarity == "absolute-spearman")


def similarities_of(maps: ChosenMaps) -> tuple[str, ...]:
    """Those that are defined for an explanation: structure is that of maps."""
    return SIMILARITIES if maps.shape else SIMILARITIES[:2]


def choose_similarity(by: str, similarity: str, maps: ChosenMaps) -> str:
    """The similarity, by the quantity for "auto"; DataError for that of maps where there are none."""
    if similarity == "auto":
        return "absolute-spearman" if maps.quantity in UNSIGNED else "spearman"
    if similarity not in similarities_of(maps):
        raise DataError(
            f"similarity='ssim' of {by} compares maps of pixels, and the explanation has none. Use "
            "similarity='auto'."
        )
    return similarity


def _sizes(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Sizes of values (n_rows, n_units) over the largest of each row, as maps (n_rows, height, width)."""
    sizes = np.abs(values)
    largest = sizes.max(axis=1, keepdims=True)
    return (sizes / np.where(largest > 0, largest, 1.0)).reshape(len(values), *shape)


def _flat(explanation: Explanation) -> Floats:
    """Values (n_rows, n_units) of the only output."""
    return explanation.values[..., 0].reshape(len(explanation), -1)
