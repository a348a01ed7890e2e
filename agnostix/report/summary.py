"""The report as plain data: what is written into the page, the JSON and the Markdown."""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.models import as_predictor
from agnostix.report.caveats import caveats
from agnostix.report.findings import (
    curve_sentence,
    headline_findings,
    levels_sentence,
    outcome_name,
    outcome_scale,
    quality_scale,
    question,
    scenario_sentence,
)
from agnostix.report.material import EQUAL_KL, Asked, Lever, Material
from agnostix.report.plain import digits_of, records, rounded
from agnostix.report.row_summary import summarise_row
from agnostix.report.rules import summarise_rules
from agnostix.report.words import Scale, is_known, percent, whole

SCHEMA_VERSION = 1
_N_COMPANIONS = 3
_METRIC_NAMES = {"brier_score": "Brier score", "roc_auc": "ROC AUC", "r2": "R\u00b2"}


def summarise(material: Material) -> dict[str, Any]:
    """Put everything the report says into one dict of plain values.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    dict
        Can be written as JSON.
    """
    scale = outcome_scale(material)
    return {
        "schema_version": SCHEMA_VERSION,
        "agnostix_version": version("agnostix"),
        "title": material.request.title or _title(material),
        "outcome": {"name": outcome_name(material), "share": scale.share, "decimals": scale.decimals},
        "identity": _identity(material),
        "findings": headline_findings(material),
        "equal_kl": EQUAL_KL,
        "ranking": records(material.ranking),
        "features": [_feature(material, feature, scale) for feature in material.features],
        "levers": [_lever(lever, material) for lever in material.levers],
        "scenarios": [_scenario(asked, material) for asked in material.asked],
        "baseline": _baseline(material),
        "groups": _groups(material),
        "quality": _quality(material),
        "rules": summarise_rules(material.mimic, material.request.sample_weight is not None),
        "rows": [summarise_row(single, material) for single in material.rows],
        "caveats": caveats(material),
        "timings": dict(material.timings),
    }


def _title(material: Material) -> str:
    return f"What if the population were different? A report on {_model_name(material).split(' > ')[-1]}"


def _model_name(material: Material) -> str:
    return as_predictor(material.projection.model_).name


def _identity(material: Material) -> list[tuple[str, str]]:
    projection, request = material.projection, material.request
    table = projection.table_
    lines = [
        ("Model", _model_name(material)),
        ("Outcome", _outcome(material)),
        (
            "Data",
            f"{whole(table.n_given)} rows, {len(table.columns)} columns, "
            f"fingerprint {_fingerprint(material)}",
        ),
        (
            "Truth",
            "known" if projection.predictions_.truth is not None else "not given: nothing is said on quality",
        ),
        ("Cost", _cost(material)),
        ("Confidence", percent(request.confidence_level)),
        ("Made", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")),
    ]
    if request.sample_weight is not None:
        lines.insert(3, ("Weights", f"{whole(table.base_ess)} effective rows"))
    return lines


def _outcome(material: Material) -> str:
    """The outcome's name, for a probability with what it is the mean of."""
    name = outcome_name(material)
    return f"{name}, the model's probability averaged over the rows" if material.is_share else name


def _cost(material: Material) -> str:
    said = f"the model was asked about {whole(material.projection.n_model_rows_)} rows, once"
    if material.mimic is not None:
        said += f", about {whole(material.mimic.n_model_rows_)} for a tree that copies it"
    if not material.rows:
        return said
    first = material.rows[0]
    explaining = first.n_learning + sum(explanation.n_model_rows for explanation in first.explanations)
    return f"{said}, and about {whole(len(material.rows) + explaining)} more to explain single rows"


def _fingerprint(material: Material) -> str:
    digest = hashlib.sha256()
    table = material.projection.table_
    for name, column in table.columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(column.values).tobytes())
        digest.update("\x1f".join(map(str, column.levels)).encode())
    return digest.hexdigest()[:12]


