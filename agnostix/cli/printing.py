"""What is printed of a report, line by line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from agnostix.cli.constraint_texts import write_constraints

if TYPE_CHECKING:
    from agnostix.report import WhatIfReport
    from agnostix.report.data import ReportData
    from agnostix.report.scenarios import ScenarioResult


def report_lines(report: WhatIfReport) -> list[str]:
    """The first findings, then scenarios, rules and single rows."""
    summary, data = report.summary, report._data
    scenarios = [
        line
        for one, result in zip(summary["scenarios"], data.scenarios, strict=True)
        for line in _scenario_lines(one, result, data)
    ]
    rules = [summary["rules"]["sentence"]] if summary["rules"] else []
    rows = [
        " ".join([row["sentence"], *map(_join_sentences, row["explanations"])]) for row in summary["rows"]
    ]
    return [*summary["findings"][:2], *scenarios, *rules, *rows]


def _scenario_lines(one: dict[str, Any], result: ScenarioResult, data: ReportData) -> list[str]:
    """A scenario in words and what comes of it, and the nearest of one that is not reached."""
    name = "" if one["name"] is None else f"{one['name']}: "
    lines = [f"{name}What if {one['description']}? {_told(one)}"]
    if result.nearest is not None:
        nearest = one["nearest"]
        levels = {column: known.levels for column, known in data.projection.table_.columns.items()}
        text = write_constraints(result.nearest.constraints, levels)
        option = "" if text is None else f" As an option: --what-if {shlex.quote(text)}"
        lines.append(f"The nearest that can: {nearest['description']}. {_told(nearest)}{option}")
    return lines


def _told(one: dict[str, Any]) -> str:
    return " ".join(filter(None, [one["sentence"], one["shift_sentence"], *one["notes"]]))


def _join_sentences(part: dict[str, Any]) -> str:
    """Sentences of an explanation, the fidelity of a surrogate first."""
    fidelity = part["fidelity"]
    first = [] if fidelity is None else [fidelity["sentence"], *fidelity["warnings"]]
    return " ".join([*first, *part["sentences"]])
