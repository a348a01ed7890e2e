"""Results on single rows: what the model says of each, why, and which real rows are like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from agnostix.core.base import AttributionExplainer
from agnostix.core.explanation import Explanation
from agnostix.core.frames import as_table, column_names, columns, is_frame, select
from agnostix.core.models import Predictor, as_predictor, is_fitted
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError
from agnostix.occlusion import OcclusionExplainer
from agnostix.report.chosen_rows import ChosenRows, row_labels
from agnostix.report.neighbors import Neighbors, find_neighbors
from agnostix.report.request import Request
from agnostix.what_if import EntropicProjection

MAX_ROWS = 20
"""Rows that one page explains."""


@dataclass(frozen=True)
class KnownRow:
    """One row, and what is known of it.

    Attributes
    ----------
    number : int
        Its position in the data, or its place among the new rows.
    is_new : bool
        Whether it was given beside the data.
    label : object or None
        Its label, where rows have labels.
    values : dict of str to object
        The row itself, by column.
    prediction : float
        The model's answer, of the output that the report is about.
    truth : object or None
        What is true, where it is known.
    """

    number: int
    is_new: bool
    label: Any
    values: dict[str, Any]
    prediction: float
    truth: Any


@dataclass(frozen=True)
class SingleRow:
    """A row that was asked for.

    Attributes
    ----------
    row : KnownRow
        The row.
    explanations : list of Explanation
        One from each explainer, of this row and output alone; the cost is that of all rows together.
    neighbors : Neighbors
        How near the nearest real rows are.
    nearest : list of KnownRow
        These rows.
    compared : tuple of str
        Columns in which rows were compared: those that the model uses, where it tells.
    n_learning : int
        Model rows that fitting the explainers took, as far as they tell; for all rows together.
    """

    row: KnownRow
    explanations: list[Explanation]
    neighbors: Neighbors
    nearest: list[KnownRow]
    compared: tuple[str, ...]
    n_learning: int


def choose_rows(rows: Any, X: Any) -> ChosenRows | None:
    """Read which rows are asked for, before anything costs.

    Parameters
    ----------
    rows : object
        As for `WhatIfReport`.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The population.

    Returns
    -------
    ChosenRows or None
        None where no row is asked for.

    Raises
    ------
    DataError
        If there is no such row, it is asked for twice, there are too many, or new rows do not fit.
    """
    if rows is None or (np.ndim(rows) > 0 and len(rows) == 0):
        return None
    chosen = ChosenRows.read(rows, as_table(X))
    if len(chosen.positions) > MAX_ROWS:
        raise DataError(
            f"rows asks for {len(chosen.positions)} rows, and a page holds at most {MAX_ROWS}. Explain more "
            "by an explainer itself: OcclusionExplainer(model).fit(X).explain(rows)."
        )
    return chosen


def check_explainers(explainers: Any) -> list[AttributionExplainer] | None:
    """Read which explainers speak of single rows.

    Parameters
    ----------
    explainers : AttributionExplainer, sequence of them, or None
        As for `WhatIfReport`.

    Returns
    -------
    list of AttributionExplainer or None

    Raises
    ------
    TypeError
        If one is something else.
    """
    if explainers is None:
        return None
    listed = [explainers] if isinstance(explainers, AttributionExplainer) else list(explainers)
    for one in listed:
        if not isinstance(one, AttributionExplainer):
            raise TypeError(
                "The 'explainers' parameter of WhatIfReport must be a list of explainers of single rows, "
                f"such as OcclusionExplainer(model), got {one!r} in it."
            )
    return listed


def gather_rows(
    request: Request, chosen: ChosenRows, projection: EntropicProjection, output: str
) -> list[SingleRow]:
    """Explain each row, and find the real rows that are like it.

    Parameters
    ----------
    request : Request
        With ``X``, ``y``, ``sample_weight``, ``explainers`` and ``random_state``.
    chosen : ChosenRows
        The rows.
    projection : EntropicProjection
        Fitted.
    output : str
        The output that the report is about.

    Returns
    -------
    list of SingleRow
    """
    X, predictor = as_table(request.X), as_predictor(projection.model_)
    place = projection.predictions_.output_names.index(output)
    predictions = predictor.predict(chosen.table)[:, place]
    compared = used_columns(X, predictor)
    explainers, n_learning = _fitted(request, projection, compared)
    with_weight = projection.table_.order
    neighbors = find_neighbors(compared, used_columns(chosen.table, predictor), with_weight, chosen.positions)
    explanations = [_explain(explainer, chosen.table, place) for explainer in explainers]
    known = _KnownRows(X, request.y, projection, place)
    return [
        SingleRow(
            known.asked(chosen, j, float(predictions[j])),
            [explanation[j] for explanation in explanations],
            neighbors[j],
            known.at(neighbors[j].positions),
            tuple(column_names(compared)),
            n_learning,
        )
        for j in range(len(chosen.positions))
    ]


class _KnownRows:
    """The data's rows, by position."""

    def __init__(self, X: Any, y: Any, projection: EntropicProjection, place: int) -> None:
        self.X = X
        self.truth = None if y is None else np.asarray(y).reshape(-1)
        self.labels = row_labels(X)
        self.predictions = projection.table_.to_user_order(projection.predictions_.values[:, place])

    def at(self, positions: Codes) -> list[KnownRow]:
        values = _values(_rows(self.X, positions))
        return [
            KnownRow(j, False, self._label(j), row, float(self.predictions[j]), self._truth(j))
            for j, row in zip(positions.tolist(), values, strict=True)
        ]

    def asked(self, chosen: ChosenRows, j: int, prediction: float) -> KnownRow:
        position = chosen.positions[j]
        (values,) = _values(_rows(chosen.table, [j]))
        number, truth = (j, None) if position is None else (position, self._truth(position))
        return KnownRow(number, position is None, chosen.labels[j], values, prediction, truth)

    def _label(self, position: int) -> Any:
        return None if self.labels is None else self.labels[position]

    def _truth(self, position: int) -> Any:
        return None if self.truth is None else self.truth[position]


