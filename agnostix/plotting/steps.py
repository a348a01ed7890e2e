"""The steps of one row's way from its base value to the output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.intervals import half_widths
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import ends_of, errors_of, largest_first, own_columns, values_of
from agnostix.plotting.in_row import (
    said_in_row,
    surrogate_dof,
    surrogate_error,
    surrogate_output,
    values_in_row,
)
from agnostix.plotting.words import is_surrogate, value_words

ENDS = ("base", "surrogate", "output")
"""Steps that are answers and not moves from one to the next."""
_NO_REMAINDER = 1e-6
"""Share of the numbers involved below which an additive explanation does add up."""


def steps_of_row(
    explanation: Explanation, i: int, k: int, max_features: int, confidence_level: float
) -> pd.DataFrame:
    """The steps of a row's way.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    i, k : int
        Places of the row and of the output.
    max_features : int
        How many have a step of their own.
    confidence_level : float
        Nominal coverage of each interval.

    Returns
    -------
    DataFrame
        As in `WaterfallDisplay`.
    """
    names = (
        ("surrogate's base value", "model's answer")
        if is_surrogate(explanation)
        else ("base value", "output")
    )
    base, output = (array[i, k] for array in ends_of(explanation))
    steps = _moves(explanation, i, k, max_features, confidence_level)
    table = [_step("base", names[0], base, 0.0), *steps, _step("output", names[1], output, 0.0)]
    texts = {name: pd.Series([row[name] for row in table], dtype=object) for name in ("said", "data")}
    return _placed(pd.DataFrame(table).assign(**texts))


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    """Steps, and where each begins and ends."""
    is_end, values = frame["step"].isin(ENDS).to_numpy(), frame["value"].to_numpy(dtype=float)
    reached: Floats = values[0] + np.cumsum(np.where(is_end, 0.0, values))
    return frame.assign(
        start=np.where(is_end, values, [values[0], *reached[:-1]]),
        end=np.where(is_end, values, reached),
    )


def _moves(
    explanation: Explanation, i: int, k: int, max_features: int, confidence_level: float
) -> list[dict[str, Any]]:
    """The way itself, without its first and last step."""
    values, errors = values_in_row(explanation, i, k), errors_of(explanation, k)[i]
    order = largest_first(values[None])
    n_shown = max_features if len(order) > max_features + 1 else len(order)
    shown, rest = order[:n_shown], order[n_shown:]
    low, high = (ends[0, :, k] for ends in explanation[i].interval(confidence_level))
    below, above = values - low, high - values
    steps = _features(explanation, i, shown, values, errors, (below, above))
    if len(rest):
        half = (below[rest].sum(), above[rest].sum())
        total = values[rest].sum(), errors[rest].sum()
        steps.append(_step("others", f"{len(rest)} other features", *total, half))
    base, output = (float(array[i, k]) for array in ends_of(explanation))
    of_surrogate = is_surrogate(explanation)
    end = surrogate_output(explanation, i, k) if of_surrogate else output
    remainder = end - base - values[order].sum()
    size = np.abs([base, end, *values[order]]).max()
    if explanation.quantity == "effect" or abs(remainder) > _NO_REMAINDER * size:
        half = (above[order].sum(), below[order].sum())
        steps.append(_step("remainder", "not explained by the sum", remainder, errors[order].sum(), half))
    if of_surrogate:
        error = surrogate_error(explanation, i, k)
        half = (float(half_widths(error, confidence_level, surrogate_dof(explanation, i, k))),) * 2
        steps.append(_step("surrogate", "surrogate's answer", end, error, half))
        steps.append(_step("gap", "gap to the model", output - end, error, half))
    return steps


def _step(
    step: str,
    label: str,
    value: float,
    std_error: float,
    half: tuple[float, float] = (0.0, 0.0),
    **told: str | None,
) -> dict[str, Any]:
    known = {"step": step, "label": label, "said": None, "data": None, "value": value, "std_error": std_error}
    return known | told | {"low": value - half[0], "high": value + half[1]}


def _features(
    explanation: Explanation, i: int, places: Any, values: Any, errors: Any, half: tuple[Any, Any]
) -> list[dict[str, Any]]:
    """The features' steps in row i."""
    names, own, said = explanation.feature_names, own_columns(explanation), said_in_row(explanation, i)
    row = slice(i, i + 1)
    data = {j: None if own[j] is None else value_words(values_of(own[j], row)[0]) for j in places}
    below, above = half
    return [
        _step("feature", names[j], values[j], errors[j], (below[j], above[j]), said=said[j], data=data[j])
        for j in places
    ]
