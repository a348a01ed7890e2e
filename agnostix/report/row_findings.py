"""What is said of single rows, in sentences written from the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from agnostix.plotting.words import format_value, label_in_row
from agnostix.report.findings import answer_name, name_truth
from agnostix.report.material import Material
from agnostix.report.reading import Reading
from agnostix.report.single_rows import KnownRow
from agnostix.report.surrogate_findings import base_sentence, fidelity_note, surrogate_remarks
from agnostix.report.words import ROOM, Scale, listed, number, percent, whole

_N_NAMED = 3
_TITLES = {
    "effect": "How does the prediction change when a feature is hidden?",
    "contribution": "How much does each feature contribute to the prediction?",
    "surrogate": "What does a simpler model near this row say?",
    "copy": "What does a tree that copies the model say?",
}
_ABOUT = {
    "effect": (
        "An effect is how far the prediction falls when the feature is hidden, its value taken from the "
        "background rows and all else kept. It answers \u201cwhat if the model had not known this\u201d, "
        "not \u201cwhat if this were different\u201d."
    ),
    "contribution": (
        "Each feature has its share of the way from the base value to the model's answer; what features do "
        "only together is divided among them. A share says what the model relies on here, not \u201cwhat if "
        "this were different\u201d."
    ),
    "surrogate": (
        "A value is what the feature, as it is in this row, adds to the answer of a simpler model: a "
        "weighted sum that was fitted to the model's answers to rows made near this one, the nearer ones "
        "counting more. It tells of the model only as far as the two agree."
    ),
    "copy": (
        "A value is what the splits on a feature add along the row's path through a tree that copies the "
        "model: the mean answer after each less that before it. It tells of the model only as far as the two "
        "agree, and a feature that is not on the path has none."
    ),
}

_DRAWN = {
    "coalition_std_errors": "the choice of coalitions",
    "background_std_errors": "the draw of the background rows",
}


def row_name(row: KnownRow) -> str:
    """What a row is called in a sentence.

    Parameters
    ----------
    row : KnownRow
        The row.

    Returns
    -------
    str
    """
    return f"new row {row.number}" if row.is_new else f"row {row.number}"


def row_heading(row: KnownRow) -> str:
    """What a row is called in a heading, with its label.

    Parameters
    ----------
    row : KnownRow
        The row.

    Returns
    -------
    str
    """
    name = row_name(row)
    return name[0].upper() + name[1:] + ("" if row.label is None else f", labelled {row.label}")


def answer_sentence(row: KnownRow, material: Material, scale: Scale) -> str:
    """What the model says of a row, and what is true.

    Parameters
    ----------
    row : KnownRow
        The row.
    material : Material
        Results.
    scale : Scale
        How its prediction is written.

    Returns
    -------
    str
    """
    truth = "" if row.truth is None else f"; the truth is {name_truth(material, format_value(row.truth))}"
    name, value = answer_name(material), scale.value(row.prediction)
    said = f"{name} = {value}" if material.is_share else f"a {name} of {value}"
    return f"The model gives {row_name(row)} {said}{truth}."


def explanation_title(reading: Reading) -> str:
    """The question that an explanation answers.

    Parameters
    ----------
    reading : Reading
        The explanation.

    Returns
    -------
    str
    """
    return _TITLES[_sort(reading)]


def explanation_sentences(reading: Reading) -> list[str]:
    """What an explanation says: how far the way is, what goes along it and what against.

    Parameters
    ----------
    reading : Reading
        The explanation.

    Returns
    -------
    list of str
    """
    up, down = reading.surely
    sampled = (pd.concat([up, down])["std_error"] > 0).any()
    told = f", with {percent(reading.confidence_level)} intervals" if sampled else ""
    first, second = (told, "") if len(up) else ("", told)
    return [
        _between(reading),
        _pushing(f"raises it most{first}", up, reading.scale) if len(up) else "Nothing surely raises it.",
        _pushing(f"lowers it most{second}", down, reading.scale)
        if len(down)
        else "Nothing surely lowers it.",
    ]


def explanation_remarks(reading: Reading) -> list[str]:
    """What is not claimed, and whether the parts add up.

    Parameters
    ----------
    reading : Reading
        The explanation.

    Returns
    -------
    list of str
    """
    shown, values = reading.shown, reading.values
    unsure = (shown["low"] <= 0) & (shown["high"] >= 0)
    hardly = shown["value"] == 0
    return [
        *_unsure(values[unsure & ~hardly]),
        *_hardly(values[unsure & hardly], reading.scale),
        *surrogate_remarks(reading),
        *([] if reading.is_surrogate and reading.adds_up else [_sum(reading)]),
    ]


def _between(reading: Reading) -> str:
    scale = reading.scale
    if reading.is_surrogate:
        return base_sentence(reading)
    base, output = scale.value(reading.base), scale.value(reading.output)
    if reading.in_log_odds:
        mean = float(expit(reading.base))
        known = f"{_base_name(reading)}, {Scale.of_parts([mean], reading.share).value(mean)}, is {base}"
        start = f"In log-odds the model's answer is {output}, and {known}"
    elif reading.in_own_units:
        start = f"The model's answer is {output} in {reading.units}. The base value is {base}"
    else:
        name = _base_name(reading)
        start = f"{name[0].upper()}{name[1:]} is {base}"
    return f"{start}; {scale.change(reading.gap)} are to be explained."


def _base_name(reading: Reading) -> str:
    n_background = reading.explanation.extras.get("background_size")
    if n_background is None:
        return "the base value"
    many = f"{whole(n_background)} background rows" if n_background > 1 else "the one background row"
    return f"the mean prediction of {many}"


def _pushing(what: str, values: pd.DataFrame, scale: Scale) -> str:
    parts = [_with_interval(step, scale) for step in values.head(_N_NAMED).to_dict("records")]
    return f"What {what}: {listed(parts)}."


def _with_interval(step: dict[Any, Any], scale: Scale) -> str:
    text = scale.change(step["value"])
    if step["std_error"] > 0:
        text += f", {scale.change_interval(step['low'], step['high'])}"
    return f"{_called(step)} ({text})"


def _called(step: dict[Any, Any]) -> str:
    return label_in_row(step["label"], step["data"], step["condition"], ROOM)


def _unsure(values: pd.DataFrame) -> list[str]:
    if values.empty:
        return []
    them = "its interval contains" if len(values) == 1 else "their intervals contain"
    return [f"Not told apart from 0: {_names(values)}; {them} it."]


def _hardly(values: pd.DataFrame, scale: Scale) -> list[str]:
    if values.empty:
        return []
    least = Scale(scale.share, scale.decimals + 1).change(0.5 * 10.0**-scale.decimals / scale.factor)
    return [f"Hardly any effect, below {least.lstrip('+')}: {_names(values)}."]


def _names(values: pd.DataFrame) -> str:
    steps = values.assign(data=None).to_dict("records")
    return listed([_called(step) for step in steps], most=4)


def _sum(reading: Reading) -> str:
    scale, quantity = reading.scale, reading.explanation.quantity
    total, gap = reading.total, reading.gap
    if reading.adds_up:
        return f"The parts add up to the {scale.change(gap)} to be explained."
    said = f"The parts do not add up: their sum is {scale.change(total)} instead of {scale.change(gap)}."
    return f"{said} {_hidden_alone(total, gap)}" if quantity == "effect" else said


def _hidden_alone(total: float, gap: float) -> str:
    """Why features that are hidden one by one do not show what all of them do at once."""
    if total * gap >= 0 and abs(total) < abs(gap):
        return "Hidden one at a time, features show less than all at once, as where two say the same."
    if total * gap >= 0:
        return "Hidden one at a time, features show more than all at once, as where two count only together."
    return "Hidden one at a time, features need not show what all of them do at once."


def explanation_note(reading: Reading) -> str:
    """What an explanation means, what its intervals cover, and what it cost.

    Parameters
    ----------
    reading : Reading
        The explanation.

    Returns
    -------
    str
    """
    explanation = reading.explanation
    n_asked = explanation.n_model_rows
    together = "" if reading.n_together == 1 else f" for {reading.n_together} rows together"
    fidelity = {} if reading.fidelity else explanation.fidelity or {}
    told = [f"{name} {number(float(v[0, 0]))}" for name, v in fidelity.items()]
    return " ".join(
        [
            _ABOUT[_sort(reading)],
            _covered(reading),
            *([fidelity_note()] if reading.fidelity else []),
            *([f"Fidelity: {listed(told)}."] if told else []),
            f"Cost: {whole(n_asked)} model row{'' if n_asked == 1 else 's'}{together}{_used(reading)}, by "
            f"{explanation.method}.",
        ]
    )


def _used(reading: Reading) -> str:
    """How many rows stood in or were drawn, and how many coalitions were asked about."""
    extras = reading.explanation.extras
    size, evaluations = extras.get("background_size"), extras.get("evaluations")
    used = [] if size is None else [f"{whole(size)} background row{'' if size == 1 else 's'}"]
    used += (
        []
        if evaluations is None
        else [f"{whole(np.max(evaluations.array))} coalitions of this row's features"]
    )
    drawn = extras.get("n_samples")
    if drawn is not None:
        shared = np.max(drawn.array) > reading.explanation.n_model_rows
        where = "that were asked about before" if shared else "near it"
        used.append(f"{whole(np.max(drawn.array))} drawn rows {where}")
    return f", with {listed(used)}" if used else ""


def _covered(reading: Reading) -> str:
    extras = reading.explanation.extras
    if not (reading.values["std_error"] > 0).any() and reading.is_surrogate:
        return "The values have no error: the simpler model meets every answer near the row."
    if not (reading.values["std_error"] > 0).any():
        is_given = extras.get("background_size", 1) > 1
        why = " for the background rows as they are." if is_given else ": nothing was drawn at random."
        return f"The values are exact{why}"
    level = percent(reading.confidence_level)
    covered = f"Intervals have {level} confidence, each by itself; they cover {_drawn(reading)}, not another "
    enough = float(np.max(_array(reading, "background_size_to_halve_error", np.inf)))
    rows = f"{whole(float(f'{enough:.2g}'))} background rows"
    more = f" With about {rows} they would be half as wide." if np.isfinite(enough) else ""
    return f"{covered}model.{more}"


def _drawn(reading: Reading) -> str:
    """What makes the errors that the intervals cover."""
    if reading.explanation.quantity == "effect":
        return _DRAWN["background_std_errors"]
    if reading.is_surrogate:
        return "the draw of the rows near it" if reading.rule is None else "the draw of the rows in its nodes"
    known = [words for name, words in _DRAWN.items() if np.any(_array(reading, name, 0.0) > 0.0)]
    return listed(known) if known else "what was drawn"


def _sort(reading: Reading) -> str:
    """What is explained, with copies of the whole model apart from models near a row."""
    if reading.is_surrogate:
        return "surrogate" if reading.rule is None else "copy"
    return reading.explanation.quantity


def _array(reading: Reading, name: str, default: float) -> Any:
    detail = reading.explanation.extras.get(name)
    return np.asarray(default if detail is None else detail.array)
