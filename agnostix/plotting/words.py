"""Names and numbers as they are written in pictures."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import IS_SIGNED, LAYER
from agnostix.core.files import one_line

_QUANTITIES = {
    "contribution": "contribution to {}",
    "effect": "effect on {}",
    "interaction": "interaction for {}",
    "coefficient": "coefficient for {}",
    "mask": "mask for {}",
    "relevance": "relevance for {}",
    "sensitivity": "sensitivity of {}",
}
_AGGREGATES = {"mean_abs": "mean absolute ", "mean": "mean ", "max_abs": "maximum absolute "}
_METRICS = {
    "prediction": "mean prediction",
    "outcome": "mean outcome",
    "brier_score": "Brier score",
    "roc_auc": "ROC AUC",
    "r2": "R²",
}
MISSING = "missing"


def shorten(name: str, most: int = 34) -> str:
    """A name on one line, cut to `most` characters."""
    name = one_line(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def describe_quantity(explanation: Explanation, output_name: str) -> str:
    """What a value is and its units, as the label of an axis: "contribution to yes (log-odds)"."""
    statistic = _AGGREGATES.get(str(explanation.extras.get("aggregate")), "")
    quantity = _QUANTITIES[explanation.quantity].format(output_name)
    notes = ["surrogate"] if is_surrogate(explanation) else []
    if LAYER in explanation.extras and "feature" not in explanation.dims:
        notes.append(f"layer {str(explanation.extras[LAYER]).rsplit(': ', 1)[0]}")
    return statistic + quantity + _in_parentheses([*notes, *_units(explanation)])


def describe_output(explanation: Explanation, output_name: str) -> str:
    """An output and its units, as the label of an axis."""
    return output_name + _in_parentheses(_units(explanation))


def _units(explanation: Explanation) -> list[str]:
    return [] if explanation.units == "model output" else [explanation.units]


def _in_parentheses(notes: list[str]) -> str:
    return f" ({', '.join(notes)})" if notes else ""


def is_surrogate(explanation: Explanation) -> bool:
    """Whether values are those of a simpler model fitted to the explained one."""
    return explanation.completeness == "surrogate" or "surrogate_outputs" in explanation.extras


def has_signs(explanation: Explanation, values: Any) -> bool:
    """Whether 0 is the middle of the scale of values, or its lower end, as for sizes of gradients."""
    if IS_SIGNED in explanation.extras:
        return bool(explanation.extras[IS_SIGNED])
    return explanation.quantity != "sensitivity" or bool((values < 0).any())


def describe_metric(metric: str, output: str | None = None) -> str:
    """A quantity of what-if results, as the label of an axis: "mean prediction of yes"."""
    name = _METRICS.get(metric, metric.replace("_", " "))
    return name if is_missing(output) else f"{name} of {output}"


def wrap_lines(text: str, width: int = 40, most: int = 2) -> str:
    """Text wrapped to at most `most` lines of `width` characters, shortened where it is longer."""
    lines = wrap(text, width, break_on_hyphens=False)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(f"{lines[most - 1]} {lines[most]}", width)]
    return "\n".join(lines)


def format_count(n_shown: int, n_features: int, what: str = "features") -> str:
    """A note such as "12 of 30 features"; empty where all are drawn."""
    return f"{n_shown} of {n_features} {what}" if n_shown < n_features else ""


def is_missing(value: Any) -> bool:
    """Whether a scalar is None, NaN, NA or NaT."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def format_value(value: Any) -> str:
    """A feature's value as text, numbers with four digits."""
    if is_missing(value):
        return MISSING
    if isinstance(value, float | np.floating):
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e7
        return (f"{number:.0f}" if whole else f"{number:.4g}").replace("-", "−")
    return " ".join(str(value).removesuffix(" 00:00:00").split())


def label_feature(feature: str, value: Any = None, most: int = 34) -> str:
    """The text "feature = value" in at most `most` characters; the name is shortened before the value."""
    feature = " ".join(feature.split())
    if value is None:
        return shorten(feature, most)
    kept = shorten(value, max(most - 3 - len(feature), most // 2))
    return f"{shorten(feature, most - 3 - len(kept))} = {kept}"


def label_in_row(feature: str, value: str | None, condition: str | None, most: int = 34) -> str:
    """A feature's name in one row: its condition there, such as "28 < age <= 37", else name and value."""
    if condition is None:
        return label_feature(feature, value, most)
    condition, feature = " ".join(condition.split()), " ".join(feature.split())
    if len(condition) > most and feature in condition:
        kept = max(most - len(condition) + len(feature), most // 3)
        condition = condition.replace(feature, shorten(feature, kept), 1)
    return shorten(condition, most)


def format_percent(share: float, decimals: int) -> str:
    """A share in percent, with more decimals where it would be 0 or 100 and is not."""
    rare = 100.0 * min(share, 1.0 - share)
    if 1e-7 < rare < 0.5 * 10.0**-decimals:
        decimals = 1 - int(np.floor(np.log10(rare)))
    return f"{100.0 * share:.{decimals}f} %"


def format_numbers(numbers: Any, *, signed: bool = False, like: Any = None) -> list[str]:
    """Numbers with equally many decimals, three digits of the largest (of `like`, if given)."""
    numbers = np.asarray(numbers, dtype=float)
    sizes = np.abs(np.asarray(numbers if like is None else like, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    digits = int(np.floor(np.log10(sizes.max()))) if sizes.size else 0
    decimals = max(2 - digits, 0)
    form = ("+" if signed else "") + (f",.{decimals}f" if -4 <= digits < 7 else ".2e")
    return [format_number(number, form) for number in numbers]


def format_number(number: float, form: str) -> str:
    """A number with a true minus sign, and none before zero."""
    if np.isinf(number):
        return "∞" if number > 0 else "−∞"
    text = format(number, form)
    is_zero = not any(digit in text.split("e")[0] for digit in "123456789")
    return text.lstrip("+-") if is_zero else text.replace("-", "−")
