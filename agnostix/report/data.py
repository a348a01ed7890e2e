"""The results that a report is written from: one evaluation of the model, then reweightings of its rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from agnostix.core.explanation import WhatIfCurves
from agnostix.core.frames import as_table
from agnostix.core.models import as_predictor, is_fitted
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics import ComparisonResult
from agnostix.report.formatting import Scale
from agnostix.report.inputs import ReportInputs
from agnostix.report.pictures import MethodMaps, check_pictures, method_maps
from agnostix.report.scenarios import ScenarioResult, solve_scenario
from agnostix.report.single_rows import ExplainedRow, explain_rows, used_columns
from agnostix.report.trust import MeasuredRows
from agnostix.surrogate_tree import MimicTree
from agnostix.what_if import (
    CorrelatedShifts,
    EntropicProjection,
    Sample,
    Trends,
    default_metrics,
    movable,
    read_trends,
)
from agnostix.what_if.metrics import prediction_means

EQUAL_KL = 0.1
"""Divergence, in nats, of the equal shifts by which features are ranked."""
MAX_FEATURES = 24
"""Features with a figure of their own: those that change the outcome most."""
MAX_LEVELS = 12
"""Levels of a column with a curve of their own: the most frequent."""
_ERROR_NAMES = {"error_rate": "error rate", "mean_absolute_error": "mean absolute error"}


@dataclass(frozen=True)
class MomentCurve:
    """The outcome and the correlated shifts along the targets of one average or proportion."""

    feature: str
    level: Any  # None for an average
    curve: pd.DataFrame  # one row a target, from the frame of the curves
    others: list[tuple[str, str | None]]  # the other columns, or levels of them
    shifts: Floats  # (n_targets, n_others), in standard deviations


@dataclass(frozen=True)
class ReportData:
    """Results before a word is written."""

    inputs: ReportInputs
    projection: EntropicProjection  # fitted
    output: str  # name of the output that the report is about
    baseline: pd.DataFrame  # prediction and metrics in the observed population
    groups: pd.DataFrame  # the same by group; empty without groups
    ranking: pd.DataFrame  # the outcome under equal shifts of every feature
    error_ranking: pd.DataFrame  # likewise the model's error; empty without y
    curves: WhatIfCurves  # the outcome along each feature, by group if there are groups
    moment_curves: list[MomentCurve]  # over all rows, for the slider
    scenarios: list[ScenarioResult]
    trends: Trends  # what is certain of the sentences on curves and labels, together
    skipped: tuple[tuple[str, Any, str], ...]  # feature, group and reason of columns without targets
    timings: dict[str, float] = field(default_factory=dict)  # seconds by stage
    rows: list[ExplainedRow] = field(default_factory=list)
    measured: MeasuredRows | None = None  # of the explanations of these rows
    surrogate_tree: MimicTree | None = None  # fitted

    @cached_property
    def pictures(self) -> list[MethodMaps]:
        """The maps of images by method."""
        return method_maps(check_pictures(self.inputs.pictures), self.inputs.confidence_level)

    @cached_property
    def pictures_comparison(self) -> ComparisonResult | None:
        """What was measured of these maps."""
        return self.inputs.checked_comparison()

    @property
    def in_percent(self) -> bool:
        """Whether the outcome is a probability."""
        return self.projection.predictions_.probabilities

    @property
    def is_classification(self) -> bool:
        """Whether the observed outcome is a class."""
        return self.projection.predictions_.task == "classification"

    @property
    def features(self) -> list[str]:
        """Features with a figure, those that change the outcome most first."""
        return list(dict.fromkeys(self.curves.frame["feature"]))

    @property
    def target_name(self) -> str | None:
        """Name of the column of the observed outcome, if it has one."""
        name = getattr(self.inputs.y, "name", None)
        return None if name is None else str(name)

    @property
    def prediction_name(self) -> str:
        """What the model predicts for a row, such as "P(default = 1)"."""
        name, output = self.target_name, self.output
        if output == "prediction":
            return output if name is None else f"predicted {name}"
        if self.is_classification:
            event = f"class {output}" if name is None else f"{name} = {output}"
            event = output if output == name else event  # a single score has the name of y, and no class
            return f"P({event})" if self.in_percent else f"score of {event}"
        return f"predicted {output}"

    @property
    def outcome_name(self) -> str:
        """What is averaged over the population, such as "mean P(default = 1)"."""
        return f"mean {self.prediction_name}"

    @property
    def error_name(self) -> str:
        """The metric of the ranking of errors."""
        return _ERROR_NAMES[str(self.error_ranking["quantity"].iloc[0])]

    @cached_property
    def scale(self) -> Scale:
        """How the outcome is written."""
        half = (self.ranking["high"] - self.ranking["low"]).median() / 2.0
        return Scale.from_interval(self.ranking["value"], float(half), self.in_percent)

    @cached_property
    def error_scale(self) -> Scale:
        """How the model's error is written."""
        errors = self.error_ranking
        half = (errors["high"] - errors["low"]).median() / 2.0
        return Scale.from_interval(
            errors["value"], float(half), bool((errors["quantity"] == "error_rate").all())
        )

    def level_text(self, feature: str, level: Any) -> str:
        """A level of a column, or its text, as text."""
        column = self.projection.table_.column(feature)
        return column.level_text(column.levels[column.level_code(level)] if column.levels else level)

    def correlated_shifts(self, row: Mapping[Any, Any]) -> dict[tuple[str, str | None], float]:
        """Shifts of (feature, level) that come with a shift in the ranking; empty if it has no curve."""
        key = (row["feature"], row["level"])
        moment = next((one for one in self.moment_curves if (one.feature, one.level) == key), None)
        if moment is None:
            return {}
        distance = np.abs(moment.curve["target"].to_numpy(dtype=float) - row["target"])
        return dict(zip(moment.others, moment.shifts[int(distance.argmin())].tolist(), strict=True))


