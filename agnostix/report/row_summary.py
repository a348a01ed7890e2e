"""Single rows as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.plotting.words import format_value, is_missing
from agnostix.report.material import Material
from agnostix.report.nearest_findings import nearest_sentences
from agnostix.report.plain import plain, rounded
from agnostix.report.reading import Reading
from agnostix.report.row_findings import (
    answer_sentence,
    explanation_note,
    explanation_remarks,
    explanation_sentences,
    explanation_title,
    row_heading,
)
from agnostix.report.single_rows import KnownRow, SingleRow
from agnostix.report.surrogate_findings import fidelity_sentence, fidelity_warnings
from agnostix.report.words import Scale


def readings(single: SingleRow, material: Material) -> list[Reading]:
    """The explanations of a row, as the report reads them.

    Parameters
    ----------
    single : SingleRow
        The row.
    material : Material
        Results.

    Returns
    -------
    list of Reading
    """
    level = material.request.confidence_level
    return [
        Reading(explanation, single.row.prediction, material.is_share, level, len(material.rows))
        for explanation in single.explanations
    ]


def summarise_row(single: SingleRow, material: Material) -> dict[str, Any]:
    """Put all that is said of a row into one dict.

    Parameters
    ----------
    single : SingleRow
        The row.
    material : Material
        Results.

    Returns
    -------
    dict
        Can be written as JSON.
    """
    read = readings(single, material)
    scale = _answer_scale(single, read, material)
    return {
        **_known(single.row, scale),
        "sentence": answer_sentence(single.row, material, scale),
        "explanations": [_explanation(reading) for reading in read],
        "nearest": _nearest(single, material, scale),
    }


def _answer_scale(single: SingleRow, read: list[Reading], material: Material) -> Scale:
    """As in the first explanation, so that numbers agree from sentence to sentence."""
    if read and not read[0].in_own_units:
        return read[0].scale
    return Scale.of_parts([single.row.prediction], material.is_share)


def _known(row: KnownRow, scale: Scale) -> dict[str, Any]:
    return {
        "name": row_heading(row),
        "position": None if row.is_new else row.number,
        "label": _value(row.label),
        "prediction": rounded(row.prediction),
        "truth": _value(row.truth),
        "values": {name: _value(value) for name, value in row.values.items()},
        "text": {
            "prediction": scale.value(row.prediction),
            "truth": None if row.truth is None else format_value(row.truth),
            "values": {name: format_value(value) for name, value in row.values.items()},
        },
    }


def _value(value: Any) -> Any:
    return None if is_missing(value) else plain(value)


def _explanation(reading: Reading) -> dict[str, Any]:
    explanation = reading.explanation
    own = explanation.to_frame().set_index("feature")["data_value"]
    return {
        "title": explanation_title(reading),
        "method": explanation.method,
        "quantity": explanation.quantity,
        "completeness": explanation.completeness,
        "fidelity": _fidelity(reading),
        "sentences": explanation_sentences(reading),
        "remarks": explanation_remarks(reading),
        "note": explanation_note(reading),
        "unit": "points" if reading.in_shares else "log-odds" if reading.in_log_odds else "effect",
        "output": rounded(reading.output),
        "base_value": rounded(reading.base),
        "sum_of_values": rounded(reading.total),
        "confidence_level": reading.confidence_level,
        "n_model_rows": explanation.n_model_rows,
        "n_rows_together": reading.n_together,
        "background_size": plain(explanation.extras.get("background_size")),
        "values": [
            {
                "feature": step["label"],
                "said": step["condition"],
                "data": _value(own[step["label"]]),
                **{name: rounded(step[name]) for name in ("value", "std_error", "low", "high")},
                "text": _written(step, reading.scale),
            }
            for step in reading.values.to_dict("records")
        ],
    }


def _fidelity(reading: Reading) -> dict[str, Any] | None:
    """How far a simpler model may be believed; None of what tells of the model itself."""
    if not reading.is_surrogate:
        return None
    told = reading.fidelity
    numbers = (np.nan,) * 3 if told is None else (told.r2, told.low, told.high)
    return {
        "sentence": fidelity_sentence(reading),
        "warnings": fidelity_warnings(reading),
        "surrogate_output": rounded(reading.end),
        **{name: rounded(value) for name, value in zip(("r2", "low", "high"), numbers, strict=True)},
    }


def _written(step: dict[Any, Any], scale: Scale) -> dict[str, str]:
    exact = step["std_error"] == 0.0
    return {
        "name": step["condition"] or step["label"],
        "data": step["data"] or "",
        "value": scale.change(step["value"]).removesuffix(" points"),
        "interval": "exact" if exact else scale.change_interval(step["low"], step["high"]),
    }


def _nearest(single: SingleRow, material: Material, scale: Scale) -> dict[str, Any]:
    near = single.neighbors
    return {
        "sentences": nearest_sentences(single, material, scale),
        "n_equal": near.n_equal,
        "n_compared": near.n_compared,
        "median_distance": rounded(near.median),
        "columns": list(single.compared),
        "rows": [
            {
                **_known(row, scale),
                "distance": rounded(float(distance)),
                "differs": [name for name, part in zip(single.compared, parts, strict=True) if part > 0.0],
            }
            for row, distance, parts in zip(single.nearest, near.distances, near.parts, strict=True)
        ],
    }
