"""How a metric reads an explanation: whether it is of these rows and this model, and what its values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.evaluate import evaluate
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.explanation.fields import LAYER
from agnostix.core.features import as_series, joined_values, value_codes
from agnostix.core.frames import is_frame, take_rows
from agnostix.core.models import NamedFailure, Predictor, as_predictor
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.remembered import RememberingPredictor, key_of_rows
from agnostix.metrics.units import Units, make_units, plain_rows

SAME, SAME_IN_HALF = 1e-4, 3e-2
"""Relative to the largest prediction: by how much those of one model may differ, and in half precision."""
ATTRIBUTIONS = ("contribution", "effect", "relevance", "mask", "coefficient")
"""Quantities that say how much a unit speaks for an output."""
UNSIGNED = ("sensitivity", "mask")
"""Quantities that do not say whether a unit speaks for or against an output."""
BY_SIZE = {"sensitivity": "sensitivities have no direction for or against an output: their sizes are ranked"}
"""Conversion to absolute values, and what is said of it."""


@dataclass(frozen=True)
class ExplainedRows:
    """Rows, the model's predictions for them, and an explanation that fits both."""

    predictor: Predictor
    explanation: Explanation
    units: Units
    predictions: Floats  # (n_rows, n_outputs), all outputs
    outputs: Codes  # (n_rows, n_selected): those that the metric looks at
    output_names: tuple[str, ...]
    values: Floats  # (n_rows, n_units, n_selected), NaN where a row has fewer units
    seeds: Codes  # (n_rows,), of random_state and what each row holds
    n_model_rows: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.predictions.shape[0])

    @property
    def n_selected(self) -> int:
        """Outputs that the metric looks at in each row."""
        return int(self.outputs.shape[1])

    @property
    def scores(self) -> Floats:
        """Predictions (n_rows, n_selected) of these outputs."""
        return np.take_along_axis(self.predictions, self.outputs, axis=1)

    def squeeze(self, array: Floats) -> Floats:
        """An array (n_rows, ..., n_selected) as results have it: without the last axis for one output."""
        return array[..., 0] if len(self.output_names) == 1 else array

    def present_values(self, row: int, selected: int) -> tuple[Codes, Floats]:
        """Units that a row has, and their values."""
        units = np.flatnonzero(self.units.present[row])
        return units, self.values[row, units, selected]

    def result_fields(self) -> dict[str, Any]:
        """What a `MetricResult` has of the rows and the explanation."""
        return {
            "quantity": self.explanation.quantity,
            "output_names": self.output_names,
            "row_names": self.explanation.row_names,
            "row_keys": row_seeds(self.units.rows.data),
            "fill": self.units.fill,
        }


def read_explanation(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    by: str,
    made_for: Sequence[str] = ATTRIBUTIONS,
    by_size: Mapping[str, str] = BY_SIZE,
    masker: Any = None,
    fill: Any = None,
    outputs: Any = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: Any = 1,
    predictions: Floats | None = None,
) -> ExplainedRows:
    """Check an explanation against rows and model; DataError says what does not fit. `by`: the metric.

    `predictions` (n_rows, n_outputs) of the rows spare evaluating them where they are known.
    """
    check_explanation(explanation, by)
    notes = check_quantity(explanation, by, made_for, by_size)
    units = make_units(X, explanation, masker, fill, by, random_state)
    check_same_rows(explanation, units.rows.data, by)
    predictor = as_predictor(model)
    n_model_rows = 0
    if predictions is None:
        predictions, n_model_rows = predict_rows(predictor, units.rows.unmasked, n_jobs, verbose)
    notes += check_same_model(explanation, predictor, predictions, by)
    selected = select_outputs(explanation, predictor, predictions, outputs, by)
    values = _unit_values(explanation, units, selected.explained)
    values = np.abs(values) if explanation.quantity in by_size else values
    notes += check_values(values, units, by)
    return ExplainedRows(
        predictor,
        explanation,
        units,
        predictions,
        selected.outputs,
        selected.names,
        values,
        row_seeds(units.rows.data, random_state),
        n_model_rows,
        notes,
    )


