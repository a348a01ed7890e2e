"""Waterfall of one row: from the base value to the output."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.intervals import half_widths
from agnostix.plotting.attributions import (
    base_and_outputs,
    base_value_error,
    column_values,
    conditions_in_row,
    data_columns,
    dof_of_output,
    find_output,
    find_row,
    order_by_size,
    output_errors,
    surrogate_error,
    surrogate_output,
    values_in_row,
)
from agnostix.plotting.display import ExplanationDisplay
from agnostix.plotting.fidelity import describe_fidelity
from agnostix.plotting.steps import StepDrawing, place_steps
from agnostix.plotting.style import write_fidelity
from agnostix.plotting.words import describe_output, format_value, is_surrogate

_NO_REMAINDER = 1e-6
"""Share of the numbers involved below which values do sum to the output."""


@dataclass(eq=False, repr=False)
class WaterfallDisplay(StepDrawing, ExplanationDisplay):
    """Waterfall of one row, from the base value to the output, largest values first.

    Blue bars raise the output, orange ones lower it. Lines are confidence intervals,
    dotted where the error is unknown or the value is not determined; their half widths
    are beside the values. The base value has an interval where it is the mean over a
    sample. If the values do not sum to the output, the remainder is a bar. For a surrogate, the gray
    dot is its prediction, followed by the gap to the model's, and its fidelity is
    written above.

    Parameters
    ----------
    steps : DataFrame
        From top to bottom: step ("base", "feature", "others", "remainder",
        "surrogate", "gap" or "output"), label, condition (a feature's condition or word
        in the row, or None), data, value, std_error (NaN where unknown), low, high,
        start, end; in units of the output.
    output_name : str, default="output"
        Name of the horizontal axis.
    fidelity : str, default=""
        Fidelity of a surrogate, written above.
    is_poor : bool, default=False
        Whether to write it as a warning.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import WaterfallDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = WaterfallDisplay.from_explainer(explainer, X, row=3, max_features=4).plot()
    >>> display.frame()["label"].tolist()
    ['base value', 's5', 'bp', 's2', 'sex', '6 other features', 'not explained by the sum', 'output']
    """

    steps: pd.DataFrame
    output_name: str = "output"
    fidelity: str = ""
    is_poor: bool = False

    name: ClassVar[str] = "waterfall"
    dims: ClassVar = (("row", "feature", "output"),)
    needs: ClassVar = ("base_values", "outputs")

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int = 10,
        confidence_level: float = 0.95,
    ) -> WaterfallDisplay:
        """Select one row and one output.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        row : int or hashable, default=0
            Position of the row, or its name unless that is an integer.
        output : str or int, default=None
            Name or position of the output; by default the only one, or the second of two.
        max_features : int, default=10
            Features with a bar of their own; the others are summed. The error of the
            sum is the sum of the errors, an upper bound.
        confidence_level : float, default=0.95
            Coverage of each interval.

        Returns
        -------
        WaterfallDisplay
        """
        cls._check(explanation, max_features, confidence_level)
        k, i = find_output(explanation, output), find_row(explanation, row)
        steps = steps_of_row(explanation, i, k, max_features, confidence_level)
        fidelity = describe_fidelity(explanation, i, k, confidence_level)
        return cls(steps, describe_output(explanation, explanation.output_names[k]), *fidelity)

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        super()._draw(factor, suffix)
        # Narrow axes have room on the left, above the names.
        write_fidelity(self.ax_, self.fidelity, self.is_poor, loc="right")


def steps_of_row(
    explanation: Explanation, i: int, k: int, max_features: int, confidence_level: float
) -> pd.DataFrame:
    """Steps of row i and output k, columns as in `WaterfallDisplay`."""
    base, output = (float(array[i, k]) for array in base_and_outputs(explanation))
    names = ("base value", "output")
    if is_surrogate(explanation):
        names = ("surrogate base value", "model prediction")
    changes = _changes(explanation, i, k, base, output, max_features, confidence_level)
    error = base_value_error(explanation, i, k)
    half = float(half_widths(error, confidence_level, dof_of_output(explanation, "base_value", i, k)))
    table = [
        _step("base", names[0], base, error, half, half),
        *changes,
        _step("output", names[1], output, 0.0),
    ]
    texts = {name: pd.Series([row[name] for row in table], dtype=object) for name in ("condition", "data")}
    return place_steps(pd.DataFrame(table).assign(**texts))


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
        what = "features and pairs" if "index" in explanation.extras else "features"  # of interactions
        steps.append(_step("others", f"{len(rest)} other {what}", *total))
    end = surrogate_output(explanation, i, k) if is_surrogate(explanation) else output
    remainder = end - base - values[order].sum()
    size = np.abs([base, end, *values[order]]).max()
    if explanation.quantity == "effect" or abs(remainder) > _NO_REMAINDER * size:
        bounds = (errors[order].sum(), above[order].sum(), below[order].sum())
        steps.append(_step("remainder", "not explained by the sum", remainder, *bounds))
    if is_surrogate(explanation):
        error = surrogate_error(explanation, i, k)
        half = float(half_widths(error, level, dof_of_output(explanation, "surrogate", i, k)))
        steps.append(_step("surrogate", "surrogate prediction", end, error, half, half))
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
