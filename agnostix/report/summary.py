"""The report as plain data, which the page, the Markdown and the JSON are written from."""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from agnostix.core.models import as_predictor
from agnostix.plotting.fidelity import POOR_LEAF
from agnostix.plotting.words import format_value, is_missing
from agnostix.report.data import EQUAL_KL, MomentCurve, ReportData
from agnostix.report.formatting import (
    Scale,
    count,
    percent,
    plain,
    records,
    rounded,
    significant_digits,
)
from agnostix.report.pictures_summary import summarize_pictures
from agnostix.report.scenario_summary import of_output, result_of, summarize_scenario
from agnostix.report.sentences_population import (
    caveats,
    curve_sentence,
    headline_findings,
    levels_sentence,
    rules_note,
    rules_sentence,
    rules_warnings,
)
from agnostix.report.sentences_rows import (
    explanation_note,
    explanation_remarks,
    explanation_sentences,
    explanation_title,
    fidelity_sentence,
    fidelity_warnings,
    neighbor_sentences,
    prediction_sentence,
    row_heading,
)
from agnostix.report.sentences_trust import chance_sentences, row_agreement_sentences
from agnostix.report.single_rows import ExplainedRow, ExplanationView, RowRecord
from agnostix.report.trust_summary import summarize_faithfulness, trust_of_row
from agnostix.surrogate_tree import MimicTree

SCHEMA_VERSION = 3
_N_SHIFTS = 3
"""Correlated shifts at each target of a curve: the largest."""
_LEAST_SHIFT = 0.05
_CURVE_COLUMNS = (
    *("target", "value", "std_error", "low", "high"),
    *("slope", "slope_std_error", "slope_low", "slope_high", "kl", "max_weight"),
)


def summarize(data: ReportData) -> dict[str, Any]:
    """Everything the report states, as a dict that JSON can hold."""
    tree = data.surrogate_tree
    return {
        "schema_version": SCHEMA_VERSION,
        "agnostix_version": version("agnostix"),
        "title": data.inputs.title
        or f"What if the population were different? A report on {_model_name(data).split(' > ')[-1]}",
        "outcome": {
            "name": data.outcome_name,
            "in_percent": data.scale.in_percent,
            "decimals": data.scale.decimals,
        },
        "metadata": _metadata(data),
        "findings": headline_findings(data),
        "equal_kl": EQUAL_KL,
        "ranking": records(data.ranking),
        "features": [_feature(data, feature) for feature in data.features],
        "curves": [_curve(moment, data) for moment in data.moment_curves],
        "scenarios": [summarize_scenario(result, data) for result in data.scenarios],
        "baseline": [result_of(row, data) for row in records(of_output(data.baseline, data))],
        "groups": [result_of(row, data) for row in records(data.groups)],
        "quality": _quality(data),
        "rules": {} if tree is None else _rules(tree, data),
        "rows": [_row(j, row, data) for j, row in enumerate(data.rows)],
        "faithfulness": {} if data.measured is None else summarize_faithfulness(data.measured, data),
        "pictures": summarize_pictures(data.pictures, data.pictures_comparison),
        "caveats": caveats(data),
        "timings": dict(data.timings),
    }


def _model_name(data: ReportData) -> str:
    return as_predictor(data.projection.model_).name


def _metadata(data: ReportData) -> list[tuple[str, str]]:
    table, name = data.projection.table_, data.outcome_name
    has_y = data.projection.predictions_.truth is not None
    lines = [
        ("Model", _model_name(data)),
        (
            "Outcome",
            f"{name}, the model's probability averaged over the rows" if data.in_percent else name,
        ),
        (
            "Data",
            f"{count(table.n_given)} rows, {len(table.columns)} columns, fingerprint {_fingerprint(data)}",
        ),
        ("Target", "known" if has_y else "not given: no metrics of the model's quality"),
        ("Cost", _cost(data)),
        ("Confidence", percent(data.inputs.confidence_level)),
        ("Made", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")),
    ]
    if data.inputs.data_notes:
        lines.insert(3, ("Read", " ".join(map(str, data.inputs.data_notes))))
    if data.inputs.sample_weight is not None:
        lines.insert(3, ("Weights", f"{count(table.base_ess)} effective rows"))
    return lines


def _cost(data: ReportData) -> str:
    parts = [f"the model was evaluated on {count(data.projection.n_model_rows_)} rows"]
    if data.surrogate_tree is not None:
        parts.append(f"{count(data.surrogate_tree.n_model_rows_)} more for the surrogate tree")
    if data.rows:
        first = data.rows[0]
        n_explain = first.n_fit_rows + sum(explanation.n_model_rows for explanation in first.explanations)
        parts.append(f"{count(len(data.rows) + n_explain)} more to explain single rows")
    if data.measured is not None and data.measured.n_model_rows:
        parts.append(f"{count(data.measured.n_model_rows)} more to measure these explanations")
    return ", ".join(parts)


def _fingerprint(data: ReportData) -> str:
    digest = hashlib.sha256()
    for name, column in data.projection.table_.columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(column.values).tobytes())
        digest.update("\x1f".join(map(str, column.levels)).encode(errors="surrogatepass"))
    return digest.hexdigest()[:12]