def _feature(material: Material, feature: str, scale: Scale) -> dict[str, Any]:
    frame = material.curves.frame
    rows = frame[frame["feature"] == feature]
    categorical = bool(material.projection.table_.column(feature).levels)
    if categorical:
        ranking = material.ranking[material.ranking["feature"] == feature]
        sentence = levels_sentence(feature, ranking, scale)
    else:
        sentence = curve_sentence(feature, _whole(material, feature), outcome_name(material), scale)
    return {
        "name": feature,
        "kind": "labels" if categorical else "number",
        "sentence": f"Over all rows: {sentence}" if material.request.by else sentence,
        "points": len(rows),
    }


def _whole(material: Material, feature: str) -> pd.DataFrame:
    """The feature's curve over all rows, also where the picture shows groups."""
    return next(lever.curve for lever in material.levers if lever.feature == feature)


def _lever(lever: Lever, material: Material) -> dict[str, Any]:
    curve = lever.curve
    base_ess = material.projection.table_.base_ess
    others = [name if level is None else f"{name} = {level}" for name, level in lever.others]
    strongest = np.argsort(-np.abs(lever.shifts), axis=1, kind="stable")[:, :_N_COMPANIONS]
    moved = [
        [[others[j], rounded(lever.shifts[i, j], 3)] for j in row if abs(lever.shifts[i, j]) >= 0.05]
        for i, row in enumerate(strongest)
    ]
    columns = {
        name: [rounded(v, digits_of(name)) for v in curve[name].to_numpy(dtype=float)]
        for name in ("target", "value", "std_error", "low", "high", "slope", "kl", "max_weight")
    }
    ess = [rounded(v) for v in curve["ess"].to_numpy(dtype=float) / base_ess]
    return {
        "feature": lever.feature,
        "level": None if lever.level is None else str(lever.level),
        "start": int(np.argmin(np.abs(curve["kl"].to_numpy(dtype=float)))),
        **columns,
        "ess_fraction": ess,
        "status": curve["status"].tolist(),
        "moved": moved,
    }


def _scenario(asked: Asked, material: Material) -> dict[str, Any]:
    said = {"question": question(asked.constraints), "sentence": scenario_sentence(asked, material)}
    scenario = asked.scenario
    if scenario is None:
        return said | {"problem": asked.problem, "outcomes": [], "shifts": [], "conditions": []}
    return said | {
        "problem": None,
        "kl": rounded(scenario.kl),
        "ess_fraction": rounded(scenario.ess_fraction),
        "max_weight": rounded(scenario.max_weight),
        "status": scenario.status,
        "n_rows": scenario.n_rows,
        "outcomes": [_written(row, material) for row in records(_shown(scenario.outcomes, material))],
        "shifts": records(scenario.shifts),
        "conditions": records(scenario.conditions),
    }


def _shown(outcomes: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Without the outputs that the report is not about."""
    return outcomes[outcomes["output"].isna() | (outcomes["output"] == material.output)]


def _baseline(material: Material) -> list[dict[str, Any]]:
    return [_written(row, material) for row in records(_shown(material.baseline, material))]


def _groups(material: Material) -> list[dict[str, Any]]:
    return [_written(row, material) for row in records(material.groups)] if len(material.groups) else []


def _written(row: dict[str, Any], material: Material) -> dict[str, Any]:
    """A row of results with its numbers as text beside them."""
    share = row["quantity"] in ("accuracy", "error_rate") or (
        row["quantity"] == "prediction" and material.is_share
    )
    known = is_known(row["low"]) and is_known(row["high"])
    scale = Scale.fitting([row["value"]], (row["high"] - row["low"]) / 2.0 if known else 0.0, share)
    name = (
        outcome_name(material)
        if row["quantity"] == "prediction"
        else _METRIC_NAMES.get(row["quantity"], row["quantity"].replace("_", " "))
    )
    text = {
        "name": name,
        "value": scale.value(row["value"]),
        "interval": scale.interval(row["low"], row["high"]),
    }
    if "base" in row:
        text |= {"base": scale.value(row["base"]), "change": scale.change(row["change"])}
    return row | {"text": text}


def _quality(material: Material) -> dict[str, Any]:
    if material.quality.empty:
        return {}
    scale = quality_scale(material)
    metric = str(material.quality["quantity"].iloc[0])
    return {"metric": metric, "share": scale.share, "ranking": records(material.quality)}