def check_explanation(explanation: Any, by: str) -> None:
    """Raise unless there is an explanation with a value for each row, unit and output."""
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"The 'explanation' of {by} must be an Explanation, got {type(explanation).__name__}. "
            "explainer.explain(X) gives one."
        )
    if explanation.dims not in (("row", "feature", "output"), ("row", "y", "x", "output")):
        raise DataError(
            f"{by} needs an explanation with dims ('row', 'feature', 'output') or ('row', 'y', 'x', 'output')"
            f", got {explanation.dims}. Explain rows, by one method or layer at a time."
        )
    if LAYER in explanation.extras:
        raise DataError(
            f"{by} hides columns or pixels, and the explanation is of units of layer "
            f"{explanation.extras[LAYER]}. Explain the input, with layer=None, or a layer with a value for "
            "each column or pixel."
        )
    if len(explanation) == 0:
        raise DataError(f"{by} needs at least one row, and the explanation has none.")


def check_pictures(explanation: Any, by: str, instead: str) -> None:
    """DataError, with what to use instead, unless an explanation is of pixels or segments."""
    check_explanation(explanation, by)
    if "y" not in explanation.dims and "segments" not in explanation.extras:
        kind = "words" if "words" in explanation.extras else "columns"
        raise DataError(f"{by} is of pictures, and the explanation is of {kind}. {instead}")


def check_quantity(
    explanation: Explanation, by: str, made_for: Sequence[str], by_size: Mapping[str, str]
) -> tuple[str, ...]:
    """Notes on the conversion; DataError for a quantity that the metric does not speak of."""
    quantity = explanation.quantity
    if quantity in by_size:
        return (f"Of quantity {quantity!r}: {by_size[quantity]}.",)
    if quantity not in made_for:
        known = ", ".join(map(repr, made_for))
        raise DataError(f"{by} is made for explanations of quantity {known}; got {quantity!r}.")
    if quantity == "coefficient" and not {"words", "segments"} & explanation.extras.keys():
        raise DataError(
            f"{by} needs what a feature's value adds to the prediction, and coefficients are per unit of a "
            "feature. Use LimeExplainer(values='coef_x')."
        )
    return ()


def check_same_rows(explanation: Explanation, rows: Any, by: str) -> None:
    """DataError, which names the row, where the explanation is of other rows."""
    data, n_rows = explanation.data, len(rows)
    if len(explanation) != n_rows:
        raise DataError(
            f"The explanation of {by} is of {len(explanation)} rows, and X has {n_rows}. Pass the rows that "
            "were explained."
        )
    if data is None or is_frame(data) != is_frame(rows):
        return
    if not is_frame(data) and np.shape(data) != np.shape(rows):
        return  # features were selected
    row, what = _first_difference(data, rows)
    if row is not None:
        raise DataError(
            f"The explanation of {by} is of other rows than X: row {row} differs{what}. Pass the rows that "
            "were explained, in their order."
        )


def _first_difference(data: Any, rows: Any) -> tuple[int | None, str]:
    """The first row in which two tables or arrays differ, and where."""
    if is_frame(data):
        return _first_difference_of_frames(data, rows)
    one, other = np.asarray(data), np.asarray(rows)
    if one.dtype.kind in "biuf" and other.dtype.kind in "biuf":
        apart = ~np.isclose(one, other, rtol=1e-6, atol=1e-12, equal_nan=True)
    else:
        apart = np.asarray(one != other)
    places = np.argwhere(apart.reshape(len(one), -1))
    if not len(places):
        return None, ""
    row, place = places[0]
    pair = one.reshape(len(one), -1)[row, place], other.reshape(len(one), -1)[row, place]
    return int(row), f", where it has {pair[0]!s} and X has {pair[1]!s}"


