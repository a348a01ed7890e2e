"""Scenarios as plain data: outcomes, conditions and shifts, with their numbers as text beside them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from agnostix.report.data import ReportData
from agnostix.report.formatting import (
    Scale,
    distinguishing_digits,
    is_known,
    number,
    percent,
    records,
    rounded,
)
from agnostix.report.scenarios import ScenarioResult
from agnostix.report.sentences_scenarios import (
    describe_scenario,
    is_stated,
    scenario_sentence,
    shift_sentence,
)
from agnostix.what_if.inference import FEW_EVENTS, HEAVY_TAILS

_SHARES = ("proportion", "error rate", "selection rate", "true positive rate", "false positive rate")
"""Kinds of constraints whose values are shares."""
_METRIC_NAMES = {"brier_score": "Brier score", "roc_auc": "ROC AUC", "r2": "R\u00b2"}


def summarize_scenario(result: ScenarioResult, data: ReportData) -> dict[str, Any]:
    """A scenario, or why it is not reached and the nearest that is."""
    nearest = None if result.nearest is None else summarize_scenario(result.nearest, data)
    return {
        "name": result.name,
        "description": describe_scenario(result, data),
        "sentence": scenario_sentence(result, data),
        "shift_sentence": shift_sentence(result, data),
        "problem": result.problem,
        "conflict": list(result.conflict),
        "nearest": nearest,
        **_numbers(result, data),
    }


def _numbers(result: ScenarioResult, data: ReportData) -> dict[str, Any]:
    """Numbers of a scenario, without some where it is not reached."""
    scenario = result.scenario
    if scenario is None:
        return {"notes": [], "outcomes": [], "shifts": [], "conditions": []}
    return {
        "kl": rounded(scenario.kl),
        "ess_fraction": rounded(scenario.ess_fraction),
        "max_weight": rounded(scenario.max_weight),
        "status": scenario.status,
        "n_rows": scenario.n_rows,
        "divergence": scenario.divergence,
        "notes": list(scenario.notes),
        "outcomes": [result_of(row, data) for row in records(of_output(scenario.outcomes, data))],
        "shifts": records(scenario.shifts),
        "conditions": [_condition(row, data) for row in records(scenario.conditions)],
        "searched": records(scenario.searched),
    }


def _condition(row: dict[str, Any], data: ReportData) -> dict[str, Any]:
    """A condition with its numbers as text beside them."""
    is_probability = row["feature"] == "prediction" and data.in_percent
    is_share = is_probability or row["kind"] in _SHARES or row["kind"].startswith("share")
    ends, known = (row["low"], row["high"]), (row["before"], row["reached"])
    # What is held differs from the data by rounding errors, which are not worth digits.
    digits = distinguishing_digits([rounded(one, 9) for one in (*ends, *known) if is_known(one)])

    def write(value: float | None) -> str:
        return percent(value, 1) if is_share else number(value, digits)

    low, high = (write(end) for end in ends)
    stated = low if ends[0] == ends[1] else f"{low} to {high}"
    text = {"stated": "held" if row["role"] == "held" else stated}
    text |= {name: write(row[name]) for name in ("before", "reached")}
    return row | {"text": text}


def of_output(results: pd.DataFrame, data: ReportData) -> pd.DataFrame:
    """Results without the outputs that the report is not about."""
    return results[results["output"].isna() | (results["output"] == data.output)]


def result_of(row: dict[str, Any], data: ReportData) -> dict[str, Any]:
    """A row of results with its numbers as text beside them."""
    quantity, low, high = row["quantity"], row["low"], row["high"]
    in_percent = quantity in ("accuracy", "error_rate") or (quantity == "prediction" and data.in_percent)
    half_width = (high - low) / 2.0 if is_known(low) and is_known(high) else 0.0
    scale = Scale.from_interval([row["value"]], half_width, in_percent)
    name = _METRIC_NAMES.get(quantity, quantity.replace("_", " "))
    text = {
        "name": data.outcome_name if quantity == "prediction" else name,
        "value": scale.value(row["value"]),
        "interval": scale.interval(low, high),
    }
    if "base" in row:
        if is_stated(low, high):
            text["interval"] = "as stated"
        text |= {"base": scale.value(row["base"]), "change": scale.change(row["change"])}
    if row.get("status") in (FEW_EVENTS, HEAVY_TAILS):
        text["interval"] += f" ({row['status']})"
    return row | {"text": text}
