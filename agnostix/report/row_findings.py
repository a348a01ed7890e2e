"""What is said of single rows, in sentences written from the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.words import named, value_words
from agnostix.report.findings import answer_name
from agnostix.report.material import Material
from agnostix.report.reading import Reading
from agnostix.report.single_rows import KnownRow, SingleRow
from agnostix.report.words import Scale, listed, number, percent, whole

_N_NAMED = 3
_ROOM = 60
"""Characters of a feature and its value in a sentence."""
_TITLES = {
    "occlusion": "What does it owe to each feature?",
    "additive": "How do the features share the way to it?",
    "surrogate": "What does a simpler model near it say?",
}
_ABOUT = {
    "occlusion": (
        "An effect is how far the prediction falls when the feature is hidden, its value taken from the "
        "background rows and all else kept. It answers \u201cwhat if the model had not known this\u201d, "
        "not \u201cwhat if this were different\u201d."
    ),
    "additive": "Each feature has its share of the way from the base value to the model's answer.",
    "surrogate": "The values tell of a simpler model that was fitted near the row, not of the model itself.",
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
    truth = "" if row.truth is None else f"; the truth is {value_words(row.truth)}"
    said = f"The model gives {row_name(row)} a {answer_name(material)} of {scale.value(row.prediction)}"
    return f"{said}{truth}."


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
    return _TITLES[reading.explanation.kind]


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
        _sum(reading),
    ]


def _between(reading: Reading) -> str:
    scale, explanation = reading.scale, reading.explanation
    n_background = explanation.extras.get("background_size")
    answer = f"The model's answer is {scale.value(reading.output)} in the explainer's own units. "
    start = f"The base value is {scale.value(reading.base)}"
    if n_background is not None:
        many = f"{whole(n_background)} background rows" if n_background > 1 else "the one background row"
        start = f"The mean prediction of {many} is {scale.value(reading.base)}"
    to_explain = f"{start}; {scale.change(reading.gap)} are to be explained."
    return answer + to_explain if reading.in_own_units else to_explain


def _pushing(what: str, values: pd.DataFrame, scale: Scale) -> str:
    parts = [_with_interval(step, scale) for step in values.head(_N_NAMED).to_dict("records")]
    return f"What {what}: {listed(parts)}."


def _with_interval(step: dict[Any, Any], scale: Scale) -> str:
    text = scale.change(step["value"])
    if step["std_error"] > 0:
        text += f", {scale.change_interval(step['low'], step['high'])}"
    return f"{named(step['label'], step['data'], _ROOM)} ({text})"


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
    return listed([named(str(label), most=_ROOM) for label in values["label"]], most=4)


def _sum(reading: Reading) -> str:
    scale, kind = reading.scale, reading.explanation.kind
    total, gap = reading.total, reading.gap
    if kind == "surrogate":
        return (
            f"The values lead to {scale.value(reading.base + total)}, the simpler model's answer, where the "
            f"model's is {scale.value(reading.output)}."
        )
    if scale.change(total - gap) == scale.change(0.0):
        return f"The parts add up to the {scale.change(gap)} to be explained."
    said = f"The parts do not add up: their sum is {scale.change(total)} instead of {scale.change(gap)}."
    return f"{said} {_hidden_alone(total, gap)}" if kind == "occlusion" else said


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
    size = explanation.extras.get("background_size")
    background = "" if size is None else f", with {whole(size)} background row{'' if size == 1 else 's'}"
    together = "" if reading.n_together == 1 else f" for {reading.n_together} rows together"
    fidelity = [f"{name} {number(float(v[0, 0]))}" for name, v in (explanation.fidelity or {}).items()]
    return " ".join(
        [
            _ABOUT[explanation.kind],
            _covered(reading),
            *([f"Fidelity: {listed(fidelity)}."] if fidelity else []),
            f"Cost: {whole(explanation.n_model_rows)} model rows{together}{background}, by "
            f"{explanation.method}.",
        ]
    )


def _covered(reading: Reading) -> str:
    if not (reading.values["std_error"] > 0).any():
        return "The values are exact: nothing was drawn at random."
    drawn = "the draw of the background rows" if reading.explanation.kind == "occlusion" else "what was drawn"
    level = percent(reading.confidence_level)
    return f"Intervals have {level} confidence, each by itself; they cover {drawn}, not another model."


def nearest_sentences(single: SingleRow, material: Material, scale: Scale) -> list[str]:
    """Whether a row is in the data, and what is known of the real rows nearest to it.

    Parameters
    ----------
    single : SingleRow
        The row.
    material : Material
        Results.
    scale : Scale
        How predictions are written.

    Returns
    -------
    list of str
    """
    return [_in_data(single, material), *_how_near(single), _said_of_them(single, material, scale)]


def _in_data(single: SingleRow, material: Material) -> str:
    n, row = single.neighbours.n_equal, single.row
    name = row_name(row)[0].upper() + row_name(row)[1:]
    where = _columns(len(single.compared), len(material.projection.table_.columns))
    if row.is_new and n == 0:
        return f"{name} is not in the data: no row there is equal to it in {where}."
    if row.is_new:
        return f"{name} is in the data: {_rows_are(n, '')} equal to it in {where}."
    return f"{name} is one of the data's own; {_rows_are(n, 'other ')} equal to it in {where}."


def _rows_are(n: int, other: str) -> str:
    if n == 0:
        return f"no {other}row is"
    return f"one {other}row is" if n == 1 else f"{whole(n)} {other}rows are"


def _columns(n: int, n_all: int) -> str:
    if n == n_all:
        return f"all {n} columns" if n > 1 else "the only column"
    return f"the {n} columns that the model uses" if n > 1 else "the one column that the model uses"


def _how_near(single: SingleRow) -> list[str]:
    near = single.neighbours
    if near.distances[0] == 0.0:
        return []
    differing = [name for name, part in zip(single.compared, near.parts[0], strict=True) if part > 0]
    names = listed([named(name, most=_ROOM) for name in differing], most=4)
    return [
        f"The nearest, {row_name(single.nearest[0])}, differs in {names}: a distance of "
        f"{number(near.distances[0], 2)} (1 is as far as can be; half of the {whole(near.n_compared)} rows "
        f"are at least {number(near.median, 2)} away)."
    ]


def _said_of_them(single: SingleRow, material: Material, scale: Scale) -> str:
    rows = single.nearest
    answers = [row.prediction for row in rows]
    low, high = scale.value(min(answers)), scale.value(max(answers))
    given = low if low == high else scale.interval(min(answers), max(answers))
    them = "it" if len(rows) == 1 else f"the {len(rows)} nearest"
    return f"The model gives {them} {given}{_truth_of_them(rows, material)}."


def _truth_of_them(rows: list[KnownRow], material: Material) -> str:
    truths = [row.truth for row in rows]
    if truths[0] is None:
        return ""
    if material.projection.answers_.task == "classification":
        n = sum(str(truth) == material.output for truth in truths)
        return f"; the truth is {material.output} for {n} of {len(truths)}"
    numbers = np.asarray(truths, dtype=float)
    low, high = value_words(numbers.min()), value_words(numbers.max())
    return f"; the truth is {low}" if low == high else f"; the truth runs from {low} to {high}"
