"""Steps of a waterfall, from a row's base value to its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.statistics import half_widths
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import (
    base_and_outputs,
    column_values,
    conditions_in_row,
    data_columns,
    order_by_size,
    output_errors,
    surrogate_dof,
    surrogate_error,
    surrogate_output,
    values_in_row,
)
from agnostix.plotting.words import format_value, is_surrogate

ENDS = ("base", "surrogate", "output")
"""Steps that are predictions and not changes from one to the next."""
_NO_REMAINDER = 1e-6
"""Share of the numbers involved below which values do sum to the output."""


def steps_of_row(
    explanation: Explanation, i: int, k: int, max_features: int, confidence_level: float
) -> pd.DataFrame:
    """Steps of row i and output k, columns as in `WaterfallDisplay`."""
    base, output = (float(array[i, k]) for array in base_and_outputs(explanation))
    names = ("base value", "output")
    if is_surrogate(explanation):
        names = ("surrogate's base value", "model's answer")
    changes = _changes(explanation, i, k, base, output, max_features, confidence_level)
    table = [_step("base", names[0], base, 0.0), *changes, _step("output", names[1], output, 0.0)]
    texts = {name: pd.Series([row[name] for row in table], dtype=object) for name in ("condition", "data")}
    return _place(pd.DataFrame(table).assign(**texts))


def _place(frame: pd.DataFrame) -> pd.DataFrame:
    """Steps with where each begins and ends."""
    is_end, values = frame["step"].isin(ENDS).to_numpy(), frame["value"].to_numpy(dtype=float)
    reached: Floats = values[0] + np.cumsum(np.where(is_end, 0.0, values))
    return frame.assign(
        start=np.where(is_end, values, [values[0], *reached[:-1]]),
        end=np.where(is_end, values, reached),
    )


def _changes(
    explanation: Explanation, i: int, k: int, base: float, output: float, max_features: int, level: float
) -> list[dict[str, Any]]:
    """All steps but the first and the last."""
    values, errors = values_in_row(explanation, i, k), output_errors(explanation, k)[i]
    low, high = (ends[0, :, k] for ends in explanation[i].interval(level))
    below, above = values - low, high - values
    order = order_by_size(values[None])
    n_shown = max_features if len(order) > max_features + 1 else len(order)
    shown, rest = order[:n_shown], order[n_shown:]
    numbers = {"value": values, "std_error": errors, "below": below, "above": above}
    steps = _features(explanation, i, pd.DataFrame(numbers).iloc[shown])
    if len(rest):
        total = (values[rest].sum(), errors[rest].sum(), below[rest].sum(), above[rest].sum())
        steps.append(_step("others", f"{len(rest)} other features", *total))
    end = surrogate_output(explanation, i, k) if is_surrogate(explanation) else output
    remainder = end - base - values[order].sum()
    size = np.abs([base, end, *values[order]]).max()
    if explanation.quantity == "effect" or abs(remainder) > _NO_REMAINDER * size:
        bounds = (errors[order].sum(), above[order].sum(), below[order].sum())
        steps.append(_step("remainder", "not explained by the sum", remainder, *bounds))
    if is_surrogate(explanation):
        error = surrogate_error(explanation, i, k)
        half = float(half_widths(error, level, surrogate_dof(explanation, i, k)))
        steps.append(_step("surrogate", "surrogate's answer", end, error, half, half))
        steps.append(_step("gap", "gap to the model", output - end, error, half, half))
    return steps


def _step(
    step: str,
    label: str,
    value: float,
    std_error: float,
    below: float = 0.0,
    above: float = 0.0,
    **texts: str | None,
) -> dict[str, Any]:
    """A row of the table; its interval reaches from value - below to value + above."""
    known = {"step": step, "label": label, "condition": None, "data": None} | texts
    return known | {"value": value, "std_error": std_error, "low": value - below, "high": value + above}


def _features(explanation: Explanation, i: int, numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """Steps of features in row i, from their numbers by place."""
    own, conditions = data_columns(explanation), conditions_in_row(explanation, i)
    steps = []
    for j, *step in numbers.itertuples():
        data = None if own[j] is None else format_value(column_values(own[j], slice(i, i + 1))[0])
        name = explanation.feature_names[j]
        steps.append(_step("feature", name, *step, condition=conditions[j], data=data))
    return steps