def _feature(data: ReportData, feature: str) -> dict[str, Any]:
    is_categorical = bool(data.projection.table_.column(feature).levels)
    name, scale = data.outcome_name, data.scale
    if is_categorical:
        ranking = data.ranking[data.ranking["feature"] == feature]
        sentence = levels_sentence(feature, ranking, data.trends, name, scale)
    else:
        # Over all rows, also where the figure has a curve for each group.
        curve = next(moment.curve for moment in data.moment_curves if moment.feature == feature)
        trend = data.trends.curves.get(feature)
        sentence = curve_sentence(feature, curve, trend, name, scale, data.inputs.confidence_level)
    return {
        "name": feature,
        "kind": "categorical" if is_categorical else "numeric",
        "sentence": f"Over all rows: {sentence}" if data.inputs.by else sentence,
        "n_points": int((data.curves.frame["feature"] == feature).sum()),
    }


def _curve(moment: MomentCurve, data: ReportData) -> dict[str, Any]:
    curve = moment.curve
    others = [name if level is None else f"{name} = {level}" for name, level in moment.others]
    largest = np.argsort(-np.abs(moment.shifts), axis=1, kind="stable")[:, :_N_SHIFTS]
    shifts = [
        [[others[j], rounded(row[j], 3)] for j in top if abs(row[j]) >= _LEAST_SHIFT]
        for row, top in zip(moment.shifts, largest, strict=True)
    ]
    columns = {
        name: [rounded(v, significant_digits(name)) for v in curve[name].to_numpy(dtype=float)]
        for name in _CURVE_COLUMNS
    }
    ess_fraction = curve["ess"].to_numpy(dtype=float) / data.projection.table_.base_ess
    return {
        "feature": moment.feature,
        "level": None if moment.level is None else data.level_text(moment.feature, moment.level),
        "observed_index": int(np.argmin(np.abs(curve["kl"].to_numpy(dtype=float)))),
        **columns,
        "ess_fraction": [rounded(v) for v in ess_fraction],
        "status": curve["status"].tolist(),
        "correlated_shifts": shifts,
    }


def _quality(data: ReportData) -> dict[str, Any]:
    if data.error_ranking.empty:
        return {}
    return {
        "metric": str(data.error_ranking["quantity"].iloc[0]),
        "in_percent": data.error_scale.in_percent,
        "ranking": records(data.error_ranking),
    }


def _rules(tree: MimicTree, data: ReportData) -> dict[str, Any]:
    is_weighted, is_fitted_here = data.inputs.sample_weight is not None, tree is not data.inputs.mimic
    return {
        "sentence": rules_sentence(tree),
        "warnings": rules_warnings(tree),
        "leaves": [_leaf(row) for row in records(tree.leaves_.reset_index())],
        "text": tree.to_text(),
        "note": rules_note(tree, is_weighted, is_fitted_here),
        "is_classifier": "label" in tree.leaves_,
        "n_model_rows": tree.n_model_rows_,
    }


def _leaf(row: dict[str, Any]) -> dict[str, Any]:
    """A leaf with its numbers as text beside them."""
    is_tested = row.get("fidelity") is not None
    text = {
        "class": str(row["label"]) if "label" in row else None,
        "coverage": percent(row["coverage"], 1),
        "fidelity": percent(row["fidelity"], 1) if is_tested else "not tested",
        "interval": " to ".join(percent(row[f"fidelity_{end}"], 1) for end in ("low", "high") if is_tested),
        "is_poor": bool(is_tested and row["fidelity"] < POOR_LEAF),
    }
    return row | {"text": text}


def explanation_views(row: ExplainedRow, data: ReportData) -> list[ExplanationView]:
    """A row's explanations with the quantities that the report states."""
    return [
        ExplanationView(
            explanation,
            row.record.prediction,
            data.in_percent,
            data.inputs.confidence_level,
            len(data.rows),
            data.prediction_name,
        )
        for explanation in row.explanations
    ]


