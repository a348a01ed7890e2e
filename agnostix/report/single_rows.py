"""Results on single rows: the prediction, its explanations, and the nearest neighbors in the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from agnostix.core.explanation import Explanation
from agnostix.core.frames import as_table, column_names, columns, is_frame, missing_as_nan, select
from agnostix.core.models import NamedFailure, Predictor, as_predictor, is_fitted
from agnostix.core.neighbors import Neighbors, find_neighbors
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError
from agnostix.occlusion import OcclusionExplainer
from agnostix.plotting import BarDisplay, WaterfallDisplay
from agnostix.plotting.attributions import surrogate_output
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.steps import ENDS
from agnostix.plotting.words import is_surrogate
from agnostix.report.formatting import Scale
from agnostix.report.inputs import ReportInputs, SelectedRows, row_labels
from agnostix.report.trust import MeasuredRows, measure_rows
from agnostix.what_if import EntropicProjection

_PARTS = ("contribution", "effect")
"""Quantities that are parts or changes of a prediction, whatever they add up to."""
_ROUNDING = 1e-9
"""Proportion of base value and prediction below which a contribution is rounding error."""


@dataclass(frozen=True)
class RowRecord:
    """One row with its prediction and observed outcome."""

    number: int  # position in the data, or among the new rows
    is_new: bool
    label: Any  # None where rows have no labels
    values: dict[str, Any]  # by column
    prediction: float  # of the output that the report is about
    observed: Any  # None if unknown


@dataclass(frozen=True)
class ExplainedRow:
    """A selected row, its explanations and its neighbors."""

    record: RowRecord
    explanations: list[Explanation]  # one an explainer, of this row and output; the cost is that of all rows
    neighbors: Neighbors
    neighbor_records: list[RowRecord]
    compared: tuple[str, ...]  # columns of the distance: those that the model uses, if known
    n_fit_rows: int  # model rows for fitting the explainers, for all rows together


def explain_rows(
    inputs: ReportInputs, selected: SelectedRows, projection: EntropicProjection, output: str
) -> tuple[list[ExplainedRow], MeasuredRows]:
    """Explain the selected rows by every explainer, find their neighbors, and measure the explanations."""
    X, predictor = as_table(inputs.X), as_predictor(projection.model_)
    k = projection.predictions_.output_names.index(output)
    with NamedFailure(predictor.name, selected.table.shape[0]):
        outputs = predictor.predict(selected.table)
    predictions, output_name = outputs[:, k], predictor.names(outputs.shape[1])[k]
    compared = used_columns(X, predictor)
    explainers, n_fit_rows = _fit_explainers(inputs, projection, compared)
    neighbors = find_neighbors(
        compared,
        used_columns(selected.table, predictor),
        projection.table_.order,  # only rows with weight
        selected.positions,
    )
    explanations = [_explain(explainer, selected.table, k) for explainer in explainers]
    records = _Records(X, inputs.y, projection, k)
    measured = measure_rows(
        predictor,
        compared,
        selected.table,
        explainers,
        explanations,
        output_name=output_name,
        sample_weight=inputs.sample_weight,
        level=inputs.confidence_level,
        random_state=inputs.random_state,
    )
    rows = [
        ExplainedRow(
            records.of_selected(selected, j, float(predictions[j])),
            [explanation[j] for explanation in explanations],
            neighbors[j],
            records.at(neighbors[j].positions),
            tuple(column_names(compared)),
            n_fit_rows,
        )
        for j in range(len(selected.positions))
    ]
    return rows, measured


class _Records:
    """Records of the data's rows by position."""

    def __init__(self, X: Any, y: Any, projection: EntropicProjection, k: int) -> None:
        self.X = X
        self.observed = None if y is None else np.asarray(missing_as_nan(y)).reshape(-1)
        self.labels = row_labels(X)
        self.predictions = projection.table_.to_user_order(projection.predictions_.values[:, k])

    def at(self, positions: Codes) -> list[RowRecord]:
        values = _row_values(_take(self.X, positions))
        return [
            RowRecord(j, False, self._label(j), row, float(self.predictions[j]), self._observed(j))
            for j, row in zip(positions.tolist(), values, strict=True)
        ]

    def of_selected(self, selected: SelectedRows, j: int, prediction: float) -> RowRecord:
        position = selected.positions[j]
        (values,) = _row_values(_take(selected.table, [j]))
        number, observed = (j, None) if position is None else (position, self._observed(position))
        return RowRecord(number, position is None, selected.labels[j], values, prediction, observed)

    def _label(self, position: int) -> Any:
        return None if self.labels is None else self.labels[position]

    def _observed(self, position: int) -> Any:
        return None if self.observed is None else self.observed[position]


