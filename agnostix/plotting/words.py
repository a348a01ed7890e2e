"""Names and numbers as they are written in pictures."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.style import shortened

_EFFECTS = {
    "contribution": "contribution to {}",
    "effect": "effect on {}",
    "coefficient": "coefficient in {}",
    "mask": "mask for {}",
}


MISSING = "missing"


_LETTERS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


_FROM = {"G": 1e9, "M": 1e6, "k": 1e5}


def effect_words(explanation: Explanation, output_name: str) -> str:
    """What a value is, for an axis.

    Parameters
    ----------
    explanation : Explanation
        Of any quantity.
    output_name : str
        What is explained.

    Returns
    -------
    str
    """
    target = f"the surrogate of {output_name}" if is_surrogate(explanation) else output_name
    return _EFFECTS.get(explanation.quantity, "attribution to {}").format(target)


def is_surrogate(explanation: Explanation) -> bool:
    """Whether values are those of a simpler model fitted to the explained one.

    Parameters
    ----------
    explanation : Explanation
        Of any quantity.

    Returns
    -------
    bool
    """
    return explanation.completeness == "surrogate" or explanation.quantity == "coefficient"


def in_lines(text: str, width: int = 40, most: int = 2) -> str:
    """A label of an axis in as many lines as it needs, shortened where it needs more than there are.

    Parameters
    ----------
    text : str
        The label.
    width : int, default=40
        Characters of a line.
    most : int, default=2
        Lines.

    Returns
    -------
    str
    """
    lines = wrap(text, width, break_on_hyphens=False)
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(f"{lines[most - 1]} {lines[most]}", width)]
    return "\n".join(lines)


def count_words(n_shown: int, n_features: int, what: str = "features") -> str:
    """A note that not all features are drawn; empty where they are.

    Parameters
    ----------
    n_shown, n_features : int
        Drawn, and there.
    what : str, default="features"
        What they are.

    Returns
    -------
    str
    """
    return f"{n_shown} of {n_features} {what}" if n_shown < n_features else ""


def is_missing(value: Any) -> bool:
    """Whether there is no value.

    Parameters
    ----------
    value : object
        A number, a label, a date or nothing.

    Returns
    -------
    bool
    """
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def value_words(value: Any) -> str:
    """A feature's own value, for readers.

    Parameters
    ----------
    value : object
        A number, a label, a date or nothing.

    Returns
    -------
    str
    """
    if is_missing(value):
        return MISSING
    if isinstance(value, float | np.floating):
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e7
        return (f"{number:.0f}" if whole else f"{number:.4g}").replace("-", "−")
    return " ".join(str(value).removesuffix(" 00:00:00").split())


def named(feature: str, value: Any = None, most: int = 34) -> str:
    """A feature with its value; where there is little room, the name is shortened before the value.

    Parameters
    ----------
    feature : str
        Its name.
    value : str, default=None
        Its value, as words.
    most : int, default=34
        Characters kept.

    Returns
    -------
    str
    """
    feature = " ".join(feature.split())
    if value is None:
        return shortened(feature, most)
    kept = shortened(value, max(most - 3 - len(feature), most // 2))
    return f"{shortened(feature, most - 3 - len(kept))} = {kept}"


def called(feature: str, value: str | None, said: str | None, most: int = 34) -> str:
    """What a feature is called in one row: what is said of it there, else its name with its value.

    Parameters
    ----------
    feature : str
        Its name, which is shortened first where it is part of what is said.
    value : str or None
        Its value, as words.
    said : str or None
        What is said of it, such as "28 < age <= 37".
    most : int, default=34
        Characters kept.

    Returns
    -------
    str
    """
    if said is None:
        return named(feature, value, most)
    said, feature = " ".join(said.split()), " ".join(feature.split())
    if len(said) > most and feature in said:
        said = said.replace(feature, shortened(feature, max(most - len(said) + len(feature), most // 3)), 1)
    return shortened(said, most)


def number_words(numbers: Any, *, signed: bool = False, like: Any = None) -> list[str]:
    """Numbers with equally many decimals, so that they can be read as a column.

    Parameters
    ----------
    numbers : array-like of float
        What is written.
    signed : bool, default=False
        Whether a plus stands before what grows.
    like : array-like of float, default=None
        Numbers that settle the decimals: three digits of the largest; by default those written.

    Returns
    -------
    list of str
    """
    numbers = np.asarray(numbers, dtype=float)
    sizes = np.abs(np.asarray(numbers if like is None else like, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    digits = int(np.floor(np.log10(sizes.max()))) if sizes.size else 0
    decimals = max(2 - digits, 0)
    form = ("+" if signed else "") + (f",.{decimals}f" if -4 <= digits < 7 else ".2e")
    return [_number_words(number, form) for number in numbers]


def _number_words(number: float, form: str) -> str:
    if np.isinf(number):
        return "∞" if number > 0 else "−∞"
    text = format(number, form)
    is_zero = not any(digit in text.split("e")[0] for digit in "123456789")
    return text.lstrip("+-") if is_zero else text.replace("-", "−")
