"""What is said of a simpler model near a row: how far it may be believed, first of all."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.plotting.fidelity import CLOSE, ROUGH, Fidelity
from agnostix.plotting.words import label_in_row
from agnostix.report.reading import Reading
from agnostix.report.words import ROOM, listed, percent, whole


def fidelity_sentence(reading: Reading) -> str:
    """How the simpler model follows the model, and what both say of the row.

    Parameters
    ----------
    reading : Reading
        Of a surrogate.

    Returns
    -------
    str
    """
    told = reading.fidelity
    own, answer = reading.scale.value(reading.end), reading.scale.value(reading.output)
    if told is not None and told.is_constant:
        return (
            f"Near the row the model's answer is the same everywhere, {answer}: there is nothing for a "
            "simpler model to follow."
        )
    how = "" if told is None else f" follows them {told.follows}: it {_share(told)}, and"
    if reading.rule is not None:
        return (
            f"A tree of rules, fitted to the model's answers to all rows,{how} says {own} for the row "
            f"itself, where the model says {answer}."
        )
    return (
        f"A simpler model, fitted to the model's answers near the row,{how} says {own} for the row itself, "
        f"where the model says {answer}."
    )


def fidelity_warnings(reading: Reading) -> list[str]:
    """Why the simpler model should not be relied on, if so.

    Parameters
    ----------
    reading : Reading
        Of any kind.

    Returns
    -------
    list of str
    """
    told = reading.fidelity
    if told is None or told.is_constant:
        return []
    poor = (
        f"Do not rely on the values alone: the simpler model {_what_is_missed(told, _where(reading))}. "
        "Occlusion and Shapley values ask the model itself."
    )
    gap = reading.scale.change(abs(told.output - told.surrogate_output)).lstrip("+")
    apart = f"For the row itself the two answers lie {gap} apart, farther than any feature's value reaches."
    return [*([poor] if told.is_poor else []), *([apart] if told.is_off else [])]


def fidelity_note() -> str:
    """What the words for an R² mean.

    Returns
    -------
    str
    """
    return (
        f"\u201cClosely\u201d is an R² of at least {CLOSE}, \u201croughly\u201d of at least {ROUGH}, by the "
        "lower end of its interval; \u201cpoorly\u201d is less."
    )


def base_sentence(reading: Reading) -> str:
    """Where the simpler model begins, and how far it is to its answer.

    Parameters
    ----------
    reading : Reading
        Of a surrogate.

    Returns
    -------
    str
    """
    scale = reading.scale
    base = f"Its base value{_meaning_of_base(reading)} is {scale.value(reading.base)}"
    unit = f" in {reading.units}" if reading.units else ""
    way = "the values lead from there to" if reading.adds_up else "from there it is a way to"
    return f"{base}{unit}; {way} its answer for the row, {scale.change(reading.gap)} in all."


def surrogate_remarks(reading: Reading) -> list[str]:
    """Which features a simpler model was not given, and which values it never met.

    Parameters
    ----------
    reading : Reading
        Of any kind.

    Returns
    -------
    list of str
    """
    if reading.rule is not None:
        return [f"Its rule: {reading.rule}."]
    return [*_left_out(reading), *_put_in(reading)] if reading.is_surrogate else []


def _share(told: Fidelity) -> str:
    share = percent(told.r2) if told.r2 > 0.0 else "none"
    return f"accounts for {share} of how they vary, {told.r2_words}"


def _where(reading: Reading) -> str:
    return "near the row" if reading.rule is None else "over all rows"


def _what_is_missed(told: Fidelity, where: str) -> str:
    if told.r2 < 0.0:
        near = " near this one" if where == "near the row" else ""
        return f"does worse than one same answer for all rows{near}"
    if told.r2 < ROUGH:
        return f"misses more than half of how the answers vary {where}"
    return f"may miss more than half of how the answers vary {where}, as far as its interval tells"


def _meaning_of_base(reading: Reading) -> str:
    """What a simpler model's base value is, where its parameters and its conditions tell."""
    if reading.rule is not None:
        return ", its mean answer to all rows,"
    if reading.explanation.params.get("surrogate") == "tree":
        return ", its mean answer near the row,"
    is_told = len(reading.values) > 0 and reading.values["condition"].notna().all()
    return ", its answer where none of these conditions holds," if is_told else ""


def _left_out(reading: Reading) -> list[str]:
    names = [label_in_row(name, None, None, ROOM) for name in reading.left_out]
    many = len(reading.values)
    held = f"The simpler model was held to {whole(many)} feature{'' if many == 1 else 's'}"
    return [f"{held}; left out: {listed(names, most=4)}."] if names else []


def _put_in(reading: Reading) -> list[str]:
    """Values of which draws do not tell enough, and what is credited to them instead."""
    unseen, contrasted = _told(reading, "unseen"), _told(reading, "contrasted")
    return [
        *_credited(reading, unseen, "never seen"),
        *_credited(reading, contrasted & ~unseen, "too rare to be in enough of the draws"),
    ]


def _told(reading: Reading, name: str) -> Any:
    """Of which features something is told."""
    told: Any = reading.explanation.extras.get(name)
    n_features = len(reading.explanation.feature_names)
    return np.zeros(n_features, dtype=bool) if told is None else told.array[0]


def _credited(reading: Reading, which: Any, why: str) -> list[str]:
    names = np.array(reading.explanation.feature_names)[which]
    if not names.size:
        return []
    told = listed([label_in_row(name, None, None, ROOM) for name in names], most=4)
    what, each = ("A value that was", "it") if len(names) == 1 else ("Values that were", "each")
    return [
        f"{what} {why}: {told}. What is credited to {each} is how far the model's answers to rows near this "
        "one change, in the mean, when the value is put into them."
    ]
