"""Everything the report is written from: one pass over the model, then reweightings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario, WhatIfCurves
from agnostix.core.reproducibility import one_blas_thread
from agnostix.exceptions import DataError, InfeasibleTargetError
from agnostix.report.request import Request
from agnostix.report.rules import check_mimic, gather_rules
from agnostix.report.single_rows import SingleRow, check_explainers, choose_rows, gather_rows
from agnostix.surrogate_tree import MimicTree
from agnostix.what_if import CorrelatedShifts, EntropicProjection, Sample, default_metrics, movable

EQUAL_KL = 0.1
"""Nats by which features are moved where they are compared."""
MAX_FEATURES = 24
"""Features with a picture of their own, those that move the outcome most."""
MAX_LEVELS = 12
"""Levels of a column that are followed, the most frequent."""


@dataclass(frozen=True)
class Asked:
    """A scenario and its answer, or why there is none.

    Attributes
    ----------
    constraints : mapping
        The question.
    scenario : Scenario or None
        The answer.
    problem : str or None
        Why there is none.
    """

    constraints: Mapping[str, Any]
    scenario: Scenario | None
    problem: str | None = None


@dataclass(frozen=True)
class Lever:
    """One average along its targets, for the slider.

    Attributes
    ----------
    feature : str
        The column.
    level : object or None
        The level.
    curve : DataFrame
        Rows of the curves' frame.
    others : list of (feature, level)
        What else is followed.
    shifts : ndarray of shape (n_targets, n_others)
        How far it moved, in standard deviations.
    """

    feature: str
    level: Any
    curve: pd.DataFrame
    others: list[tuple[str, str | None]]
    shifts: np.ndarray


@dataclass(frozen=True)
class Material:
    """Results, before a word is written.

    Attributes
    ----------
    request : Request
        What was asked.
    projection : EntropicProjection
        Fitted.
    output : str
        The output that the report is about.
    baseline : DataFrame
        The data as they are: prediction and metrics.
    groups : DataFrame
        The same for each group; empty without groups.
    ranking : DataFrame
        Every feature moved equally far: the outcome.
    quality : DataFrame
        Likewise the model's errors; empty where the truth is not known.
    curves : WhatIfCurves
        The outcome along each feature; for each group where asked.
    levers : list of Lever
        For the slider.
    asked : list of Asked
        The scenarios.
    skipped : tuple of (feature, group, reason)
        Columns that cannot be moved.
    timings : dict of str to float
        Seconds for the model, for solving, and for rules and single rows where there are any.
    rows : list of SingleRow
        Rows explained one by one.
    mimic : MimicTree or None
        The tree whose rules are told, fitted.
    """

    request: Request
    projection: EntropicProjection
    output: str
    baseline: pd.DataFrame
    groups: pd.DataFrame
    ranking: pd.DataFrame
    quality: pd.DataFrame
    curves: WhatIfCurves
    levers: list[Lever]
    asked: list[Asked]
    skipped: tuple[tuple[str, Any, str], ...]
    timings: dict[str, float] = field(default_factory=dict)
    rows: list[SingleRow] = field(default_factory=list)
    mimic: MimicTree | None = None

    @property
    def is_share(self) -> bool:
        """Whether the outcome is a share."""
        return self.projection.predictions_.probabilities

    @property
    def features(self) -> list[str]:
        """Features with a picture, what moves the outcome most first."""
        return list(dict.fromkeys(self.curves.frame["feature"]))

    def goes_along(self, moved: Mapping[Any, Any]) -> dict[tuple[str, str | None], float]:
        """What else moves when an average is moved as in a row of the ranking.

        Parameters
        ----------
        moved : mapping
            The row.

        Returns
        -------
        dict of (feature, level) to float
            Standard deviations; empty where the average is not followed.
        """
        key = (moved["feature"], moved["level"])
        lever = next((v for v in self.levers if (v.feature, v.level) == key), None)
        if lever is None:
            return {}
        distance = np.abs(lever.curve["target"].to_numpy(dtype=float) - moved["target"])
        return dict(zip(lever.others, lever.shifts[int(distance.argmin())].tolist(), strict=True))


@one_blas_thread
def gather(request: Request) -> Material:
    """Ask the model once and compute all that the report shows.

    Parameters
    ----------
    request : Request
        What was asked.

    Returns
    -------
    Material
    """
    chosen = choose_rows(request.rows, request.X)
    check_explainers(request.explainers)
    check_mimic(request.mimic)
    start = time.perf_counter()
    projection = EntropicProjection(
        request.model, confidence_level=request.confidence_level, missing="omit"
    ).fit(request.X, request.y, request.sample_weight)
    fitted = time.perf_counter()
    material = _solved(request, projection)
    solved = time.perf_counter()
    timings = {"model": fitted - start, "solving": solved - fitted}
    if request.mimic is not None:
        material = replace(material, mimic=gather_rules(request, projection))
        timings["rules"] = time.perf_counter() - solved
    if chosen is None:
        return replace(material, timings=timings)
    begun = time.perf_counter()
    rows = gather_rows(request, chosen, projection, material.output)
    return replace(material, timings=timings | {"rows": time.perf_counter() - begun}, rows=rows)


def _solved(request: Request, projection: EntropicProjection) -> Material:
    """All about populations."""
    output = _output(projection, request.output)
    asked = [_ask(projection, constraints) for constraints in request.what_if]
    metrics = default_metrics(projection.predictions_)
    compared = projection.rank(EQUAL_KL, metric=["prediction", *_error_metric(metrics)])
    if compared.empty:
        reasons = "; ".join(f"{name}: {reason}" for name, _, reason in _skipped(projection))
        raise DataError(f"No column of X can be moved ({reasons}).")
    ranking = compared[compared["output"] == output].reset_index(drop=True)
    drawn = _by_change(ranking)[:MAX_FEATURES]
    curves = projection.explain(features=drawn)
    curves = curves.sel(outputs=output)
    grouped = projection.explain(features=drawn, by=request.by).sel(outputs=output) if request.by else curves
    return Material(
        request,
        projection,
        output,
        projection.baseline(metric=["prediction", *metrics]),
        _groups(projection, request.by, output, metrics),
        ranking,
        compared[compared["output"].isna()].reset_index(drop=True),
        grouped,
        _levers(projection, curves),
        asked,
        _skipped(projection),
    )


def _output(projection: EntropicProjection, wanted: str | None) -> str:
    predictions = projection.predictions_
    names = predictions.output_names
    if wanted is not None:
        if str(wanted) not in names:
            raise ValueError(f"There is no output {wanted!r}. The outputs: {', '.join(names)}.")
        return str(wanted)
    if len(names) <= 2:
        return names[-1]
    return names[int(predictions.values.mean(0).argmax())]


def _ask(projection: EntropicProjection, constraints: Mapping[str, Any]) -> Asked:
    try:
        return Asked(constraints, projection.what_if(constraints))
    except InfeasibleTargetError as error:
        return Asked(constraints, None, str(error))


def _by_change(ranking: pd.DataFrame) -> list[str]:
    largest = ranking.assign(size=ranking["change"].abs()).groupby("feature", sort=False)["size"].max()
    return [str(name) for name in largest.sort_values(ascending=False, kind="stable").index]


def _error_metric(metrics: list[Any]) -> list[str]:
    return [name for name in ("error_rate", "mean_absolute_error") if name in metrics]


def _skipped(projection: EntropicProjection) -> tuple[tuple[str, Any, str], ...]:
    _, skipped = movable(Sample.from_table(projection.table_, []), None)
    return tuple((entry.feature, entry.group, entry.reason) for entry in skipped)


def _groups(projection: EntropicProjection, by: str | None, output: str, metrics: list[Any]) -> pd.DataFrame:
    if by is None:
        return pd.DataFrame()
    frame = projection.baseline(metric=["prediction", *_error_metric(metrics)], by=by)
    own = frame["output"].isna() | (frame["output"] == output)
    return frame[own].reset_index(drop=True)


def _levers(projection: EntropicProjection, curves: WhatIfCurves) -> list[Lever]:
    out: list[Lever] = []
    table, config = projection.table_, projection.config_
    sample = Sample.from_table(table, [])
    correlated = CorrelatedShifts.from_table(table, config)
    for feature, rows in curves.frame.groupby("feature", sort=False):
        column = sample.column(feature)
        by_level = {None: rows} if not column.levels else _most_frequent(rows, column)
        targets = {level: part["target"].to_numpy(dtype=float) for level, part in by_level.items()}
        for level, others, shifts in correlated.along(str(feature), targets):
            out.append(Lever(str(feature), level, by_level[level].reset_index(drop=True), others, shifts))
    return out


def _most_frequent(rows: pd.DataFrame, column: Any) -> dict[Any, pd.DataFrame]:
    share = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
    order = [column.levels[code] for code in np.argsort(-share, kind="stable")]
    by_level = dict(iter(rows.groupby("level", sort=False)))
    return {level: by_level[level] for level in order[:MAX_LEVELS] if level in by_level}
