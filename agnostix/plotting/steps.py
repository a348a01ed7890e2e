"""Steps of a waterfall, from a row's base value to its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import (
    column_values,
    conditions_in_row,
    data_columns,
    half_widths,
    order_by_size,
    output_errors,
    surrogate_error,
    surrogate_output,
    values_in_row,
)
from agnostix.plotting.words import value_words

ENDS = ("base", "surrogate", "output")
"""Steps that are predictions and not changes from one to the next."""
_NO_REMAINDER = 1e-6
"""Share of the numbers involved below which additive values do sum to the output."""
_NAMES = {"surrogate": ("surrogate's base value", "model's answer")}
"""Labels of the first and the last step, by kind of explanation."""


def steps_of_row(
    explanation: Explanation, i: int, k: int, max_features: int, confidence_level: float
) -> pd.DataFrame:
    """Steps of row i and output k, columns as in `WaterfallDisplay`."""
    names = _NAMES.get(explanation.kind, ("base value", "output"))
    base, output = explanation.base_values[i, k], explanation.outputs[i, k]
    changes = _changes(explanation, i, k, max_features)
    table = [_step("base", names[0], base, 0.0), *changes, _step("output", names[1], output, 0.0)]
    texts = {name: pd.Series([row[name] for row in table], dtype=object) for name in ("condition", "data")}
    return _placed(pd.DataFrame(table).assign(**texts), confidence_level)


def _placed(frame: pd.DataFrame, confidence_level: float) -> pd.DataFrame:
    """Steps with their intervals, and where each begins and ends."""
    half = half_widths(frame["std_error"], confidence_level)
    is_end, values = frame["step"].isin(ENDS).to_numpy(), frame["value"].to_numpy(dtype=float)
    reached: Floats = values[0] + np.cumsum(np.where(is_end, 0.0, values))
    return frame.assign(
        low=values - half,
        high=values + half,
        start=np.where(is_end, values, [values[0], *reached[:-1]]),
        end=np.where(is_end, values, reached),
    )


def _changes(explanation: Explanation, i: int, k: int, max_features: int) -> list[dict[str, Any]]:
    """All steps but the first and the last."""
    values, errors = values_in_row(explanation, i, k), output_errors(explanation, k)[i]
    order = order_by_size(values[None])
    n_shown = max_features if len(order) > max_features + 1 else len(order)
    shown, rest = order[:n_shown], order[n_shown:]
    steps = _features(explanation, i, shown, values, errors)
    if len(rest):
        steps.append(_step("others", f"{len(rest)} other features", values[rest].sum(), errors[rest].sum()))
    base, output = float(explanation.base_values[i, k]), float(explanation.outputs[i, k])
    is_surrogate = explanation.kind == "surrogate"
    end = surrogate_output(explanation, i, k) if is_surrogate else output
    remainder = end - base - values[order].sum()
    size = np.abs([base, end, *values[order]]).max()
    if explanation.kind == "occlusion" or abs(remainder) > _NO_REMAINDER * size:
        steps.append(_step("remainder", "not explained by the sum", remainder, errors[order].sum()))
    if is_surrogate:
        error = surrogate_error(explanation, i, k)
        steps.append(_step("surrogate", "surrogate's answer", end, error))
        steps.append(_step("gap", "gap to the model", output - end, error))
    return steps


def _step(step: str, label: str, value: float, std_error: float, **texts: str | None) -> dict[str, Any]:
    numbers = {"value": value, "std_error": std_error}
    return {"step": step, "label": label, "condition": None, "data": None, **numbers} | texts


def _features(
    explanation: Explanation, i: int, places: Any, values: Any, errors: Any
) -> list[dict[str, Any]]:
    """Steps of features in row i."""
    names, own, conditions = (
        explanation.feature_names,
        data_columns(explanation),
        conditions_in_row(explanation, i),
    )
    row = slice(i, i + 1)
    data = {j: None if own[j] is None else value_words(column_values(own[j], row)[0]) for j in places}
    return [
        _step("feature", names[j], values[j], errors[j], condition=conditions[j], data=data[j])
        for j in places
    ]
