"""Waterfall of a gap: from the metric in one table to that in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import GapExplanation
from agnostix.plotting.display import Display
from agnostix.plotting.steps import StepDrawing, place_steps
from agnostix.plotting.words import describe_metric, format_number, shorten


@dataclass(eq=False, repr=False)
class GapDisplay(StepDrawing, Display):
    """Waterfall from the metric in table A to that in table B.

    Blue bars raise it, orange ones lower it: the columns' margins first, the largest on
    top, with how far the column moved in standard deviations. Gray bars are what no
    margin explains. Lines are confidence intervals, their half widths beside the values.

    Parameters
    ----------
    steps : DataFrame
        From top to bottom: step ("base" for A, "feature", "others", "gap", "output" for
        B), label, condition, data (both None), value, std_error, low, high, start, end; in
        units of the metric.
    output_name : str, default="metric"
        Name of the horizontal axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import EntropicProjection, explain_gap
    >>> from agnostix.plotting import GapDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model, older = LinearRegression().fit(X, y), X["age"] > 50
    >>> A, B = (EntropicProjection(model).fit(X[rows], y[rows]) for rows in (~older, older))
    >>> display = GapDisplay.from_explanation(explain_gap(A, B, columns=["bmi", "bp"])).plot()
    >>> display.frame()["label"].tolist()
    ['A', 'bp, +0.58 sd', 'bmi, +0.24 sd', 'dependence', 'B']
    """

    steps: pd.DataFrame
    output_name: str = "metric"

    @classmethod
    def from_explanation(cls, gap: GapExplanation, *, max_columns: int = 10) -> GapDisplay:
        """Select the parts of a gap.

        Parameters
        ----------
        gap : GapExplanation
            The result of `explain_gap`.
        max_columns : int, default=10
            Columns with a bar of their own; the others are summed. The error of the sum is
            the sum of the errors, an upper bound. Columns that are not determined are
            always named.

        Returns
        -------
        GapDisplay

        Raises
        ------
        ValueError
            If `max_columns` is below 1.
        """
        if max_columns < 1:
            raise ValueError(f"max_columns must be at least 1, got {max_columns}.")
        margins = gap.frame[gap.frame["kind"] == "margin"]
        known = margins[margins["value"].notna()]
        n_shown = max_columns if len(known) > max_columns + 1 else len(known)
        steps = [_end("base", "A", gap), *map(_margin, known.head(n_shown).to_dict("records"))]
        if len(known) > n_shown:
            steps.append(_others(known.iloc[n_shown:]))
        steps += map(_margin, margins[margins["value"].isna()].to_dict("records"))
        steps += map(_rest, gap.frame[gap.frame["kind"] != "margin"].to_dict("records"))
        table = pd.DataFrame([*steps, _end("output", "B", gap)])
        none = pd.Series([None] * len(table), dtype=object)
        placed = place_steps(table.assign(condition=none, data=none))
        return cls(placed, describe_metric(gap.metric, gap.output))


def _end(step: str, name: str, gap: GapExplanation) -> dict[str, Any]:
    return {"step": step, "label": name} | _numbers(gap.totals.loc[name])


def _margin(line: dict[Any, Any]) -> dict[str, Any]:
    """A column, and how far it moved."""
    moved = "" if np.isnan(line["shift"]) else f", {format_number(line['shift'], '+.2f')} sd"
    return {"step": "feature", "label": f"{shorten(str(line['column']), 24)}{moved}"} | _numbers(line)


def _rest(line: dict[Any, Any]) -> dict[str, Any]:
    return {"step": "gap", "label": line["part"]} | _numbers(line)


def _others(lines: pd.DataFrame) -> dict[str, Any]:
    """Sum of the columns that are left, with a bound for its error."""
    value = float(lines["value"].sum())
    below, above = (float(abs(lines["value"] - lines[end]).sum()) for end in ("low", "high"))
    numbers = {"value": value, "std_error": float(lines["std_error"].sum())}
    named = {"step": "others", "label": f"{len(lines)} other columns"}
    return named | numbers | {"low": value - below, "high": value + above}


def _numbers(line: Any) -> dict[str, float]:
    return {name: float(line[name]) for name in ("value", "std_error", "low", "high")}
