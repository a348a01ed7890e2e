"""Explained images as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agnostix.core.explanation import Explanation
from agnostix.metrics import ComparisonResult
from agnostix.report.formatting import is_known, plain, records, rounded
from agnostix.report.pictures import MethodMaps
from agnostix.report.sentences_measured import (
    NOT_MEASURED,
    comparison_note,
    measured_scores,
    measured_sentences,
)
from agnostix.report.sentences_pictures import (
    figure_sentence,
    figure_title,
    image_heading,
    map_text,
    method_sentences,
    method_trust_sentences,
    outputs_sentence,
    pictures_note,
    place_sentences,
)


def summarize_pictures(
    methods: Sequence[MethodMaps], comparison: ComparisonResult | None = None
) -> dict[str, Any]:
    """What the report states on images, and what was measured of them; empty without any."""
    if not methods:
        return {}
    images = [_image(methods, i) for i in range(len(methods[0].explanation))]
    return {
        "images": images,
        "methods": [_method(one) for one in methods],
        "has_gaps": any(entry["gap"] is not None for image in images for entry in image["maps"]),
        "note": pictures_note(methods),
        "measured": {} if comparison is None else _measured(comparison),
        "not_measured": NOT_MEASURED if comparison is None else "",
    }


def _measured(comparison: ComparisonResult) -> dict[str, Any]:
    return {
        "sentences": measured_sentences(comparison),
        "scores": measured_scores(comparison),
        "pairs": records(comparison.to_frame("pairs")),
        "agreement": records(comparison.to_frame("agreement")),
        "level": comparison.level,
        "note": comparison_note(comparison),
    }


def _image(methods: Sequence[MethodMaps], i: int) -> dict[str, Any]:
    names = methods[0].explanation.row_names
    return {
        "name": image_heading(methods[0], i),
        "position": i,
        "label": None if names is None else plain(names[i]),
        "sentence": outputs_sentence(methods, i),
        "caption": figure_sentence(methods, i),
        "alt": figure_title(methods, i),
        "places": place_sentences(methods, i),
        "maps": [
            _map(one, i, k, output) for k, output in enumerate(methods[0].output_names(i)) for one in methods
        ],
    }


def _map(one: MethodMaps, i: int, k: int, output: str) -> dict[str, Any]:
    facts, explanation = one.facts(i, k), one.explanation
    y, x = facts.place if is_known(facts.largest) else (None, None)
    return {
        "method": one.name,
        "output": output,
        "largest": rounded(facts.largest),
        "y": y,
        "x": x,
        "n_largest": facts.n_largest if is_known(facts.largest) else None,
        "top_share": rounded(facts.top_share),
        "sum": rounded(facts.total),
        "gap": rounded(facts.gap),
        "model_output": _end(explanation, "outputs", i, k),
        "base_value": _end(explanation, "base_values", i, k),
        "is_drawn": facts.is_drawn,
        "is_reached": facts.is_reached,
        "text": map_text(facts),
    }


def _end(explanation: Explanation, name: str, i: int, k: int) -> float | None:
    ends = getattr(explanation, name)
    return None if ends is None else rounded(float(ends[i, k]))


def _method(one: MethodMaps) -> dict[str, Any]:
    explanation, errors = one.explanation, one.errors
    is_sampled = errors is not None and errors.size > 0
    return {
        "name": one.name,
        "method": explanation.method,
        "quantity": explanation.quantity,
        "units": explanation.units,
        "completeness": explanation.completeness,
        "n_model_rows": explanation.n_model_rows,
        "largest_std_error": rounded(float(errors.max())) if is_sampled else None,  # type: ignore[union-attr]
        "share_unclear": rounded(one.unclear_share),
        "n_failed": int(one.failed.sum()),
        "n_not_reached": int(one.unreached.sum()),
        "sentences": method_sentences(one),
        "trust": method_trust_sentences(one),
    }