def _fit_explainers(inputs: ReportInputs, projection: EntropicProjection, X: Any) -> tuple[list[Any], int]:
    """The explainers, fitted on X unless they are fitted, and the model rows that fitting took."""
    if inputs.explainers is None:
        explainers = [OcclusionExplainer(projection.model_, random_state=inputs.random_state)]
    else:
        explainers = inputs.explainer_list()
    fitted = [
        one if is_fitted(one) else _fit(clone(one), X, inputs.y, inputs.sample_weight) for one in explainers
    ]
    fitted_here = [now for one, now in zip(explainers, fitted, strict=True) if now is not one]
    return fitted, sum(getattr(one, "n_model_rows_", 0) for one in fitted_here)


def _fit(explainer: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    if has_fit_parameter(explainer, "sample_weight"):
        return explainer.fit(X, y, sample_weight)
    if sample_weight is not None:
        raise DataError(
            f"{type(explainer).__name__} takes no sample_weight. Leave the weights out, or pass a fitted "
            "explainer."
        )
    return explainer.fit(X, y)


def _explain(explainer: Any, rows: Any, k: int) -> Explanation:
    names = getattr(explainer, "feature_names_in_", None)
    if names is not None and is_frame(rows):
        rows = select(rows, [str(name) for name in names])
    return explainer.explain(rows, outputs=k)


def used_columns(X: Any, predictor: Predictor) -> Any:
    """The columns of X that the model was fitted on; all if it does not say."""
    if predictor.columns is None or not is_frame(X):
        return X
    return select(X, [name for name in column_names(X) if name in predictor.columns])


def _take(table: Any, rows: Any) -> Any:
    return table.iloc[rows] if hasattr(table, "iloc") else table[rows]


def _row_values(table: Any) -> list[dict[str, Any]]:
    """Each row's values by column."""
    by_column = {name: series.to_list() for name, series in columns(table).items()}
    return [dict(zip(by_column, row, strict=True)) for row in zip(*by_column.values(), strict=True)]


@dataclass(frozen=True)
class ExplanationView:
    """An explanation of one row and output, with the quantities that the report states."""

    explanation: Explanation
    prediction: float
    in_percent: bool  # whether the prediction is a probability
    confidence_level: float
    n_rows: int  # rows explained together, whose cost is stated as one
    prediction_name: str = "prediction"

    @property
    def output(self) -> float:
        """The prediction in explained units."""
        outputs = self.explanation.outputs
        return self.prediction if outputs is None else float(outputs[0, 0])

    @property
    def base(self) -> float:
        """The base value, in explained units; NaN without one."""
        base = self.explanation.base_values
        return float("nan") if base is None else float(base[0, 0])

    @property
    def is_surrogate(self) -> bool:
        """Whether the values are those of a surrogate."""
        return is_surrogate(self.explanation)

    @property
    def is_waterfall(self) -> bool:
        """Whether the values lead from the base value to a prediction."""
        one, completeness = self.explanation, self.explanation.completeness
        leads = one.quantity in _PARTS if completeness is None else completeness != "outputs"
        return leads and one.base_values is not None and one.outputs is not None

    @property
    def in_output_units(self) -> bool:
        """Whether the values are parts or changes of the prediction, and not slopes, say."""
        return self.explanation.completeness is not None or self.explanation.quantity in _PARTS

    @property
    def rule(self) -> str | None:
        """The row's path in a surrogate tree of all rows; None for a surrogate near the row."""
        rule = self.explanation.extras.get("rule") if self.is_surrogate else None
        return None if rule is None else str(rule.array[0])

    @property
    def kind(self) -> str:
        """The quantity, or "surrogate", "surrogate tree", "background effect", "additive contribution"."""
        if self.explanation.completeness == "surrogate":
            return "surrogate" if self.rule is None else "surrogate tree"
        quantity = self.explanation.quantity
        if quantity == "effect" and "background_size" in self.explanation.extras:
            return "background effect"
        return "additive contribution" if quantity == "contribution" and self.is_waterfall else quantity

    @property
    def end(self) -> float:
        """What base value and contributions lead to: the prediction of the surrogate, or of the model."""
        return surrogate_output(self.explanation, 0, 0) if self.is_surrogate else self.output

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """Fidelity of a surrogate, if it states one."""
        return Fidelity.from_explanation(self.explanation, 0, 0, self.confidence_level)

    @property
    def not_selected(self) -> list[str]:
        """Features of the row that a surrogate did not select."""
        values = self.explanation.values[0, :, 0]
        used = set(self.values["label"])
        names = zip(self.explanation.feature_names, values, strict=True)
        return [name for name, value in names if np.isfinite(value) and name not in used]

    @property
    def in_other_units(self) -> bool:
        """Whether it is in other units than the prediction, such as log-odds."""
        has_units = self.explanation.units != "model output"
        return has_units or not np.isclose(self.output, self.prediction, rtol=1e-4, atol=1e-9)

    @property
    def in_log_odds(self) -> bool:
        """Whether it is in log-odds."""
        return self.explanation.units == "log-odds"

    @property
    def units(self) -> str:
        """Its units; empty if they are those of the prediction."""
        if self.explanation.units != "model output":
            return self.explanation.units
        return "the explainer's own units" if self.in_other_units else ""

    @property
    def in_points(self) -> bool:
        """Whether values are written in percentage points."""
        return self.in_percent and self.in_output_units and not self.in_other_units

    @cached_property
    def display(self) -> WaterfallDisplay | BarDisplay:
        """The waterfall, or bars of other values, with as many features as have room."""
        display = WaterfallDisplay if self.is_waterfall else BarDisplay
        return display.from_explanation(self.explanation, row=0, confidence_level=self.confidence_level)

    @cached_property
    def values(self) -> pd.DataFrame:
        """Value and interval of every feature, the largest first."""
        bars = BarDisplay.from_explanation(self.explanation, row=0, confidence_level=self.confidence_level)
        return bars.frame().rename(columns={"feature": "label"})

    @cached_property
    def scale(self) -> Scale:
        """How its numbers are written: with the digits of the figure."""
        steps = self.display.frame()
        if not self.is_waterfall:
            return Scale.from_contributions(steps["value"], self.in_points)
        values = steps.loc[~steps["step"].isin(ENDS), "value"].to_numpy()
        rounding = _ROUNDING * max(abs(self.base), abs(self.output))
        is_zero = np.abs(values).max(initial=0.0) <= rounding
        return Scale.from_contributions([self.base, self.output] if is_zero else values, self.in_points)

    @property
    def written(self) -> pd.DataFrame:
        """Values and intervals rounded as they are written, so that no sentence claims more."""
        digits, factor = self.scale.decimals, self.scale.factor
        return self.values.assign(
            **{name: (self.values[name] * factor).round(digits) for name in ("value", "low", "high")}
        )

    @property
    def significant(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The values whose interval, as written, is above 0, and those below."""
        written = self.written
        return self.values[written["low"] > 0], self.values[written["high"] < 0]

    @property
    def difference(self) -> float:
        """What is explained: from the base value to the prediction."""
        return self.end - self.base

    @property
    def total(self) -> float:
        """Sum of all values."""
        return float(self.values["value"].sum())

    @property
    def target(self) -> float | None:
        """What the values are expected to add up to; None where they need not add up."""
        if self.explanation.completeness == "outputs":
            return self.output
        return self.difference if self.is_waterfall or self.kind.startswith("surrogate") else None

    @property
    def is_additive(self) -> bool:
        """Whether the values add up to the target, as written."""
        return self.target is not None and self.scale.change(self.total - self.target) == self.scale.change(
            0.0
        )
