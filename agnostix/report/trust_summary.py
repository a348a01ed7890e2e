"""How far explanations of rows may be trusted, as plain data."""

from __future__ import annotations

from typing import Any

from agnostix.report.data import ReportData
from agnostix.report.formatting import records, rounded
from agnostix.report.sentences_trust import error_sentences, fall_sentence, measured_note, overall_sentences
from agnostix.report.single_rows import ExplanationView
from agnostix.report.trust import METRIC, MeasuredRows


def trust_of_row(measured: MeasuredRows, name: str, j: int, view: ExplanationView) -> dict[str, Any]:
    """What is known of the errors and the faithfulness of an explanation of one row."""
    return {
        "name": name,
        "trust": [fall_sentence(measured, name, j, view.in_percent), *error_sentences(view)],
        "faithfulness": _fall(measured, name, j),
    }


def _fall(measured: MeasuredRows, name: str, j: int) -> dict[str, Any]:
    """The numbers of one row; why there are none."""
    if name in measured.problems:
        return {"problem": measured.problems[name]}
    fall = measured.fall(name, j)
    return {
        "problem": None,
        "metric": METRIC,
        "n_hidden": measured.n_hidden[name],
        "largest": rounded(fall.largest),
        "smallest": rounded(fall.smallest),
        "random": rounded(fall.random),
        "low": rounded(fall.low),
        "high": rounded(fall.high),
        "n_random": fall.n_random,
        "verdict": fall.verdict,
    }


def summarize_faithfulness(measured: MeasuredRows, data: ReportData) -> dict[str, Any]:
    """What was measured over all rows together."""
    n_rows, comparison = len(data.rows), measured.comparison
    return {
        "sentences": overall_sentences(measured, n_rows, data.in_percent),
        "note": measured_note(measured, n_rows) if measured.results else "",
        "metric": METRIC,
        "n_model_rows": measured.n_model_rows,
        "background_size": measured.n_background,
        "explainers": [_mean(measured, name) for name in measured.names],
        "pairs": [] if comparison is None else records(comparison.to_frame("pairs")),
        "agreement": [] if comparison is None else records(comparison.to_frame("agreement")),
    }


def _mean(measured: MeasuredRows, name: str) -> dict[str, Any]:
    """Means over rows, and the advantage over chance with its interval."""
    if name in measured.problems:
        return {"name": name, "problem": measured.problems[name]}
    result = measured.results[name]
    advantage = result.against("random")
    low, high = advantage.interval(measured.level)
    is_known = len(result) > 1
    return {
        "name": name,
        "problem": None,
        "score": rounded(result.score),
        "random": rounded(float(result.references["random"].mean())),
        "advantage": rounded(advantage.score),
        "low": rounded(low) if is_known else None,
        "high": rounded(high) if is_known else None,
    }