def _fitted(request: Request, projection: EntropicProjection, X: Any) -> tuple[list[Any], int]:
    """The explainers, those that are not fitted on the columns that the model uses, and what that cost."""
    explainers: list[Any] | None = check_explainers(request.explainers)
    if explainers is None:
        explainers = [OcclusionExplainer(projection.model_, random_state=request.random_state)]
    fitted = [
        one if is_fitted(one) else _fit(clone(one), X, request.y, request.sample_weight) for one in explainers
    ]
    learned = [now for one, now in zip(explainers, fitted, strict=True) if now is not one]
    return fitted, sum(getattr(one, "n_model_rows_", 0) for one in learned)


def _fit(explainer: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    if has_fit_parameter(explainer, "sample_weight"):
        return explainer.fit(X, y, sample_weight)
    if sample_weight is not None:
        raise DataError(
            f"{type(explainer).__name__} takes no sample_weight. Leave the weights out, or hand it over "
            "fitted."
        )
    return explainer.fit(X, y)


def _explain(explainer: Any, rows: Any, place: int) -> Explanation:
    names = getattr(explainer, "feature_names_in_", None)
    if names is not None and is_frame(rows):
        rows = select(rows, [str(name) for name in names])
    return explainer.explain(rows, outputs=place)


def used_columns(X: Any, predictor: Predictor) -> Any:
    """The columns that a model was fitted on; all where it cannot tell.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        A table.
    predictor : Predictor
        The model.

    Returns
    -------
    DataFrame or ndarray
    """
    if predictor.columns is None or not is_frame(X):
        return X
    return select(X, [name for name in column_names(X) if name in predictor.columns])


def _rows(table: Any, rows: Any) -> Any:
    return table.iloc[rows] if hasattr(table, "iloc") else table[rows]


def _values(table: Any) -> list[dict[str, Any]]:
    """Each row's values by column."""
    found = {name: series.to_list() for name, series in columns(table).items()}
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
