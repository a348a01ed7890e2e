"""Sentences on explained images, written from the numbers: figures, places, methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from agnostix.plotting.words import shorten
from agnostix.report.formatting import LABEL_WIDTH, count, is_known, join_words, number, percent
from agnostix.report.pictures import TOP, MapFacts, MethodMaps
from agnostix.report.sentences_absorbed import absorption_sentences

_N_OUTPUTS = 6
"""Outputs whose largest values are put into words."""
_MEANINGS = {
    "contribution": "the part of the output that is attributed to the pixel",
    "effect": "the change of the output when the pixel is hidden with what is around it",
    "sensitivity": "how strongly the output reacts to a small change of the pixel",
    "relevance": "how much the pixel counts for the output, on the method's own scale",
    "coefficient": "the weight of the pixel in a linear model of the output",
    "mask": "how visible the learned mask leaves the pixel, from 0 to 1",
}
_PART = "the part of the difference between the output and its base value that is attributed to the pixel"
_PROPAGATED = "the part of the output that is propagated back to the pixel"
_REGIONS = (
    ("at the upper left", "at the top", "at the upper right"),
    ("at the left", "in the center", "at the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)
"""Thirds of the height, and of the width in each."""


def image_name(i: int) -> str:
    """An image in a sentence."""
    return f"image {i}"


def image_heading(first: MethodMaps, i: int) -> str:
    """An image in a heading, with its label."""
    names = first.explanation.row_names
    return f"Image {i}" + ("" if names is None else f", labeled {names[i]}")


def outputs_sentence(methods: Sequence[MethodMaps], i: int) -> str:
    """What the model returns for an image; empty where no explanation says so."""
    known = [one for one in methods if one.explanation.outputs is not None]
    if not known:
        return ""
    # Those of a mask are outputs, whatever the unit of its values is.
    plain = [one for one in known if one.is_mask or one.explanation.units == "model output"]
    one = (plain or known)[0]
    outputs = np.asarray(one.explanation.outputs)[i]
    named = [
        f"{_label(name)} = {number(float(value))}"
        for name, value in zip(one.output_names(i), outputs, strict=True)
    ]
    units = "" if plain else f", in {one.explanation.units}"
    return f"The model's output{_s(named)} for {image_name(i)}{units}: {join_words(named)}."


def figure_sentence(methods: Sequence[MethodMaps], i: int) -> str:
    """What the figure of an image shows."""
    outputs = methods[0].output_names(i)
    maps = f"{'the maps' if len(methods) > 1 else 'the map'} by {_names(one.name for one in methods)}"
    lines = f"one line for each of the outputs {_names(outputs)}" if len(outputs) > 1 else ""
    of = f", {lines}," if lines else f" for {_label(outputs[0])}"
    beside = "are" if len(methods) > 1 else "is"
    return (
        f"On the left is {image_name(i)}, and beside it {beside} {maps}{of}".rstrip(",")
        + f": {_colors(methods, i)}."
    )


def _colors(methods: Sequence[MethodMaps], i: int) -> str:
    """What the colors of the maps mean."""
    maps = [one for one in methods if not one.is_mask]
    signs = {one.is_signed(i) for one in maps}
    words = []
    if True in signs:
        words.append("blue is positive, orange negative and white 0")
    if False in signs:
        which = "in maps without a sign, " if True in signs else ""
        words.append(f"{which}white is 0 and the bluest are the largest values")
    if len(maps) < len(methods):
        words.append("what a mask keeps is outlined, in its own colors")
    return "; ".join(words)


def figure_title(methods: Sequence[MethodMaps], i: int) -> str:
    """The figure of an image for those who do not see it."""
    outputs = methods[0].output_names(i)
    return (
        f"{image_heading(methods[0], i)}, and where the model looks in it for {_names(outputs)}, by "
        f"{_names(one.name for one in methods)}"
    )


def place_sentences(methods: Sequence[MethodMaps], i: int) -> list[str]:
    """For each output, in which part of the image the methods have their largest values."""
    names = methods[0].output_names(i)
    sentences = [_places(methods, i, k, name) for k, name in enumerate(names[:_N_OUTPUTS])]
    n_more = len(names) - _N_OUTPUTS
    if n_more > 0:
        sentences.append(f"The table below has {n_more} output{'' if n_more == 1 else 's'} more.")
    return sentences


def _places(methods: Sequence[MethodMaps], i: int, k: int, output: str) -> str:
    by_region: dict[str, list[str]] = {}
    for one in methods:
        facts = one.facts(i, k)
        if is_known(facts.largest) and not facts.is_zero:
            by_region.setdefault(region(facts), []).append(one.name)
    if not by_region:
        return f"For {_label(output)} no map has a value other than 0."
    parts = [f"{where} ({_names(names)})" for where, names in by_region.items()]
    return f"For {_label(output)} the largest absolute value is {join_words(parts, len(parts))}."


def region(facts: MapFacts) -> str:
    """The third of the height and of the width that holds the largest value, such as "at the left"."""
    down, across = (3 * j // size for j, size in zip(facts.place, facts.values.shape, strict=True))
    return _REGIONS[down][across]


def map_text(facts: MapFacts) -> dict[str, str]:
    """The numbers of a map as the page shows them."""
    y, x = facts.place
    more = f", and {count(facts.n_largest - 1)} equal ones" if facts.n_largest > 1 else ""
    where = f"row {y}, column {x}{more}"
    if not is_known(facts.largest):
        where = "\u2013" if facts.is_drawn else "no mask found"
    elif facts.is_zero:
        where = "all values are 0"
    return {
        "largest": number(facts.largest),
        "where": where,
        "top_share": percent(facts.top_share),
        "gap": number(facts.gap, 2) if is_known(facts.gap) else "",
    }


def method_sentences(one: MethodMaps) -> list[str]:
    """What the values of a method are, and what they cost."""
    explanation = one.explanation
    meaning = _MEANINGS[explanation.quantity]
    if explanation.completeness == "outputs - base_values":
        meaning = _PART
    elif explanation.completeness == "outputs" and explanation.quantity == "relevance":
        meaning = _PROPAGATED
    units = "" if one.is_mask else f", in units of the {explanation.units}"
    if explanation.units != "model output" and not one.is_mask:
        units = f", in {explanation.units}"
    n = explanation.n_model_rows
    return [
        f"Each value is {meaning} ({explanation.quantity}{units}).",
        f"Cost: {count(n)} model row{'' if n == 1 else 's'}, by {explanation.method}.",
    ]


def method_trust_sentences(one: MethodMaps) -> list[str]:
    """What a method says of its own errors."""
    return [
        *(absorption_sentences(one.explanation, "pixels") or _sums(one)),
        *_errors(one),
        *_problems(one),
    ]


def _sums(one: MethodMaps) -> list[str]:
    """Whether the values of a map sum to what they should."""
    known = np.abs(one.gaps[np.isfinite(one.gaps)])
    if not known.size:
        return []
    target = "the output" if one.explanation.completeness == "outputs" else "that difference"
    largest = float(known.max())
    if largest == 0.0:
        return [f"The values of a map sum to {target}."]
    return [f"The values of a map sum to {target} up to a completeness gap of at most {number(largest, 2)}."]


def _errors(one: MethodMaps) -> list[str]:
    """What is known of the standard errors."""
    errors = one.errors
    if errors is None:
        return ["No standard errors: nothing is sampled."]
    if not errors.size:
        return ["The error of the values is unknown."]
    if not errors.any():
        return ["The values are exact: nothing is sampled."]
    return [
        f"Standard errors: {number(float(np.median(errors)), 2)} in the median, at most "
        f"{number(float(errors.max()), 2)}; {percent(one.unclear_share)} of the "
        f"{percent(one.confidence_level)} intervals contain 0."
    ]


def _problems(one: MethodMaps) -> list[str]:
    """Masks that were not found and tolerances that were not reached."""
    problems = []
    if one.failed.any():
        problems.append(f"No mask was found for {_listed(one, one.failed)}; none is drawn.")
    if one.unreached.any():
        problems.append(f"The tolerance was not reached for {_listed(one, one.unreached)}.")
    return problems


def _listed(one: MethodMaps, flags: Any) -> str:
    """Images and outputs with a flag (n_images, n_outputs)."""
    places = [f"{_label(one.output_names(i)[k])} in {image_name(i)}" for i, k in np.argwhere(flags)]
    return join_words(places)


def pictures_note(methods: Sequence[MethodMaps]) -> str:
    """How maps may be compared, and what they do not say."""
    columns = "Each column of a figure has a color scale of its own, since methods have units of their own. "
    return (
        f"{columns if len(methods) > 1 else ''}Rows and columns of pixels are counted from 0, from the upper "
        f"left. The strongest tenth are the {percent(TOP)} of the pixels with the largest absolute values; "
        f"even values would have {percent(TOP)} of the sum there. A map says which pixels the model's output "
        "depends on by the method's own definition, not whether the model is right to depend on them."
    )


def _names(names: Iterable[str]) -> str:
    return join_words([_label(name) for name in names])


def _label(name: str) -> str:
    return shorten(name, LABEL_WIDTH)


def _s(parts: Sequence[Any]) -> str:
    return "" if len(parts) == 1 else "s"
