"""How far a simpler model may be believed near a row, in sentences written from the numbers."""

from __future__ import annotations

from agnostix.plotting.fidelity import CLOSE, ROUGH, Fidelity
from agnostix.report.reading import Reading
from agnostix.report.words import percent


def fidelity_sentence(reading: Reading) -> str:
    """How the simpler model follows the model, and what both say of the row.

    Parameters
    ----------
    reading : Reading
        Of kind "surrogate".

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
        "Do not rely on the values below: near this row the model does not behave like a simple one. "
        f"{_what_is_missed(told)} Occlusion and Shapley values ask the model itself."
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


def _share(told: Fidelity) -> str:
    share = percent(max(told.r2, 0.0)) if told.r2 > 0.0 else "none"
    return f"accounts for {share} of how they vary, {told.r2_words}"


def _what_is_missed(told: Fidelity) -> str:
    if told.r2 < 0.0:
        return "The simpler model does worse than one same answer for all rows near it."
    if told.r2 < ROUGH:
        return "The simpler model misses more than half of how the answers vary."
    return "The simpler model may miss more than half of how the answers vary, as far as the interval tells."