@one_blas_thread
def compute_report_data(inputs: ReportInputs) -> ReportData:
    """Evaluate the model once, and compute all that the report shows."""
    selected = inputs.check()
    start = time.perf_counter()
    projection = EntropicProjection(
        inputs.model, confidence_level=inputs.confidence_level, missing="omit"
    ).fit(inputs.X, inputs.y, inputs.sample_weight)
    fitted = time.perf_counter()
    data = _population_data(inputs, projection)
    solved = time.perf_counter()
    timings = {"model": fitted - start, "solving": solved - fitted}
    if inputs.mimic is not None:
        data = replace(data, surrogate_tree=_fit_tree(inputs, projection))
        timings["rules"] = time.perf_counter() - solved
    if selected is None:
        return replace(data, timings=timings)
    begin = time.perf_counter()
    rows, measured = explain_rows(inputs, selected, projection, data.output)
    timings["rows"] = time.perf_counter() - begin
    return replace(data, timings=timings, rows=rows, measured=measured)


def _population_data(inputs: ReportInputs, projection: EntropicProjection) -> ReportData:
    output = _select_output(projection, inputs.output)
    scenarios = [solve_scenario(projection, one) for one in inputs.scenarios]
    metrics = default_metrics(projection.predictions_)
    ranked = projection.rank(EQUAL_KL, metric=["prediction", *_error_metric(metrics)])
    if ranked.empty:
        reasons = "; ".join(f"{name}: {reason}" for name, _, reason in _skipped(projection))
        raise DataError(f"No column of X can be shifted ({reasons}).")
    ranking = ranked[ranked["output"] == output].reset_index(drop=True)
    features = _by_change(ranking)[:MAX_FEATURES]
    curves = projection.explain(features=features).sel(outputs=output)
    by_group = (
        projection.explain(features=features, by=inputs.by).sel(outputs=output) if inputs.by else curves
    )
    moment_curves = _moment_curves(projection, curves)
    return ReportData(
        inputs,
        projection,
        output,
        projection.baseline(metric=["prediction", *metrics]),
        _groups(projection, inputs.by, output, metrics),
        ranking,
        ranked[ranked["output"].isna()].reset_index(drop=True),
        by_group,
        moment_curves,
        scenarios,
        _trends(projection, output, moment_curves, features),
        _skipped(projection),
    )