def _first_difference_of_frames(data: Any, rows: Any) -> tuple[int | None, str]:
    names = [str(name) for name in data.columns]
    for name in (str(column) for column in rows.columns):
        if name not in names:
            continue
        one, other = (table[[_column(table, name)]] for table in (data, rows))
        try:
            codes = value_codes(as_series(joined_values(one, other, 0)))
        except Exception:  # columns of other types, which predictions tell apart
            continue
        differ = np.flatnonzero(codes[: len(codes) // 2] != codes[len(codes) // 2 :])
        if differ.size:
            return int(differ[0]), f" in column {name!r}"
    return None, ""


def _column(table: Any, name: str) -> Any:
    return next(column for column in table.columns if str(column) == name)


def predict_rows(predictor: Predictor, rows: Any, n_jobs: int | None, verbose: Any) -> tuple[Floats, int]:
    """Predictions (n_rows, n_outputs) of rows as they are, each evaluated once, and model rows."""
    if not isinstance(predictor, RememberingPredictor):
        return _evaluate_rows(predictor, rows, n_jobs, verbose)
    key = key_of_rows(rows)
    if key in predictor.known:
        return predictor.known[key], 0
    predictor.known[key], n_model_rows = _evaluate_rows(predictor, rows, n_jobs, verbose)
    return predictor.known[key], n_model_rows


def _evaluate_rows(predictor: Predictor, rows: Any, n_jobs: int | None, verbose: Any) -> tuple[Floats, int]:
    with NamedFailure(predictor.name, 1):  # one row tells how many outputs there are
        first = replace(predictor, copies=True).predict_batch(take_rows(rows, np.arange(1))).copy()
    n_rows = int(rows.shape[0])
    if n_rows == 1:
        return first, 1
    source = TableRows(rows, np.arange(1, n_rows))
    others, n = evaluate(predictor, source, n_outputs=first.shape[1], n_jobs=n_jobs, verbose=verbose)
    return np.concatenate([first, others]), n + 1


def check_same_model(
    explanation: Explanation, predictor: Predictor, predictions: Floats, by: str
) -> tuple[str, ...]:
    """DataError, which names row and difference, where the model predicts otherwise than when explained."""
    units = _units_of_outputs(explanation, predictor)
    if explanation.outputs is None or units:
        why = "has no outputs" if explanation.outputs is None else f"has outputs in {units}"
        return (f"Whether the explanation is of this model was not checked: it {why}.",)
    places = explained_outputs(explanation, predictor, predictions, by)
    known = np.take_along_axis(predictions, places, axis=1)
    apart = np.abs(known - explanation.outputs)
    half = predictor.params.get("precision") in ("bf16", "fp16")
    allowed = (SAME_IN_HALF if half else SAME) * max(float(np.abs(known).max()), 1e-300)
    if apart.max() <= allowed:
        return ()
    row, output = np.unravel_index(int(apart.argmax()), apart.shape)
    remedy = "Pass the model that was explained, or explain again."
    if explanation.units == "margin":
        remedy = (
            f"It is in margins, which {predictor.name} does not predict: pass a function of rows that "
            "returns them, with one column for each output, or explain predictions (algorithm='kernel')."
        )
    raise DataError(
        f"The explanation of {by} is of another model: for row {row} it has "
        f"{explanation.output_names[output]} = {explanation.outputs[row, output]:.6g}, and {predictor.name} "
        f"predicts {known[row, output]:.6g}, a difference of {apart[row, output]:.3g}. {remedy}"
    )


def check_own_model(model: Any, X: Any, explainer: Any, explanation: Explanation, by: str) -> int:
    """DataError where an explainer of rows X is of another model; model rows, none for the very same."""
    if model is None or _core_of(model) is _core_of(explainer.model_):
        return 0
    predictor = as_predictor(model)
    predictions, n_model_rows = predict_rows(predictor, plain_rows(X, explanation), None, 0)
    check_same_model(explanation, predictor, predictions, by)
    return n_model_rows


def _core_of(model: Any) -> Any:
    """The estimator, module or function that a model is made of."""
    function = model.function if isinstance(model, Predictor) else model
    return getattr(function, "module", getattr(function, "__self__", function))


def _units_of_outputs(explanation: Explanation, predictor: Predictor) -> str:
    """Units of the explanation's outputs where they are not those of predictions, else ""."""
    if explanation.units in ("logits", "log-odds"):
        return explanation.units
    # Of Score-CAM and of scaled maps the units are those of the values alone.
    is_before = explanation.params.get("target") == "logits"
    return "logits" if is_before and predictor.params.get("activation") in ("softmax", "sigmoid") else ""


def explained_outputs(explanation: Explanation, predictor: Predictor, predictions: Floats, by: str) -> Codes:
    """The model's output (n_rows, n_explained) that each of the explained ones is."""
    names = predictor.names(predictions.shape[1])
    n_rows = len(explanation)
    if explanation.output_names == ("predicted",) and "predicted" not in names:
        own = explanation.extras.get("predicted")
        if isinstance(own, Detail):
            missing = sorted(set(map(str, own.array)) - set(names))
            _check_known(missing, names, predictor, by)
            return np.array([[names.index(str(name))] for name in own.array])
        return predictions.argmax(axis=1)[:, None]
    missing = [name for name in explanation.output_names if name not in names]
    if missing and len(names) == len(explanation.output_names):  # named after y, or by position
        return np.tile(np.arange(len(names)), (n_rows, 1))
    _check_known(missing, names, predictor, by)
    return np.tile([names.index(name) for name in explanation.output_names], (n_rows, 1))


def _check_known(missing: Sequence[str], names: Sequence[str], predictor: Predictor, by: str) -> None:
    if missing:
        raise DataError(
            f"The explanation of {by} is of the output {missing[0]!r}, and the model {predictor.name} has "
            f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}. Pass the model that was explained, "
            "or as_predictor(model, output_names=...)."
        )


@dataclass(frozen=True)
class SelectedOutputs:
    """Outputs that a metric looks at: of the model and among those explained, (n_rows, n_selected)."""

    outputs: Codes
    explained: Codes
    names: tuple[str, ...]


def select_outputs(
    explanation: Explanation, predictor: Predictor, predictions: Floats, outputs: Any, by: str
) -> SelectedOutputs:
    """The chosen outputs; by default the one explained, or each row's predicted one among those explained."""
    places = explained_outputs(explanation, predictor, predictions, by)
    names, n_rows = explanation.output_names, len(explanation)
    if outputs is not None and not (isinstance(outputs, str) and outputs == "predicted"):
        selection = OutputSelection.from_parameter(outputs, names)
        assert selection.places is not None
        explained = np.tile(selection.places, (n_rows, 1))
        return SelectedOutputs(np.take_along_axis(places, explained, axis=1), explained, selection.names)
    if len(names) == 1:
        return SelectedOutputs(places, np.zeros((n_rows, 1), dtype=np.intp), names)
    if predictor.task == "regression":
        raise DataError(
            f"The explanation of {by} is of {len(names)} outputs of a regression, none of which is the "
            f"predicted one. Choose: outputs={names[0]!r}, or a list of them."
        )
    is_own = places == predictions.argmax(axis=1)[:, None]
    if not is_own.any(axis=1).all():
        row = int(np.flatnonzero(~is_own.any(axis=1))[0])
        own = predictor.names(predictions.shape[1])[predictions[row].argmax()]
        raise DataError(
            f"Row {row} is predicted to be {own}, which the explanation does not explain. Choose for "
            f"{by}: outputs={names[0]!r}, or a list of these: {', '.join(names[:8])}."
        )
    explained = is_own.argmax(axis=1)[:, None]
    return SelectedOutputs(np.take_along_axis(places, explained, axis=1), explained, ("predicted",))


def _unit_values(explanation: Explanation, units: Units, explained: Codes) -> Floats:
    """Values (n_rows, n_units, n_selected) of the chosen outputs."""
    n_rows = len(explanation)
    values = explanation.values.reshape(n_rows, -1, explanation.values.shape[-1])
    return np.take_along_axis(values, explained[:, None, :], axis=2)


def check_values(values: Floats, units: Units, by: str) -> tuple[str, ...]:
    """Notes on rows with one value everywhere; DataError for NaN, or where all rows are such."""
    present = units.present
    bad = np.asarray((~np.isfinite(values) & present[..., None]).any(axis=(1, 2)))
    if bad.any():
        raise DataError(
            f"The explanation of {by} has NaN or infinity in {int(bad.sum())} of {len(bad)} rows, the "
            f"first of them row {np.flatnonzero(bad)[0]}. Leave these out, or explain them again."
        )
    shown = np.where(present[..., None], values, np.nan)
    flat = (np.nanmax(shown, axis=1) == np.nanmin(shown, axis=1)).any(axis=1)
    if flat.all():
        what = "has the same value for every" if len(flat) == 1 else "of each row has one value for every"
        raise DataError(
            f"The explanation of {by} {what} {units.kind}, which ranks nothing. Explain with another method, "
            "or more samples."
        )
    if not flat.any():
        return ()
    return (
        f"{int(flat.sum())} of {len(flat)} rows have one value for every {units.kind}, the first of them row "
        f"{np.flatnonzero(flat)[0]}: their order is chance.",
    )
