"""One explanation of one row, as the report reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting import WaterfallDisplay
from agnostix.plotting.attributions import base_and_outputs, surrogate_output
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.waterfall import ENDS
from agnostix.plotting.words import is_surrogate
from agnostix.report.words import Scale

_NOTHING = 1e-9
"""Share of the numbers involved below which a value is rounding."""


@dataclass(frozen=True)
class Reading:
    """One explanation of one row, as the report reads it.

    Attributes
    ----------
    explanation : Explanation
        Of one row and one output.
    prediction : float
        The model's answer.
    share : bool
        Whether the model's answer is a probability.
    confidence_level : float
        Of the intervals.
    n_together : int
        Rows that were explained together, whose cost is told as one.
    """

    explanation: Explanation
    prediction: float
    share: bool
    confidence_level: float
    n_together: int

    @property
    def output(self) -> float:
        """The answer in explained units."""
        return float(base_and_outputs(self.explanation)[1][0, 0])

    @property
    def base(self) -> float:
        """Where the way to it begins, in explained units."""
        return float(base_and_outputs(self.explanation)[0][0, 0])

    @property
    def is_surrogate(self) -> bool:
        """Whether the values are those of a simpler model beside the explained one."""
        return is_surrogate(self.explanation)

    @property
    def rule(self) -> str | None:
        """The path of the row in a simpler model that holds for all rows; None for one near the row."""
        told = self.explanation.extras.get("rule") if self.is_surrogate else None
        return None if told is None else str(told.array[0])

    @property
    def end(self) -> float:
        """Where the values lead: a simpler model's answer, or the model's own."""
        return surrogate_output(self.explanation, 0, 0) if self.is_surrogate else self.output

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """How far a simpler model may be believed, where it tells."""
        return Fidelity.from_explanation(self.explanation, 0, 0, self.confidence_level)

    @property
    def left_out(self) -> list[str]:
        """Features that the row has, and that a simpler model was not given."""
        there = self.explanation.values[0, :, 0]
        used = set(self.values["label"])
        names = zip(self.explanation.feature_names, there, strict=True)
        return [name for name, value in names if np.isfinite(value) and name not in used]

    @property
    def in_own_units(self) -> bool:
        """Whether it is explained in other units than the model's, such as log-odds."""
        return self.in_log_odds or not np.isclose(self.output, self.prediction, rtol=1e-4, atol=1e-9)

    @property
    def in_log_odds(self) -> bool:
        """Whether it is explained in log-odds."""
        return self.explanation.units == "log-odds"

    @property
    def units(self) -> str:
        """What it is explained in; empty for the model's own units."""
        if self.in_log_odds:
            return "log-odds"
        return "the explainer's own units" if self.in_own_units else ""

    @property
    def in_shares(self) -> bool:
        """Whether effects are written in points of per cent."""
        return self.share and not self.in_own_units

    @cached_property
    def display(self) -> WaterfallDisplay:
        """The way from the base to the answer, with as many steps as have room."""
        return WaterfallDisplay.from_explanation(self.explanation, confidence_level=self.confidence_level)

    @cached_property
    def values(self) -> pd.DataFrame:
        """Every feature's value and interval, the largest first."""
        n = len(self.explanation.feature_names)
        whole_way = WaterfallDisplay.from_explanation(
            self.explanation, max_features=n, confidence_level=self.confidence_level
        )
        steps = whole_way.frame()
        return steps[steps["step"] == "feature"].reset_index(drop=True)

    @cached_property
    def scale(self) -> Scale:
        """How its numbers are written: with the digits of the picture."""
        steps = self.display.frame()
        parts = steps.loc[~steps["step"].isin(ENDS), "value"].to_numpy()
        is_idle = np.abs(parts).max(initial=0.0) <= self.rounding
        return Scale.of_parts([self.base, self.output] if is_idle else parts, self.in_shares)

    @property
    def rounding(self) -> float:
        """What is no more than rounding."""
        return _NOTHING * max(abs(self.base), abs(self.output))

    @property
    def shown(self) -> pd.DataFrame:
        """The values and their ends as they are written, so that no more is claimed than can be read."""
        digits, factor = self.scale.decimals, self.scale.factor
        return self.values.assign(
            **{name: (self.values[name] * factor).round(digits) for name in ("value", "low", "high")}
        )

    @property
    def surely(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The values that surely raise the answer, and those that surely lower it, as far as is written."""
        shown = self.shown
        return self.values[shown["low"] > 0], self.values[shown["high"] < 0]

    @property
    def gap(self) -> float:
        """What is to be explained."""
        return self.end - self.base

    @property
    def adds_up(self) -> bool:
        """Whether the values sum to what is to be explained, as far as is written."""
        return self.scale.change(self.total - self.gap) == self.scale.change(0.0)

    @property
    def total(self) -> float:
        """Sum of all values."""
        return float(self.values["value"].sum())