def _fit_tree(inputs: ReportInputs, projection: EntropicProjection) -> MimicTree:
    """The surrogate tree, fitted on the columns that the model uses unless it is fitted."""
    tree: MimicTree = inputs.mimic
    if is_fitted(tree):
        return tree
    table = used_columns(as_table(inputs.X), as_predictor(projection.model_))
    fitted: MimicTree = clone(tree).fit(table, inputs.y, inputs.sample_weight)
    return fitted


def _select_output(projection: EntropicProjection, output: str | None) -> str:
    predictions = projection.predictions_
    names = predictions.output_names
    if output is not None:
        if str(output) not in names:
            raise ValueError(f"There is no output {output!r}. The outputs: {', '.join(names)}.")
        return str(output)
    if len(names) <= 2:
        return names[-1]
    return names[int(predictions.values.mean(0).argmax())]


def _by_change(ranking: pd.DataFrame) -> list[str]:
    """Features by their largest |change|."""
    largest = ranking.assign(size=ranking["change"].abs()).groupby("feature", sort=False)["size"].max()
    return [str(name) for name in largest.sort_values(ascending=False, kind="stable").index]


def _error_metric(metrics: list[Any]) -> list[str]:
    return [name for name in _ERROR_NAMES if name in metrics]


def _skipped(projection: EntropicProjection) -> tuple[tuple[str, Any, str], ...]:
    _, skipped = movable(Sample.from_table(projection.table_, []), None)
    return tuple((entry.feature, entry.group, entry.reason) for entry in skipped)


def _groups(projection: EntropicProjection, by: str | None, output: str, metrics: list[Any]) -> pd.DataFrame:
    if by is None:
        return pd.DataFrame()
    frame = projection.baseline(metric=["prediction", *_error_metric(metrics)], by=by)
    own = frame["output"].isna() | (frame["output"] == output)
    return frame[own].reset_index(drop=True)


def _moment_curves(projection: EntropicProjection, curves: WhatIfCurves) -> list[MomentCurve]:
    out: list[MomentCurve] = []
    sample = Sample.from_table(projection.table_, [])
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    for feature, rows in curves.frame.groupby("feature", sort=False):
        column = sample.column(feature)
        by_level = {None: rows} if not column.levels else _most_frequent(rows, column)
        targets = {level: part["target"].to_numpy(dtype=float) for level, part in by_level.items()}
        for level, others, shifts in correlated.along(str(feature), targets):
            curve = by_level[level].reset_index(drop=True)
            out.append(MomentCurve(str(feature), level, curve, others, shifts))
    return out


def _trends(
    projection: EntropicProjection, output: str, moment_curves: list[MomentCurve], features: list[str]
) -> Trends:
    """What is certain of all curves and labels that the page describes, at once."""
    quantity = next(one for one in prediction_means(projection.predictions_) if one.output == output)
    supported = {
        one.feature: supported_points(one.curve)["target"].to_numpy(dtype=float)
        for one in moment_curves
        if not projection.table_.column(one.feature).levels
    }
    sample = Sample.from_table(projection.table_, [quantity])
    # The columns shown were chosen by their changes among all: an error is as likely in any of these.
    config, n_all = projection.config_, len(movable(sample, None)[0])
    level = 1.0 - (1.0 - config.confidence_level) * len(features) / max(n_all, len(features))
    with_labels = [name for name in features if projection.table_.column(name).levels]
    return read_trends(sample, replace(config, confidence_level=level), supported, EQUAL_KL, with_labels)


def supported_points(curve: pd.DataFrame) -> pd.DataFrame:
    """The part of a curve that sentences are about: enough rows carry it."""
    return curve[curve["status"] == "ok"]


def _most_frequent(rows: pd.DataFrame, column: Any) -> dict[Any, pd.DataFrame]:
    """Curves of the most frequent levels, by level."""
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
    order = [column.levels[code] for code in np.argsort(-counts, kind="stable")]
    by_level = dict(iter(rows.groupby("level", sort=False)))
    return {level: by_level[level] for level in order[:MAX_LEVELS] if level in by_level}
