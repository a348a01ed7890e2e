"""The parameters of a report, checked before the model runs, and the rows that they select."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.base import AttributionExplainer
from agnostix.core.features import read_like
from agnostix.core.frames import as_table, column_names, is_frame
from agnostix.exceptions import DataError
from agnostix.metrics import ComparisonResult
from agnostix.report.pictures import check_pictures
from agnostix.report.pictures_trust import check_comparison
from agnostix.report.scenarios import StatedScenario, read_scenarios
from agnostix.surrogate_tree import MimicTree

MAX_ROWS = 20
"""Rows that one page explains."""
_N_EXAMPLES = 3


@dataclass(frozen=True)
class ReportInputs:
    """Parameters of `WhatIfReport`, as they were passed."""

    model: Any
    X: Any
    y: Any = None
    what_if: Any = ()
    by: str | None = None
    output: str | None = None
    sample_weight: Any = None
    title: str | None = None
    confidence_level: float = 0.95
    rows: Any = None
    explainers: Any = None
    random_state: Any = 0
    mimic: Any = None
    pictures: Any = None
    pictures_comparison: Any = None
    data_notes: Any = ()

    @cached_property
    def scenarios(self) -> list[StatedScenario]:
        """The scenarios, by name if they have some."""
        return read_scenarios(self.what_if, column_names(as_table(self.X)))

    def check(self) -> SelectedRows | None:
        """Refuse bad scenarios, rows, explainers, trees, pictures; the rows that are selected, or None."""
        self.scenarios  # noqa: B018 - raises for what is none
        selected = self._select_rows()
        self.checked_comparison()
        if self.explainers is not None:
            self.explainer_list()
        if self.mimic is not None and not isinstance(self.mimic, MimicTree):
            raise TypeError(
                f"The 'mimic' parameter of WhatIfReport must be a MimicTree, or None, got {self.mimic!r}."
            )
        return selected

    def checked_comparison(self) -> ComparisonResult | None:
        """What was measured of the pictures, both checked; None if nothing was."""
        pictures = check_pictures(self.pictures)
        return check_comparison(self.pictures_comparison, pictures, self.confidence_level)

    def explainer_list(self) -> list[Any]:
        """The explainers of single rows."""
        one = isinstance(self.explainers, AttributionExplainer)
        explainers = [self.explainers] if one else list(self.explainers)
        for explainer in explainers:
            if not isinstance(explainer, AttributionExplainer):
                raise TypeError(
                    "The 'explainers' parameter of WhatIfReport must be a list of explainers of single rows, "
                    f"such as OcclusionExplainer(model), got {explainer!r} in it."
                )
        return explainers

    def _select_rows(self) -> SelectedRows | None:
        if self.rows is None or (np.ndim(self.rows) > 0 and len(self.rows) == 0):
            return None
        selected = SelectedRows.from_selection(self.rows, as_table(self.X))
        n_rows = len(selected.positions)
        if n_rows > MAX_ROWS:
            raise DataError(
                f"rows selects {n_rows} rows, and a page holds at most {MAX_ROWS}. Explain more by an "
                "explainer itself: OcclusionExplainer(model).fit(X).explain(rows)."
            )
        return selected


@dataclass(frozen=True)
class SelectedRows:
    """Some rows, and where they are from."""

    table: Any  # the rows, with the columns and dtypes of the table that they are compared with
    positions: tuple[int | None, ...]  # in that table; None for new rows
    labels: tuple[Any, ...]  # None where the table has no labels

    @classmethod
    def from_selection(cls, rows: Any, X: Any) -> SelectedRows:
        """Rows of X by position (an int, from 0) or label, or a table of new rows with the columns of X."""
        if isinstance(rows, pd.Series):
            raise DataError(
                "rows is a Series, which may be one row or a list of them. Pass one row as a DataFrame, "
                "X.iloc[[3]], several by a list of positions or labels."
            )
        labels = row_labels(X)
        are_labels = isinstance(labels, pd.MultiIndex) and isinstance(rows, list)
        if not are_labels and (is_frame(rows) or np.ndim(rows) == 2):
            table = read_like(rows, X, "rows")
            n_rows = table.shape[0]
            return cls(table, (None,) * n_rows, _labels_at(row_labels(table), list(range(n_rows))))
        keys = list(rows) if isinstance(rows, Iterable) and not isinstance(rows, str | tuple) else [rows]
        positions = [row_position(key, X.shape[0], labels) for key in keys]
        repeated = [key for j, key in enumerate(keys) if positions[j] in positions[:j]]
        if repeated:
            raise DataError(f"rows selects row {repeated[0]!r} twice.")
        table = X.iloc[positions] if isinstance(X, pd.DataFrame) else X[positions]
        return cls(table, tuple(positions), _labels_at(labels, positions))


def row_labels(X: Any) -> pd.Index | None:
    """The labels of a table's rows; None where they are only numbered."""
    if not isinstance(X, pd.DataFrame) or X.index.equals(pd.RangeIndex(X.shape[0])):
        return None
    return X.index


def row_position(key: Hashable, n_rows: int, labels: pd.Index | None) -> int:
    """The position of a row given by its position, an int, or by its label."""
    is_position = isinstance(key, Integral) and not isinstance(key, bool)
    matches = [] if labels is None else np.flatnonzero([label == key for label in labels]).tolist()
    if is_position and 0 <= int(key) < n_rows:  # type: ignore[call-overload]
        return int(key)  # type: ignore[call-overload]
    if is_position:
        also = f" The label {key} is at position {matches[0]}." if matches else ""
        raise DataError(f"There is no row {key}: positions run from 0 to {n_rows - 1}.{also}")
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(map(str, matches[:_N_EXAMPLES])) + (", ..." if len(matches) > _N_EXAMPLES else "")
        raise DataError(f"{len(matches)} rows have the label {key!r}. Pass a position: {shown}.")
    known = "" if labels is None else f", labels are {', '.join(map(repr, labels[:_N_EXAMPLES].tolist()))}"
    more = " and others" if labels is not None and n_rows > _N_EXAMPLES else ""
    raise DataError(f"There is no row {key!r}: positions run from 0 to {n_rows - 1}{known}{more}.")


def _labels_at(labels: pd.Index | None, positions: list[int]) -> tuple[Any, ...]:
    return (None,) * len(positions) if labels is None else tuple(labels[positions].tolist())