def _row(j: int, row: ExplainedRow, data: ReportData) -> dict[str, Any]:
    assert data.measured is not None
    views = explanation_views(row, data)
    if views and views[0].is_waterfall and not views[0].in_other_units:
        scale = views[0].scale  # so that the prediction has the same digits in every sentence
    else:
        scale = Scale.from_contributions([row.record.prediction], data.in_percent)
    near = row.neighbors
    return {
        **_record(row.record, scale),
        "sentence": prediction_sentence(row.record, data, scale),
        "explanations": [
            _explanation(view) | trust_of_row(data.measured, name, j, view)
            for name, view in zip(data.measured.names, views, strict=True)
        ],
        "by_chance": chance_sentences(data.measured, j, data.in_percent),
        "agreement": row_agreement_sentences(data.measured, j),
        "neighbors": {
            "sentences": neighbor_sentences(row, data, scale),
            "n_equal": near.n_equal,
            "n_compared": near.n_compared,
            "median_distance": rounded(near.median),
            "columns": list(row.compared),
            "rows": [
                {
                    **_record(record, scale),
                    "distance": rounded(float(distance)),
                    "differs": [name for name, part in zip(row.compared, parts, strict=True) if part > 0.0],
                }
                for record, distance, parts in zip(
                    row.neighbor_records, near.distances, near.parts, strict=True
                )
            ],
        },
    }


def _record(row: RowRecord, scale: Scale) -> dict[str, Any]:
    return {
        "name": row_heading(row),
        "position": None if row.is_new else row.number,
        "label": _plain_or_none(row.label),
        "prediction": rounded(row.prediction),
        "observed": _plain_or_none(row.observed),
        "values": {name: _plain_or_none(value) for name, value in row.values.items()},
        "text": {
            "prediction": scale.value(row.prediction),
            "observed": None if row.observed is None else format_value(row.observed),
            "values": {name: format_value(value) for name, value in row.values.items()},
        },
    }


def _plain_or_none(value: Any) -> Any:
    return None if is_missing(value) else plain(value)


def _explanation(view: ExplanationView) -> dict[str, Any]:
    explanation = view.explanation
    row_values = explanation.to_frame().set_index("feature")["data_value"]
    return {
        "title": explanation_title(view),
        "method": explanation.method,
        "quantity": explanation.quantity,
        "completeness": explanation.completeness,
        "fidelity": _fidelity(view),
        "sentences": explanation_sentences(view),
        "remarks": explanation_remarks(view),
        "note": explanation_note(view),
        "unit": _unit(view),
        "figure": "waterfall" if view.is_waterfall else "bars",
        "output": rounded(view.output),
        "base_value": rounded(view.base),
        "sum_of_values": rounded(view.total),
        "confidence_level": view.confidence_level,
        "n_model_rows": explanation.n_model_rows,
        "n_rows_explained": view.n_rows,
        "background_size": plain(explanation.extras.get("background_size")),
        "values": [
            {
                "feature": step["label"],
                "condition": step["condition"],
                "data": _plain_or_none(row_values[step["label"]]),
                **{name: rounded(step[name]) for name in ("value", "std_error", "low", "high")},
                "text": _value_text(step, view.scale),
            }
            for step in view.values.to_dict("records")
        ],
    }


def _unit(view: ExplanationView) -> str:
    """Heading of the column of values."""
    if view.in_points:
        return "points"
    return "log-odds" if view.in_log_odds and view.in_output_units else view.explanation.quantity


def _fidelity(view: ExplanationView) -> dict[str, Any] | None:
    """Fidelity of a surrogate; None for explanations of the model itself."""
    if not view.is_surrogate:
        return None
    fidelity = view.fidelity
    r2, low, high = (np.nan,) * 3 if fidelity is None else (fidelity.r2, fidelity.low, fidelity.high)
    return {
        "sentence": fidelity_sentence(view),
        "warnings": fidelity_warnings(view),
        "surrogate_output": rounded(view.end),
        "r2": rounded(r2),
        "low": rounded(low),
        "high": rounded(high),
    }


def _value_text(step: dict[Any, Any], scale: Scale) -> dict[str, str]:
    is_exact = step["std_error"] == 0.0
    return {
        "name": step["condition"] or step["label"],
        "data": step["data"] or "",
        "value": scale.change(step["value"]).removesuffix(" points"),
        "interval": "exact" if is_exact else scale.change_interval(step["low"], step["high"]),
    }
